"""Makes and completes the state of an organization on a partition from durable facts.

Nothing here writes. What is read stays true until the holder of the partition's lease commits effects, or the organization's version of
rules moves, which the writing transaction checks.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from lumetry_core.baselines.candidates import Candidates
from lumetry_core.baselines.model import Rebuild
from lumetry_core.evaluation.held import HeldBaseline
from lumetry_core.evaluation.machine import State, Watch
from lumetry_core.evaluation.restore import restore_past
from lumetry_core.evaluation.service.rules import CompiledRules
from lumetry_core.evaluation.state import NEVER, EvaluationState, Past, StoredSeries
from lumetry_core.evaluation.survey import StoredPoint
from lumetry_core.metrics.dimension import dimension_key_of
from lumetry_core.metrics.model import DAY_MS, Integers, MetricInfo, Newest, SeriesInfo
from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.service.catalog import find_metrics_by_id
from lumetry_core.metrics.service.members import list_metric_series, list_siblings, sealed_times
from lumetry_core.metrics.service.stored import fold_unsealed, read_newest
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.clock import from_ms
from lumetry_core.runtime.database import Transaction
from lumetry_core.violations import service as violations
from lumetry_core.violations.model import Violation, ViolationFilter

ALL = 1 << 40
"""A limit that no list reaches."""
ALERTS_PER_QUERY = 500
POINTS_PER_READ = 1_000_000


Shape = tuple[bool, tuple[str, ...], int]
"""Whether a metric has members, by which labels, and how many it may have."""


class PartitionState:
    """The state of an organization on a partition, with what it takes to complete it."""

    def __init__(self, organization_id: int, partition: int, newest: Newest) -> None:
        self.organization_id = organization_id
        self.partition = partition
        self.version = -1
        self.state = EvaluationState()
        self.alerting: Mapping[Past, State] = {}
        """The active alerts when the rules were set; of a cold member they are the present ones."""
        self.baselines: dict[tuple[int, int], HeldBaseline] = {}
        """By number of profile and metric."""
        self.are_baselines_loaded = False
        self.journal_id = 0
        """The newest entry of the journal of points to be learned."""
        self.journaled_points = 0
        """Points in the journal since baselines were saved last."""
        self.unlearned: set[int] = set()
        """Metrics whose baselines are of no use, as their members are others now."""
        self.rebuilds: list[Rebuild] = []
        self.rebuilt: set[tuple[int, tuple[int, int]]] = set()
        """Baselines that have done what the oldest request to rebuild asks."""
        self.shapes: dict[int, Shape] = {}
        """How the points of metrics were told apart when their series were taken up."""
        self._newest = newest
        self._watches: Mapping[int, list[Watch]] = {}
        self._by_id: dict[int, HeldBaseline] = {}

    def baseline_of(self, points: Candidates) -> HeldBaseline:
        """The baseline that points, all of one, are for."""
        return self._by_id[int(points.baseline_ids[0])]

    def misshapen(self, metrics: Mapping[int, MetricInfo]) -> set[int]:
        """Metrics that no longer tell their members apart as they did."""
        return {number for number, metric in metrics.items() if self.shapes.get(number) not in (None, shape_of(metric))}

    def newest_of(self, series_ids: Integers) -> Integers:
        """The newest time of series when the state was made."""
        known = self._newest.series_ids
        if not len(known):
            return np.full(len(series_ids), NEVER)
        places = np.minimum(np.searchsorted(known, series_ids), len(known) - 1)
        return np.where(known[places] == series_ids, self._newest.times_ms[places], NEVER)

    def set_rules(self, compiled: CompiledRules, alerting: Mapping[Past, State]) -> None:
        """Follows the rules to a version."""
        self.alerting = alerting
        self._watches = compiled.by_partition.get(self.partition, {})
        self.set_baselines()
        self.version = compiled.version

    def set_baselines(self) -> None:
        """Follows rules and baselines as they are held now."""
        self._by_id = {held.baseline.id: held for held in self.baselines.values()}
        by_metric: dict[int, list[HeldBaseline]] = {}
        for (_, metric_id), held in sorted(self.baselines.items()):
            by_metric.setdefault(metric_id, []).append(held)
        self.state.set_rules(self._watches, self.alerting, by_metric)


def shape_of(metric: MetricInfo) -> Shape:
    """How a metric tells its members apart."""
    return metric.multidimensional, metric.dimension_keys, metric.fleet.max_cardinality


async def load_partition(tx: Transaction, organization_id: int, partition: int) -> PartitionState:
    """Makes a state without rules: all it knows is how far each series is."""
    sealed = await read_newest(tx, organization_id, [partition])
    return PartitionState(organization_id, partition, await fold_unsealed(tx, organization_id, sealed, [partition]))


async def add_series(tx: Transaction, held: PartitionState, series_ids: Integers) -> None:
    """Takes up series that are not known yet, together with all other series of their metrics."""
    await add_siblings(tx, held, await list_siblings(tx, held.organization_id, np.unique(series_ids).tolist()))


async def add_metric_series(tx: Transaction, held: PartitionState, metric_id: int) -> None:
    """Takes up the series of a metric that are not known yet."""
    await add_siblings(tx, held, await list_metric_series(tx, held.organization_id, [metric_id]))


async def add_siblings(tx: Transaction, held: PartitionState, siblings: Sequence[SeriesInfo]) -> None:
    """Takes up those of all series of some metrics that are not known yet."""
    ids = np.fromiter((series.id for series in siblings), np.int64, len(siblings))
    unknown = held.state.find_rows(ids) < 0
    metrics = await find_metrics_by_id(tx, held.organization_id, {series.metric_id for series in siblings})
    held.shapes = {metric.id: shape_of(metric) for metric in metrics.values()} | held.shapes
    held.state.max_members |= {metric.id: metric.fleet.max_cardinality for metric in metrics.values()}
    added = []
    for series, is_unknown, newest in zip(siblings, unknown.tolist(), held.newest_of(ids).tolist(), strict=True):
        if is_unknown:
            metric = metrics[series.metric_id]
            key = dimension_key_of(series.labels, metric.dimension_keys, metric.multidimensional)
            added.append(StoredSeries(series.id, series.metric_id, series.labels, key, newest))
    held.state.add_series(added)


async def warm(tx: Transaction, held: PartitionState, compiled: CompiledRules, needed: Iterable[int]) -> None:
    """Takes up the violations that may still count, for the members needed and for all others that the same reading covers."""
    state = held.state
    since = min(state.horizon(slot) for slot in needed)
    slots = [slot for slot in state.cold_slots(state.all_slots()) if state.horizon(slot) >= since]
    loose = await violations.recent_unattached(tx, held.organization_id, from_ms(since))
    own = await read_own(tx, held, compiled, slots, since)
    past = restore_past(held.alerting, [*loose, *own], compiled.watches, compiled.closings)
    state.warm(slots, past)


async def read_own(tx: Transaction, held: PartitionState, compiled: CompiledRules, slots: Iterable[int], since: int) -> list[Violation]:
    """The violations of active alerts that may escalate by them: of members, and of the time `since` and later."""
    members = {held.state.member_of_slot[slot][1] for slot in slots}
    rising = [
        state.alert.handle
        for (rule_id, dimension_key), state in held.alerting.items()
        if state.alert is not None and dimension_key in members and state.alert.rank < compiled.watches[rule_id].levels[-1].rank
    ]
    found: list[Violation] = []
    for start in range(0, len(rising), ALERTS_PER_QUERY):
        wanted = ViolationFilter(
            alert_ids=tuple(rising[start : start + ALERTS_PER_QUERY]),
            severity=Severity.CRITICAL,
            start_time=from_ms(since),
            limit=ALL,
        )
        found += await violations.list_violations(tx, held.organization_id, wanted)
    return found


async def find_stored(
    tx: Transaction, held: PartitionState, doubtful: Collection[StoredPoint], before_offset: int, own: Collection[StoredPoint] = ()
) -> set[StoredPoint]:
    """Those of the points that jobs before an offset stored.

    Args:
        own: Points of a job that is tried again: segments may have them from that very job, so there they count as new.
    """
    if not doubtful:
        return set()
    series_ids = np.fromiter((series_id for series_id, _ in doubtful), np.int64, len(doubtful))
    times = np.fromiter((time for _, time in doubtful), np.int64, len(doubtful))
    found = await find_unsealed(tx, held, np.unique(series_ids), (int(times.min()), int(times.max())), before_offset)
    metric_of = {series.id: series.metric_id for series in map(held.state.series.__getitem__, held.state.find_rows(series_ids).tolist())}
    for day in np.unique(times // DAY_MS).tolist():
        of_day = times // DAY_MS == day
        ids, at = np.unique(series_ids[of_day]), times[of_day]
        metric_ids = {metric_of[series_id] for series_id in ids.tolist()}
        sealed = await sealed_times(tx, held.organization_id, metric_ids, ids, int(at.min()), int(at.max()))
        found |= sealed.difference(own)
    return found & set(doubtful)


async def find_unsealed(
    tx: Transaction, held: PartitionState, series_ids: Integers, times: tuple[int, int], before_offset: int
) -> set[StoredPoint]:
    """Points of series in a range of times that are still in the inbox, of jobs before an offset: read once for all metrics."""
    found: set[StoredPoint] = set()
    at = (await inbox.read_position(tx, held.partition)).sealed_offset
    while at < before_offset:
        entries = await inbox.read_entries(tx, held.partition, at, POINTS_PER_READ)
        for entry in entries:
            at = entry.end_offset
            if entry.organization_id != held.organization_id or entry.first_offset >= before_offset:
                continue
            kept = inbox.take_jobs(entry, 0, before_offset - entry.first_offset)
            wanted = (kept.times_ms >= times[0]) & (kept.times_ms <= times[1])
            wanted[wanted] = np.isin(kept.series_ids[wanted], series_ids)
            found.update(zip(kept.series_ids[wanted].tolist(), kept.times_ms[wanted].tolist(), strict=True))
        if not entries:
            break
    return found
