"""Compound rules: what they make of cycles, against the same said the naive way, and which cycles are due."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.baselines.model import BaselineProfile
from lumetry_core.evaluation.compound import (
    CompoundWatch,
    Cycle,
    compile_compound,
    judge_cycles,
    next_cycle,
    take_cycle,
    verdict_of,
)
from lumetry_core.evaluation.limits import UNLIMITED, Learning
from lumetry_core.evaluation.machine import CLEAR, MINUTE_MS, START, OpenAlert, Opened, State, Verdict, Violated
from lumetry_core.evaluation.readings import find_newest, read_condition
from lumetry_core.rules.model import ConditionOperator, Direction, Rule, RuleType, Severity, Strategy, ThresholdMode
from tests.core.evaluation.building import level, rule
from tests.core.evaluation.oracle import Oracle

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
PROFILE = BaselineProfile(3, 1, "Weeks", 28, 6, "UTC", is_default=False, create_time=NOON, update_time=NOON)


def condition(metric_key: str, **fields: object) -> Strategy:
    above = Strategy(
        metric_key=metric_key,
        type=RuleType.STATIC,
        threshold_mode=None,
        direction=Direction.ABOVE,
        tolerance_percent=None,
        stddev_multiplier=None,
        static_upper=10.0,
        static_lower=None,
        scope={},
    )
    return replace(above, **fields)  # type: ignore[arg-type]


BELOW = {"direction": Direction.BELOW, "static_upper": None, "static_lower": 5.0}


def compound(*conditions: Strategy, operator: ConditionOperator = ConditionOperator.ALL, **fields: object) -> Rule:
    """A rule as `active_rules` gives it: its flat fields and limits in force are those of the first condition."""
    first = conditions[0]
    flat = {name: getattr(first, name) for name in ("metric_key", "type", "threshold_mode", "direction", "static_upper", "static_lower")}
    flat |= {"tolerance_percent": first.tolerance_percent, "stddev_multiplier": first.stddev_multiplier}
    return rule(fields.pop("level", level()), condition_operator=operator, conditions=conditions, **flat, **fields)  # type: ignore[arg-type]


Points = Mapping[str, Sequence[tuple[str, int, float]]]
"""By metric: member, time and value."""


def judge(watch: CompoundWatch, points: Points, cycles: Sequence[int], members: Sequence[str]) -> list[Cycle]:
    """What the rule makes of cycles."""
    readings = []
    for one in watch.conditions:
        of_metric = points.get(one.strategy.metric_key, [])
        owners = np.array([members.index(member) for member, _, _ in of_metric], np.int64)
        times = np.array([time for _, time, _ in of_metric], np.int64)
        places = find_newest(np.array(cycles, np.int64), watch.window_ms, owners, times, len(members))
        readings.append(read_condition(one, members, places, np.array([value for _, _, value in of_metric])))
    judged = judge_cycles(watch.rule.condition_operator, readings)
    return [judged.at(place) for place in range(len(cycles))]


def judge_naively(of: Rule, points: Points, cycle: int) -> tuple[bool, bool, tuple[int, str, float] | None]:
    """Whether the rule holds on a cycle, whether anything was fresh, and what is reported: condition, member, value."""
    fresh, first, breached = False, None, []
    for place, one in enumerate(of.conditions):
        found: dict[str, tuple[int, float]] = {}
        for member, time, value in points.get(one.metric_key, []):
            if cycle - of.window_minutes * MINUTE_MS < time <= cycle and (member not in found or time > found[member][0]):
                found[member] = (time, value)
        fresh |= bool(found)
        bad = [
            member
            for member, (_, value) in sorted(found.items())
            if (one.static_upper is not None and value > one.static_upper) or (one.static_lower is not None and value < one.static_lower)
        ]
        breached.append(bool(bad))
        if bad and first is None:
            first = (place, bad[0], found[bad[0]][1])
    holds = all(breached) if of.condition_operator is ConditionOperator.ALL else any(breached)
    return holds, fresh, first if holds else None


minutes = st.integers(0, 12).map(lambda quarter: quarter * MINUTE_MS // 4)
of_metric = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), minutes, st.sampled_from([4.0, 5.0, 10.0, 11.0])), max_size=12)


@given(
    st.dictionaries(st.sampled_from(["logins", "transfers"]), of_metric),
    st.sampled_from(ConditionOperator),
    st.integers(1, 3),
    st.booleans(),
)
def test_judge_cycles_as_the_contract_says(points: Points, operator: ConditionOperator, window: int, thrice: bool) -> None:
    """All and Any over conditions of different metrics, whatever points are there, with the first breached condition reported."""
    conditions = [condition("logins"), condition("transfers", **BELOW), condition("logins", static_upper=5.0)]
    of = compound(*conditions[: 3 if thrice else 2], operator=operator, window_minutes=window)
    cycles = [minute * MINUTE_MS for minute in range(5)]
    found = judge(compile_compound(of, None), points, cycles, ["a", "b", "c"])
    shown = [
        (
            cycle.holds,
            cycle.is_fresh,
            None if cycle.breach is None else (cycle.breach.condition, cycle.breach.seen.member, cycle.breach.seen.value),
        )
        for cycle in found
    ]
    assert shown == [judge_naively(of, points, at) for at in cycles]


def test_judge_cycles_reports_limits_of_the_condition() -> None:
    """A violation shows the limits of the condition that is breached, never those that the rule mirrors from its first."""
    of = compound(condition("logins"), condition("transfers", **BELOW), operator=ConditionOperator.ANY)
    (cycle,) = judge(compile_compound(of, None), {"transfers": [("a", 0, 4.0)], "logins": [("a", 0, 10.0)]}, [0], ["a"])
    assert cycle.breach is not None
    assert (cycle.breach.condition, cycle.breach.seen.value) == (1, 4.0)
    limits = cycle.breach.seen.limits
    assert (limits.lowers, limits.uppers, limits.shown) == ((5.0,), (UNLIMITED,), ((5.0, None),))


def test_compile_compound_mixes_static_and_dynamic() -> None:
    """Each condition has limits or a baseline of its own; the machine sees one level and no limits."""
    dynamic = condition("transfers", type=RuleType.DYNAMIC, threshold_mode=ThresholdMode.STDDEV, stddev_multiplier=3.0, static_upper=None)
    watch = compile_compound(compound(condition("logins"), dynamic, window_minutes=7, level=level(trigger_window_minutes=4)), PROFILE)
    assert watch.conditions[1].basis == Learning(3, 3, 6, ThresholdMode.STDDEV, Direction.ABOVE, (3.0,), 3.0)
    assert (watch.window_ms, watch.watch.memory_ms, watch.watch.limits, len(watch.watch.levels)) == (7 * MINUTE_MS, 4 * MINUTE_MS, None, 1)
    with pytest.raises(ValueError, match="needs a baseline profile"):
        compile_compound(compound(condition("logins"), dynamic), None)


def test_take_cycle_through_the_machine() -> None:
    """A cycle that holds opens, one that is clear closes, one without any point is nothing."""
    of = compound(condition("logins"), condition("transfers"), level=level(Severity.CRITICAL, recovery_minutes=1))
    watch = compile_compound(of, None)
    missing, clear = Cycle(is_fresh=False, breach=None), Cycle(is_fresh=True, breach=None)
    (bad,) = judge(watch, {"logins": [("a", 0, 11.0)], "transfers": [("a", 0, 11.0)]}, [0], ["a"])
    machine_level = watch.watch.levels[0]
    assert [verdict_of(watch, cycle) for cycle in (missing, clear, bad)] == [None, CLEAR, Verdict(machine_level, is_clear=False)]
    assert take_cycle(watch, START, 0, clear) is None
    opened = take_cycle(watch, START, 0, bad)
    assert opened is not None
    assert opened.step.violated == Violated(machine_level, is_late=False, handle=-1)
    assert isinstance(opened.step.opened, Opened)
    state = opened.step.state
    assert state == State((), OpenAlert(-1, machine_level.rank, 0, ()), 0)
    assert take_cycle(watch, state, MINUTE_MS, missing) is None
    closed = take_cycle(watch, state, MINUTE_MS, clear)
    assert closed is not None
    assert closed.step.closed is not None


HOLDS, CLEARS, MISSES = 11.0, 5.0, None
"""What the logins of a minute are."""


@given(
    st.lists(st.sampled_from([HOLDS, CLEARS, MISSES]), max_size=30),
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(0, 4),
    st.booleans(),
)
def test_take_cycle_as_a_point_of_a_plain_rule(seen: list[float | None], count: int, window: int, recovery: int, recovers: bool) -> None:
    """Cycle after cycle a rule opens and closes what a plain rule would whose points come at the cycles."""
    own = level(trigger_count=count, trigger_window_minutes=window, recovery_minutes=recovery)
    conditions = [condition("logins"), condition("transfers")]
    of = compound(*conditions, operator=ConditionOperator.ANY, level=own, window_minutes=1, auto_recover=recovers)
    watch = compile_compound(of, None)
    oracle = Oracle(rule(own, auto_recover=recovers), grace_ms=0)
    state, alerts = START, []
    for minute, value in enumerate(seen):
        at = minute * MINUTE_MS
        (cycle,) = judge(watch, {} if value is None else {"logins": [("a", at, value)]}, [at], ["a"])
        outcome = take_cycle(watch, state, at, cycle)
        if value is not None:
            oracle.take(at, value, at)
        if outcome is not None:
            state = outcome.step.state
            alerts += [[at, None]] if outcome.step.opened else []
            alerts = [*alerts[:-1], [alerts[-1][0], at]] if outcome.step.closed else alerts
    assert alerts == [[alert.start, alert.end] for alert in oracle.alerts]


@pytest.mark.parametrize(
    ("previous", "now", "due"),
    [
        (None, 125, 120),
        (None, 120, 120),
        (60, 119, None),
        (60, 120, 120),
        (60, 250, 120),
        (120, 60, None),
        (0, 3600, 3000),
        (0, 3659, 3060),
        (90, 200, 120),
    ],
)
def test_next_cycle_in_order_and_not_from_too_long_ago(previous: int | None, now: int, due: int | None) -> None:
    """The first is the newest; missed ones of the last ten minutes are made up for in order; a clock that was set back waits."""
    assert next_cycle(None if previous is None else previous * 1000, now * 1000, MINUTE_MS) == (None if due is None else due * 1000)
