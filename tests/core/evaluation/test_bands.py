"""Dynamic rules against the contract, done the naive way: every limit worked out anew from all points that may be learned by then."""

import math
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumetry_core.baselines.model import BaselineProfile
from lumetry_core.evaluation.state import StoredSeries
from lumetry_core.rules.model import AlertLevel, Direction, Rule, RuleType, Severity, ThresholdMode
from tests.core.evaluation.building import EPOCH, level, rule
from tests.core.evaluation.world import GRACE_MS, World

SECOND = 1000
MINUTE = 60_000
WEEK = 7 * 86_400_000
NOW = 1_780_272_000_000 // MINUTE * MINUTE
SERIES = [StoredSeries(1, 1, {"host": "a"}, "host=a"), StoredSeries(2, 1, {"host": "b"}, "host=b")]


def profile(minimum_points: int = 4) -> BaselineProfile:
    return BaselineProfile(5, 1, "Default", 28, minimum_points, "UTC", is_default=True, create_time=EPOCH, update_time=EPOCH)


def dynamic(mode: ThresholdMode, parameter: float, *levels: AlertLevel, window: int = 5, **fields: object) -> Rule:
    """A dynamic rule for both directions unless told otherwise."""
    key = "stddev_multiplier" if mode is ThresholdMode.STDDEV else "tolerance_percent"
    own = {"direction": Direction.BOTH, "static_upper": None, **fields}
    return rule(*levels, type=RuleType.DYNAMIC, threshold_mode=mode, window_minutes=window, **{key: parameter}, **own)


@dataclass
class Naive:
    """All learned points of one member, and limits worked out from them."""

    rule: Rule
    minimum_points: int
    points: list[tuple[int, float, bool]] = field(default_factory=list)

    def limits(self, time: int, parameter: float) -> tuple[float, float, float] | None:
        half, minute = self.rule.window_minutes // 2, time // MINUTE
        before = (minute - math.ceil(GRACE_MS / MINUTE)) * MINUTE
        pooled = [
            value
            for at, value, is_breached in self.points
            if at < before and not is_breached and abs((at // MINUTE - minute + 5040) % 10080 - 5040) <= half
        ]
        if len(pooled) < self.minimum_points:
            return None
        mean = sum(pooled) / len(pooled)
        sigma = math.sqrt(max(0.0, sum((value - mean) ** 2 for value in pooled) / len(pooled)))
        if self.rule.threshold_mode is ThresholdMode.STDDEV:
            return mean - parameter * sigma, mean, mean + parameter * sigma
        if self.rule.threshold_mode is ThresholdMode.PERCENTAGE:
            return mean - abs(mean) * parameter / 100, mean, mean + abs(mean) * parameter / 100
        low, high = min(pooled), max(pooled)
        return low - abs(low) * parameter / 100, mean, high + abs(high) * parameter / 100


def naive_violations(of: Rule, points: list[tuple[int, int, float]], minimum_points: int) -> dict[tuple[str, int], tuple[int, float]]:
    """Member and time of each violation, with its rank and what was expected; points ascend by time."""
    members = {series: Naive(of, minimum_points) for series in (1, 2)}
    found = {}
    for series, time, value in points:
        rank = None
        for number, one in enumerate(of.levels):
            parameter = one.stddev_multiplier if of.threshold_mode is ThresholdMode.STDDEV else one.tolerance_percent
            drawn = members[series].limits(time, parameter or 0)
            if drawn and ((of.direction.has_upper and value > drawn[2] + 1e-9) or (of.direction.has_lower and value < drawn[0] - 1e-9)):
                rank = number
        if rank is not None and drawn:
            found["host=" + "ab"[series - 1], time] = rank, round(drawn[1], 6)
        members[series].points.append((time, value, rank is not None))
    return found


def violations_of(world: World) -> dict[tuple[str | None, int], tuple[int, float]]:
    return {
        (kept.dimension_key, kept.time): (kept.rank, round(kept.limits.expected, 6))  # type: ignore[union-attr,arg-type]
        for kept in world.violations
    }


def feed_each(world: World, points: list[tuple[int, int, float]]) -> World:
    for point in points:
        world.feed([point])
    return world


@pytest.mark.parametrize(
    ("mode", "parameter", "inside", "outside", "limits"),
    [
        (ThresholdMode.PERCENTAGE, 50.0, 15.0, 15.1, (5.0, 15.0)),
        (ThresholdMode.STDDEV, 2.0, 14.0, 14.1, (6.0, 14.0)),
        (ThresholdMode.ENVELOPE, 25.0, 15.0, 15.1, (6.0, 15.0)),
    ],
)
def test_draw_limits_of_each_mode(
    mode: ThresholdMode, parameter: float, inside: float, outside: float, limits: tuple[float, float]
) -> None:
    """Four weeks of 8 and 12 in turn: mean 10, deviation 2, and a limit itself does not breach."""
    history = [(1, NOW - weeks * WEEK, value) for weeks, value in ((4, 8.0), (3, 12.0), (2, 8.0), (1, 12.0))]
    world = feed_each(World({1: [dynamic(mode, parameter)]}, SERIES, profile=profile()), history)
    world.feed([(1, NOW, inside)])
    assert world.violations == []
    world.feed([(1, NOW + SECOND, outside)])
    (kept,) = world.violations
    assert kept.limits is not None
    assert (kept.limits.expected, kept.limits.shown, kept.limits.confidence) == (10.0, (limits,), "Low")


def test_draw_disregards_points_without_enough_history() -> None:
    """Below the minimum nothing is judged, and an open alert waits: the point is neither a breach nor clear."""
    history = [(1, NOW - weeks * WEEK, 10.0) for weeks in (4, 3, 2, 1)]
    of = dynamic(ThresholdMode.PERCENTAGE, 10.0, level(recovery_minutes=0))
    world = feed_each(World({1: [of]}, SERIES, profile=profile()), history)
    world.feed([(1, NOW, 20.0), (2, NOW, 20.0)])
    world.feed([(1, NOW + 30 * MINUTE, 10.0)])
    assert [(alert.dimension_key, alert.start, alert.end) for alert in world.alerts] == [("host=a", NOW, None)]
    world.feed([(1, NOW + WEEK, 10.0)])
    assert world.alerts[0].end == NOW + WEEK


def test_draw_keeps_exclusions_and_breaches_out() -> None:
    """Neither a point in an excluded period nor one that breached is learned."""
    of = dynamic(ThresholdMode.ENVELOPE, 0.0)
    history = [(1, NOW - weeks * WEEK, 10.0) for weeks in (6, 5, 4, 3)]
    world = World({1: [of]}, SERIES, profile=profile(), exclusions=[(NOW - 2 * WEEK, NOW - 2 * WEEK + MINUTE)])
    feed_each(world, [*history, (1, NOW - 2 * WEEK - MINUTE, 10.0), (1, NOW - 2 * WEEK, 30.0), (1, NOW - WEEK, 20.0), (1, NOW, 20.0)])
    assert [kept.time for kept in world.violations] == [NOW - 2 * WEEK, NOW - WEEK, NOW]
    assert [kept.limits.shown for kept in world.violations if kept.limits] == [((10.0, 10.0),)] * 3


@pytest.mark.parametrize("value", [1e308, -1e308, 5e-324, 0.0])
@pytest.mark.parametrize("mode", list(ThresholdMode))
def test_draw_from_extreme_values(mode: ThresholdMode, value: float) -> None:
    """A constant series of any value never breaches, and limits stay numbers or are none."""
    points = [(1, NOW + minute * MINUTE, value) for minute in range(60)]
    world = feed_each(World({1: [dynamic(mode, 3.0, window=60)]}, SERIES, profile=profile()), points)
    assert world.violations == []
    world.feed([(1, NOW + 60 * MINUTE, -value if value else 1.0)])
    for kept in world.violations:
        assert kept.limits is not None
        assert all(limit is None or math.isfinite(limit) for limit in kept.limits.shown[0])


LEVELS = (
    level(trigger_count=2, trigger_window_minutes=3, recovery_minutes=2),
    level(Severity.CRITICAL, trigger_count=2, trigger_window_minutes=4, recovery_minutes=3, stddev_multiplier=4.0, tolerance_percent=60.0),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 2]),
        st.sampled_from([10, 20, 30, 60, 61, 120, 600, 3600, 6 * 86_400, 7 * 86_400 - 60]),
        st.sampled_from([5.0, 8.0, 10.0, 10.5, 11.0, 12.0, 14.0, 30.0]),
    ),
    min_size=10,
    max_size=90,
)
RULES = st.builds(
    dynamic,
    st.sampled_from(list(ThresholdMode)),
    st.sampled_from([2.0, 25.0]),
    *(st.just(one) for one in LEVELS),
    window=st.sampled_from([1, 5, 7, 30, 300, 1440]),
    direction=st.sampled_from(list(Direction)),
)


def in_time(steps: list[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """Points in order, no time twice on a member."""
    points, now = [], NOW
    for series, seconds, value in steps:
        now += seconds * SECOND
        points.append((series, now, value))
    return points


def shown(world: World) -> tuple[object, ...]:
    alerts = sorted(
        (alert.dimension_key or "", alert.start, alert.rank, tuple(alert.reasons), alert.end or 0, alert.violation_count)
        for alert in world.alerts
    )
    return alerts, sorted(violations_of(world).items(), key=str)


@settings(max_examples=150, deadline=None)
@given(RULES, STEPS, st.integers(1, 6))
def test_draw_agrees_with_the_naive_way(of: Rule, steps: list[tuple[int, int, float]], minimum_points: int) -> None:
    """Point by point, the violations and what was expected are those worked out from the whole history."""
    points = in_time(steps)
    world = feed_each(World({1: [of]}, SERIES, profile=profile(minimum_points)), points)
    assert violations_of(world) == naive_violations(of, points, minimum_points)


@settings(max_examples=150, deadline=None)
@given(
    RULES,
    STEPS,
    st.lists(st.integers(0, 90), max_size=6),
    st.lists(st.sampled_from(["", "reload", "replace_rules"]), min_size=8, max_size=8),
)
def test_draw_agrees_in_any_chunks(of: Rule, steps: list[tuple[int, int, float]], cuts: list[int], events: list[str]) -> None:
    """However points are cut into chunks, and wherever everything is made anew, the same is recorded, to the bit."""
    points = in_time(steps)
    single = feed_each(World({1: [of]}, SERIES, profile=profile(2)), points)
    world = World({1: [of]}, SERIES, profile=profile(2))
    bounds = [0, *sorted({min(cut, len(points)) for cut in cuts}), len(points)]
    for (start, end), event in zip(pairwise(bounds), events, strict=False):
        if end > start:
            world.feed(points[start:end])
        if event:
            getattr(world, event)()
    assert shown(world) == shown(single)


@settings(max_examples=150, deadline=None)
@given(RULES, STEPS, st.data())
def test_draw_agrees_in_any_order_within_the_grace_period(of: Rule, steps: list[tuple[int, int, float]], data: st.DataObject) -> None:
    """Points that arrive out of order, none of them late, breach by the same limits."""
    points = in_time(steps)
    delays = data.draw(st.lists(st.integers(0, GRACE_MS), min_size=len(points), max_size=len(points)))
    arrivals = sorted((point[1] + delay, place) for place, (point, delay) in enumerate(zip(points, delays, strict=True)))
    shuffled = [points[place] for _, place in arrivals]
    ordered = feed_each(World({1: [of]}, SERIES, profile=profile(2)), points)
    world = World({1: [of]}, SERIES, profile=profile(2))
    size = data.draw(st.integers(1, 7))
    for start in range(0, len(shuffled), size):
        world.feed(shuffled[start : start + size])
    assert violations_of(world) == violations_of(ordered)
