"""Times of entries: to the nanosecond, in the forms of contract logs 2.2."""

import re
from datetime import date
from functools import lru_cache

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

CLOCK = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}):(\d{2}):(\d{2})", re.ASCII)
CLOCK_LENGTH, MAX_LENGTH = 19, 35
REST = re.compile(r"(?:\.(\d{1,9}))?(?:Z|([+-])(\d{2}):?(\d{2}))?", re.ASCII)
EPOCH_DAY = date(1970, 1, 1).toordinal()
DAY_SECONDS = 86_400
FIRST_SECOND = (1 - EPOCH_DAY) * DAY_SECONDS
LAST_SECOND = (date.max.toordinal() + 1 - EPOCH_DAY) * DAY_SECONDS - 1

Moment = tuple[int, int]
"""Seconds since the Unix epoch, and nanoseconds."""


def parse_moment(text: str) -> Moment | None:
    """A time, saturated to the calendar's first and last second; without offset it is UTC. None: not a time.

    Entries of a batch share most seconds, and fractions too, so the halves are read once each.
    """
    if len(text) > MAX_LENGTH:  # nothing longer is remembered
        return None
    seconds, rest = parse_clock(text[:CLOCK_LENGTH]), parse_rest(text[CLOCK_LENGTH:])
    if seconds is None or rest is None:
        return None
    nanos, offset = rest
    return (min(max(seconds - offset, FIRST_SECOND), LAST_SECOND) if offset else seconds), nanos


@lru_cache(maxsize=8192)
def parse_clock(text: str) -> int | None:
    """Seconds since the Unix epoch of a date and a time of day; a leap second counts as the second before it."""
    match = CLOCK.fullmatch(text)
    if match is None:
        return None
    try:
        days = date.fromisoformat(match[1]).toordinal() - EPOCH_DAY
    except ValueError:
        return None
    hour, minute, second = int(match[2]), int(match[3]), int(match[4])
    if hour > 23 or minute > 59 or second > 60:
        return None
    return days * DAY_SECONDS + (hour * 60 + minute) * 60 + min(second, 59)


@lru_cache(maxsize=8192)
def parse_rest(text: str) -> tuple[int, int] | None:
    """Nanoseconds, and the seconds by which the zone is ahead of UTC."""
    match = REST.fullmatch(text)
    if match is None:
        return None
    nanos = int(match[1].ljust(9, "0")) if match[1] else 0
    if match[2] is None:
        return nanos, 0
    hours, minutes = int(match[3]), int(match[4])
    if hours > 23 or minutes > 59:
        return None
    return nanos, (1 if match[2] == "+" else -1) * (hours * 60 + minutes) * 60


def read_time(text: str) -> Timestamp | None:
    """A time as protobuf; None: not a time."""
    moment = parse_moment(text)
    return None if moment is None else Timestamp(seconds=moment[0], nanos=moment[1])


def format_time(timestamp: Timestamp) -> str:
    """A time in UTC with `Z`; the fraction has as many groups of three digits as it needs."""
    fraction = f"{timestamp.nanos:09d}"
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    return f"{np.datetime64(timestamp.seconds, 's')}{'.' if fraction else ''}{fraction}Z"
