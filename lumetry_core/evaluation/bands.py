"""Drawing the limits of a chunk's points from baselines, vectorised (contract lumetry 9.1 to 9.3).

Points are taken minute by minute where a point of the chunk, or one that waits to be learned, may lie in the pool of a later one; all at
once where that cannot be: pools no wider than the delay of learning, and less than a week in the chunk.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lumetry_core.baselines.bands import CONFIDENCES, band, confidence
from lumetry_core.baselines.candidates import Candidates, lie_in, make_candidates
from lumetry_core.baselines.learned import Learned
from lumetry_core.baselines.statistics import Statistics
from lumetry_core.evaluation.held import MINUTE_MS, NO_MINUTE, HeldBaseline, learning_delay
from lumetry_core.evaluation.limits import UNLIMITED, Learning, Limits, finite
from lumetry_core.evaluation.machine import Watch
from lumetry_core.evaluation.state import EvaluationState
from lumetry_core.evaluation.survey import Chunk, Sights
from lumetry_core.metrics.model import Floats, Integers


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """Limits of one rule for points of one baseline: one column for each point, one row for each level where there are two axes."""

    learning: Learning
    lowers: Floats
    uppers: Floats
    clear_lowers: Floats
    clear_uppers: Floats
    expected: Floats
    confidences: NDArray[np.int8]
    """0: too little was learned, nothing is judged."""


@dataclass(slots=True, eq=False)
class Drawn:
    """What baselines say of a chunk.

    Args:
        place: For each point of the chunk its column in the bands of its metric's rules; -1 where there is none.
        bands: By rule.
        loud: Points of the chunk that are not clear for a dynamic rule.
        learnable: Points that baselines will learn.
    """

    place: Integers
    loud: NDArray[np.bool_]
    bands: dict[int, Band] = field(default_factory=dict)
    learnable: list[Candidates] = field(default_factory=list)

    def limits_of(self, watch: Watch, position: int) -> Limits | None:
        """The limits of a dynamic rule for a point; None when too little was learned to judge it."""
        band_of_rule = self.bands.get(watch.rule.id)
        column = int(self.place[position])
        if band_of_rule is None or column < 0 or not band_of_rule.confidences[column]:
            return None
        direction = band_of_rule.learning.direction
        lowers, uppers = band_of_rule.lowers[:, column].tolist(), band_of_rule.uppers[:, column].tolist()
        return Limits(
            lowers=tuple(lowers) if direction.has_lower else (-UNLIMITED,) * len(lowers),
            uppers=tuple(uppers) if direction.has_upper else (UNLIMITED,) * len(uppers),
            clear_lower=float(band_of_rule.clear_lowers[column]),
            clear_upper=float(band_of_rule.clear_uppers[column]),
            shown=tuple((finite(lower), finite(upper)) for lower, upper in zip(lowers, uppers, strict=True)),
            expected=float(band_of_rule.expected[column]),
            confidence=CONFIDENCES[int(band_of_rule.confidences[column])],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """The points of a chunk on one baseline, ascending by the time at which they are judged; none is a repetition.

    A point on time is judged by what is known at its own time, a late one by what was known at the newest time before it.
    """

    positions: Integers
    members: Integers
    times: Integers
    values: Floats
    rows: Integers
    judged: Integers
    is_late: NDArray[np.bool_]
    breached: NDArray[np.bool_]
    """Found abnormal by a rule so far; written while limits are drawn."""

    @property
    def minutes(self) -> Integers:
        """Whole minutes since the Unix epoch."""
        return self.times // MINUTE_MS


def learned_positions(state: EvaluationState, chunk: Chunk) -> Integers:
    """The points of series that baselines learn."""
    return np.flatnonzero(state.learned_metric[chunk.rows])


def lessons(state: EvaluationState, chunk: Chunk, sights: Sights) -> dict[int, Lesson]:
    """A chunk's points on learned series by metric, without repetitions."""
    usable = state.learned_metric[chunk.rows] != 0
    usable[sights.repeated] = False
    positions = np.flatnonzero(usable)
    late = [(seen.position, seen.newest) for sightings in sights.of_slot.values() for seen in sightings if seen.is_late]
    is_late = np.zeros(len(chunk.rows), np.bool_)
    judged = chunk.times.copy()
    for position, newest in late:
        is_late[position], judged[position] = True, newest
    rows = chunk.rows[positions]
    metric_ids = state.learned_metric[rows]
    order = np.lexsort((positions, chunk.times[positions], judged[positions], metric_ids))
    positions, metric_ids = positions[order], metric_ids[order]
    found: dict[int, Lesson] = {}
    if not len(positions):
        return found
    starts = np.flatnonzero(np.diff(metric_ids, prepend=-1))
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(positions)], strict=True):
        part = positions[start:end]
        rows, values = chunk.rows[part], chunk.values[part]
        found[int(metric_ids[start])] = Lesson(
            positions=part,
            members=state.ordinal[state.slot[rows]],
            times=chunk.times[part],
            values=values,
            rows=rows,
            judged=judged[part],
            is_late=is_late[part],
            breached=(values < state.breach_lower[rows]) | (values > state.breach_upper[rows]),
        )
    return found


def draw(state: EvaluationState, chunk: Chunk, sights: Sights, grace_ms: int) -> Drawn:
    """Draws the limits of all points on learned series. The hours of the week that `hours_to_load` names are loaded.

    Changes nothing but the pools that baselines keep, which are what anyone would work out again.
    """
    drawn = Drawn(np.full(len(chunk.rows), -1), np.zeros(len(chunk.rows), np.bool_))
    for metric_id, lesson in lessons(state, chunk, sights).items():
        drawn.place[lesson.positions] = np.arange(len(lesson.positions))
        watches = [watch for watch in state.watches_of_metric(metric_id) if watch.learning is not None]
        parts = [(held, with_members(lesson, held)) for held in state.baselines_of_metric(metric_id)]
        sheets = []
        for held, own in parts:
            judging = [watch for watch in watches if watch.learning and watch.learning.profile_id == held.baseline.profile_id]
            if judging:
                sheets.append(Sheet(state, held, own, judging, drawn))
        draw_lesson(sheets, learning_delay(grace_ms))
        drawn.learnable += [candidates(held, own) for held, own in parts]
    return drawn


def with_members(lesson: Lesson, held: HeldBaseline) -> Lesson:
    """The lesson with the members of a baseline in place of ordinals."""
    members = held.members[lesson.members]
    return Lesson(lesson.positions, members, lesson.times, lesson.values, lesson.rows, lesson.judged, lesson.is_late, lesson.breached)


def candidates(held: HeldBaseline, lesson: Lesson) -> Candidates:
    """The points of a lesson that are to be learned: on time; abnormal ones go with a mark."""
    kept = ~lesson.is_late
    numbers = np.full(int(kept.sum()), held.baseline.id)
    return make_candidates(numbers, lesson.members[kept], lesson.times[kept], lesson.values[kept], lesson.breached[kept])


class Sheet:
    """The rules on one baseline, and what is drawn for them."""

    def __init__(self, state: EvaluationState, held: HeldBaseline, lesson: Lesson, watches: list[Watch], drawn: Drawn) -> None:
        self.held = held
        self.lesson = lesson
        self.weeks = held.clock.minutes_of_week(lesson.times)
        self.by_half: dict[int, list[Watch]] = {}
        self._drawn = drawn
        self._masks = {watch.rule.id: covered(state, watch, lesson.rows) for watch in watches}
        for watch in watches:
            if watch.learning is not None:
                self.by_half.setdefault(watch.learning.half, []).append(watch)
                drawn.bands[watch.rule.id] = empty_band(watch.learning, len(lesson.times))

    def draw(self, half: int, learned: Learned, chosen: Integers) -> None:
        """Draws limits from pools of one width for some points of the lesson, and marks what is loud or abnormal."""
        pools = pool(self.held, learned, half, self.lesson, self.weeks, chosen)
        for watch in self.by_half[half]:
            fill(self._drawn, watch, self.held, self.lesson, chosen, pools, self._masks[watch.rule.id])


def draw_lesson(sheets: Sequence[Sheet], delay: int) -> None:
    """Draws the limits of all rules on one metric's points."""
    sweeping: list[tuple[Sheet, list[int]]] = []
    for sheet in sheets:
        dependent = []
        for half in sheet.by_half:
            if is_independent(sheet.held, sheet.lesson, half, delay):
                sheet.draw(half, sheet.held.baseline.learned, np.arange(len(sheet.lesson.times)))
            else:
                dependent.append(half)
        if dependent:
            sweeping.append((sheet, dependent))
    if sweeping:
        sweep(sweeping, delay)


def is_independent(held: HeldBaseline, lesson: Lesson, half: int, delay: int) -> bool:
    """Whether no point of the lesson, or one that waits, can lie in the pool of another and be learned before it is judged."""
    return half <= delay and not lesson.is_late.any() and held.is_one_pass(int(lesson.times[0]), int(lesson.times[-1]))


def sweep(sheets: Sequence[tuple[Sheet, list[int]]], delay: int) -> None:
    """Draws limits minute by minute, learning on copies whatever is old enough at each.

    All baselines of the metric go together: what a rule on one of them finds abnormal is learned by none.
    """
    trials = [(sheet, halves, Trial(sheet.held, sheet.lesson, sheet.weeks, max(halves))) for sheet, halves in sheets]
    minutes = sheets[0][0].lesson.judged // MINUTE_MS
    starts = np.flatnonzero(np.diff(minutes, prepend=NO_MINUTE))
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(minutes)], strict=True):
        chosen = np.arange(start, end)
        for sheet, halves, trial in trials:
            trial.learn_before((int(minutes[start]) - delay) * MINUTE_MS, sheet.lesson)
            for half in halves:
                sheet.draw(half, trial.learned, chosen)


class Trial:
    """A copy of what was learned that goes on learning within a chunk: first what waits, then the chunk's own points."""

    def __init__(self, held: HeldBaseline, lesson: Lesson, weeks: Integers, half: int) -> None:
        self._held = held
        pending = held.settle().pending
        own = np.flatnonzero(~lesson.is_late)
        self._own = np.concatenate((np.full(len(pending.times_ms), -1), own))
        self._members = np.concatenate((pending.members, lesson.members[own]))
        self._times = np.concatenate((pending.times_ms, lesson.times[own]))
        self._values = np.concatenate((pending.values, lesson.values[own]))
        self._breached = np.concatenate((pending.breached.astype(np.bool_), np.zeros(len(own), np.bool_)))
        order = np.argsort(self._times, kind="stable")
        for name in ("_own", "_members", "_times", "_values", "_breached"):
            setattr(self, name, getattr(self, name)[order])
        self._at = 0
        learned = held.baseline.learned
        touched = held.clock.minutes_of_week(self._times)
        self.learned = learned.fork(learned.hours_needed(weeks, half) | learned.hours_needed(touched, 0))
        self._weeks = touched

    def learn_before(self, boundary: int, lesson: Lesson) -> None:
        """Learns what lies before a time and was not found abnormal."""
        end = int(np.searchsorted(self._times, boundary))
        if end <= self._at:
            return
        part = slice(self._at, end)
        self._at = end
        own = self._own[part]
        normal = ~self._breached[part]
        normal[own >= 0] &= ~lesson.breached[own[own >= 0]]
        normal &= ~lie_in(self._times[part], self._held.exclusions)
        if normal.any():
            times = self._times[part][normal]
            self.learned.add(self._members[part][normal], self._weeks[part][normal], times // MINUTE_MS, self._values[part][normal])


def pool(held: HeldBaseline, learned: Learned, half: int, lesson: Lesson, weeks: Integers, chosen: Integers) -> Statistics:
    """The pooled statistics of points, each worked out once for a member and minute. Those of late points are not kept."""
    members, minutes = lesson.members[chosen], lesson.minutes[chosen]
    kept = held.pools_of(half)
    missing = np.flatnonzero(kept.minutes[members] != minutes)
    result = kept.statistics[members]
    if not len(missing):
        return result
    keys = members[missing] * (1 << 40) + minutes[missing]
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    asked = missing[first]
    fresh = learned.pool(members[asked], weeks[chosen][asked], half)
    put(result, missing, fresh[inverse])
    newer = (minutes[asked] > kept.minutes[members[asked]]) & ~lesson.is_late[chosen][asked]
    order = np.flatnonzero(newer)[np.argsort(minutes[asked][newer], kind="stable")]
    kept.minutes[members[asked][order]] = minutes[asked][order]
    put(kept.statistics, members[asked][order], fresh[order])
    return result


def put(statistics: Statistics, places: Integers, replacing: Statistics) -> None:
    """Writes statistics into places of others."""
    for column, values in zip(statistics.columns, replacing.columns, strict=True):
        column[places] = values


def covered(state: EvaluationState, watch: Watch, rows: Integers) -> NDArray[np.bool_]:
    """Which points a rule's scope covers."""
    if not watch.rule.scope:
        return np.ones(len(rows), np.bool_)
    distinct, inverse = np.unique(rows, return_inverse=True)
    judged = np.fromiter((watch in state.watches_on(row) for row in distinct.tolist()), np.bool_, len(distinct))
    return judged[inverse]


def empty_band(learning: Learning, points: int) -> Band:
    """A band that judges nothing yet."""
    levels = len(learning.parameters)
    return Band(
        learning,
        np.zeros((levels, points)),
        np.zeros((levels, points)),
        np.zeros(points),
        np.zeros(points),
        np.zeros(points),
        np.zeros(points, np.int8),
    )


def fill(
    drawn: Drawn, watch: Watch, held: HeldBaseline, lesson: Lesson, chosen: Integers, pools: Statistics, mask: NDArray[np.bool_]
) -> None:
    """Draws a rule's limits for some points of a lesson and marks what is loud or abnormal."""
    drawing = drawn.bands[watch.rule.id]
    learning = drawing.learning
    values, direction = lesson.values[chosen], learning.direction
    drawing.expected[chosen] = pools.means
    drawing.confidences[chosen] = confidence(pools.counts, held.minimum_points, pools.means)
    clear_lower, clear_upper = band(learning.mode.value, pools, learning.recovery_parameter)
    breached = np.zeros(len(chosen), np.bool_)
    for level, parameter in enumerate(learning.parameters):
        lower, upper = band(learning.mode.value, pools, parameter)
        drawing.lowers[level, chosen], drawing.uppers[level, chosen] = lower, upper
        clear_lower, clear_upper = np.maximum(clear_lower, lower), np.minimum(clear_upper, upper)
        if direction.has_lower:
            breached |= values < lower
        if direction.has_upper:
            breached |= values > upper
    drawing.clear_lowers[chosen] = clear_lower if direction.has_lower else -UNLIMITED
    drawing.clear_uppers[chosen] = clear_upper if direction.has_upper else UNLIMITED
    judged = (drawing.confidences[chosen] > 0) & mask[chosen]
    not_clear = (values < drawing.clear_lowers[chosen]) | (values > drawing.clear_uppers[chosen])
    lesson.breached[chosen] |= breached & judged
    drawn.loud[lesson.positions[chosen]] |= not_clear & judged


def hours_to_load(state: EvaluationState, chunk: Chunk, sights: Sights, grace_ms: int) -> list[tuple[HeldBaseline, set[int]]]:
    """The hours of the week that drawing limits for a chunk needs of each baseline and that are not loaded."""
    positions = learned_positions(state, chunk)
    if not len(positions):
        return []
    metric_of = state.learned_metric[chunk.rows[positions]]
    has_late = any(seen.is_late for sightings in sights.of_slot.values() for seen in sightings)
    found = []
    for metric_id in np.unique(metric_of).tolist():
        times = chunk.times[positions[metric_of == metric_id]]
        for held in state.baselines_of_metric(metric_id):
            half = max((watch.learning.half for watch in state.watches_of_metric(metric_id) if watch.learning), default=0)
            missing = held.hours_needed(times, state.newest, half, grace_ms, has_late=has_late)
            if missing:
                found.append((held, missing))
    return found
