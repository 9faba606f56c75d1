"""Times as text: reading any ISO-8601 time, one by one or a whole column, and writing them (contract lumetry 1.3)."""

import re
from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from google.protobuf.timestamp_pb2 import Timestamp

PATTERN = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,60}))?)?([Zz]|[+-]\d{2}(?::?\d{2})?)?",
    re.ASCII,
)
EPOCH_DAY = date(1970, 1, 1).toordinal()
DAY_MS = 86_400_000
FIRST_MS = (1 - EPOCH_DAY) * DAY_MS
LAST_MS = (date.max.toordinal() + 1 - EPOCH_DAY) * DAY_MS - 1
LONGEST_MS = np.iinfo(np.int64).max // 1_000_000
"""Farthest from the epoch that nanoseconds in 64 bits reach."""
FEW_DISTINCT = 4
"""A column with at least so many repetitions per text is read text by text."""


@lru_cache(maxsize=8192)
def parse_ms(text: str) -> int | None:
    """Milliseconds since the Unix epoch of an ISO-8601 time, finer digits cut off; without offset it is UTC. None: not a time."""
    match = PATTERN.fullmatch(text)
    if match is None:
        return None
    try:
        day = date.fromisoformat(match[1]).toordinal() - EPOCH_DAY
    except ValueError:
        return None
    hour, minute, second = int(match[2]), int(match[3]), int(match[4] or 0)
    offset = parse_offset_ms(match[6] or "")
    if hour > 23 or minute > 59 or second > 59 or offset is None:
        return None
    fraction = int((match[5] or "")[:3].ljust(3, "0"))
    return day * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + fraction - offset


def parse_offset_ms(text: str) -> int | None:
    """Milliseconds by which a zone such as `+02:00` is ahead of UTC; None when there is no such zone."""
    if text in ("", "Z", "z"):
        return 0
    digits = text[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        return None
    return (1 if text[0] == "+" else -1) * (hours * 60 + minutes) * 60_000


def parse_timestamp(text: str) -> Timestamp | None:
    """A time as protobuf, saturated to the calendar's first and last moment; None: not a time."""
    ms = parse_ms(text)
    if ms is None:
        return None
    seconds, rest = divmod(min(max(ms, FIRST_MS), LAST_MS), 1000)
    return Timestamp(seconds=seconds, nanos=rest * 1_000_000)


def parse_column(texts: Sequence[str]) -> npt.NDArray[np.int64] | None:
    """Nanoseconds since the Unix epoch of each text, saturated; None when any is not a time.

    Texts of one layout are read together, many repetitions once.
    """
    distinct = set(texts)
    if len(distinct) * FEW_DISTINCT > len(texts):
        together = parse_layout(texts)
        if together is not None:
            return to_ns(together)
    known = {text: parse_ms(text) for text in distinct}
    if None in known.values():
        return None
    return to_ns(np.array([known[text] for text in texts], np.int64))


def to_ns(milliseconds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Nanoseconds, saturated to what 64 bits hold."""
    return np.clip(milliseconds, -LONGEST_MS, LONGEST_MS) * 1_000_000


def parse_layout(texts: Sequence[str]) -> npt.NDArray[np.int64] | None:
    """Milliseconds of texts that all look like the first one, differing in digits only; None when they do not, or one is no time."""
    first = texts[0]
    match = PATTERN.fullmatch(first)
    if match is None or match[4] is None or set(map(len, texts)) != {len(first)}:
        return None
    offset = parse_offset_ms(match[6] or "")
    joined = "".join(texts)
    if offset is None or not joined.isascii():
        return None
    rows = np.frombuffer(joined.encode(), np.uint8).reshape(len(texts), len(first))
    fraction = range(20, 20 + min(len(match[5] or ""), 3))
    places = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, *fraction]
    ignored = range(20 + len(fraction), match.end(5)) if match[5] else range(0)
    fixed = [place for place in range(len(first)) if place not in places and place not in ignored]
    digits = rows[:, places] - np.uint8(ord("0"))
    if (digits > 9).any() or (rows[:, fixed] != rows[0, fixed]).any():
        return None
    if ignored and (rows[:, ignored.start : ignored.stop] - np.uint8(ord("0")) > 9).any():
        return None
    numbers = (digits.astype(np.float64) @ weights(len(fraction))).astype(np.int64)
    dates, hours, minutes, seconds, thousandths = numbers.T
    days = days_of(dates)
    if days is None or (hours > 23).any() or (minutes > 59).any() or (seconds > 59).any():
        return None
    moments: npt.NDArray[np.int64] = days * DAY_MS + ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths - offset
    return moments


@lru_cache(maxsize=8)
def weights(fraction_digits: int) -> npt.NDArray[np.float64]:
    """What each digit counts towards date (as yyyymmdd), hours, minutes, seconds and thousandths."""
    table = np.zeros((14 + fraction_digits, 5))
    table[:8, 0] = 10.0 ** np.arange(7, -1, -1)
    for number, place in enumerate((8, 10, 12), start=1):
        table[place : place + 2, number] = (10, 1)
    table[14:, 4] = (100, 10, 1)[:fraction_digits]
    return table


def days_of(dates: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    """Days since the Unix epoch of dates written as yyyymmdd; None when one does not exist."""
    distinct, inverse = (dates[:1], None) if (dates == dates[0]).all() else np.unique(dates, return_inverse=True)
    days = np.empty(len(distinct), np.int64)
    for number, value in enumerate(distinct.tolist()):
        try:
            days[number] = date(value // 10_000, value // 100 % 100, value % 100).toordinal() - EPOCH_DAY
        except ValueError:
            return None
    return np.broadcast_to(days, dates.shape) if inverse is None else days[inverse]


@lru_cache(maxsize=65_536)
def format_ms(ms: int) -> str:
    """A time in UTC with `Z`; the fraction appears only when it is not zero."""
    text = str(np.datetime64(ms, "ms"))
    return (text.removesuffix(".000")) + "Z"


def format_time(timestamp: Timestamp) -> str:
    """A protobuf time as text, finer digits cut off."""
    return format_ms(timestamp.seconds * 1000 + timestamp.nanos // 1_000_000)
