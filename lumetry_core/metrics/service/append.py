"""One group commit: the batches of many requests become entries of the inbox in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from lumetry_core.metrics.columns import Columns
from lumetry_core.metrics.definition import Definition, identity_of
from lumetry_core.metrics.dictionary import Resolution
from lumetry_core.metrics.model import AcceptedBatch, BatchHeader, Entry, Integers, job_id_of
from lumetry_core.metrics.service.catalog import register_series
from lumetry_core.metrics.service.registry import SeriesRegistry, learn_resolution
from lumetry_core.metrics.settings import Settings
from lumetry_core.metrics.store import catalog as catalog_store
from lumetry_core.metrics.store import inbox as inbox_store
from lumetry_core.metrics.store import partitions as partition_store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.identifiers import new_uuid

NOTE_INTERVAL = timedelta(minutes=1)
"""How precisely `last_ingest_time` is kept."""
OVERLOAD_RETRY_SECONDS = 5
INBOX_CHANNEL = "inbox"


@dataclass(frozen=True, slots=True, eq=False)
class Submission:
    """Checked batches of one request. The numbers in `columns.indexes` are those of the resolution's dictionary."""

    caller: Caller
    resolution: Resolution
    columns: Columns


@dataclass(slots=True)
class Learnt:
    """What becomes true for the registry with the commit."""

    registered: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    resolved: list[tuple[Resolution, dict[int, int]]] = field(default_factory=list)
    noted: list[int] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    now_ms: int = 0

    def publish(self, registry: SeriesRegistry) -> None:
        """Tells the registry and the dictionaries, after the commit."""
        registry.learn(self.registered)
        for resolution, numbers in self.resolved:
            learn_resolution(resolution, numbers)
        registry.note(self.noted, self.now_ms)


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """What one organization brings to one partition: batch positions, points of each, and which points (None: all)."""

    partition: int
    batches: Integers
    counts: Integers
    points: Integers | None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """An organization's submissions of a group with all their batches one after another."""

    organization_id: int
    submissions: Sequence[Submission]
    batch_sizes: Integers
    shares: Sequence[Share]


async def append_group(
    tx: Transaction, registry: SeriesRegistry, settings: Settings, partition_count: int, group: Sequence[Submission], now: datetime
) -> tuple[list[list[AcceptedBatch]], Learnt]:
    """Writes the batches of a group.

    Fails with OVERLOADED when too many points wait already.

    Returns:
        The receipts of each submission, valid once committed, and what to publish then.
    """
    if not group:
        return [], Learnt()
    plans = [make_plan(organization_id, members, partition_count) for organization_id, members in by_organization(group).items()]
    offsets = await reserve(tx, plans, settings, partition_count)
    learnt = Learnt(now_ms=to_ms(now))
    receipts: dict[int, list[AcceptedBatch]] = {}
    entries: list[Entry] = []
    for plan in plans:
        series_ids = await resolve(tx, registry, plan, partition_count, now, learnt)
        metric_ids = find_metrics_of(registry, learnt, series_ids)
        unnoted = registry.list_unnoted(metric_ids, to_ms(now - NOTE_INTERVAL))
        await catalog_store.note_ingestion(tx, plan.organization_id, unnoted, now)
        learnt.noted += unnoted
        added, accepted = build_entries(plan, offsets, series_ids, metric_ids, now)
        entries += added
        start = 0
        for submission in plan.submissions:
            end = start + len(submission.columns.batch_sizes)
            receipts[id(submission)] = accepted[start:end]
            start = end
    await inbox_store.insert_entries(tx, entries)
    learnt.entries += entries
    tx.wake(INBOX_CHANNEL)
    return [receipts[id(submission)] for submission in group], learnt


def by_organization(group: Sequence[Submission]) -> dict[int, list[Submission]]:
    """Submissions by organization, in order of arrival."""
    members: dict[int, list[Submission]] = {}
    for submission in group:
        members.setdefault(submission.caller.organization_id, []).append(submission)
    return members


def make_plan(organization_id: int, submissions: Sequence[Submission], partition_count: int) -> Plan:
    """Divides an organization's points among partitions; within each they keep their order."""
    sizes = np.concatenate([submission.columns.batch_sizes for submission in submissions])
    if partition_count == 1:
        return Plan(organization_id, submissions, sizes, [Share(0, np.arange(len(sizes)), sizes, None)])
    partitions = np.concatenate(
        [submission.resolution.partitions(partition_count)[submission.columns.indexes] for submission in submissions]
    )
    batch_of = np.repeat(np.arange(len(sizes)), sizes)
    shares = []
    for partition in np.unique(partitions).tolist():
        points = np.flatnonzero(partitions == partition)
        counts = np.bincount(batch_of[points], minlength=len(sizes))
        batches = np.flatnonzero(counts)
        shares.append(Share(partition, batches, counts[batches], points))
    return Plan(organization_id, submissions, sizes, shares)


async def reserve(tx: Transaction, plans: Sequence[Plan], settings: Settings, partition_count: int) -> dict[int, int]:
    """Reserves offsets for all shares and gives the first one per partition. Fails with OVERLOADED."""
    amounts: dict[int, tuple[int, int]] = {}
    for plan in plans:
        for share in plan.shares:
            jobs, points = amounts.get(share.partition, (0, 0))
            amounts[share.partition] = (jobs + len(share.batches), points + int(share.counts.sum()))
    reserved = await partition_store.reserve(tx, amounts)
    queued = sum(at.queued_points for at in reserved.values())
    if len(reserved) < partition_count:
        queued = await partition_store.count_queued_points(tx)
    if queued - sum(points for _, points in amounts.values()) > settings.max_queued_points:
        raise LumetryError(
            Reason.OVERLOADED, "Too many points wait for evaluation. Try again later.", retry_after_seconds=str(OVERLOAD_RETRY_SECONDS)
        )
    return {partition: at.first_offset for partition, at in reserved.items()}


async def resolve(tx: Transaction, registry: SeriesRegistry, plan: Plan, partition_count: int, now: datetime, learnt: Learnt) -> Integers:
    """The series of all points of a plan, registering new ones."""
    wanted: dict[Resolution, dict[int, bytes]] = {}
    definitions: dict[bytes, Definition] = {}
    for submission in plan.submissions:
        collect_unresolved(registry, submission, wanted.setdefault(submission.resolution, {}), definitions)
    registered = await register_series(tx, plan.organization_id, definitions, partition_count, now) if definitions else {}
    learnt.registered |= registered
    ids_of: dict[Resolution, NDArray[np.int64]] = {}
    for resolution, numbers in wanted.items():
        ids_of[resolution] = resolution.ids
        if numbers:
            resolved = {number: registered[identity][0] for number, identity in numbers.items()}
            ids_of[resolution] = ids_of[resolution].copy()
            ids_of[resolution][list(resolved)] = list(resolved.values())
            learnt.resolved.append((resolution, resolved))
    return np.concatenate([ids_of[submission.resolution][submission.columns.indexes] for submission in plan.submissions])


def collect_unresolved(
    registry: SeriesRegistry, submission: Submission, numbers: dict[int, bytes], definitions: dict[bytes, Definition]
) -> None:
    """Adds the numbers of a submission that stand for no known series, with their definitions, in order of arrival."""
    ids = submission.resolution.ids
    indexes = submission.columns.indexes
    unknown = ids[indexes] == 0
    if not unknown.any():
        return
    for number in dict.fromkeys(indexes[unknown].tolist()):
        if number in numbers:
            continue
        definition = submission.resolution.definition(number)
        identity = identity_of(submission.caller.organization_id, definition.metric_key, definition.labels)
        known = registry.find(identity)
        if known:
            ids[number] = known
        else:
            numbers[number] = identity
            definitions.setdefault(identity, definition)


def find_metrics_of(registry: SeriesRegistry, learnt: Learnt, series_ids: Integers) -> Integers:
    """The metric of each point."""
    metric_ids = registry.metrics_of(series_ids)
    if learnt.registered:
        fresh = dict(learnt.registered.values())
        for point in np.flatnonzero(metric_ids == 0).tolist():
            metric_ids[point] = fresh[int(series_ids[point])]
    return metric_ids


def build_entries(
    plan: Plan, offsets: dict[int, int], series_ids: Integers, metric_ids: Integers, now: datetime
) -> tuple[list[Entry], list[AcceptedBatch]]:
    """The entries of a plan, taking its offsets from `offsets`, and the receipts of its batches."""
    times_ms = np.concatenate([submission.columns.times_ms for submission in plan.submissions])
    values = np.concatenate([submission.columns.values for submission in plan.submissions])
    callers = [submission.caller for submission in plan.submissions for _ in range(len(submission.columns.batch_sizes))]
    batch_ids = [new_uuid() for _ in callers]
    job_ids: list[list[int]] = [[] for _ in callers]
    entries = []
    for share in plan.shares:
        first_offset = offsets[share.partition]
        offsets[share.partition] += len(share.batches)
        for position, batch in enumerate(share.batches.tolist()):
            job_ids[batch].append(job_id_of(share.partition, first_offset + position))
        chosen = slice(None) if share.points is None else share.points
        ids, times = series_ids[chosen], times_ms[chosen]
        entries.append(
            Entry(
                organization_id=plan.organization_id,
                partition=share.partition,
                first_offset=first_offset,
                batches=build_headers(share, batch_ids, callers, ids, metric_ids[chosen], times),
                create_time=now,
                series_ids=ids,
                times_ms=times,
                values=values[chosen],
                batch_counts=share.counts,
            )
        )
    accepted = [
        AcceptedBatch(batch_id, size, tuple(sorted(jobs)))
        for batch_id, size, jobs in zip(batch_ids, plan.batch_sizes.tolist(), job_ids, strict=True)
    ]
    return entries, accepted


def build_headers(
    share: Share, batch_ids: Sequence[str], callers: Sequence[Caller], series_ids: Integers, metric_ids: Integers, times_ms: Integers
) -> list[BatchHeader]:
    """The headers of a share's jobs."""
    starts = np.cumsum(share.counts) - share.counts
    lowest, highest = np.minimum.reduceat(metric_ids, starts).tolist(), np.maximum.reduceat(metric_ids, starts).tolist()
    times, series = times_ms[starts].tolist(), series_ids[starts].tolist()
    headers = []
    for position, (batch, count) in enumerate(zip(share.batches.tolist(), share.counts.tolist(), strict=True)):
        caller = callers[batch]
        headers.append(
            BatchHeader(
                batch_id=batch_ids[batch],
                credential_kind=caller.kind and caller.kind.value,
                credential_id=caller.credential_id,
                point_count=count,
                metric_id=lowest[position] if lowest[position] == highest[position] else None,
                time_ms=times[position] if count == 1 else None,
                series_id=series[position] if count == 1 else None,
            )
        )
    return headers
