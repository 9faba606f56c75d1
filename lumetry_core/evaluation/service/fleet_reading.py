"""What the tick of an organization's fleets needs to know, read in one snapshot."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lumetry_core.access.service.evaluation_version import read_evaluation_version
from lumetry_core.access.service.settings import read_settings
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.alerts.service.detections import active_detected
from lumetry_core.baselines.bands import COUNT_DECIMALS
from lumetry_core.baselines.service.exclusions import list_exclusions_between
from lumetry_core.baselines.service.keeping import load_hours
from lumetry_core.baselines.service.profiles import find_profile
from lumetry_core.baselines.service.reading import read_learned
from lumetry_core.baselines.weeks import MINUTE_MS, WeekClock
from lumetry_core.evaluation.held import learning_delay
from lumetry_core.evaluation.store import fleets as store
from lumetry_core.fleet.judging import Learned
from lumetry_core.fleet.model import FleetState
from lumetry_core.fleet.roster import Newest, Roster, enroll, find_newest
from lumetry_core.metrics.fleet_contract import Analysis
from lumetry_core.metrics.model import MetricInfo, SeriesInfo
from lumetry_core.metrics.service import catalog
from lumetry_core.metrics.service.members import list_metric_series
from lumetry_core.metrics.service.stored import Columns, read_stored, read_unsealed
from lumetry_core.runtime.database import Transaction

HALF_WINDOW = 2
"""Minutes on either side of the present one whose buckets are pooled (contract lumetry 22.7)."""
METRICS_PER_PAGE = 200
INLINE_SERIES = 1000
UNKNOWN = -1

Recall = Callable[[Newest], Learned]
"""What was learned of members with a fresh value."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The fleets of an organization as of its evaluation version.

    Args:
        metrics: By number, those that are analysed.
    """

    organization_id: int
    version: int
    settings: OrganizationSettings
    metrics: Mapping[int, MetricInfo]


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """What is stored of the members of one metric around a tick, yet to be decoded: `decode` is work for the processor only."""

    metric: MetricInfo
    roster: Roster
    decode: Callable[[], Newest]
    payload_bytes: int
    recall: Recall | None


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All that decides a tick of an organization's fleets on some partitions.

    Args:
        version: The evaluation version that it shows.
        states: By metric, also of metrics that are not analysed any more, and
        left: these metrics.
        active: Alerts of detectors that are still active.
    """

    version: int
    observed: Sequence[Observed]
    states: Mapping[int, FleetState]
    left: Mapping[int, MetricInfo]
    active: Collection[int]


async def load_plan(tx: Transaction, organization_id: int, defaults: OrganizationSettings) -> Plan:
    """Looks through the catalog; what it finds is true as long as the version is."""
    version = await read_evaluation_version(tx, organization_id)
    settings = await read_settings(tx, organization_id, defaults)
    metrics = {metric.id: metric for metric in await catalog.list_fleet_metrics(tx, organization_id)}
    return Plan(organization_id, version, settings, metrics)


async def read_snapshot(tx: Transaction, plan: Plan, partitions: Collection[int], tick_ms: int, newest_ms: int) -> Snapshot:
    """Reads what the tick needs of the metrics that have not had it yet. A metric that had none starts with the newest."""
    organization_id = plan.organization_id
    states = await store.read_states(tx, organization_id, partitions)
    due = [
        metric
        for metric in plan.metrics.values()
        if metric.partition in partitions and (states[metric.id].tick_ms < tick_ms if metric.id in states else tick_ms == newest_ms)
    ]
    series = await read_series(tx, due)
    rosters = await enroll_all(due, series)
    start_ms = tick_ms - plan.settings.fleet_staleness_seconds * 1000
    unsealed = {}
    for partition in {metric.partition for metric in due}:
        # read once for all metrics of the partition, which share its inbox
        ids = np.concatenate([rosters[metric.id].series_ids for metric in due if metric.partition == partition])
        unsealed[partition] = await read_unsealed(tx, organization_id, partition, ids, start_ms + 1, tick_ms, before_offset=None)
    grace_ms = plan.settings.evaluation_grace_seconds * 1000
    observed = [await observe(tx, metric, rosters[metric.id], start_ms, tick_ms, grace_ms, unsealed[metric.partition]) for metric in due]
    left = [metric_id for metric_id in states if metric_id not in plan.metrics]
    return Snapshot(
        version=await read_evaluation_version(tx, organization_id),
        observed=observed,
        states=states,
        left=await catalog.find_metrics_by_id(tx, organization_id, left) if left else {},
        active={alert.id for alert in await active_detected(tx, organization_id)},
    )


async def read_series(tx: Transaction, metrics: Collection[MetricInfo]) -> dict[int, list[SeriesInfo]]:
    """All series of metrics of one organization, ascending by number, by metric."""
    found: dict[int, list[SeriesInfo]] = {metric.id: [] for metric in metrics}
    for organization_id in {metric.organization_id for metric in metrics}:
        for series in await list_metric_series(tx, organization_id, found):
            found[series.metric_id].append(series)
    return found


async def enroll_all(metrics: Collection[MetricInfo], series: Mapping[int, Sequence[SeriesInfo]]) -> dict[int, Roster]:
    """The members of metrics, by metric; in a thread when there are many."""

    def enroll_each() -> dict[int, Roster]:
        return {metric.id: enroll(series[metric.id], metric.dimension_keys, metric.fleet) for metric in metrics}

    return enroll_each() if sum(map(len, series.values())) <= INLINE_SERIES else await asyncio.to_thread(enroll_each)


async def observe(
    tx: Transaction, metric: MetricInfo, roster: Roster, start_ms: int, end_ms: int, grace_ms: int, unsealed: Columns | None = None
) -> Observed:
    """Reads a metric's points after a time up to another, and what was learned of its members for these minutes.

    Args:
        grace_ms: The organization's grace period.
        unsealed: Points of the range, those of these members among them, that are not in segments yet; None: they are read.
    """
    stored = await read_stored(
        tx, metric.organization_id, metric.id, metric.partition, roster.series_ids, start_ms + 1, end_ms, unsealed=unsealed
    )

    def decode() -> Newest:
        points = stored.decode_raw()
        return find_newest(roster, points.series_ids, points.times_ms, points.values)

    is_recalled = Analysis.BASELINE in metric.fleet.analyses
    recall = await prepare_recall(tx, metric, roster, start_ms, end_ms, grace_ms) if is_recalled else None
    return Observed(metric, roster, decode, stored.payload_bytes, recall)


async def prepare_recall(tx: Transaction, metric: MetricInfo, roster: Roster, start_ms: int, end_ms: int, grace_ms: int) -> Recall | None:
    """Reads what was learned of a metric's members for the minutes of a range; None when nothing was.

    What was evaluated since it was saved last, and is old enough for the first minute of the range, is learned in this copy alone.
    """
    profile = await find_profile(tx, metric.organization_id, metric.fleet.baseline.baseline_profile_id)
    if profile is None:
        return None
    clock = find_clock(profile.time_zone)
    minutes = np.unique(clock.minutes_of_week(np.append(np.arange(start_ms, end_ms, MINUTE_MS), end_ms)))
    baseline = await read_learned(tx, metric.organization_id, profile.id, metric.id, minutes, HALF_WINDOW)
    if baseline is None:
        return None
    boundary = (start_ms // MINUTE_MS - learning_delay(grace_ms)) * MINUTE_MS
    waiting = baseline.pending.times_ms
    until = int(waiting.max(initial=0)) + 1
    excluded = await list_exclusions_between(tx, metric.organization_id, metric.metric_key, int(waiting.min(initial=until)), until)
    periods = [(start, end) for _, start, end in excluded]
    await load_hours(tx, baseline, baseline.due_hours(boundary, periods, clock))
    baseline.advance(boundary, periods, clock)

    def recall(fresh: Newest) -> Learned:
        found = [baseline.learned.find_member(roster.keys[member]) for member in fresh.members.tolist()]
        places = np.array([UNKNOWN if place is None else place for place in found], np.int64)
        is_known = places != UNKNOWN
        count = len(places)
        learned = Learned(np.zeros(count), np.zeros(count), np.zeros(count), profile.minimum_points)
        if is_known.any():
            pooled = baseline.learned.pool(places[is_known], clock.minutes_of_week(fresh.times_ms[is_known]), HALF_WINDOW)
            learned.counts[is_known] = np.round(pooled.counts, COUNT_DECIMALS)
            learned.means[is_known] = pooled.means
            learned.sigmas[is_known] = pooled.sigmas
        return learned

    return recall


@lru_cache(maxsize=64)
def find_clock(time_zone: str) -> WeekClock:
    """The clock of a time zone, which remembers what it has looked up."""
    return WeekClock(time_zone)
