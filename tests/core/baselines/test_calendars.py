import sys
from datetime import date

import pytest

from lumetry_core.baselines.calendars import read_calendar
from lumetry_core.baselines.drafts import CalendarDraft
from lumetry_core.runtime.errors import Fault, LumetryError, Reason


def failure_of(**draft: object) -> LumetryError:
    with pytest.raises(LumetryError) as failure:
        read_calendar(CalendarDraft(**draft))
    return failure.value


def test_read_calendar_knows_a_country() -> None:
    """Days ascend and have English names, whatever the locale; letter case of the code does not matter."""
    calendar = read_calendar(CalendarDraft(country=" de ", years=(2026,)))
    assert calendar.days == (
        (date(2026, 1, 1), "New Year's Day"),
        (date(2026, 4, 3), "Good Friday"),
        (date(2026, 4, 6), "Easter Monday"),
        (date(2026, 5, 1), "Labor Day"),
        (date(2026, 5, 14), "Ascension Day"),
        (date(2026, 5, 25), "Pentecost Monday"),
        (date(2026, 10, 3), "German Unity Day"),
        (date(2026, 12, 25), "Christmas Day"),
        (date(2026, 12, 26), "Second Day of Christmas"),
    )
    assert calendar.time_zone is None


def test_read_calendar_knows_parts_of_a_country() -> None:
    """A part has the country's days and its own; several years come together."""
    calendar = read_calendar(CalendarDraft(country="DE", subdivision="BY", years=(2027, 2026, 2026), time_zone="Europe/Berlin"))
    assert (date(2026, 1, 6), "Epiphany") in calendar.days
    assert [day for day, _ in calendar.days] == sorted(day for day, _ in calendar.days)
    assert {day.year for day, _ in calendar.days} == {2026, 2027}
    assert calendar.time_zone == "Europe/Berlin"


def test_read_calendar_names_every_fault() -> None:
    """All faults come together; unknown parts are answered with the known ones."""
    zone = Fault("timeZone", "must be the IANA name of a time zone, such as Europe/Berlin")
    country = Fault("country", "must be the ISO 3166-1 code of a country with a known calendar, such as DE")
    assert failure_of(country="XX", years=(1969, 2026), time_zone="Mars/Base").faults == (
        Fault("year", "must be between 1970 and 2100"),
        zone,
        country,
    )
    assert failure_of().faults == (Fault("year", "is required"), country)
    assert failure_of(country="HolidayBase", years=(2026,)).faults == (country,)
    assert failure_of(country="GB", subdivision="XX", years=(2026,)).faults == (
        Fault("subdivision", "must be one that the calendar of GB knows: ENG, NIR, SCT, WLS"),
    )
    assert failure_of(country="DE", years=tuple(range(1970, 1991))).faults == (Fault("year", "must be at most 20 years"),)


def test_read_calendar_says_when_a_year_is_unknown() -> None:
    """A year for which the calendar has nothing is no year without holidays."""
    assert failure_of(country="PS", years=(1970,)).faults == (Fault("year", "1970 has no known public holidays in PS"),)


def test_read_calendar_refuses_years_that_it_knows_in_part() -> None:
    """Some holidays of a year would be worse than none: people would believe that they have them all."""
    failure = failure_of(country="IN", subdivision="MH", years=(2036,))
    assert failure.faults == (Fault("year", "is not known in full for IN: Requested Holidays are available only from 2001 to 2035."),)
    assert failure_of(country="IN", years=(2000, 2026)).faults == failure.faults
    assert len(read_calendar(CalendarDraft(country="IN", years=(2026,))).days) > 10


def test_read_calendar_tells_how_to_install_calendars(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the optional package the failure names the way to get it."""
    monkeypatch.setitem(sys.modules, "holidays", None)
    failure = failure_of(country="DE", years=(2026,))
    assert (failure.reason, failure.message) == (
        Reason.CONFLICT,
        "Calendars of public holidays are not installed. Install them with: pip install 'lumetry[holidays]'",
    )
