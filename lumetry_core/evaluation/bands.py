"""Drawing the limits of a chunk's points from baselines, vectorised (contract lumetry 9.1 to 9.3).

Points are taken minute by minute where a point of the chunk, or one that waits to be learned, may lie in the pool of a later one; all at
once where that cannot be: pools no wider than the delay of learning, and less than a week in the chunk.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lumetry_core.baselines.bands import CONFIDENCES, band, confidence
from lumetry_core.baselines.candidates import Candidates
from lumetry_core.baselines.learned import Learned
from lumetry_core.baselines.statistics import Statistics
from lumetry_core.evaluation.held import MINUTE_MS, HeldBaseline, learning_delay
from lumetry_core.evaluation.lessons import Lesson, candidates, lessons, with_members
from lumetry_core.evaluation.limits import UNLIMITED, Learning, Limits, finite
from lumetry_core.evaluation.machine import Watch
from lumetry_core.evaluation.state import EvaluationState
from lumetry_core.evaluation.survey import Chunk, Sights, runs
from lumetry_core.evaluation.trial import Trial, pool
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
    for start, end in runs(minutes):
        chosen = np.arange(start, end)
        for sheet, halves, trial in trials:
            trial.learn_before((int(minutes[start]) - delay) * MINUTE_MS, sheet.lesson)
            for half in halves:
                sheet.draw(half, trial.learned, chosen)


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
