from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.access.model import RateSettings
from lumetry_core.access.rates import (
    OFF,
    SECOND,
    UNKNOWN,
    UNLIMITED,
    Buckets,
    Level,
    Limit,
    SteadyTime,
    build_limits,
    per_minute,
    per_second,
    read_level,
    scale,
    take,
)
from lumetry_core.runtime.caller import RateClass

START = 1_700_000_000 * SECOND


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (per_second(2000, 4000), Limit(4000, 500_000)),
        (scale(per_second(2000, 4000), 10), Limit(40_000, 50_000)),
        (per_minute(1800), Limit(1800, 33_333_333)),
        (per_minute(1, 10), Limit(10, 60 * SECOND)),
        (per_minute(0), OFF),
        (per_second(0, 0), OFF),
        (scale(OFF, 10), OFF),
    ],
)
def test_limits_are_whole_nanoseconds(limit: Limit, expected: Limit) -> None:
    """A limit is a capacity and the time in which one token flows in; 0 is no limit."""
    assert limit == expected


def test_take_gives_a_burst_and_then_the_rate() -> None:
    """A full bucket gives all it holds at once, then one token per interval, and tells how long to wait."""
    draws = [(Buckets(per_second(10, 20)), "a")]
    assert [take(draws, 1, START) for _ in range(21)] == [0] * 20 + [SECOND // 10]
    assert take(draws, 1, START + SECOND // 10 - 1) == 1
    assert take(draws, 1, START + SECOND // 10) == 0
    assert take(draws, 5, START + SECOND // 10) == SECOND // 2
    assert read_level(draws, START + SECOND // 10) == Level(20, 0, 2 * SECOND)
    assert read_level(draws, START + SECOND) == Level(20, 9, SECOND + SECOND // 10)


def test_take_from_two_takes_none_when_either_is_empty() -> None:
    """What one bucket refuses costs the other nothing; the longer wait counts."""
    own, organization = Buckets(per_second(1, 2)), Buckets(per_second(10, 3))
    ann, ben = [(own, "ann"), (organization, 7)], [(own, "ben"), (organization, 7)]
    assert [take(ann, 1, START), take(ann, 1, START)] == [0, 0]
    assert take(ann, 1, START) == SECOND
    assert read_level([(organization, 7)], START).tokens == 1
    assert take(ben, 2, START) == SECOND // 10
    assert read_level([(own, "ben")], START).tokens == 2
    assert take(ben, 1, START) == 0
    assert take(ann, 1, START) == SECOND


def test_take_gives_back_a_negative_cost() -> None:
    """What is given back can be taken again, and never makes a bucket fuller than full."""
    draws = [(Buckets(per_second(1, 2)), "a")]
    take(draws, 2, START)
    take(draws, -1, START)
    assert [take(draws, 1, START), take(draws, 1, START)] == [0, SECOND]
    take(draws, -9, START)
    assert [take(draws, 1, START + SECOND) for _ in range(3)] == [0, 0, SECOND]


def test_take_more_than_a_bucket_holds_is_never_granted() -> None:
    """Not even a full bucket gives it."""
    draws = [(Buckets(per_second(1, 2)), "a")]
    assert [take(draws, 3, START), take(draws, 3, START + 3600 * SECOND)] == [SECOND, SECOND]
    assert take(draws, 2, START) == 0


class Far:
    """A source that knows only what it is told."""

    def __init__(self, wait: int) -> None:
        self.limit, self.told, self.taken = per_second(1, 1), wait, 0

    def wait(self, key: str, cost: int, now: int) -> int:
        return self.told

    def take(self, key: str, cost: int, now: int) -> None:
        self.taken += cost

    def until_full(self, key: str, now: int) -> int:
        return 0


@pytest.mark.parametrize(
    ("waits", "expected"),
    [((0, 0), 0), ((UNKNOWN, 0), UNKNOWN), ((0, UNKNOWN), UNKNOWN), ((UNKNOWN, UNKNOWN), UNKNOWN), ((UNKNOWN, 5), 5), ((5, UNKNOWN), 5)],
)
def test_take_waits_for_what_is_unknown(waits: tuple[int, int], expected: int) -> None:
    """A certain refusal needs no answer from afar; a grant needs all of them."""
    sources = [Far(wait) for wait in waits]
    assert take([(source, "a") for source in sources], 2, START) == expected
    assert [source.taken for source in sources] == [0 if expected else 2] * 2


def test_take_without_a_limit_always_grants() -> None:
    """A bucket that is off gives everything and is not counted; a thing that is off altogether has a million tokens."""
    off, on = Buckets(OFF), Buckets(per_second(1, 2))
    assert [take([(off, "a"), (off, 7)], 1000, START) for _ in range(100)] == [0] * 100
    assert read_level([(off, "a"), (off, 7)], START) == UNLIMITED
    assert take([(off, "a"), (on, 7)], 1, START) == 0
    assert read_level([(off, "a"), (on, 7)], START) == Level(2, 1, SECOND)


def test_read_level_is_that_of_the_smallest_share() -> None:
    """Half of two is less than nine of ten."""
    own, organization = Buckets(per_second(1, 2)), Buckets(per_second(10, 10))
    draws = [(own, "a"), (organization, 7)]
    assert read_level(draws, START) == Level(2, 2, 0)
    take(draws, 1, START)
    assert read_level(draws, START) == Level(2, 1, SECOND)
    take([(organization, 7)], 7, START)
    assert read_level(draws, START) == Level(10, 2, SECOND * 8 // 10)


def test_buckets_forget_what_is_full() -> None:
    """As new buckets come, those that have filled up go; nobody has to look for them."""
    buckets = Buckets(per_minute(60))
    for number in range(1000):
        take([(buckets, number)], 1, START)
    assert len(buckets) == 1000
    for number in range(1000):
        take([(buckets, f"new {number}")], 1, START + 2 * SECOND)
    assert len(buckets) == 1000


def test_buckets_keep_only_so_many() -> None:
    """Those that were used longest ago go first."""
    buckets = Buckets(per_minute(2), kept=3)
    for key in "abcabd":
        take([(buckets, key)], 1, START)
    assert len(buckets) == 3
    assert {key: read_level([(buckets, key)], START).tokens for key in "abcd"} == {"a": 0, "b": 0, "c": 2, "d": 1}


STEPS = st.lists(st.tuples(st.integers(-2 * SECOND, 3 * SECOND), st.integers(1, 4), st.sampled_from("ab")), max_size=60)


@given(rate=st.integers(1, 50), capacity=st.integers(1, 20), factor=st.integers(1, 3), steps=STEPS)
def test_buckets_never_grant_more_than_capacity_and_rate(rate: int, capacity: int, factor: int, steps: list[tuple[int, int, str]]) -> None:
    """From whatever moment one counts, a bucket grants at most its capacity and what flowed in, also when the clock is set back."""
    own = per_second(rate, capacity)
    sources = Buckets(own), Buckets(scale(own, factor))
    time, clock = SteadyTime(), datetime(2026, 6, 1, tzinfo=UTC)
    granted: list[tuple[int, int, str]] = []
    for step, cost, key in steps:
        clock += timedelta(microseconds=step // 1000)
        now = time.read(clock)
        before = [source.until_full(bucket, now) for source, bucket in zip(sources, (key, 7), strict=True)]
        wait = take([(sources[0], key), (sources[1], 7)], cost, now)
        after = [source.until_full(bucket, now) for source, bucket in zip(sources, (key, 7), strict=True)]
        if wait:
            assert after == before
        else:
            granted.append((now, cost, key))
            assert after == [left + cost * source.limit.interval for left, source in zip(before, sources, strict=True)]
    for first, (begin, _cost, _key) in enumerate(granted):
        for limit, keys in ((own, "a"), (own, "b"), (sources[1].limit, "ab")):
            for last in range(first, len(granted)):
                tokens = sum(cost for _now, cost, key in granted[first : last + 1] if key in keys)
                assert tokens * limit.interval <= limit.capacity * limit.interval + granted[last][0] - begin


def test_steady_time_goes_on_when_the_clock_is_set_back() -> None:
    """It stands still for that moment, then moves as the clock does."""
    time, now = SteadyTime(), datetime(2026, 6, 1, tzinfo=UTC)
    start = time.read(now)
    assert time.read(now + timedelta(seconds=2)) == start + 2 * SECOND
    assert time.read(now - timedelta(hours=1)) == start + 2 * SECOND
    assert time.set_back == 3602 * SECOND
    assert time.read(now - timedelta(hours=1) + timedelta(seconds=1)) == start + 3 * SECOND


def test_build_limits_as_documented() -> None:
    """The numbers of the four contracts."""
    limits = build_limits(RateSettings(), logs_key_rpm=1800, logs_organization_rpm=6000, limits_workspace=True)
    found = {
        (family, rate): (allowance.credential, allowance.organization)
        for family, of_family in limits.items()
        for rate, allowance in of_family.of_class.items()
    }
    other, logs = (per_second(200, 400), per_second(2000, 4000)), (per_minute(1800), per_minute(6000))
    monitoring, workspace = (per_second(50, 200), per_second(500, 2000)), (per_second(20, 100), per_second(200, 1000))
    assert found == {
        ("lumetry", RateClass.GENERAL): other,
        ("lumetry", RateClass.SENSITIVE): other,
        ("lumetry", RateClass.INGEST): (per_second(2000, 4000), per_second(20_000, 40_000)),
        **{("logs", rate): logs for rate in (RateClass.GENERAL, RateClass.INGEST, RateClass.SENSITIVE)},
        **{("monitoring", rate): monitoring for rate in (RateClass.GENERAL, RateClass.INGEST, RateClass.SENSITIVE)},
        ("workspace", RateClass.GENERAL): workspace,
        ("workspace", RateClass.INGEST): workspace,
        ("workspace", RateClass.SENSITIVE): (per_minute(1, 10), per_minute(10, 100)),
    }
    assert {family: of_family.stranger for family, of_family in limits.items()} == {
        "lumetry": per_second(200, 400),
        "logs": per_minute(60),
        "monitoring": per_second(50, 200),
        "workspace": per_second(200, 400),
    }


def test_build_limits_without_some() -> None:
    """The workspace's can be off altogether, those of logs one by one."""
    limits = build_limits(RateSettings(), logs_key_rpm=0, logs_organization_rpm=5, limits_workspace=False)
    assert [limits["logs"].of_class[RateClass.INGEST].credential, limits["logs"].of_class[RateClass.INGEST].organization] == [
        OFF,
        per_minute(5),
    ]
    workspace = limits["workspace"]
    assert {(allowance.credential, allowance.organization) for allowance in workspace.of_class.values()} == {(OFF, OFF)}
    assert workspace.stranger == OFF
