"""When recurring periods occur: a recurrence rule in a time zone (contract lumetry 19.6).

At most one occurrence starts on a day, each at the local wall-clock time of the first one. All questions are answered from near the time
asked about, in bounded work whatever the rule.
"""

from calendar import isleap, monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from lumetry_core.alerts.recurrence_rule import Frequency, Rule

HORIZON_YEARS = 50
"""How far ahead occurrences are looked for, times the interval: a rule that has none within has none, and a COUNT that reaches beyond
never ends."""
MERGED_AT_ONCE = 400
"""Occurrences that merge without an end are followed this far; whoever asks again at that end learns the rest."""
LONGEST = timedelta(days=7)
"""An occurrence lasts at most so long."""
YEARS = range(1900, 2200)
"""In which a recurring period may first occur."""
MILLISECOND = timedelta(milliseconds=1)
DAY = timedelta(days=1)
BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Periods of one length that occur by a rule.

    Args:
        start_time: The first occurrence, whether or not the rule says so.
    """

    rule: Rule
    start_time: datetime
    duration: timedelta
    zone: ZoneInfo

    @property
    def first(self) -> datetime:
        """The local wall-clock time of the first occurrence, naive."""
        return self.start_time.astimezone(self.zone).replace(tzinfo=None, fold=0)


def has_occurrence(recurrence: Recurrence) -> bool:
    """Whether the rule gives a time at or after the first occurrence."""
    first = recurrence.first.date()
    day = next(days(recurrence.rule, first, first), None)
    end = end_of_rule(recurrence)
    return day is not None and (end is None or resolve(recurrence, day) <= end)


def find_occurrence(recurrence: Recurrence, now: datetime) -> tuple[datetime, datetime] | None:
    """Start and end of the occurrence that lasts at a time, else of the next one; None when all are over.

    Occurrences that overlap or touch are one, told from the first that lasts.
    """
    upcoming = starts(recurrence, now - recurrence.duration + MILLISECOND)
    start = next(upcoming, None)
    if start is None:
        return None
    end = start + recurrence.duration
    for following in islice(upcoming, MERGED_AT_ONCE):
        if following > end:
            break
        end = following + recurrence.duration
    return start, end


def next_start(recurrence: Recurrence, now: datetime) -> datetime | None:
    """When the next occurrence after a time starts; None when none does."""
    return next(starts(recurrence, now + MILLISECOND), None)


def starts(recurrence: Recurrence, since: datetime) -> Iterator[datetime]:
    """All starts at or after a time, ascending."""
    if recurrence.start_time >= since:
        yield recurrence.start_time
    first = recurrence.first.date()
    # a clock change moves a start to a later day by at most one
    begin = max(first + DAY, since.astimezone(recurrence.zone).date() - 2 * DAY)
    last, end = last_day(recurrence.rule, first), end_of_rule(recurrence)
    if (last is not None and begin > last) or (end is not None and since > end):
        return
    for day in days(recurrence.rule, first, begin):
        start = resolve(recurrence, day)
        if (last is not None and day > last) or (end is not None and start > end):
            return
        if start >= since:
            yield start


def resolve(recurrence: Recurrence, day: date) -> datetime:
    """When the occurrence of a day starts: fold 0 is the first of a doubled time and moves a skipped one forward."""
    return datetime.combine(day, recurrence.first.time(), recurrence.zone).astimezone(UTC)


def end_of_rule(recurrence: Recurrence) -> datetime | None:
    """The last moment, in UTC, at which an occurrence may start; None: there is none."""
    until = recurrence.rule.until
    if until is None:
        return None
    end = until if isinstance(until, datetime) else datetime.combine(until, time.max)
    try:
        return (end if end.tzinfo else end.replace(tzinfo=recurrence.zone)).astimezone(UTC)
    except OverflowError:  # beyond the calendar: it stands for always or never
        return None if end.year == MAXYEAR else BEGINNING


@lru_cache(maxsize=4096)
def last_day(rule: Rule, first: date) -> date | None:
    """The day of the last occurrence of a rule with `COUNT`, of which the first occurrence is one; None: it does not end."""
    if rule.count is None:
        return None
    last, counted = first, 1
    for day in days(rule, first, first + DAY):
        if counted == rule.count:
            return last
        last, counted = day, counted + 1
    return last if counted == rule.count else None


def days(rule: Rule, first: date, since: date) -> Iterator[date]:
    """The days that a rule gives from `since` on, ascending, up to the horizon; `COUNT` and `UNTIL` are left to the caller.

    The enumeration starts at the period of `since` that the interval meets, not at `first`.
    """
    complete = complete_rule(rule, first)
    since = max(first, since)
    for period in periods(complete, first, since):
        found = [day for day in period if matches(complete, day)]
        if rule.positions:
            count = len(found)
            found = [day for place, day in enumerate(found, 1) if place in rule.positions or place - count - 1 in rule.positions]
        yield from (day for day in found if day >= since)


def complete_rule(rule: Rule, first: date) -> Rule:
    """A rule with what RFC 5545 takes from the first occurrence where the rule does not say it."""
    if rule.frequency is Frequency.DAILY or rule.weekdays:
        return rule
    if rule.frequency is Frequency.WEEKLY or rule.weeks:
        return replace(rule, weekdays=((first.weekday(), 0),))
    if rule.month_days or rule.year_days:
        return rule
    months = rule.months or ((first.month,) if rule.frequency is Frequency.YEARLY else ())
    return replace(rule, month_days=(first.day,), months=months)


def periods(rule: Rule, first: date, since: date) -> Iterator[Sequence[date]]:
    """The days of each period from that of `since` to the horizon that lies a multiple of the interval after that of `first`."""
    last_year = min(since.year + HORIZON_YEARS * rule.interval, date.max.year - 1)
    if rule.frequency in (Frequency.DAILY, Frequency.WEEKLY):
        length = 1 if rule.frequency is Frequency.DAILY else 7
        origin = first if length == 1 else first - (first.weekday() - rule.week_start) % 7 * DAY
        step = length * rule.interval
        start = origin + (since - origin).days // step * step * DAY
        while start.year <= last_year:
            yield [start + offset * DAY for offset in range(length)]
            start += step * DAY
    elif rule.frequency is Frequency.MONTHLY:
        passed = ((since.year - first.year) * 12 + since.month - first.month) // rule.interval * rule.interval
        for month in range(first.year * 12 + first.month - 1 + passed, (last_year + 1) * 12, rule.interval):
            yield days_of_month(month // 12, month % 12 + 1)
    else:
        passed = (since.year - first.year) // rule.interval * rule.interval
        for year in range(first.year + passed, last_year + 1, rule.interval):
            yield [day for month in sorted(set(rule.months)) or range(1, 13) for day in days_of_month(year, month)]


def days_of_month(year: int, month: int) -> list[date]:
    """All days of a month."""
    return [date(year, month, day) for day in range(1, monthrange(year, month)[1] + 1)]


def matches(rule: Rule, day: date) -> bool:
    """Whether a day fulfils all that a rule says of days."""
    if rule.months and day.month not in rule.months:
        return False
    if rule.month_days and not has_place(rule.month_days, day.day, monthrange(day.year, day.month)[1]):
        return False
    if rule.year_days and not has_place(rule.year_days, day.timetuple().tm_yday, 365 + isleap(day.year)):
        return False
    if rule.weeks and not has_place(rule.weeks, *week_of(day, rule.week_start)):
        return False
    return not rule.weekdays or any(is_weekday(rule, day, weekday, which) for weekday, which in rule.weekdays)


def has_place(wanted: tuple[int, ...], place: int, count: int) -> bool:
    """Whether a place from 1 is wanted, counted from the start or, negative, from the end."""
    return place in wanted or place - count - 1 in wanted


def week_of(day: date, week_start: int) -> tuple[int, int]:
    """The number of a day's week, and how many weeks its year has: a week is of the year in which it has at least four days."""
    middle = day - (day.weekday() - week_start) % 7 * DAY + 3 * DAY
    days_in_year = 365 + isleap(middle.year)
    place = middle.timetuple().tm_yday
    return (place - 1) // 7 + 1, (place - 1) // 7 + 1 + (days_in_year - place) // 7


def is_weekday(rule: Rule, day: date, weekday: int, which: int) -> bool:
    """Whether a day is a weekday, and the one of its month or year that is meant."""
    if day.weekday() != weekday or not which:
        return day.weekday() == weekday
    if rule.frequency is Frequency.MONTHLY or rule.months:
        place, count = day.day, monthrange(day.year, day.month)[1]
    else:
        place, count = day.timetuple().tm_yday, 365 + isleap(day.year)
    return which == ((place - 1) // 7 + 1 if which > 0 else -((count - place) // 7 + 1))
