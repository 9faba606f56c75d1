"""Replays points through the evaluator that runs live, in memory: no clock, no store (contract lumetry 19.3).

What is live done by transactions is done by lists here: alerts and violations are kept where a chunk's effects put them. Time is that of
the points. Points may come in any order; they are cut into chunks of a bounded size, which does not change what comes out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from lumetry_core.evaluation.bands import Drawn, draw
from lumetry_core.evaluation.effects import AlertChange, Effects, FoundViolation
from lumetry_core.evaluation.evaluate import evaluate
from lumetry_core.evaluation.held import HeldBaseline
from lumetry_core.evaluation.lessons import learned_positions
from lumetry_core.evaluation.machine import Watch
from lumetry_core.evaluation.state import EvaluationState, StoredSeries
from lumetry_core.evaluation.survey import Chunk, Sights, StoredPoint, Survey, doubtful_points, sight, survey, walk_more
from lumetry_core.metrics.model import Floats, Integers
from lumetry_core.replay.outcome import (
    ReplayedAlert,
    ReplayedPoints,
    ReplayedViolation,
    describe_violation,
    join_alert,
    judged_points,
    open_alert,
)

CHUNK_POINTS = 5_000
"""Few: a point that is not clear makes all points of its series in the chunk be judged one by one."""
CHUNK_MS = 5 * 86_400_000
"""Points closer together than a week draw their limits all at once where the pool allows it."""


class Replay:
    """A replay under way. Add series, then take their points."""

    def __init__(
        self,
        watches: Mapping[int, Sequence[Watch]],
        baselines: Mapping[int, Sequence[HeldBaseline]],
        grace_ms: int,
        *,
        shown: Watch | None = None,
        max_members: Mapping[int, int] | None = None,
        chunk_points: int = CHUNK_POINTS,
    ) -> None:
        """Begins without series.

        Args:
            watches: Rules by the number of their metric.
            baselines: What dynamic rules compare with, by the number of the metric; they go on learning.
            shown: The rule for which every point it judges is kept, with its limits.
            max_members: Members that a metric may have, where it says.
        """
        self.alerts: list[ReplayedAlert] = []
        """In the order in which they opened."""
        self.violations: list[ReplayedViolation] = []
        """In the order in which they were found."""
        self.point_parts: list[ReplayedPoints] = []
        """The points that `shown` judged, chunk by chunk."""
        self.state = EvaluationState()
        self.state.max_members.update(max_members or {})
        self.state.set_rules(watches, {}, baselines)
        self._baselines = {held.baseline.id: held for of_metric in baselines.values() for held in of_metric}
        self._grace_ms = grace_ms
        self._shown = shown
        self._chunk_points = chunk_points
        self._taken: list[tuple[Integers, Integers]] = []
        self._loose: dict[tuple[int, int, int], ReplayedViolation] = {}
        """Violations that belong to no alert by rule, slot and time."""

    def add_series(self, series: Iterable[StoredSeries]) -> None:
        """Takes up series without points, those of a metric in the order of their registration."""
        self.state.add_series(series)

    def take(self, series_ids: Integers, times: Integers, values: Floats) -> None:
        """Judges points, in order of arrival."""
        rows = self.state.find_rows(series_ids)
        if (rows < 0).any():
            raise ValueError("points of unknown series")
        for part in cut(times, self._chunk_points):
            self._take_chunk(Chunk(rows[part], times[part], values[part], np.zeros(1, np.int64)))

    def _take_chunk(self, chunk: Chunk) -> None:
        state = self.state
        surveyed = survey(state, chunk)
        sights = sight(state, chunk, surveyed.members(), self._find_taken(doubtful_points(state, chunk, surveyed)), self._grace_ms)
        drawn = None
        if len(learned_positions(state, chunk)):
            self._learn_due()
            drawn = draw(state, chunk, sights, self._grace_ms)
            if drawn.loud.any():
                surveyed = self._see_more(chunk, surveyed, sights, drawn)
        effects = evaluate(state, chunk, surveyed, sights, drawn)
        if self._shown is not None:
            self.point_parts.append(judged_points(state, chunk, self._shown, sights, drawn, effects.violations))
        state.apply(effects, self._record(effects))
        for part in effects.learnable:
            if len(part.times_ms):
                self._baselines[int(part.baseline_ids[0])].take(part)
        self._taken.append((chunk.rows, chunk.times))

    def _see_more(self, chunk: Chunk, surveyed: Survey, sights: Sights, drawn: Drawn) -> Survey:
        """Walks series on which a point is not clear by the limits that were drawn."""
        more = walk_more(self.state, surveyed, drawn.loud)
        added = [(slot, positions) for slot, positions in more.members() if slot not in sights.of_slot]
        sights.of_slot.update(sight(self.state, chunk, added, (), self._grace_ms).of_slot)
        return more

    def _learn_due(self) -> None:
        for held in self._baselines.values():
            if held.is_due(self.state.newest, self._grace_ms):
                held.advance(self.state.newest, self._grace_ms)

    def _find_taken(self, doubtful: set[StoredPoint]) -> set[StoredPoint]:
        """Those of the points that were taken before."""
        if not doubtful:
            return set()
        ids = np.fromiter((series_id for series_id, _ in doubtful), np.int64, len(doubtful))
        wanted_rows = self.state.find_rows(ids)
        wanted_times = np.fromiter((time for _, time in doubtful), np.int64, len(doubtful))
        found: set[StoredPoint] = set()
        for rows, times in self._taken:
            near = np.flatnonzero((times >= wanted_times.min()) & (times <= wanted_times.max()) & np.isin(rows, wanted_rows))
            found |= {(self.state.series[row].id, time) for row, time in zip(rows[near].tolist(), times[near].tolist(), strict=True)}
        return found & doubtful

    def _record(self, effects: Effects) -> dict[int, int]:
        """Keeps a chunk's violations and moves alerts; the numbers of those that opened, by handle."""
        numbers: dict[int, int] = {}
        for change in effects.alerts:
            if change.opened is not None:
                numbers[change.handle] = len(self.alerts)
                self.alerts.append(open_alert(change.watch, change.opened, change.start_time, self._member(change.slot)))
        for found in effects.violations:
            self._keep(found, numbers)
        for change in effects.alerts:
            self._move(change, numbers)
        return numbers

    def _keep(self, found: FoundViolation, numbers: Mapping[int, int]) -> None:
        number = None if found.handle is None else numbers.get(found.handle, found.handle)
        if number is None and found.is_late:
            number = self._find_covering(found)
        violation = ReplayedViolation(describe_violation(found, self._member(found.slot)), found.time, found.level.rank, number)
        self.violations.append(violation)
        if number is None:
            self._loose[found.watch.rule.id, found.slot, found.time] = violation
        else:
            join_alert(self.alerts[number], violation)

    def _move(self, change: AlertChange, numbers: Mapping[int, int]) -> None:
        number = numbers.get(change.handle, change.handle)
        alert = self.alerts[number]
        for time in change.attached:
            violation = self._loose.pop((change.watch.rule.id, change.slot, time))
            violation.alert = number
            join_alert(alert, violation)
        alert.escalated += change.escalated
        alert.first_violation = min(alert.first_violation, change.first_violation)
        if change.closed is not None:
            alert.end = change.end_time

    def _find_covering(self, found: FoundViolation) -> int | None:
        """The newest alert, closed by earlier chunks, into whose time a late violation falls."""
        for number in range(len(self.alerts) - 1, -1, -1):
            alert = self.alerts[number]
            is_same = alert.rule.id == found.watch.rule.id and alert.dimension_key == self._member(found.slot)
            if is_same and alert.end is not None and alert.first_violation <= found.time <= alert.end:
                return number
        return None

    def _member(self, slot: int) -> str | None:
        return self.state.member_of_slot[slot][1]


def cut(times: Integers, chunk_points: int) -> Iterator[slice]:
    """Parts of bounded size and, where times ascend, of bounded length."""
    start = 0
    while start < len(times):
        end = min(start + chunk_points, len(times))
        far = np.flatnonzero(times[start:end] - times[start] > CHUNK_MS)
        end = start + int(far[0]) if len(far) else end
        yield slice(start, end)
        start = end
