"""Takes the points of members through the state machine and collects what it says."""

import numpy as np
from numpy.typing import NDArray

from lumetry_core.evaluation.bands import Drawn
from lumetry_core.evaluation.effects import AlertChange, Effects, FoundViolation, Pair
from lumetry_core.evaluation.limits import Limits
from lumetry_core.evaluation.machine import CLEAR, START, State, Step, Watch, judge, step
from lumetry_core.evaluation.state import EvaluationState
from lumetry_core.evaluation.survey import Disposition, Sighting

NO_TIME = -(1 << 62)


class Walk:
    """Walks members one after another; `finish` puts what was found in order."""

    def __init__(self, state: EvaluationState, drawn: Drawn | None, effects: Effects, dispositions: NDArray[np.uint8]) -> None:
        self._state = state
        self._drawn = drawn
        self._effects = effects
        self._dispositions = dispositions
        self._changes: dict[int, AlertChange] = {}
        self._changes_of_pair: dict[Pair, list[AlertChange]] = {}
        self._found: dict[tuple[int, int, int], FoundViolation] = {}
        """Violations of this chunk by rule, slot and time."""

    def take_member(self, slot: int, sightings: list[Sighting]) -> None:
        """Walks the points of one evaluation series, in order of arrival."""
        for seen in sightings:
            if seen.is_late:
                self._dispositions[seen.position] = Disposition.LATE
            for watch in self._state.watches_on(seen.row):
                limits = watch.limits
                if limits is None:
                    limits = self._drawn.limits_of(watch, seen.position) if self._drawn else None
                if limits is not None:
                    self._judge(watch, limits, slot, seen)

    def _judge(self, watch: Watch, limits: Limits, slot: int, seen: Sighting) -> None:
        pair = (watch.rule.id, slot)
        touched = self._effects.pairs.get(pair)
        state = touched[1] if touched else self._state.pairs.get(pair, START)
        verdict = judge(watch, limits, seen.value)
        if state.alert is None and verdict is CLEAR:
            return
        handle = -1 - len(self._changes)
        done = step(watch, state, seen.time, verdict, newest=seen.newest, is_late=seen.is_late, handle=handle)
        self._effects.pairs[pair] = (watch, done.state)
        if done.violated is not None or done.closed is not None or done.state.last_not_clear != state.last_not_clear:
            self._record(watch, limits, slot, seen, done, state)

    def _record(self, watch: Watch, limits: Limits, slot: int, seen: Sighting, done: Step, before: State) -> None:
        pair, position, time = (watch.rule.id, slot), seen.position, seen.time
        if done.violated is not None:
            found = FoundViolation(position, watch, slot, time, seen.value, limits, *done.violated)
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
            change.opened, change.start_time = done.opened, done.opened.time
            change.joined += len(done.opened.following)
            self._carry(change, done.opened.carried + done.opened.following, already=time)
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
