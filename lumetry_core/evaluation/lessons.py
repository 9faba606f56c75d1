"""The points of a chunk that baselines judge or learn, by metric (contract lumetry 9.1)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lumetry_core.baselines.candidates import Candidates, make_candidates
from lumetry_core.evaluation.held import MINUTE_MS, HeldBaseline
from lumetry_core.evaluation.state import EvaluationState
from lumetry_core.evaluation.survey import Chunk, Sights, runs
from lumetry_core.metrics.model import Floats, Integers


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
    for start, end in runs(metric_ids):
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


def with_members(lesson: Lesson, held: HeldBaseline) -> Lesson:
    """The lesson with the members of a baseline in place of ordinals."""
    members = held.members[lesson.members]
    return Lesson(lesson.positions, members, lesson.times, lesson.values, lesson.rows, lesson.judged, lesson.is_late, lesson.breached)


def candidates(held: HeldBaseline, lesson: Lesson) -> Candidates:
    """The points of a lesson that are to be learned: on time; abnormal ones go with a mark."""
    kept = ~lesson.is_late
    numbers = np.full(int(kept.sum()), held.baseline.id)
    return make_candidates(numbers, lesson.members[kept], lesson.times[kept], lesson.values[kept], lesson.breached[kept])


def hours_to_load(state: EvaluationState, chunk: Chunk, sights: Sights, grace_ms: int) -> list[tuple[HeldBaseline, set[int]]]:
    """The hours of the week that drawing limits for a chunk needs of each baseline and that are not loaded."""
    positions = learned_positions(state, chunk)
    if not len(positions):
        return []
    metric_ids = state.learned_metric[chunk.rows[positions]]
    order = np.argsort(metric_ids, kind="stable")
    metric_ids, times_of_metrics = metric_ids[order], chunk.times[positions[order]]
    has_late = any(seen.is_late for sightings in sights.of_slot.values() for seen in sightings)
    found = []
    for start, end in runs(metric_ids):
        metric_id, times = int(metric_ids[start]), times_of_metrics[start:end]
        for held in state.baselines_of_metric(metric_id):
            half = max((watch.learning.half for watch in state.watches_of_metric(metric_id) if watch.learning), default=0)
            missing = held.hours_needed(times, state.newest, half, grace_ms, has_late=has_late)
            if missing:
                found.append((held, missing))
    return found
