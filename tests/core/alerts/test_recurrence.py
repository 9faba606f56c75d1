from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from dateutil import rrule
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lumetry_core.alerts.recurrence import Recurrence, days, find_occurrence, has_occurrence, next_start, starts
from lumetry_core.alerts.recurrence_rule import WEEKDAYS, parse_rule

MINUTE = timedelta(minutes=1)
BERLIN = ZoneInfo("Europe/Berlin")
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC)),  # half an hour
    ("Australia/Lord_Howe", datetime(2026, 10, 3, tzinfo=UTC)),
    ("America/Santiago", datetime(2026, 9, 6, tzinfo=UTC)),  # at midnight
    ("Pacific/Apia", datetime(2011, 12, 30, tzinfo=UTC)),  # a whole day is left out
    ("Asia/Kolkata", datetime(2026, 3, 29, tzinfo=UTC)),
]


def at(*moment: int) -> datetime:
    """A UTC time."""
    return datetime(*moment, tzinfo=UTC)  # type: ignore[arg-type,misc]


def recur(rule: str, start: datetime, hours: float = 1, zone: str = "UTC") -> Recurrence:
    """A recurrence."""
    return Recurrence(parse_rule(rule), start, timedelta(hours=hours), ZoneInfo(zone))


def midnight(day: date) -> datetime:
    """The begin of a day, without a time zone."""
    return datetime.combine(day, datetime.min.time())


def first_starts(recurrence: Recurrence, count: int, since: datetime | None = None) -> list[datetime]:
    """So many starts."""
    return list(islice(starts(recurrence, since or recurrence.start_time), count))


def test_starts_keep_the_local_time() -> None:
    """An occurrence at 22:30 in Berlin is at 20:30 UTC in summer and at 21:30 UTC in winter."""
    sundays = recur("FREQ=WEEKLY;BYDAY=SU", at(2026, 10, 18, 20, 30), zone="Europe/Berlin")
    assert first_starts(sundays, 3) == [at(2026, 10, 18, 20, 30), at(2026, 10, 25, 21, 30), at(2026, 11, 1, 21, 30)]


def test_starts_in_a_skipped_hour_move_forward() -> None:
    """02:30 does not exist on the day when clocks go forward, so the occurrence starts at 03:30."""
    nightly = recur("FREQ=DAILY", at(2026, 3, 28, 1, 30), zone="Europe/Berlin")
    assert first_starts(nightly, 3) == [at(2026, 3, 28, 1, 30), at(2026, 3, 29, 1, 30), at(2026, 3, 30, 0, 30)]
    assert first_starts(nightly, 2)[1].astimezone(BERLIN).hour == 3


def test_starts_in_a_doubled_hour_are_the_first() -> None:
    """02:30 exists twice on the day when clocks go back."""
    nightly = recur("FREQ=DAILY", at(2026, 10, 24, 0, 30), zone="Europe/Berlin")
    assert first_starts(nightly, 3) == [at(2026, 10, 24, 0, 30), at(2026, 10, 25, 0, 30), at(2026, 10, 26, 1, 30)]


def test_starts_begin_with_the_given_one() -> None:
    """The first occurrence is the given one even where the rule says another day, and counts."""
    tuesday = at(2026, 6, 2, 8)
    assert first_starts(recur("FREQ=WEEKLY;BYDAY=MO;COUNT=3", tuesday), 9) == [tuesday, at(2026, 6, 8, 8), at(2026, 6, 15, 8)]


@pytest.mark.parametrize(
    ("end", "count"),
    [("20260603", 3), ("20260603T080000", 3), ("20260603T060000Z", 3), ("20260603T075959", 2), ("20260603T055959Z", 2), ("20260601", 1)],
)
def test_starts_stop_at_the_end_of_the_rule(end: str, count: int) -> None:
    """UNTIL includes its moment; a day ends at midnight in the time zone."""
    assert len(first_starts(recur(f"FREQ=DAILY;UNTIL={end}", at(2026, 6, 1, 6), zone="Europe/Berlin"), 9)) == count


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYDAY=MO;BYSETPOS=2",
        "FREQ=YEARLY;INTERVAL=1000;BYYEARDAY=366;BYMONTH=1",
        "FREQ=MONTHLY;BYDAY=5MO;BYMONTHDAY=1",
        "FREQ=DAILY;UNTIL=20260531",
        "FREQ=WEEKLY;BYDAY=SU;UNTIL=20260602",
    ],
)
def test_has_occurrence_finds_none(rule: str) -> None:
    """A rule that never comes true, or not before its end, has none, which is found out by looking at some twenty thousand days."""
    assert not has_occurrence(recur(rule, at(2026, 6, 1, 8)))


@pytest.mark.parametrize(
    ("rule", "start"),
    [
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", at(2097, 1, 1)),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", at(2026, 1, 1)),
        ("FREQ=DAILY;COUNT=999999999", at(2026, 1, 1)),
        ("FREQ=YEARLY;INTERVAL=1000", at(2199, 12, 31)),
    ],
)
def test_has_occurrence_finds_rare_ones(rule: str, start: datetime) -> None:
    """Leap days lie up to eight years apart, those on Mondays up to forty."""
    assert has_occurrence(recur(rule, start))


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize(("end", "count"), [("99991231", 3), ("99991231T235959", 3), ("99991231T235959Z", 3), ("00010101T000000", 1)])
def test_starts_up_to_the_ends_of_the_calendar(zone: str, end: str, count: int) -> None:
    """They stand for always and never, and are no moments of the calendar in UTC."""
    daily = recur(f"FREQ=DAILY;UNTIL={end}", at(2026, 6, 1, 6), zone=zone)
    assert len(first_starts(daily, 3)) == count
    assert has_occurrence(daily) is (count > 1)


def test_find_occurrence_tells_the_present_or_next_one() -> None:
    """The end belongs to the next occurrence already; after the last there is none."""
    three = recur("FREQ=DAILY;COUNT=3", at(2026, 6, 1, 8), hours=2)
    first, second = (at(2026, 6, 1, 8), at(2026, 6, 1, 10)), (at(2026, 6, 2, 8), at(2026, 6, 2, 10))
    assert [find_occurrence(three, now) for now in (at(2026, 5, 1), first[0], first[1] - MINUTE, first[1])] == [first, first, first, second]
    assert find_occurrence(three, at(2026, 6, 3, 10)) is None
    assert next_start(three, first[0]) == second[0]
    assert next_start(three, at(2026, 6, 3, 8)) is None


def test_find_occurrence_merges_what_overlaps() -> None:
    """Monday to Wednesday, 30 hours each, are one occurrence, during which the next start is still told."""
    long = recur("FREQ=WEEKLY;BYDAY=MO,TU,WE", at(2026, 6, 1, 8), hours=30)
    assert find_occurrence(long, at(2026, 6, 1, 9)) == (at(2026, 6, 1, 8), at(2026, 6, 4, 14))
    assert find_occurrence(long, at(2026, 6, 4, 14)) == (at(2026, 6, 8, 8), at(2026, 6, 11, 14))
    assert next_start(long, at(2026, 6, 1, 9)) == at(2026, 6, 2, 8)


def test_find_occurrence_that_never_ends() -> None:
    """Days that touch each other are followed a bounded way; asked again at that end the occurrence goes on."""
    always = recur("FREQ=DAILY", at(2026, 6, 1), hours=24)
    found = find_occurrence(always, at(2026, 6, 1))
    assert found == (at(2026, 6, 1), at(2026, 6, 1) + timedelta(days=401))
    assert find_occurrence(always, found[1]) == (found[1], found[1] + timedelta(days=401))


def test_find_occurrence_long_after_the_first() -> None:
    """Far from the first occurrence the phase of the interval and the count still hold."""
    assert find_occurrence(recur("FREQ=DAILY;INTERVAL=3", at(1970, 1, 1)), at(2026, 6, 1)) == (at(2026, 6, 3), at(2026, 6, 3, 1))
    assert find_occurrence(recur("FREQ=MONTHLY;COUNT=12", at(1970, 1, 31)), at(2026, 6, 1)) is None
    endless = recur("FREQ=DAILY;COUNT=999999999", at(1970, 1, 1))
    assert find_occurrence(endless, at(2026, 6, 1, 2)) == (at(2026, 6, 2), at(2026, 6, 2, 1))


weekdays = st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=3, unique=True)


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Rules of every frequency that come true: `dateutil` looks for others until the year 9999."""
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={frequency}", f"INTERVAL={draw(st.integers(1, 4))}"]
    chosen = draw(st.sampled_from([(), ("BYDAY",), ("BYMONTHDAY",), ("BYYEARDAY",), ("BYMONTH",), ("BYDAY", "BYMONTH")]))
    if "BYDAY" in chosen:
        names = draw(weekdays)
        if frequency in ("MONTHLY", "YEARLY") and draw(st.booleans()):  # `dateutil` wants days to be both where some are numbered
            names = [f"{draw(st.sampled_from(['1', '2', '-1', '5']))}{name}" for name in names]
        parts.append(f"BYDAY={','.join(names)}")
    if "BYMONTH" in chosen and frequency != "MONTHLY":
        parts.append(f"BYMONTH={draw(st.sampled_from(['1', '3,12', '1,5,7,8,10']))}")
    if "BYMONTHDAY" in chosen and frequency != "WEEKLY":
        parts.append(f"BYMONTHDAY={','.join(map(str, draw(st.lists(st.sampled_from([1, 15, 28, 31, -1, -3]), min_size=1, unique=True))))}")
    if "BYYEARDAY" in chosen and frequency == "YEARLY":
        parts.append(f"BYYEARDAY={draw(st.sampled_from(['1', '60', '365', '-1', '100,200']))}")
    if len(parts) > 2 and frequency in ("MONTHLY", "YEARLY"):
        parts += draw(st.sampled_from([[], ["BYSETPOS=1"], ["BYSETPOS=-1,2"]]))
    if draw(st.booleans()):
        parts.append(f"WKST={draw(st.sampled_from(WEEKDAYS))}")
    return ";".join(parts)


@settings(max_examples=200, deadline=None)
@given(rule=rules(), first=st.dates(date(2020, 1, 1), date(2030, 1, 1)), later=st.integers(0, 2000))
def test_days_are_those_of_dateutil(rule: str, first: date, later: int) -> None:
    """Enumerated from any later day on, the days are the same as an independent library finds from the first on."""
    since = first + timedelta(days=later)
    end = min(since + timedelta(days=1500), date(2036, 1, 1))
    oracle = rrule.rrulestr(rule, dtstart=midnight(first))
    expected = [moment.date() for moment in oracle.between(midnight(first), midnight(end), inc=True)]
    found = []
    for day in days(parse_rule(rule), first, since):
        if day > end:
            break
        found.append(day)
    assert found == [day for day in expected if day >= since]


@settings(max_examples=50, deadline=None)
@given(
    change=st.sampled_from(CHANGES),
    rule=st.sampled_from(["FREQ=DAILY", "FREQ=DAILY;INTERVAL=2", "FREQ=WEEKLY;BYDAY=SA,SU,MO", "FREQ=DAILY;COUNT=5", "FREQ=DAILY;COUNT=1"]),
    days_before=st.integers(0, 3),
    minute=st.integers(0, 24 * 60 - 1),
    duration=st.sampled_from([1, 15, 60, 90, 24 * 60, 30 * 60]),
)
def test_find_occurrence_agrees_with_every_minute(
    change: tuple[str, datetime], rule: str, days_before: int, minute: int, duration: int
) -> None:
    """Around clock changes an occurrence lasts at exactly those minutes at which a local clock, read minute by minute, says so."""
    zone = ZoneInfo(change[0])
    start = change[1] - timedelta(days=days_before) + timedelta(minutes=minute)
    recurrence = Recurrence(parse_rule(rule), start, timedelta(minutes=duration), zone)
    assume(start.astimezone(zone).fold == 0)
    minutes = [start - timedelta(hours=2) + offset * MINUTE for offset in range(6 * 24 * 60)]
    begun = oracle_starts(recurrence, minutes)
    lasting: set[datetime] = set()
    for begin in begun:
        lasting.update(begin + offset * MINUTE for offset in range(duration))
    edges = {begin + offset * MINUTE for begin in begun for offset in (-1, 0, duration - 1, duration)}
    for moment in {*minutes[::61], *(edge for edge in edges if edge <= minutes[-1])}:
        found = find_occurrence(recurrence, moment)
        assert (found is not None and found[0] <= moment < found[1]) == (moment in lasting), moment


def oracle_starts(recurrence: Recurrence, minutes: list[datetime]) -> list[datetime]:
    """The starts, found by walking along a wall clock: the first minute of a wanted day that shows the time, or the skip over it.

    A clock that skips the time shows, when it is as far past the skip as the time was past its begin, the time and the skip.
    """
    wanted = recurrence.first
    first_day = wanted.date()
    readings: dict[datetime, datetime] = {}
    for moment in minutes:
        readings.setdefault(moment.astimezone(recurrence.zone).replace(tzinfo=None, fold=0), moment)
    found = []
    oracle = rrule.rrulestr(rule_text(recurrence), dtstart=midnight(first_day))
    listed = list(oracle.between(midnight(first_day), readings_end(minutes, recurrence), inc=True))
    chosen = sorted({first_day, *(moment.date() for moment in listed)})
    limit = recurrence.rule.count or len(chosen)
    for day in chosen[:limit]:
        local = datetime.combine(day, wanted.time())
        if day == first_day:
            found.append(recurrence.start_time)
        elif local in readings:
            found.append(readings[local])
        else:
            shown = max((reading for reading in readings if reading < local), default=None)
            if shown is not None:  # the last minute before the skip, and as many more as the time lies after it
                found.append(readings[shown] + (local - shown))
    return found


def rule_text(recurrence: Recurrence) -> str:
    """The rule without its count."""
    rule = recurrence.rule
    names = f";BYDAY={','.join(WEEKDAYS[day] for day, _ in rule.weekdays)}" if rule.weekdays else ""
    return f"FREQ={rule.frequency};INTERVAL={rule.interval}{names}"


def readings_end(minutes: list[datetime], recurrence: Recurrence) -> datetime:
    """The local day in which the minutes end."""
    return minutes[-1].astimezone(recurrence.zone).replace(tzinfo=None)
