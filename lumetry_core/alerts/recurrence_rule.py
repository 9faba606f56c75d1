"""Recurrence rules as RFC 5545 writes them, without rules by hour, minute or second (contract lumetry 19.6)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache

MAX_TEXT = 500
MAX_INTERVAL = 1000
MAX_COUNT = 10**9 - 1
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
UNTIL = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?", re.ASCII)
BAD_UNTIL = "must have a date or time such as 20261231 or 20261231T220000Z in UNTIL"
WEEKDAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
NUMBER = re.compile(r"[+-]?\d{1,9}", re.ASCII)


class Frequency(StrEnum):
    """How often."""

    YEARLY = "YEARLY"
    MONTHLY = "MONTHLY"
    WEEKLY = "WEEKLY"
    DAILY = "DAILY"


class UnreadableRule(ValueError):  # noqa: N818 -- says what it is
    """A recurrence rule that is not supported, with the reason for people."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A readable recurrence rule.

    Args:
        until: Last moment at which an occurrence may start: a day, a local time (naive) or a moment (aware); None: none.
        weekdays: Pairs of a weekday from 0 (Monday) and which of them, negative from the end; 0 is every one.
        positions: Which of the days of a period that all else gives, negative from the end.
    """

    frequency: Frequency
    interval: int
    count: int | None
    until: date | datetime | None
    week_start: int
    weekdays: tuple[tuple[int, int], ...] = ()
    months: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    year_days: tuple[int, ...] = ()
    weeks: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()


RANGES: Mapping[str, tuple[str, int, bool]] = {
    "BYMONTH": ("months", 12, False),
    "BYMONTHDAY": ("month_days", 31, True),
    "BYYEARDAY": ("year_days", 366, True),
    "BYWEEKNO": ("weeks", 53, True),
    "BYSETPOS": ("positions", 366, True),
}
"""The rule's field, the largest number, and whether it may count from the end."""
ALLOWED: Mapping[str, frozenset[Frequency]] = {
    "BYMONTHDAY": frozenset({Frequency.DAILY, Frequency.MONTHLY, Frequency.YEARLY}),
    "BYYEARDAY": frozenset({Frequency.YEARLY}),
    "BYWEEKNO": frozenset({Frequency.YEARLY}),
}
"""Frequencies that RFC 5545 allows a part with, where not all."""
KNOWN = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *RANGES})
BY_TIME = ("BYHOUR", "BYMINUTE", "BYSECOND")


@lru_cache(maxsize=4096)
def parse_rule(text: str) -> Rule:
    """Reads an RRULE value.

    Raises:
        UnreadableRule: It is no such value, or one that is not supported.
    """
    if len(text) > MAX_TEXT:
        raise UnreadableRule(f"must have at most {MAX_TEXT} characters")
    parts = split_parts(text.upper())
    if parts.get("FREQ") not in Frequency.__members__:
        raise UnreadableRule("must have FREQ with DAILY, WEEKLY, MONTHLY or YEARLY")
    frequency = Frequency[parts["FREQ"]]
    if "COUNT" in parts and "UNTIL" in parts:
        raise UnreadableRule("must not have both COUNT and UNTIL")
    for name, frequencies in ALLOWED.items():
        if name in parts and frequency not in frequencies:
            raise UnreadableRule(f"must not have {name} with FREQ={frequency.name}")
    chosen = {RANGES[name][0]: parse_numbers(name, parts[name]) for name in RANGES if name in parts}
    weekdays = parse_weekdays(parts["BYDAY"], frequency, weeks="BYWEEKNO" in parts) if "BYDAY" in parts else ()
    if "BYSETPOS" in parts and not weekdays and len(chosen) == 1:
        raise UnreadableRule("must have another BY part with BYSETPOS")
    return Rule(
        frequency=frequency,
        interval=parse_count("INTERVAL", parts.get("INTERVAL", "1"), MAX_INTERVAL),
        count=parse_count("COUNT", parts["COUNT"], MAX_COUNT) if "COUNT" in parts else None,
        until=parse_until(parts["UNTIL"]) if "UNTIL" in parts else None,
        week_start=parse_weekday(parts.get("WKST", "MO")),
        weekdays=weekdays,
        **chosen,
    )


def split_parts(text: str) -> dict[str, str]:
    """The parts of a rule by name."""
    parts: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise UnreadableRule("must be an RFC 5545 RRULE value such as FREQ=WEEKLY;BYDAY=SU")
        if name in parts:
            raise UnreadableRule(f"must have {name} only once")
        if name in BY_TIME:
            raise UnreadableRule(f"must not have {name}, as occurrences start at the time of day of startTime")
        if name not in KNOWN:
            raise UnreadableRule(f"has the unknown part {name[:20]!r}")
        parts[name] = value
    return parts


def parse_numbers(name: str, text: str) -> tuple[int, ...]:
    """The numbers of a part."""
    _, largest, signed = RANGES[name]
    numbers = tuple(int(item) if NUMBER.fullmatch(item) else 0 for item in text.split(","))
    if not all(1 <= (abs(number) if signed else number) <= largest for number in numbers):
        raise UnreadableRule(f"must have numbers of 1 to {largest}{' or -1 to -' + str(largest) if signed else ''} in {name}")
    return numbers


def parse_weekdays(text: str, frequency: Frequency, *, weeks: bool) -> tuple[tuple[int, int], ...]:
    """The weekdays of `BYDAY`."""
    found = []
    for item in text.split(","):
        match = WEEKDAY.fullmatch(item)
        ordinal = int(match[1] or 0) if match else 0
        if match is None or abs(ordinal) > 53 or (match[1] and not ordinal):
            raise UnreadableRule("must have weekdays such as MO or -1SU in BYDAY")
        if ordinal and (frequency not in (Frequency.MONTHLY, Frequency.YEARLY) or weeks):
            raise UnreadableRule("must have numbered weekdays only with FREQ=MONTHLY, or FREQ=YEARLY without BYWEEKNO")
        found.append((WEEKDAYS.index(match[2]), ordinal))
    return tuple(found)


def parse_weekday(text: str) -> int:
    """A weekday from 0, Monday."""
    if text not in WEEKDAYS:
        raise UnreadableRule("must have a weekday such as MO in WKST")
    return WEEKDAYS.index(text)


def parse_count(name: str, text: str, largest: int) -> int:
    """A positive number."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:12]) <= largest:
        raise UnreadableRule(f"must have 1 to {largest} in {name}")
    return int(text)


def parse_until(text: str) -> date | datetime:
    """The end of a rule."""
    match = UNTIL.fullmatch(text)
    if match is None:
        raise UnreadableRule(BAD_UNTIL)
    try:
        day = datetime.strptime(match[1], "%Y%m%d").replace(tzinfo=UTC)
        if match[2] is None:
            return day.date()
        clock = datetime.strptime(match[2], "%H%M%S").replace(tzinfo=UTC).time()
    except ValueError as error:
        raise UnreadableRule(BAD_UNTIL) from error
    return datetime.combine(day.date(), clock, UTC if match[3] else None)
