"""Looking over a chunk of points before anything is judged: what is in order, what must be walked, what is late or repeated.

Pure. A point is quiet when its evaluation series is in order, its value is clear for every rule and no alert is active on the series: it
only moves the newest time on. Series with any other point are walked point by point, in order of arrival (contract lumetry 4.3, 8.3).
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lumetry_core.evaluation.state import EvaluationState
from lumetry_core.metrics.model import Floats, Integers

StoredPoint = tuple[int, int]
"""A stored series' number and a time."""
UINT16_VALUES = 1 << 16


class Disposition(IntEnum):
    """What became of a point; of a job, the highest of its points."""

    DUPLICATE = 1
    LATE = 2
    NO_RULE = 3
    EVALUATED = 4


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Points of one organization in order of arrival, as the columns of consecutive jobs.

    Args:
        rows: Rows of the stored series in the state.
        job_starts: Position of each job's first point; every job has a point.
        is_retry: Points that were accepted after these may have been evaluated already.
    """

    rows: Integers
    times: Integers
    values: Floats
    job_starts: Integers
    is_retry: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """A chunk's points by slot, and which slots must be walked."""

    order: Integers
    """Positions, stably sorted by slot."""
    slots: Integers
    """Slots of the sorted points."""
    walked: NDArray[np.bool_]
    """Which sorted points belong to slots that must be walked."""

    def walked_slots(self) -> list[int]:
        """The slots that must be walked, ascending."""
        return np.unique(self.slots[self.walked]).tolist() if self.walked.any() else []

    def members(self) -> Iterator[tuple[int, list[int]]]:
        """Each walked slot with the positions of its points in order of arrival."""
        positions = self.order[self.walked].tolist()
        slots = self.slots[self.walked]
        for start, end in runs(slots):
            yield int(slots[start]), positions[start:end]


def runs(keys: Integers) -> Iterator[tuple[int, int]]:
    """Start and end of each run of equal keys."""
    if len(keys):
        starts = [0, *(np.flatnonzero(np.diff(keys)) + 1).tolist(), len(keys)]
        yield from pairwise(starts)


def survey(state: EvaluationState, chunk: Chunk) -> Survey:
    """Sorts a chunk by evaluation series and finds the series on which something can happen, limits of baselines aside."""
    slots = state.slot[chunk.rows]
    order = np.argsort(slots.astype(np.uint16) if len(state.member_of_slot) <= UINT16_VALUES else slots, kind="stable")
    slots_sorted, times = slots[order], chunk.times[order]
    previous = np.empty_like(times)
    previous[1:] = times[:-1]
    firsts = np.flatnonzero(np.diff(slots_sorted, prepend=-1))
    previous[firsts] = state.newest[slots_sorted[firsts]]
    restless = times <= previous
    rows = chunk.rows
    loud = (chunk.values < state.lower[rows]) | (chunk.values > state.upper[rows]) | state.is_busy[slots]
    restless |= loud[order]
    return Survey(order, slots_sorted, spread(state, slots_sorted, restless))


def spread(state: EvaluationState, slots: Integers, restless: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Marks all points of the slots that have a marked one."""
    if not restless.any():
        return restless
    must_walk = np.zeros(len(state.member_of_slot), np.bool_)
    must_walk[slots[restless]] = True
    return must_walk[slots]


def walk_more(state: EvaluationState, surveyed: Survey, loud: NDArray[np.bool_]) -> Survey:
    """The survey with the slots of further loud points, given by position, walked too."""
    return Survey(surveyed.order, surveyed.slots, surveyed.walked | spread(state, surveyed.slots, loud[surveyed.order]))


def doubtful_points(state: EvaluationState, chunk: Chunk, surveyed: Survey) -> set[StoredPoint]:
    """The points that may have been stored before the chunk, for all series of their members: whoever evaluates must look them up."""
    doubtful: set[StoredPoint] = set()
    positions = surveyed.order[surveyed.walked]
    slots = surveyed.slots[surveyed.walked]
    behind = chunk.times[positions] <= state.newest[slots]
    for slot, position in zip(slots[behind].tolist(), positions[behind].tolist(), strict=True):
        time = int(chunk.times[position])
        for row in state.rows_of_slot[slot]:
            newest = int(state.newest_of_row[row])
            if time < newest or (chunk.is_retry and time == newest):
                doubtful.add((state.series[row].id, time))
    return doubtful


class Sighting(NamedTuple):
    """A point to be judged. `newest` is the newest time of its series once it is in."""

    position: int
    row: int
    time: int
    value: float
    newest: int
    is_late: bool


@dataclass(frozen=True, slots=True)
class Sights:
    """What is seen of walked slots: the points to be judged in order of arrival, and positions of repetitions.

    `ambiguous` are metrics on which two label sets fell on one member and time.
    """

    of_slot: dict[int, list[Sighting]]
    repeated: list[int]
    ambiguous: set[int]


def sight(
    state: EvaluationState, chunk: Chunk, members: Iterable[tuple[int, list[int]]], stored: Collection[StoredPoint], grace_ms: int
) -> Sights:
    """Tells points to be judged from repetitions, and late ones from others.

    Args:
        members: Slots with the positions of their points in order of arrival.
        stored: Those of `doubtful_points` that were stored by earlier jobs.
        grace_ms: A point further behind the newest one of its series is late.
    """
    seen = Sights({}, [], set())
    for slot, positions in members:
        seen.of_slot[slot] = sight_member(state, chunk, slot, positions, stored, grace_ms, seen)
    return seen


def sight_member(
    state: EvaluationState,
    chunk: Chunk,
    slot: int,
    positions: list[int],
    stored: Collection[StoredPoint],
    grace_ms: int,
    seen: Sights,
) -> list[Sighting]:
    """The points of one evaluation series that are to be judged; a timestamp is judged once, the first time it comes."""

    def is_stored(row: int, time: int) -> bool:
        newest_of_row = int(state.newest_of_row[row])
        if time > newest_of_row:
            return False
        if time == newest_of_row and not chunk.is_retry:
            return True
        return (state.series[row].id, time) in stored

    sightings = []
    newest = int(state.newest[slot])
    rows_at: dict[int, list[int]] = {}
    for position in positions:
        row, time = int(chunk.rows[position]), int(chunk.times[position])
        rows_before = rows_at.setdefault(time, [])
        if time > newest:
            newest = time
        elif rows_before or any(is_stored(other, time) for other in state.rows_of_slot[slot]):
            seen.repeated.append(position)
            if row not in rows_before and not is_stored(row, time):
                seen.ambiguous.add(state.series[row].metric_id)
            rows_before.append(row)
            continue
        rows_before.append(row)
        sightings.append(Sighting(position, row, time, float(chunk.values[position]), newest, newest - time > grace_ms))
    return sightings
