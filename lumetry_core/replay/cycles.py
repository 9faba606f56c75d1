"""Replays a compound rule: its cycles over stored points, in memory (contract lumetry 8.4, 19.3).

Limits of a dynamic condition are drawn for each point from what its member learned up to whole minutes before it, as live. What breaches
a condition is no violation of the point's own series, so it is learned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lumetry_core.baselines.statistics import Statistics, empty
from lumetry_core.evaluation.bands import draw, is_independent
from lumetry_core.evaluation.compound import CompoundWatch, Cycles, Outcome, judge_cycles, take_cycle
from lumetry_core.evaluation.evaluate import evaluate
from lumetry_core.evaluation.held import MINUTE_MS, HeldBaseline, learning_delay
from lumetry_core.evaluation.lessons import lessons, with_members
from lumetry_core.evaluation.limits import Learning
from lumetry_core.evaluation.machine import START, State
from lumetry_core.evaluation.readings import Condition, Reading, find_newest, order_members, read_condition, see
from lumetry_core.evaluation.service.cycle_effects import describe_violation
from lumetry_core.evaluation.state import EvaluationState, StoredSeries, with_number
from lumetry_core.evaluation.survey import Chunk, runs, sight, survey
from lumetry_core.evaluation.trial import Trial, pool, put
from lumetry_core.metrics.model import Floats, Integers, MetricInfo
from lumetry_core.replay.engine import CHUNK_POINTS, cut
from lumetry_core.replay.outcome import NOT_BREACHED, ReplayedAlert, ReplayedPoints, ReplayedViolation, join_alert, open_alert
from lumetry_core.runtime.clock import from_ms

CELLS = 200_000
"""Cycles are judged in parts of so many pairs of cycle and member."""


@dataclass(frozen=True, slots=True, eq=False)
class ConditionPoints:
    """What a condition may see: series in its scope, and their points ascending by time, those before the first cycle too.

    `held` is the baseline of a dynamic condition.
    """

    series: Sequence[StoredSeries]
    series_ids: Integers
    times: Integers
    values: Floats
    held: HeldBaseline | None = None


class CycleReplay:
    """A replay of a compound rule."""

    def __init__(self, watch: CompoundWatch, metrics: Mapping[str, MetricInfo]) -> None:
        """Begins without alerts.

        Args:
            metrics: Of all conditions, by key.
        """
        self.alerts: list[ReplayedAlert] = []
        self.violations: list[ReplayedViolation] = []
        self.point_parts: list[ReplayedPoints] = []
        """Cycles on which any condition saw a point, as points of the first condition."""
        self._watch = watch
        self._metrics = metrics
        self._state: State = START
        self._loose: dict[int, ReplayedViolation] = {}

    def run(self, sources: Sequence[ConditionPoints], cycle_times: Integers, grace_ms: int) -> None:
        """Judges cycles, ascending; `sources` are those of the conditions, in their order."""
        views = [View(condition, source, grace_ms) for condition, source in zip(self._watch.conditions, sources, strict=True)]
        step = max(1, CELLS // max(1, *(len(view.members) for view in views)))
        for start in range(0, len(cycle_times), step):
            times = cycle_times[start : start + step]
            readings = [view.look(times, self._watch.window_ms) for view in views]
            cycles = judge_cycles(self._watch.rule.condition_operator, readings)
            self.point_parts.append(show_cycles(cycles, times, self._watch.watch.levels[0].rank))
            for place, time in enumerate(times.tolist()):
                outcome = take_cycle(self._watch, self._state, time, cycles.at(place))
                if outcome is not None:
                    self._record(outcome)

    def _record(self, outcome: Outcome) -> None:
        done, time = outcome.step, outcome.time
        if done.opened is not None:
            self.alerts.append(open_alert(self._watch.watch, done.opened, time, None))
        number = len(self.alerts) - 1
        if done.violated is not None and outcome.cycle.breach is not None:
            new = describe_violation(outcome, outcome.cycle.breach, self._metrics, {}, from_ms(time))
            belongs = done.violated.handle is not None
            violation = ReplayedViolation(new, time, done.violated.level.rank, number if belongs else None)
            self.violations.append(violation)
            if belongs:
                join_alert(self.alerts[number], violation)
            else:
                self._loose[time] = violation
        for carried in done.opened.carried if done.opened is not None else ():
            if carried != time:
                earlier = self._loose.pop(carried)
                earlier.alert = number
                join_alert(self.alerts[number], earlier)
        if done.closed is not None:
            self.alerts[number].end = time
        self._state = with_number(done.state, {-1: number})


class View:
    """A condition with its points and, when it is dynamic, what had been learned at each of them."""

    def __init__(self, condition: Condition, source: ConditionPoints, grace_ms: int) -> None:
        self.members, columns = order_members({series.id: series.dimension_key for series in source.series})
        self._condition = condition
        self._times, self._values = source.times, source.values
        by_id = np.zeros(max((series.id for series in source.series), default=0) + 1, np.int64)
        for series_id, column in columns.items():
            by_id[series_id] = column
        self._owners = by_id[source.series_ids]
        basis = condition.basis
        is_dynamic = isinstance(basis, Learning) and source.held is not None
        self._pools = learn_pools(source, source.held, basis.half, grace_ms) if is_dynamic else None  # type: ignore[union-attr,arg-type]

    def look(self, cycle_times: Integers, window_ms: int) -> Reading:
        """What the condition sees on cycles."""
        places = find_newest(cycle_times, window_ms, self._owners, self._times, len(self.members))
        pools = None if self._pools is None else self._pools[places[places >= 0]]
        return read_condition(self._condition, self.members, places, self._values, pools)


def learn_pools(source: ConditionPoints, held: HeldBaseline, half: int, grace_ms: int) -> Statistics:
    """For each point the pooled statistics of its member when it would be judged; the baseline goes on learning meanwhile."""
    found = empty(len(source.times))
    state = EvaluationState()
    metric_id = held.baseline.metric_id
    state.max_members[metric_id] = len(source.series)
    state.set_rules({}, {}, {metric_id: [held]})
    state.add_series(source.series)
    rows = state.find_rows(source.series_ids)
    for part in cut(source.times, CHUNK_POINTS):
        chunk = Chunk(rows[part], source.times[part], source.values[part], np.zeros(1, np.int64))
        surveyed = survey(state, chunk)
        sights = sight(state, chunk, surveyed.members(), (), grace_ms)
        if held.is_due(state.newest, grace_ms):
            held.advance(state.newest, grace_ms)
        lesson = with_members(lessons(state, chunk, sights)[metric_id], held)
        weeks, delay = held.clock.minutes_of_week(lesson.times), learning_delay(grace_ms)
        if is_independent(held, lesson, half, delay):
            put(found, part.start + lesson.positions, pool(held, held.baseline.learned, half, lesson, weeks, np.arange(len(weeks))))
        else:
            trial = Trial(held, lesson, weeks, half)
            for chosen in (np.arange(start, end) for start, end in runs(lesson.minutes)):
                trial.learn_before((int(lesson.minutes[chosen[0]]) - delay) * MINUTE_MS, lesson)
                put(found, part.start + lesson.positions[chosen], pool(held, trial.learned, half, lesson, weeks, chosen))
        effects = evaluate(state, chunk, surveyed, sights, draw(state, chunk, sights, grace_ms))
        state.apply(effects, {})
        for learnable in effects.learnable:
            held.take(learnable)
    return found


def show_cycles(cycles: Cycles, times: Integers, rank: int) -> ReplayedPoints:
    """Cycles on which any condition saw a point, with value and limits of the first condition; NaN where that one saw none.

    Of its members the breaching one is shown, else the first one with a point.
    """
    fresh = np.flatnonzero(cycles.is_fresh).tolist()
    first = cycles.readings[0]
    columns = np.full((4, len(fresh)), np.nan)
    for place, number in enumerate(fresh):
        cycle = cycles.at(number)
        seen = cycle.breach.seen if cycle.breach is not None and cycle.breach.condition == 0 else None
        if seen is None and first.is_judged[number].any():
            seen = see(first, number, int(first.is_judged[number].argmax()))
        if seen is not None:
            lower, upper = seen.limits.shown[0]
            columns[:, place] = [np.nan if value is None else value for value in (seen.value, seen.limits.expected, lower, upper)]
    values, expected, lowers, uppers = columns
    ranks = np.where(cycles.holds[fresh], rank, NOT_BREACHED).astype(np.int8)
    return ReplayedPoints(np.zeros(len(fresh), np.int64), times[fresh], values, expected, lowers, uppers, ranks)
