"""Evaluating a chunk of points: pure, and vectorised where nothing can happen (contract lumetry 4.3, 8.2, 8.3).

A point is quiet when its evaluation series is in order, its value is clear for every rule and no alert is active on the series: it only
moves the newest time on. Series with any other point are walked point by point, in order of arrival, through the state machine.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lumetry_core.evaluation.effects import AlertChange, Effects, FoundViolation, Pair
from lumetry_core.evaluation.machine import START, State, Step, Watch, step
from lumetry_core.evaluation.state import EvaluationState
from lumetry_core.metrics.model import Floats, Integers

StoredPoint = tuple[int, int]
"""A stored series' number and a time."""


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


def survey(state: EvaluationState, chunk: Chunk) -> Survey:
    """Sorts a chunk by evaluation series and finds the series on which something can happen."""
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
    if not restless.any():
        return Survey(order, slots_sorted, restless)
    must_walk = np.zeros(len(state.member_of_slot), np.bool_)
    must_walk[slots_sorted[restless]] = True
    return Survey(order, slots_sorted, must_walk[slots_sorted])


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


def evaluate(state: EvaluationState, chunk: Chunk, surveyed: Survey, stored: Collection[StoredPoint], grace_ms: int) -> Effects:
    """Evaluates a chunk without changing the state.

    Args:
        surveyed: What `survey` said of the chunk.
        stored: Those of `doubtful_points` that were stored by earlier jobs.
        grace_ms: A point further behind the newest one of its series is late.
    """
    dispositions = np.where(state.is_ruled[chunk.rows], np.uint8(Disposition.EVALUATED), np.uint8(Disposition.NO_RULE))
    effects = Effects(
        outcomes=np.zeros(0, np.uint8),
        rows=chunk.rows[surveyed.order],
        times=chunk.times[surveyed.order],
        unordered=surveyed.walked if surveyed.walked.any() else None,
    )
    if effects.unordered is not None:
        walk = Walk(state, chunk, stored, grace_ms, effects, dispositions)
        positions = surveyed.order[surveyed.walked].tolist()
        slots = surveyed.slots[surveyed.walked]
        starts = [*np.flatnonzero(np.diff(slots, prepend=-1)).tolist(), len(positions)]
        for start, end in pairwise(starts):
            walk.take_member(int(slots[start]), positions[start:end])
        walk.finish()
    if state.overflowing:
        note_overflow(state, chunk, effects)
    effects.outcomes = np.maximum.reduceat(dispositions, chunk.job_starts)
    return effects


def note_overflow(state: EvaluationState, chunk: Chunk, effects: Effects) -> None:
    """Names the metrics that have points of members beyond the limit."""
    is_overflowing = np.zeros(len(state.member_of_slot), np.bool_)
    is_overflowing[list(state.overflowing)] = True
    slots = state.slot[chunk.rows]
    for slot in np.unique(slots[is_overflowing[slots]]).tolist():
        effects.overflowing.add(state.member_of_slot[slot][0])


class Walk:
    """Takes the points of members through the state machine and collects what it says."""

    def __init__(
        self,
        state: EvaluationState,
        chunk: Chunk,
        stored: Collection[StoredPoint],
        grace_ms: int,
        effects: Effects,
        dispositions: NDArray[np.uint8],
    ) -> None:
        self._state = state
        self._chunk = chunk
        self._stored = stored
        self._grace_ms = grace_ms
        self._effects = effects
        self._dispositions = dispositions
        self._changes: dict[int, AlertChange] = {}
        self._changes_of_pair: dict[Pair, list[AlertChange]] = {}
        self._found: dict[tuple[int, int, int], FoundViolation] = {}
        """Violations of this chunk by rule, slot and time."""

    def take_member(self, slot: int, positions: list[int]) -> None:
        """Walks the points of one evaluation series, given by their positions in order of arrival."""
        state, chunk = self._state, self._chunk
        newest = int(state.newest[slot])
        seen: dict[int, list[int]] = {}
        for position in positions:
            row, time, value = int(chunk.rows[position]), int(chunk.times[position]), float(chunk.values[position])
            rows_before = seen.setdefault(time, [])
            if time > newest:
                newest = time
            elif rows_before or self._is_stored_on(slot, time):
                self._repeat(row, time, rows_before, position)
                rows_before.append(row)
                continue
            rows_before.append(row)
            is_late = newest - time > self._grace_ms
            if is_late:
                self._dispositions[position] = Disposition.LATE
            for watch in state.watches_on(row):
                self._judge(watch, slot, position, time, value, newest, is_late=is_late)

    def _is_stored_on(self, slot: int, time: int) -> bool:
        return any(self._is_stored(row, time) for row in self._state.rows_of_slot[slot])

    def _is_stored(self, row: int, time: int) -> bool:
        newest = int(self._state.newest_of_row[row])
        if time > newest:
            return False
        if time == newest and not self._chunk.is_retry:
            return True
        return (self._state.series[row].id, time) in self._stored

    def _repeat(self, row: int, time: int, rows_before: list[int], position: int) -> None:
        """A timestamp is evaluated once per member; coming from another stored series it is ambiguous."""
        self._dispositions[position] = Disposition.DUPLICATE
        if row not in rows_before and not self._is_stored(row, time):
            self._effects.ambiguous.add(self._state.series[row].metric_id)

    def _judge(self, watch: Watch, slot: int, position: int, time: int, value: float, newest: int, *, is_late: bool) -> None:
        pair = (watch.rule.id, slot)
        touched = self._effects.pairs.get(pair)
        state = touched[1] if touched else self._state.pairs.get(pair, START)
        if state.alert is None and watch.clear_lower <= value <= watch.clear_upper:
            return
        done = step(watch, state, time, value, newest=newest, is_late=is_late, handle=-1 - len(self._changes))
        self._effects.pairs[pair] = (watch, done.state)
        if done.violated is not None or done.closed is not None or done.state.last_not_clear != state.last_not_clear:
            self._record(watch, slot, position, time, value, done, state)

    def _record(self, watch: Watch, slot: int, position: int, time: int, value: float, done: Step, before: State) -> None:
        pair = (watch.rule.id, slot)
        if done.violated is not None:
            found = FoundViolation(position, watch, slot, time, value, *done.violated)
            if found.is_late and found.handle is None:
                found.handle = self._closed_around(pair, time)
            self._effects.violations.append(found)
            self._found[watch.rule.id, slot, time] = found
        alert = done.state.alert or before.alert
        if alert is None:
            if done.violated is not None and found.handle is not None:
                self._changes[found.handle].joined += 1
            return
        change = self._change(watch, slot, alert.handle, position, alert.first_violation)
        change.last_not_clear = max(change.last_not_clear, done.state.last_not_clear or NO_TIME)
        if alert.first_violation < change.first_violation or (before.alert and alert.first_violation < before.alert.first_violation):
            change.first_violation, change.is_extended = alert.first_violation, True
        if done.opened is not None:
            change.opened, change.start_time = done.opened, time
            self._carry(change, done.opened.carried, already=time)
        elif done.violated is not None and found.handle is not None:
            self._changes[found.handle].joined += 1
        if done.escalated is not None:
            change.escalated.append(done.escalated)
            change.joined += len(done.escalated.carried)
            self._carry(change, done.escalated.carried, already=time)
        if done.closed is not None:
            change.closed, change.end_time = done.closed, time

    def _closed_around(self, pair: Pair, time: int) -> int | None:
        """The alert, closed within this chunk, into whose time a late violation falls; the newest one of several."""
        for change in reversed(self._changes_of_pair.get(pair, [])):
            if change.closed is not None and change.first_violation <= time <= change.end_time:
                return change.handle
        return None

    def _change(self, watch: Watch, slot: int, handle: int, position: int, first_violation: int) -> AlertChange:
        change = self._changes.get(handle)
        if change is None:
            of_pair = self._changes_of_pair.setdefault((watch.rule.id, slot), [])
            change = AlertChange(handle, watch, slot, len(of_pair), position, first_violation, NO_TIME)
            self._changes[handle] = change
            of_pair.append(change)
        return change

    def _carry(self, change: AlertChange, times: tuple[int, ...], already: int) -> None:
        """Makes violations the alert's: those of this chunk before they are written, earlier ones by attaching them."""
        for time in times:
            found = self._found.get((change.watch.rule.id, change.slot, time))
            if found is not None:
                found.handle = change.handle
            elif time != already:
                change.attached.append(time)

    def finish(self) -> None:
        """Puts what was collected in order of arrival."""
        self._effects.violations.sort(key=lambda found: (found.position, found.watch.rule.id))
        self._effects.alerts = sorted(self._changes.values(), key=lambda change: (change.generation, change.position, change.watch.rule.id))


UINT16_VALUES = 1 << 16
NO_TIME = -(1 << 62)
