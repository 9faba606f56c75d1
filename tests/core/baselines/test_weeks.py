from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.baselines.weeks import MINUTES_PER_WEEK, WeekClock

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Casablanca",
    "Pacific/Kiritimati",
    "Pacific/Apia",
]
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def tell(zone: str, *times: str) -> list[str]:
    """Local weekday and time of day of times in UTC."""
    minutes = WeekClock(zone).minutes_of_week(np.array([ms(time) for time in times])).tolist()
    return [f"{DAYS[minute // 1440]} {minute // 60 % 24:02}:{minute % 60:02}" for minute in minutes]


@given(st.sampled_from(ZONES), st.lists(st.integers(ms("1985-01-01"), ms("2045-01-01")), max_size=30))
def test_minutes_of_week_are_those_of_the_calendar(zone: str, times: list[int]) -> None:
    """Any times of any years, near or far apart, get the weekday, hour and minute of the zone's local time."""
    moments = [(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time)).astimezone(ZoneInfo(zone)) for time in times]
    expected = [moment.weekday() * 1440 + moment.hour * 60 + moment.minute for moment in moments]
    assert WeekClock(zone).minutes_of_week(np.array(times, np.int64)).tolist() == expected


def test_minutes_of_week_wrap_at_the_end_of_the_week() -> None:
    """Sunday's last minute is the highest, Monday's first is 0; before 1970 too."""
    assert tell("UTC", "2026-06-07T23:59:59.999", "2026-06-08T00:00") == ["Sun 23:59", "Mon 00:00"]
    assert tell("UTC", "1969-12-28T23:59:59.999", "1969-12-29T00:00") == ["Sun 23:59", "Mon 00:00"]
    assert tell("Asia/Tokyo", "2026-06-07T14:59", "2026-06-07T15:00") == ["Sun 23:59", "Mon 00:00"]
    assert MINUTES_PER_WEEK == 7 * 1440


def test_minutes_of_week_in_spring_leave_an_hour_out() -> None:
    """The clocks go from 1:59 to 3:00."""
    assert tell("Europe/Berlin", "2026-03-29T00:59", "2026-03-29T01:00") == ["Sun 01:59", "Sun 03:00"]


def test_minutes_of_week_in_autumn_repeat_an_hour() -> None:
    """The hour that occurs twice gives the same minutes twice."""
    times = ("2026-10-25T00:00", "2026-10-25T00:59", "2026-10-25T01:00", "2026-10-25T01:59", "2026-10-25T02:00")
    assert tell("Europe/Berlin", *times) == ["Sun 02:00", "Sun 02:59", "Sun 02:00", "Sun 02:59", "Sun 03:00"]


def test_minutes_of_week_on_the_southern_half() -> None:
    """Summer time begins in October and ends in April; Lord Howe moves by half an hour."""
    assert tell("Australia/Sydney", "2026-10-03T15:59", "2026-10-03T16:00") == ["Sun 01:59", "Sun 03:00"]
    assert tell("Australia/Sydney", "2026-04-04T15:00", "2026-04-04T16:00") == ["Sun 02:00", "Sun 02:00"]
    assert tell("Australia/Lord_Howe", "2026-04-04T14:59", "2026-04-04T15:00") == ["Sun 01:59", "Sun 01:30"]


def test_minutes_of_week_with_odd_offsets() -> None:
    """Offsets of half and quarter hours."""
    assert tell("Asia/Kolkata", "2026-06-01T00:00") == ["Mon 05:30"]
    assert tell("Asia/Kathmandu", "2026-06-01T18:15") == ["Tue 00:00"]


def test_minutes_of_week_before_standard_time_take_whole_minutes() -> None:
    """An offset of 53 minutes and 28 seconds counts as 53 minutes."""
    assert tell("Europe/Berlin", "1880-06-01T00:00") == ["Tue 00:53"]


def test_minutes_of_week_beyond_the_calendar() -> None:
    """Times that no date names have a minute all the same."""
    times = np.array([-(2**62), 2**62])
    assert ((times // 60_000 + 3 * 1440) % MINUTES_PER_WEEK).tolist() == WeekClock("UTC").minutes_of_week(times).tolist()


@pytest.mark.parametrize(
    ("zone", "start", "end", "expected"),
    [
        ("Europe/Berlin", "2026-10-24T00:00", "2026-10-25T00:59", True),
        ("Europe/Berlin", "2026-10-25T00:59", "2026-10-25T01:00", False),
        ("Europe/Berlin", "2026-10-25T01:00", "2027-03-28T12:00", True),
        ("Europe/Berlin", "2026-01-01T00:00", "2026-12-31T00:00", False),
        ("Australia/Sydney", "2026-04-04T15:59", "2026-04-04T16:00", False),
        ("Australia/Lord_Howe", "2026-04-04T14:59", "2026-04-04T15:01", False),
        ("Asia/Kolkata", "2020-01-01T00:00", "2030-01-01T00:00", True),
    ],
)
def test_is_ascending_unless_clocks_went_back(zone: str, start: str, end: str, expected: bool) -> None:
    """Only the end of summer time within the range counts, not its beginning."""
    assert WeekClock(zone).is_ascending(ms(start), ms(end)) is expected


def test_clock_of_an_unknown_zone() -> None:
    """Names are those of the database of time zones."""
    with pytest.raises(ZoneInfoNotFoundError):
        WeekClock("Europe/Nowhere")
