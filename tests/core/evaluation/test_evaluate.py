"""Vectorised evaluation equals the naive one for every series, rule and chunking."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lumetry_core.evaluation.state import MAX_MEMBERS, StoredSeries
from lumetry_core.evaluation.survey import Disposition
from lumetry_core.rules.model import Rule, Severity
from tests.core.evaluation.building import level, rule
from tests.core.evaluation.oracle import Oracle
from tests.core.evaluation.world import GRACE_MS, World

SECOND = 1000
MINUTE = 60_000

SERIES = [
    StoredSeries(1, 1, {"host": "a"}, "host=a"),
    StoredSeries(2, 1, {"host": "b"}, "host=b"),
    StoredSeries(3, 1, {"host": "b", "version": "2"}, "host=b"),
    StoredSeries(4, 2, {}, None),
    StoredSeries(7, 3, {}, None),
]


def test_evaluate_leaves_quiet_points_alone() -> None:
    """Points that are in order and clear only move the newest time on."""
    world = World({1: [rule()]}, SERIES)
    effects = world.feed([(1, 1000, 5.0), (2, 1000, 5.0), (1, 2000, 6.0), (4, 500, 99.0)], [3, 1])
    assert (effects.unordered, effects.pairs, effects.violations, effects.alerts) == (None, {}, [], [])
    assert effects.outcomes.tolist() == [Disposition.EVALUATED, Disposition.NO_RULE]
    assert world.state.newest[:4].tolist() == [2000, 1000, 500, -(1 << 62)]


def test_evaluate_collapses_repetitions_within_and_across_chunks() -> None:
    """A repeated point is evaluated once, whatever its value; the jobs say so."""
    world = World({1: [rule()]}, SERIES)
    world.feed([(1, 1000, 11.0), (1, 1000, 12.0), (1, 2000, 5.0)])
    world.feed([(1, 1000, 13.0), (1, 2000, 14.0)])
    assert [(kept.time, kept.alert) for kept in world.violations] == [(1000, 0)]
    assert world.dispositions == [4, 1, 4, 1, 1]
    assert world.ambiguous == set()


def test_evaluate_names_ambiguous_metrics() -> None:
    """Two label sets on one member and time: the first is evaluated, the second only stored."""
    world = World({1: [rule()]}, SERIES)
    world.feed([(2, 1000, 11.0), (3, 1000, 99.0)])
    assert (world.dispositions, world.ambiguous, len(world.violations)) == ([4, 1], {1}, 1)
    apart = World({1: [rule()]}, SERIES)
    apart.feed([(2, 1000, 11.0)])
    apart.feed([(3, 1000, 99.0)])
    apart.feed([(2, 3000, 5.0)])
    apart.feed([(3, 2000, 5.0), (2, 2000, 5.0)])
    assert (apart.dispositions, apart.ambiguous) == ([4, 1, 4, 4, 1], {1})
    repeated = World({1: [rule()]}, SERIES)
    repeated.feed([(2, 1000, 11.0), (2, 1000, 12.0), (3, 900, 5.0), (3, 900, 5.0)])
    assert (repeated.dispositions, repeated.ambiguous) == ([4, 1, 4, 1], set())


def test_evaluate_tells_late_jobs() -> None:
    """A job of only late points is late, with an evaluated one among them it is evaluated."""
    world = World({1: [rule()]}, SERIES)
    world.feed([(1, 10 * MINUTE, 5.0)])
    world.feed([(1, 1000, 11.0), (1, 2000, 5.0), (1, 3000, 5.0), (1, 11 * MINUTE, 5.0)], [2, 2])
    assert world.dispositions == [4, 2, 4]
    assert [(kept.time, kept.is_late, kept.alert) for kept in world.violations] == [(1000, True, None)]


def test_evaluate_honours_scope_by_stored_series() -> None:
    """A scope looks at the labels of the point, also where two label sets feed one member."""
    world = World({1: [rule(scope={"version": "2"})]}, SERIES)
    world.feed([(2, 1000, 99.0), (3, 2000, 99.0), (1, 1000, 99.0)])
    assert [(kept.dimension_key, kept.time) for kept in world.violations] == [("host=b", 2000)]
    assert world.dispositions == [3, 4, 3]


def test_evaluate_ignores_members_beyond_the_limit() -> None:
    """The five-hundred-and-first member is stored but not judged, and its metric is named."""
    members = [StoredSeries(number, 1, {"n": str(number)}, f"n={number}") for number in range(1, MAX_MEMBERS + 2)]
    world = World({1: [rule()]}, members)
    world.feed([(number, 1000, 99.0) for number in range(1, MAX_MEMBERS + 2)])
    assert len(world.alerts) == MAX_MEMBERS
    assert world.dispositions == [4] * MAX_MEMBERS + [3]
    assert world.overflowing == {1}


def test_evaluate_opens_and_closes_twice_within_a_chunk() -> None:
    """Alerts of one member follow each other in generations; late evidence finds the closed one."""
    world = World({4: [rule(level(recovery_minutes=0))]}, [StoredSeries(9, 4, {}, None)])
    effects = world.feed(
        [(9, 10 * MINUTE, 11.0), (9, 11 * MINUTE, 5.0), (9, 20 * MINUTE, 11.0), (9, 21 * MINUTE, 5.0), (9, 10 * MINUTE + 1, 11.0)]
    )
    assert [change.generation for change in effects.alerts] == [0, 1]
    assert [(alert.start, alert.end, alert.violation_count) for alert in world.alerts] == [
        (10 * MINUTE, 11 * MINUTE, 2),
        (20 * MINUTE, 21 * MINUTE, 1),
    ]


def test_find_rows_with_gaps_in_the_numbers() -> None:
    """Unknown series are told apart from known ones, before, between and after them."""
    world = World({}, SERIES)
    assert world.state.find_rows(np.array([7, 5, 1, 0, 4, 9, 6])).tolist() == [4, -1, 0, -1, 3, -1, -1]


TWO_LEVELS = (
    level(trigger_count=2, trigger_window_minutes=2, recovery_minutes=2, recovery_upper=8.0),
    level(Severity.CRITICAL, static_upper=20.0, trigger_count=2, trigger_window_minutes=4, recovery_minutes=3),
)
RULES: dict[int, list[Rule]] = {
    1: [rule(*TWO_LEVELS, rule_id=1), rule(level(recovery_minutes=1), rule_id=2, scope={"version": "2"})],
    2: [rule(level(trigger_count=3, trigger_window_minutes=5, recovery_minutes=0), rule_id=3)],
}
POINTS = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 1, 2, 3, 4, 4, 7]),
        st.sampled_from([1, 1, 1, 1, 2, 4, 0, -1, -2, -4, -5, -9]),
        st.sampled_from([5.0, 8.0, 9.0, 11.0, 11.0, 21.0]),
    ),
    max_size=80,
)


def expected(points: list[tuple[int, int, float]]) -> dict[tuple[int, str | None], Oracle]:
    """What the naive evaluation makes of the points."""
    oracles: dict[tuple[int, str | None], Oracle] = {}
    times: dict[tuple[int, str | None], set[int]] = {}
    of_series = {series.id: series for series in SERIES}
    for series_id, time, value in points:
        series = of_series[series_id]
        seen = times.setdefault((series.metric_id, series.dimension_key), set())
        if time in seen:
            continue
        seen.add(time)
        for of in RULES.get(series.metric_id, []):
            if all(series.labels.get(name) == wanted for name, wanted in of.scope.items()):
                oracle = oracles.setdefault((of.id, series.dimension_key), Oracle(of, GRACE_MS))
                oracle.take(time, value, max(seen))
    return oracles


def shown(world: World) -> tuple[object, object]:
    """Alerts and violations, comparable."""
    alerts = sorted(
        (alert.rule_id, alert.dimension_key or "", alert.start, alert.rank, tuple(alert.reasons), alert.end or 0, alert.violation_count)
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
        )
        for kept in world.violations
    )
    return alerts, violations


def shown_oracles(oracles: dict[tuple[int, str | None], Oracle]) -> tuple[object, object]:
    alerts = sorted(
        (
            rule_id,
            key or "",
            alert.start,
            alert.rank,
            tuple(alert.reasons),
            alert.end or 0,
            sum(violation.alert is alert for violation in oracle.violations),
        )
        for (rule_id, key), oracle in oracles.items()
        for alert in oracle.alerts
    )
    violations = sorted(
        (rule_id, key or "", kept.time, kept.rank, kept.is_late, -1 if kept.alert is None else kept.alert.start)
        for (rule_id, key), oracle in oracles.items()
        for kept in oracle.violations
    )
    return alerts, violations


@settings(max_examples=500, deadline=None)
@given(POINTS, st.lists(st.integers(0, 80), max_size=6), st.lists(st.sampled_from(["", "reload", "replace_rules"]), min_size=8, max_size=8))
def test_evaluate_agrees_with_the_oracle_in_any_chunks(moves: list[tuple[int, int, float]], cuts: list[int], events: list[str]) -> None:
    """However points are cut into chunks, and wherever the state is made anew, the same is recorded."""
    now = 100 * MINUTE
    points = []
    for series_id, move, value in moves:
        points.append((series_id, now + move * 30 * SECOND, value))
        now = max(now, points[-1][1])
    world = World(RULES, SERIES)
    bounds = [0, *sorted({min(cut, len(points)) for cut in cuts}), len(points)]
    for (start, end), event in zip(pairwise(bounds), events, strict=False):
        if end > start:
            world.feed(points[start:end])
        if event:
            getattr(world, event)()
    assert shown(world) == shown_oracles(expected(points))
