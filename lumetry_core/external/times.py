"""Reading the times that providers write."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from lumetry_core.runtime.clock import to_ms

PATTERN = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2})(?::(\d{2})(?:[.,](\d{1,60}))?)?([Zz]|[+-]\d{2}(?::?\d{2})?)?",
    re.ASCII,
)
LAST_SECOND = 253_370_764_799
"""The end of the year 9998: to any time that is taken in a span can be added, which the calendar ends for later ones."""


@lru_cache(maxsize=4096)
def parse_ms(text: str) -> int | None:
    """Milliseconds since the Unix epoch of an ISO-8601 time, finer digits cut off; without offset it is UTC. None: not a time."""
    match = PATTERN.fullmatch(text)
    if match is None:
        return None
    day, minute, second, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{minute}:{second or '00'}").replace(tzinfo=UTC)
        return to_ms(moment - offset_of(zone)) + int((fraction or "")[:3].ljust(3, "0"))
    except (ValueError, OverflowError):
        return None


def offset_of(zone: str | None) -> timedelta:
    """How far a zone such as `+02:00` is ahead of UTC."""
    if zone is None or zone in "Zz":
        return timedelta()
    digits = zone[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        raise ValueError(zone)
    return (1 if zone[0] == "+" else -1) * timedelta(hours=hours, minutes=minutes)
