"""Replayed cycles against the same cycles judged one by one."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumetry_core.baselines.model import BaselineProfile
from lumetry_core.evaluation.compound import compile_compound
from lumetry_core.evaluation.state import StoredSeries
from lumetry_core.metrics.model import DataStatus, MetricInfo
from lumetry_core.replay import cycles
from lumetry_core.replay.cycles import ConditionPoints, CycleReplay, learn_pools
from lumetry_core.replay.history import hold_nothing
from lumetry_core.replay.outcome import join_points
from lumetry_core.rules.model import AlertLevel, ConditionOperator, Direction, Rule, RuleType, ThresholdMode
from tests.core.evaluation.building import level, rule
from tests.core.evaluation.oracle import Oracle
from tests.core.evaluation.test_bands import Naive
from tests.core.evaluation.test_compound import BELOW, compound, condition, judge

MINUTE = 60_000
GRACE_MS = 120_000
MADE = datetime(2026, 6, 1, tzinfo=UTC)
NOW = 1_780_272_000_000
PROFILE = BaselineProfile(5, 1, "Default", 28, 2, "UTC", is_default=True, create_time=MADE, update_time=MADE)
MEMBERS = ["a", "b"]
Points = Sequence[tuple[str, int, float]]


def metric(key: str, number: int) -> MetricInfo:
    return MetricInfo(
        id=number,
        organization_id=1,
        metric_key=key,
        display_name=key.title(),
        description="",
        unit="",
        metric_type="gauge",
        namespace="",
        source="",
        management_mode="EXTERNALLY_MANAGED",
        catalog_source="api",
        multidimensional=True,
        dimension_keys=("host",),
        is_active=True,
        data_status=DataStatus.ACTIVE,
        sync_status="SYNCED",
        partition=0,
        create_time=MADE,
        update_time=MADE,
        last_sync_time=None,
        last_ingest_time=None,
    )


METRICS = {"logins": metric("logins", 1), "transfers": metric("transfers", 2)}


def source(key: str, points: Points, **fields: object) -> ConditionPoints:
    """What a condition on a metric may see."""
    number = METRICS[key].id
    series = [StoredSeries(place, number, {"host": member}, member) for place, member in enumerate(MEMBERS, start=1)]
    ordered = sorted(points, key=lambda point: (point[1], point[0]))
    ids = np.array([MEMBERS.index(member) + 1 for member, _, _ in ordered], np.int64)
    times, values = np.array([time for _, time, _ in ordered], np.int64), np.array([value for *_, value in ordered])
    return ConditionPoints(series, ids, times, values, **fields)  # type: ignore[arg-type]


def replay(of: Rule, points: dict[str, Points], at: Sequence[int]) -> CycleReplay:
    done = CycleReplay(compile_compound(of, PROFILE), METRICS)
    sources = [
        source(one.metric_key, points.get(one.metric_key, ()), held=hold_nothing(PROFILE, METRICS[one.metric_key].id))
        for one in of.conditions
    ]
    done.run(sources, np.array(at, np.int64), GRACE_MS)
    return done


quarters = st.integers(0, 60).map(lambda quarter: quarter * MINUTE // 4)
of_metric = st.lists(st.tuples(st.sampled_from(MEMBERS), quarters, st.sampled_from([4.0, 5.0, 10.0, 11.0, 11.0])), max_size=40)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(["logins", "transfers"]), of_metric),
    st.sampled_from(ConditionOperator),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 60),
)
def test_replay_judges_cycles_like_live_ones(
    points: dict[str, Points], operator: ConditionOperator, window: int, count: int, cells: int
) -> None:
    """The same violations and alerts as when each cycle is judged by itself, however many are judged at once."""
    own = level(trigger_count=count, trigger_window_minutes=4, recovery_minutes=2)
    of = compound(condition("logins"), condition("transfers", **BELOW), operator=operator, window_minutes=window, level=own)
    watch = compile_compound(of, None)
    at = [minute * MINUTE for minute in range(16)]
    unique = {key: list({(member, time): (member, time, value) for member, time, value in given}.values()) for key, given in points.items()}
    oracle = Oracle(compound_as_plain(own), grace_ms=0)
    reported = []
    for time in at:
        (cycle,) = judge(watch, unique, [time], MEMBERS)
        if cycle.is_fresh:
            oracle.take(time, 11.0 if cycle.holds else 5.0, time)
        if cycle.breach is not None:
            reported.append((time, of.conditions[cycle.breach.condition].metric_key, cycle.breach.seen.value))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cycles, "CELLS", cells)
        done = replay(of, unique, at)
    assert [(kept.time, kept.new.metric_key, kept.new.actual_value) for kept in done.violations] == reported
    assert [(alert.start, alert.end, alert.violation_count, alert.dimension_key) for alert in done.alerts] == [
        (alert.start, alert.end, sum(kept.alert is alert for kept in oracle.violations), None) for alert in oracle.alerts
    ]
    assert [kept.alert is None for kept in done.violations] == [kept.alert is None for kept in oracle.violations]


def compound_as_plain(own: AlertLevel) -> Rule:
    """A rule above 10, whose points stand for cycles."""
    return rule(own)


def dynamic(key: str, window: int) -> Rule:
    learned = condition(
        key, type=RuleType.DYNAMIC, threshold_mode=ThresholdMode.STDDEV, stddev_multiplier=2.0, static_upper=None, direction=Direction.BOTH
    )
    return compound(learned, condition("logins", static_upper=1e9), operator=ConditionOperator.ANY, window_minutes=window)


STEPS = st.lists(st.tuples(st.sampled_from(MEMBERS), st.sampled_from([0, 1, 1, 2, 5, 7 * 2880]), st.floats(0, 20)), min_size=1, max_size=60)


@settings(deadline=None)
@given(STEPS, st.sampled_from([1, 5, 30]), st.integers(1, 90))
def test_learn_pools_from_what_was_learned_before_a_point(steps: list[tuple[str, int, float]], window: int, size: int) -> None:
    """Each point's pool holds the points of its member up to some minutes before it, breaches too; however points are cut."""
    now, points = NOW, {}
    for member, move, value in steps:
        now += move * MINUTE // 2
        points.setdefault((member, now), (member, now, value))
    given = sorted(points.values(), key=lambda point: (point[1], point[0]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cycles, "CHUNK_POINTS", size)
        pools = learn_pools(source("logins", given), hold_nothing(PROFILE, 1), window // 2, GRACE_MS)
    naive = {member: Naive(dynamic("logins", window), 1) for member in MEMBERS}
    for place, (member, time, value) in enumerate(given):
        drawn = naive[member].limits(time, 2.0)
        assert (pools.counts[place] > 0) == (drawn is not None)
        if drawn is not None:
            assert pools.means[place] == pytest.approx(drawn[1])
            assert pools.sigmas[place] * 2 == pytest.approx((drawn[2] - drawn[0]) / 2, abs=1e-6)
        naive[member].points.append((time, value, False))


def test_replay_of_a_dynamic_condition() -> None:
    """A condition on a baseline breaches by what its member learned; cycles show the first condition, also where it saw nothing."""
    week = 7 * 86_400_000
    points = {"transfers": [("a", NOW + place * week, value) for place, value in enumerate([10.0, 12.0, 50.0])]}
    done = replay(dynamic("transfers", 5), points, [NOW + 2 * week, NOW + 2 * week + MINUTE, NOW + 3 * week])
    assert [(kept.time - NOW - 2 * week, kept.new.expected_value, kept.new.upper_threshold, kept.alert) for kept in done.violations] == [
        (0, 11.0, 13.0, 0),
        (MINUTE, 11.0, 13.0, 0),
    ]
    shown = join_points(done.point_parts)
    assert shown.ranks.tolist() == [0, 0]
    assert shown.uppers.tolist() == [13.0, 13.0]
    static = compound(condition("logins"), condition("transfers"), operator=ConditionOperator.ANY)
    unseen = join_points(replay(static, {"transfers": [("a", 0, 50.0)]}, [0]).point_parts)
    assert np.isnan(unseen.values).all()
    assert unseen.ranks.tolist() == [0]
