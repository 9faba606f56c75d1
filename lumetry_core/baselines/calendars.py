"""The public holidays of countries, as the optional package `holidays` knows them."""

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from lumetry_core.baselines.drafts import CalendarDraft
from lumetry_core.baselines.validation import check_time_zone
from lumetry_core.runtime.errors import Faults, LumetryError, Reason

if TYPE_CHECKING:
    from holidays import HolidayBase

YEARS = (1970, 2100)
MAX_YEARS = 20
COUNTRY = re.compile(r"[A-Z]{2,3}")
LANGUAGE = "en_US"
"""Without it names would be in the language of whoever runs the process."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days with their names, ascending. `time_zone` None: none was chosen."""

    days: tuple[tuple[date, str], ...]
    time_zone: str | None


def read_calendar(draft: CalendarDraft) -> Calendar:
    """Finds the public holidays that are meant. To be called by one thread at a time, as it listens to warnings.

    Fails with VALIDATION_FAILED (`country`, `subdivision`, `year`, `timeZone`), and with CONFLICT when the package is not installed.
    """
    faults = Faults()
    least, most = YEARS
    faults.check(bool(draft.years), "year", "is required")
    faults.check(len(draft.years) <= MAX_YEARS, "year", f"must be at most {MAX_YEARS} years")
    faults.check(all(least <= year <= most for year in draft.years), "year", f"must be between {least} and {most}")
    time_zone = check_time_zone(draft.time_zone, faults) if draft.time_zone else None
    years = sorted({year for year in draft.years if least <= year <= most}) if len(draft.years) <= MAX_YEARS else []
    found = find_holidays(draft.country.strip().upper(), (draft.subdivision or "").strip(), years, faults)
    missing = [str(year) for year in years if found is not None and all(day.year != year for day in found)]
    faults.check(not missing, "year", f"{', '.join(missing)} has no known public holidays in {draft.country.strip().upper()}")
    faults.raise_if_any()
    return Calendar(tuple(sorted((found or {}).items())), time_zone)


def find_holidays(country: str, subdivision: str, years: list[int], faults: Faults) -> "HolidayBase | None":
    """The holidays of a country or a part of it; None, with a fault noted, when the package does not know it."""
    # Of a country whose part is meant only the parts are asked for, no days.
    nationwide = load(country, None, [] if subdivision else years, faults) if COUNTRY.fullmatch(country) else None
    if nationwide is None:
        faults.add("country", "must be the ISO 3166-1 code of a country with a known calendar, such as DE")
        return None
    if not subdivision:
        return nationwide
    found = load(country, subdivision, years, faults)
    if found is None:
        known = ", ".join(nationwide.subdivisions) or "none"
        faults.add("subdivision", f"must be one that the calendar of {country} knows: {known}")
    return found


def load(country: str, subdivision: str | None, years: list[int], faults: Faults) -> "HolidayBase | None":
    """Asks the package; None when it does not know the country or its part. Notes a fault when it knows only some of the holidays."""
    country_holidays = find_package()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found = country_holidays(country, subdiv=subdivision, years=years, language=LANGUAGE)
        except NotImplementedError:
            return None
    partial = sorted({str(each.message) for each in told if issubclass(each.category, UserWarning)})
    faults.check(not partial, "year", f"is not known in full for {country}: {' '.join(partial)}")
    return found


def find_package() -> "Callable[..., HolidayBase]":
    """Imports the package, which takes a while the first time. Fails with CONFLICT when it is not installed."""
    try:
        from holidays import country_holidays  # noqa: PLC0415 -- optional
    except ImportError as error:
        message = "Calendars of public holidays are not installed. Install them with: pip install 'lumetry[holidays]'"
        raise LumetryError(Reason.CONFLICT, message, type="Package", id="holidays", state="missing") from error
    return country_holidays
