"""Replay equals live: the same points through the engine and through a pipeline that is cut, restarted and fed out of order."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumetry_core.baselines.model import BaselineProfile
from lumetry_core.evaluation.compile import RANK_OF, compile_rule
from lumetry_core.evaluation.state import StoredSeries
from lumetry_core.replay.engine import CHUNK_MS, Replay, cut
from lumetry_core.replay.history import hold_nothing
from lumetry_core.rules.model import Direction, Rule, RuleType, Severity, ThresholdMode
from tests.core.evaluation.building import EPOCH, level, rule
from tests.core.evaluation.world import GRACE_MS, World

SECOND, MINUTE, WEEK = 1000, 60_000, 7 * 86_400_000
NOW = 1_780_272_000_000
PROFILE = BaselineProfile(5, 1, "Default", 28, 2, "Europe/Berlin", is_default=True, create_time=EPOCH, update_time=EPOCH)
SERIES = [
    StoredSeries(1, 1, {"host": "a", "version": "1"}, "host=a"),
    StoredSeries(2, 1, {"host": "b", "version": "1"}, "host=b"),
    StoredSeries(3, 1, {"host": "a", "version": "2"}, "host=a"),
]
CRITICAL = Severity.CRITICAL
STATIC = [
    rule(
        level(trigger_count=2, trigger_window_minutes=2, recovery_minutes=2, recovery_upper=8.0),
        level(CRITICAL, static_upper=20.0, trigger_count=2, trigger_window_minutes=4, recovery_minutes=3),
        rule_id=1,
    ),
    rule(level(recovery_minutes=1), rule_id=2, scope={"version": "2"}),
]


def learned(mode: ThresholdMode, window: int, **fields: object) -> Rule:
    return rule(type=RuleType.DYNAMIC, threshold_mode=mode, window_minutes=window, direction=Direction.BOTH, static_upper=None, **fields)


DYNAMIC = [
    learned(ThresholdMode.STDDEV, 5, stddev_multiplier=1.5, rule_id=3),
    learned(ThresholdMode.ENVELOPE, 30, tolerance_percent=10.0, rule_id=4),
    learned(ThresholdMode.PERCENTAGE, 3, tolerance_percent=20.0, rule_id=5),
]
Point = tuple[int, int, float]
MOVES = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 1, 2, 3]),
        st.sampled_from([1, 1, 1, 1, 2, 4, 0, -1, -2, -4, -5, -9, 7 * 2880]),
        st.sampled_from([5.0, 8.0, 9.0, 11.0, 11.0, 21.0]),
    ),
    max_size=80,
)
CUTS = st.lists(st.integers(0, 80), max_size=6)
EVENTS = st.lists(st.sampled_from(["", "reload", "replace_rules"]), min_size=8, max_size=8)


def in_arrival(moves: Sequence[tuple[int, int, float]]) -> list[Point]:
    """Points whose times move on, and back now and then, by half minutes or by a week."""
    now, points = NOW, []
    for series_id, move, value in moves:
        points.append((series_id, now + move * 30 * SECOND, value))
        now = max(now, points[-1][1])
    return points


def live(rules: list[Rule], points: Sequence[Point], cuts: Sequence[int], events: Sequence[str]) -> World:
    """What the live evaluator records, fed in chunks, with its state made anew between some of them."""
    world = World({1: rules}, SERIES, profile=PROFILE)
    bounds = [0, *sorted({min(place, len(points)) for place in cuts}), len(points)]
    for (start, end), event in zip(pairwise(bounds), events, strict=False):
        if end > start:
            world.feed(points[start:end])
        if event:
            getattr(world, event)()
    return world


def replay(rules: list[Rule], points: Sequence[Point], chunk_points: int = 100_000, shown: int | None = None) -> Replay:
    watches = [compile_rule(one, PROFILE, GRACE_MS) for one in rules]
    baselines = {1: [hold_nothing(PROFILE, 1)]} if any(watch.learning for watch in watches) else {}
    done = Replay({1: watches}, baselines, GRACE_MS, shown=None if shown is None else watches[shown], chunk_points=chunk_points)
    done.add_series(SERIES)
    ids, times = np.array([point[0] for point in points], np.int64), np.array([point[1] for point in points], np.int64)
    done.take(ids, times, np.array([point[2] for point in points], np.float64))
    return done


def of_world(world: World) -> tuple[object, object]:
    alerts = sorted(
        (alert.rule_id, alert.dimension_key or "", alert.start, alert.rank, alert.reasons[-1][1], alert.end or 0, alert.violation_count)
        for alert in world.alerts
    )
    violations = sorted(
        (
            kept.rule_id,
            kept.dimension_key or "",
            kept.time,
            kept.rank,
            kept.is_late,
            -1 if kept.alert is None else world.alerts[kept.alert].start,
            -1.0 if kept.limits is None or kept.limits.expected is None else kept.limits.expected,
        )
        for kept in world.violations
    )
    return alerts, violations


def of_replay(done: Replay) -> tuple[object, object]:
    alerts = sorted(
        (
            alert.rule.id,
            alert.dimension_key or "",
            alert.start,
            alert.level.rank,
            alert.trigger.count,
            alert.end or 0,
            alert.violation_count,
        )
        for alert in done.alerts
    )
    violations = sorted(
        (
            kept.new.rule_id,
            kept.new.dimension_key or "",
            kept.time,
            RANK_OF[kept.new.severity],
            kept.new.is_late,
            -1 if kept.alert is None else done.alerts[kept.alert].start,
            -1.0 if kept.new.expected_value is None else kept.new.expected_value,
        )
        for kept in done.violations
    )
    return alerts, violations


@settings(max_examples=300, deadline=None)
@given(MOVES, CUTS, EVENTS, st.integers(1, 90))
def test_replay_of_static_rules_equals_live(
    moves: list[tuple[int, int, float]], cuts: list[int], events: list[str], chunk_points: int
) -> None:
    """In whatever order points arrive, late ones too, and however both sides cut them: the same violations and alerts, to the bit."""
    points = in_arrival(moves)
    assert of_replay(replay(STATIC, points, chunk_points)) == of_world(live(STATIC, points, cuts, events))


@settings(max_examples=200, deadline=None)
@given(MOVES, CUTS, EVENTS, st.integers(1, 90))
def test_replay_of_dynamic_rules_equals_live(
    moves: list[tuple[int, int, float]], cuts: list[int], events: list[str], chunk_points: int
) -> None:
    """Limits are the same too, although both learn as they go, from weeks before and from minutes before."""
    points = in_arrival(moves)
    assert of_replay(replay([*DYNAMIC, *STATIC], points, chunk_points)) == of_world(live([*DYNAMIC, *STATIC], points, cuts, events))


@settings(max_examples=150, deadline=None)
@given(MOVES, st.data())
def test_replay_in_order_equals_live_out_of_order(moves: list[tuple[int, int, float]], data: st.DataObject) -> None:
    """Points that arrived out of order within the grace period violate live exactly where the replay of stored, ordered points says."""
    times: dict[tuple[str | None, int], Point] = {}
    keys = {one.id: one.dimension_key for one in SERIES}
    for point in in_arrival(moves):
        times.setdefault((keys[point[0]], point[1]), point)
    points = sorted(times.values(), key=lambda point: (point[1], point[0]))
    delays = data.draw(st.lists(st.integers(0, GRACE_MS), min_size=len(points), max_size=len(points)))
    arrivals = sorted((point[1] + delay, place) for place, (point, delay) in enumerate(zip(points, delays, strict=True)))
    world = live([*DYNAMIC, *STATIC], [points[place] for _, place in arrivals], data.draw(CUTS), [""] * 8)
    done = replay([*DYNAMIC, *STATIC], points, data.draw(st.integers(1, 90)))
    found = sorted(
        (kept.new.rule_id, kept.new.dimension_key, kept.time, RANK_OF[kept.new.severity], kept.new.is_late) for kept in done.violations
    )
    assert found == sorted((kept.rule_id, kept.dimension_key, kept.time, kept.rank, kept.is_late) for kept in world.violations)


def test_replay_tells_when_an_alert_rose() -> None:
    """The time of the violation that completes the critical trigger, also with a violation from before the opening."""
    values = [25.0, 5.0, 11.0, 11.0, 25.0, 25.0, 5.0]
    of = rule(
        level(trigger_count=3, trigger_window_minutes=5, recovery_minutes=1),
        level(CRITICAL, static_upper=20.0, trigger_count=3, trigger_window_minutes=5),
    )
    (alert,) = replay([of], [(1, NOW + place * MINUTE, value) for place, value in enumerate(values)]).alerts
    assert (alert.start, alert.escalate_time, alert.severity, alert.first_severity) == (
        NOW + 3 * MINUTE,
        NOW + 5 * MINUTE,
        CRITICAL,
        Severity.WARNING,
    )
    assert (alert.opening_trigger.reason, alert.trigger.reason) == ("3 violations within 5 minutes", "3 violations within 5 minutes")


def test_replay_shows_points_of_one_rule() -> None:
    """Points in the rule's scope, but repetitions, with the limits of the least severe level and the level they breached."""
    points = [
        (1, NOW, 25.0),
        (3, NOW, 30.0),
        (3, NOW + MINUTE, 11.0),
        (3, NOW + MINUTE, 99.0),
        (2, NOW + MINUTE, 5.0),
        (3, NOW + 2 * MINUTE, 5.0),
    ]
    (part,) = replay(STATIC, points, shown=1).point_parts
    assert (part.times - NOW).tolist() == [MINUTE, 2 * MINUTE]
    assert part.values.tolist() == [11.0, 5.0]
    assert part.ranks.tolist() == [0, -1]
    assert part.uppers.tolist() == [10.0, 10.0]
    assert np.isnan(part.lowers).all()
    assert np.isnan(part.expected).all()


def test_replay_shows_bands_of_a_dynamic_rule() -> None:
    """Mean and limits as far as enough was learned, none before."""
    points = [(1, NOW + week * WEEK, value) for week, value in enumerate([10.0, 14.0, 12.0, 20.0])]
    done = replay([learned(ThresholdMode.ENVELOPE, 5, tolerance_percent=50.0)], points, shown=0)
    shown = np.concatenate([[part.expected, part.lowers, part.uppers, part.ranks] for part in done.point_parts], axis=1)
    assert shown[:, 2:].T.tolist() == [[12.0, 5.0, 21.0, -1.0], [12.0, 5.0, 21.0, -1.0]]
    assert np.isnan(shown[:3, :2]).all()


def test_replay_refuses_points_of_unknown_series() -> None:
    """A point without a series is a fault of the caller."""
    with pytest.raises(ValueError, match="unknown series"):
        replay(STATIC, [(99, NOW, 1.0)])


def test_cut_bounds_points_and_span() -> None:
    """Parts hold no more than so many points and, in order, no more than some days."""
    times = np.array([0, 1, 2, CHUNK_MS + 2, CHUNK_MS + 3, 3 * CHUNK_MS])
    assert [(part.start, part.stop) for part in cut(times, 2)] == [(0, 2), (2, 4), (4, 5), (5, 6)]
    assert [(part.start, part.stop) for part in cut(times, 100)] == [(0, 3), (3, 5), (5, 6)]
    assert list(cut(times[:0], 2)) == []


@pytest.mark.parametrize("chunk_points", [2, 7, 100])
def test_replay_with_two_profiles_in_any_chunks(chunk_points: int) -> None:
    """What one rule finds abnormal is not learned by the baseline of another profile either, within a chunk as across chunks."""

    def expected(size: int) -> list[float]:
        """What is expected of each point, once enough was learned."""
        profiles = [replace(PROFILE, id=number, minimum_points=1) for number in (1, 2)]
        rules = [
            learned(ThresholdMode.PERCENTAGE, 60, tolerance_percent=percent, rule_id=number, baseline_profile_id=number)
            for number, percent in ((1, 400.0), (2, 20.0))
        ]
        watches = [compile_rule(rule, profile, GRACE_MS) for rule, profile in zip(rules, profiles, strict=True)]
        held = [hold_nothing(profile, 1) for profile in profiles]
        for number, one in enumerate(held, start=1):
            one.baseline.id = number
        replaying = Replay({1: watches}, {1: held}, GRACE_MS, shown=watches[0], chunk_points=size)
        replaying.add_series([StoredSeries(1, 1, {}, None)])
        values = np.full(20, 10.0)
        values[5] = 30.0
        replaying.take(np.ones(20, np.int64), NOW + np.arange(20) * 60_000, values)
        return [float(value) for part in replaying.point_parts for value in part.expected if not np.isnan(value)]

    assert expected(chunk_points) == expected(1)
    assert set(expected(1)) == {10.0}
