"""Compound rules: several conditions, judged together on a recurring cycle (contract lumetry 8.4). Pure, and many cycles at once.

What a rule makes of a cycle goes through the same machine as the points of plain rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lumetry_core.baselines.model import BaselineProfile
from lumetry_core.evaluation.compile import compile_level, fixed_limits, parameter_of
from lumetry_core.evaluation.limits import Learning
from lumetry_core.evaluation.machine import CLEAR, MINUTE_MS, State, Step, Verdict, Watch, step
from lumetry_core.evaluation.readings import Condition, Flags, Reading, Seen, find_breaches, see
from lumetry_core.metrics.model import Integers
from lumetry_core.rules.model import AlertLevel, ConditionOperator, Rule, RuleType, Strategy, ThresholdMode, resolve_level

CATCH_UP_MS = 10 * MINUTE_MS
"""Cycles that were missed are made up for so far back, older ones never."""


@dataclass(frozen=True, slots=True)
class CompoundWatch:
    """A compound rule ready to judge; `watch` is what the machine knows of it."""

    watch: Watch
    conditions: tuple[Condition, ...]

    @property
    def rule(self) -> Rule:
        """The rule."""
        return self.watch.rule

    @property
    def window_ms(self) -> int:
        """How old a point may be to be seen."""
        return self.watch.rule.window_minutes * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Breach:
    """What a cycle on which the rule holds reports: of its first breached condition the breaching member with the lowest dimension key."""

    condition: int
    seen: Seen


@dataclass(frozen=True, slots=True)
class Cycle:
    """What a rule makes of one cycle. `breach` is set when the rule holds; `is_fresh` tells whether any condition saw a point."""

    is_fresh: bool
    breach: Breach | None

    @property
    def holds(self) -> bool:
        """Whether the cycle is a violation."""
        return self.breach is not None


@dataclass(frozen=True, slots=True, eq=False)
class Cycles:
    """What a rule makes of many cycles.

    Args:
        holds: The cycles that are violations.
        is_fresh: The cycles on which any condition saw a point.
        conditions: Place of the first breached condition, and
        members: column of its breaching member with the lowest dimension key; of no meaning where nothing is breached.
    """

    readings: Sequence[Reading]
    holds: Flags
    is_fresh: Flags
    conditions: Integers
    members: Integers

    def at(self, place: int) -> Cycle:
        """One of the cycles."""
        if not self.holds[place]:
            return Cycle(bool(self.is_fresh[place]), None)
        condition = int(self.conditions[place])
        return Cycle(is_fresh=True, breach=Breach(condition, see(self.readings[condition], place, int(self.members[place]))))


def compile_compound(rule: Rule, profile: BaselineProfile | None) -> CompoundWatch:
    """Prepares a compound rule.

    Args:
        profile: The profile of its dynamic conditions; None is enough without such.
    """
    level = rule.levels[0]
    bare = AlertLevel(level.id, level.severity, level.trigger_count, level.trigger_window_minutes, level.recovery_minutes)
    watch = Watch(rule, (compile_level(bare),), None, None, bare.trigger_window_minutes * MINUTE_MS)
    return CompoundWatch(watch, tuple(compile_condition(rule, strategy, bare, profile) for strategy in rule.conditions))


def compile_condition(rule: Rule, strategy: Strategy, level: AlertLevel, profile: BaselineProfile | None) -> Condition:
    """Prepares one condition.

    Args:
        level: The rule's, without limits.
    """
    resolved = resolve_level(strategy, level)
    if strategy.type is RuleType.STATIC:
        return Condition(strategy, fixed_limits((resolved,)))
    if profile is None:
        raise ValueError(f"rule {rule.id} needs a baseline profile")
    mode = ThresholdMode(strategy.threshold_mode or ThresholdMode.STDDEV)
    parameter = parameter_of(resolved, mode)
    half = rule.window_minutes // 2
    return Condition(strategy, Learning(profile.id, half, profile.minimum_points, mode, strategy.direction, (parameter,), parameter))


def next_cycle(previous_ms: int | None, now_ms: int, cycle_ms: int) -> int | None:
    """The time of the cycle that is to be done next; None: none before the clock moves on.

    Args:
        previous_ms: The last one that was done; None: there was none, and the newest is the first.
    """
    newest = now_ms // cycle_ms * cycle_ms
    if previous_ms is None:
        return newest
    oldest = -((CATCH_UP_MS - now_ms) // cycle_ms) * cycle_ms
    following = max(previous_ms // cycle_ms * cycle_ms + cycle_ms, oldest)
    return following if following <= newest else None


def judge_cycles(operator: ConditionOperator, readings: Sequence[Reading]) -> Cycles:
    """What a rule makes of cycles.

    Args:
        readings: One for each condition, in their order, of the same cycles.
    """
    breaches = [find_breaches(reading) for reading in readings]
    is_breached = np.array([of_condition.any(axis=1) for of_condition in breaches])
    firsts = is_breached.argmax(axis=0)
    columns = np.array([of_condition.argmax(axis=1) if of_condition.shape[1] else firsts * 0 for of_condition in breaches])
    return Cycles(
        readings,
        holds=(np.logical_and if operator is ConditionOperator.ALL else np.logical_or).reduce(is_breached),
        is_fresh=np.logical_or.reduce([reading.is_judged.any(axis=1) for reading in readings]),
        conditions=firsts,
        members=columns[firsts, np.arange(len(firsts))],
    )


def verdict_of(watch: CompoundWatch, cycle: Cycle) -> Verdict | None:
    """What a cycle is to the machine: a violation, or clear when any condition saw a point; None: nothing at all."""
    if cycle.holds:
        return Verdict(watch.watch.levels[0], is_clear=False)
    return CLEAR if cycle.is_fresh else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a cycle does to a rule that had a state before it."""

    watch: CompoundWatch
    time: int
    cycle: Cycle
    before: State
    step: Step


def take_cycle(watch: CompoundWatch, before: State, time: int, cycle: Cycle) -> Outcome | None:
    """Takes a rule through its next cycle; None when nothing comes of it. An alert that opens has the handle -1."""
    verdict = verdict_of(watch, cycle)
    if verdict is None:
        return None
    done = step(watch.watch, before, time, verdict, newest=time, is_late=False, handle=-1)
    return None if done.violated is None and done.closed is None else Outcome(watch, time, cycle, before, done)
