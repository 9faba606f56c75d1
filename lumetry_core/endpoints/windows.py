"""Uptime of an endpoint over windows that end now: what is recent from single checks, what is older from days (contract monitoring 5.2)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

WINDOWS = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
}
COUNTED_SINGLY = timedelta(hours=24)
"""Windows up to this are counted check by check."""


@dataclass(frozen=True, slots=True)
class Span:
    """A window in parts: checks from `start` to `until`, and whole days since `first_day`."""

    start: datetime
    until: datetime
    first_day: date | None


def split(window: timedelta, now: datetime, checks_kept: timedelta) -> Span:
    """A longer window begins within a day: of that one single checks count, as long as they are kept, else the whole day does."""
    start = now - window
    if window <= COUNTED_SINGLY:
        return Span(start, now + timedelta(days=1), None)
    day = start.astimezone(UTC).date()
    if window >= checks_kept:
        return Span(start, start, day)
    midnight = datetime.combine(day + timedelta(days=1), time(), UTC)
    return Span(start, midnight, day + timedelta(days=1))
