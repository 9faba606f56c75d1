"""What evaluation knows of an organization's series on one partition.

Derived from durable facts and kept in memory between chunks: it changes only by `apply`, after the transaction that made the same
effects durable. Arrays have one element per row (a stored series) or per slot (an evaluation series); both only grow.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lumetry_core.evaluation.compile import matches
from lumetry_core.evaluation.effects import Effects, Pair
from lumetry_core.evaluation.held import HeldBaseline
from lumetry_core.evaluation.limits import UNLIMITED
from lumetry_core.evaluation.machine import START, OpenAlert, State, Watch, is_idle
from lumetry_core.metrics.model import Floats, Integers

Past = tuple[int, str | None]
"""A rule's number and a member's dimension key."""
MAX_MEMBERS = 500
"""Default of `maxCardinality` (contract lumetry 6.1): members of a metric beyond it are stored but not evaluated."""
NEVER = -(1 << 62)
"""The newest time of a series without points."""
FIRST_CAPACITY = 1024
COLUMNS = (
    "slot",
    "lower",
    "upper",
    "breach_lower",
    "breach_upper",
    "learned_metric",
    "is_ruled",
    "newest_of_row",
    "newest",
    "ordinal",
    "is_busy",
    "is_cold",
)
"""Arrays that grow with rows."""


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """A stored series: which member of which metric it feeds, and the time of its newest point."""

    id: int
    metric_id: int
    labels: Mapping[str, str]
    dimension_key: str | None
    newest: int = NEVER


class EvaluationState:
    """The state of one organization on one partition."""

    def __init__(self) -> None:
        self.series: list[StoredSeries] = []
        self.slot_of_member: dict[tuple[int, str | None], int] = {}
        self.member_of_slot: list[tuple[int, str | None]] = []
        self.rows_of_slot: list[list[int]] = []
        self.rows_of_metric: dict[int, list[int]] = {}
        self.overflowing: set[int] = set()
        """Slots of members beyond the limit."""
        self.slot: Integers = np.zeros(FIRST_CAPACITY, np.int64)
        self.lower: Floats = np.zeros(FIRST_CAPACITY)
        self.upper: Floats = np.zeros(FIRST_CAPACITY)
        """A value of the row within these limits is clear for every static rule."""
        self.breach_lower: Floats = np.zeros(FIRST_CAPACITY)
        self.breach_upper: Floats = np.zeros(FIRST_CAPACITY)
        """A value of the row within these limits breaches no static rule."""
        self.learned_metric: Integers = np.zeros(FIRST_CAPACITY, np.int64)
        """Metric of the rows whose points baselines learn; 0 for others."""
        self.is_ruled: NDArray[np.bool_] = np.zeros(FIRST_CAPACITY, np.bool_)
        self.newest_of_row: Integers = np.zeros(FIRST_CAPACITY, np.int64)
        self.newest: Integers = np.zeros(FIRST_CAPACITY, np.int64)
        self.ordinal: Integers = np.zeros(FIRST_CAPACITY, np.int64)
        """Of each slot among those of its metric, in order of registration."""
        self.is_busy: NDArray[np.bool_] = np.zeros(FIRST_CAPACITY, np.bool_)
        """Slots with an active alert, for which clear points matter too."""
        self.is_cold: NDArray[np.bool_] = np.zeros(FIRST_CAPACITY, np.bool_)
        """Slots of which only active alerts are known, not the violations that may still count; see `warm`."""
        self.pairs: dict[Pair, State] = {}
        self.members_of_metric: dict[int, int] = {}
        self.max_members: dict[int, int] = {}
        """Members that a metric may have; `MAX_MEMBERS` where it does not say."""
        self._watches: dict[int, list[Watch]] = {}
        self._alerting: dict[Past, State] = {}
        self._baselines: dict[int, list[HeldBaseline]] = {}
        self._watches_on_row: dict[int, tuple[Watch, ...]] = {}
        self._sorted_ids: Integers = np.zeros(0, np.int64)
        self._sorted_rows: Integers = np.zeros(0, np.int64)

    def find_rows(self, series_ids: Integers) -> Integers:
        """The row of each stored series; -1 where it is unknown."""
        known = self._sorted_ids
        if not len(known):
            return np.full(len(series_ids), -1, np.int64)
        if known[-1] - known[0] == len(known) - 1:
            places = series_ids - known[0]
            places[(places < 0) | (places >= len(known))] = 0
        else:
            places = np.searchsorted(known, series_ids)
            places[places == len(known)] = 0
        rows = self._sorted_rows[places]
        return np.where(known[places] == series_ids, rows, -1)

    def add_series(self, added: Iterable[StoredSeries]) -> None:
        """Takes up stored series that are not known yet; of a metric, they come in the order of their registration."""
        new = list(added)
        first_row = len(self.series)
        self.series.extend(new)
        self._reserve(len(self.series))
        slots = [self._place(row, series) for row, series in enumerate(new, start=first_row)]
        rows = slice(first_row, len(self.series))
        newest = np.fromiter((series.newest for series in new), np.int64, len(new))
        self.slot[rows] = slots
        self.newest_of_row[rows] = newest
        np.maximum.at(self.newest, slots, newest)
        np.logical_or.at(self.is_cold, slots, newest > NEVER)
        self._unlimit(rows)
        for row in range(first_row, len(self.series)):
            for watch in self.watches_on(row):
                self._limit([row], watch)
            if self._baselines and int(self.slot[row]) not in self.overflowing:
                self._learn_row(row)
        ids = np.fromiter((series.id for series in self.series), np.int64, len(self.series))
        self._sorted_rows = np.argsort(ids, kind="stable")
        self._sorted_ids = ids[self._sorted_rows]

    def _place(self, row: int, series: StoredSeries) -> int:
        """Finds or makes the slot of a series' member."""
        member = (series.metric_id, series.dimension_key)
        slot = self.slot_of_member.get(member)
        if slot is None:
            slot = self.slot_of_member[member] = len(self.member_of_slot)
            self.member_of_slot.append(member)
            self.rows_of_slot.append([])
            self.newest[slot], self.is_cold[slot] = NEVER, False
            self._recall_alerts(slot)
            self.ordinal[slot] = self.members_of_metric.get(series.metric_id, 0)
            members = self.members_of_metric[series.metric_id] = int(self.ordinal[slot]) + 1
            if members > self.max_members.get(series.metric_id, MAX_MEMBERS):
                self.overflowing.add(slot)
        self.rows_of_slot[slot].append(row)
        self.rows_of_metric.setdefault(series.metric_id, []).append(row)
        return slot

    def _recall_alerts(self, slot: int) -> None:
        metric_id, dimension_key = self.member_of_slot[slot]
        self.is_busy[slot] = False
        for watch in self._watches.get(metric_id, ()):
            state = self._alerting.get((watch.rule.id, dimension_key))
            if state is not None:
                self.pairs[watch.rule.id, slot] = state
                self.is_busy[slot] = True

    def _reserve(self, rows: int) -> None:
        capacity = len(self.slot)
        if rows <= capacity:
            return
        more = max(rows, 2 * capacity) - capacity
        for name in COLUMNS:
            column = getattr(self, name)
            setattr(self, name, np.concatenate((column, np.zeros(more, column.dtype))))

    def set_rules(
        self,
        watches: Mapping[int, Sequence[Watch]],
        alerting: Mapping[Past, State],
        baselines: Mapping[int, Sequence[HeldBaseline]] | None = None,
    ) -> None:
        """Replaces the rules; every member with points becomes cold.

        Args:
            watches: The rules of each metric by the metric's number.
            alerting: States that hold nothing but an active alert, for those that have one.
            baselines: What learns the points of each metric, by the metric's number.
        """
        self._watches = {metric_id: list(of_metric) for metric_id, of_metric in watches.items()}
        self._alerting = dict(alerting)
        self._watches_on_row.clear()
        self.pairs.clear()
        rows, slots = len(self.series), len(self.member_of_slot)
        self._baselines = {metric_id: list(of_metric) for metric_id, of_metric in (baselines or {}).items()}
        self._unlimit(slice(0, rows))
        for metric_id in self._baselines:
            for row in self._judged_rows(metric_id):
                self._learn_row(row)
        for metric_id, of_metric in self._watches.items():
            for watch in of_metric:
                self._limit(self._rows_under(metric_id, watch), watch)
        self.is_cold[:slots] = self.newest[:slots] > NEVER
        self.is_busy[:slots] = False
        if alerting:
            for slot in range(slots):
                self._recall_alerts(slot)

    def horizon(self, slot: int) -> int:
        """The time before which nothing counts any more for a member."""
        memory = max((watch.memory_ms for watch in self._watches.get(self.member_of_slot[slot][0], ())), default=0)
        return int(self.newest[slot]) - memory

    def cold_slots(self, slots: Iterable[int]) -> list[int]:
        """Those of the slots that are cold and judged by a rule."""
        return [slot for slot in slots if self.is_cold[slot] and self.member_of_slot[slot][0] in self._watches]

    def all_slots(self) -> range:
        """All slots."""
        return range(len(self.member_of_slot))

    def warm(self, slots: Iterable[int], past: Mapping[Past, State]) -> None:
        """Takes up what the past of members means, for each of their rules for which it means anything."""
        for slot in slots:
            metric_id, dimension_key = self.member_of_slot[slot]
            for watch in self._watches.get(metric_id, ()):
                state = past.get((watch.rule.id, dimension_key))
                if state is not None:
                    self.pairs[watch.rule.id, slot] = state
            self.is_cold[slot] = False

    def _judged_rows(self, metric_id: int) -> list[int]:
        rows = self.rows_of_metric.get(metric_id, [])
        if self.members_of_metric.get(metric_id, 0) > self.max_members.get(metric_id, MAX_MEMBERS):
            rows = [row for row in rows if int(self.slot[row]) not in self.overflowing]
        return rows

    def _rows_under(self, metric_id: int, watch: Watch) -> list[int]:
        rows = self._judged_rows(metric_id)
        scope = watch.rule.scope
        return [row for row in rows if matches(scope, self.series[row].labels)] if scope else rows

    def _unlimit(self, rows: slice) -> None:
        self.lower[rows], self.upper[rows], self.is_ruled[rows] = -UNLIMITED, UNLIMITED, False
        self.breach_lower[rows], self.breach_upper[rows], self.learned_metric[rows] = -UNLIMITED, UNLIMITED, 0

    def _limit(self, rows: list[int], watch: Watch) -> None:
        at = rows[0] if len(rows) == 1 else rows
        self.is_ruled[at] = True
        limits = watch.limits
        if limits is None:
            return
        self.lower[at] = np.maximum(self.lower[at], limits.clear_lower)
        self.upper[at] = np.minimum(self.upper[at], limits.clear_upper)
        self.breach_lower[at] = np.maximum(self.breach_lower[at], max(limits.lowers))
        self.breach_upper[at] = np.minimum(self.breach_upper[at], min(limits.uppers))

    def _learn_row(self, row: int) -> None:
        metric_id, dimension_key = self.member_of_slot[int(self.slot[row])]
        slot = int(self.slot[row])
        for held in self._baselines.get(metric_id, ()):
            held.place(int(self.ordinal[slot]), slot, dimension_key)
            self.learned_metric[row] = metric_id

    def watches_of_metric(self, metric_id: int) -> Sequence[Watch]:
        """The rules of a metric."""
        return self._watches.get(metric_id, ())

    def baselines_of_metric(self, metric_id: int) -> Sequence[HeldBaseline]:
        """What learns the points of a metric."""
        return self._baselines.get(metric_id, ())

    def watches_on(self, row: int) -> tuple[Watch, ...]:
        """The rules that judge the points of a stored series."""
        watches = self._watches_on_row.get(row)
        if watches is None:
            series = self.series[row]
            of_metric = () if int(self.slot[row]) in self.overflowing else self._watches.get(series.metric_id, ())
            watches = tuple(watch for watch in of_metric if matches(watch.rule.scope, series.labels))
            self._watches_on_row[row] = watches
        return watches

    def apply(self, effects: Effects, numbers: Mapping[int, int]) -> None:
        """Takes over what a chunk did, once that is durable.

        Args:
            numbers: The number of each alert that the chunk opened, by its handle.
        """
        rows, times = effects.rows, effects.times
        slots = self.slot[rows]
        unordered = effects.unordered
        if unordered is None:
            self.newest_of_row[rows] = times
            self.newest[slots] = times
        else:
            self.newest_of_row[rows[~unordered]] = times[~unordered]
            self.newest[slots[~unordered]] = times[~unordered]
            np.maximum.at(self.newest_of_row, rows[unordered], times[unordered])
            np.maximum.at(self.newest, slots[unordered], times[unordered])
        for pair, (watch, state) in effects.pairs.items():
            if is_idle(watch, state, int(self.newest[pair[1]])):
                self.pairs.pop(pair, None)
            else:
                self.pairs[pair] = with_number(state, numbers)
        for slot in {slot for _, slot in effects.pairs}:
            self.is_busy[slot] = any(
                (self.pairs.get((watch.rule.id, slot)) or START).alert is not None
                for watch in self._watches.get(self.member_of_slot[slot][0], ())
            )


def with_number(state: State, numbers: Mapping[int, int]) -> State:
    """The state with the alert's number in place of the handle it had within its chunk."""
    alert = state.alert
    if alert is None or alert.handle >= 0:
        return state
    return State(
        state.loose,
        OpenAlert(numbers[alert.handle], alert.rank, alert.first_violation, alert.own),
        state.last_not_clear,
    )
