"""The inbox as its readers see it: partitions, leases, entries, positions and jobs.

A reader holds leases (`acquire`, every two seconds), reads entries from its partition's committed offset on, and moves that offset with
`advance` in the transaction that holds the effects. `advance` locks the counters that appends need: call it last.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from lumetry_core.metrics.model import Entry, Job, Lease, LeaseLost, Position, QueueDepth, QueueSummary, split_job_id
from lumetry_core.metrics.partition import POSTGRES_PARTITIONS, SQLITE_PARTITIONS, fair_share
from lumetry_core.metrics.store import inbox as inbox_store
from lumetry_core.metrics.store import partitions as partition_store
from lumetry_core.metrics.store import receipts as receipt_store
from lumetry_core.runtime.database import Transaction

LEASE_DURATION = timedelta(seconds=6)
MAX_OFFSET = 2**62


async def ensure_partitions(tx: Transaction) -> int:
    """Makes the partitions when the database is new; their number is fixed from then on and given back."""
    return await partition_store.insert_partitions(tx, POSTGRES_PARTITIONS if tx.is_postgresql else SQLITE_PARTITIONS)


async def acquire(tx: Transaction, owner: str, now: datetime) -> list[Lease]:
    """Renews an owner's leases, gives up what exceeds its fair share and takes free partitions up to it.

    Args:
        owner: Identity of the process, at most 64 characters.

    Returns:
        All leases it holds now, ascending by partition.
    """
    expire_time = now + LEASE_DURATION
    owners = await partition_store.greet(tx, owner, expire_time, now)
    held = await partition_store.renew(tx, owner, expire_time)
    share = fair_share(len(await partition_store.read_positions(tx)), owners)
    if len(held) > share:
        await partition_store.release(tx, owner, [lease.partition for lease in held[share:]])
        return held[:share]
    if len(held) < share:
        await partition_store.take_free(tx, owner, share - len(held), expire_time, now)
        return await partition_store.renew(tx, owner, expire_time)
    return held


async def renew(tx: Transaction, owner: str, now: datetime) -> list[Lease]:
    """Prolongs an owner's leases and gives those it still holds."""
    return await partition_store.renew(tx, owner, now + LEASE_DURATION)


async def release(tx: Transaction, owner: str) -> None:
    """Gives all partitions back, as a process does that ends."""
    await partition_store.release(tx, owner)
    await partition_store.forget_owner(tx, owner)


async def list_leases(tx: Transaction, owner: str) -> list[Lease]:
    """What an owner holds, ascending by partition."""
    return [Lease(at.partition, at.epoch) for at in await partition_store.read_positions(tx) if at.owner == owner]


async def read_position(tx: Transaction, partition: int) -> Position:
    """How far a partition is."""
    return (await partition_store.read_positions(tx, [partition]))[0]


async def read_positions(tx: Transaction, partitions: Collection[int] | None = None) -> list[Position]:
    """How far partitions are, ascending; None: all."""
    return await partition_store.read_positions(tx, partitions)


async def read_entries(tx: Transaction, partition: int, from_offset: int, max_points: int) -> list[Entry]:
    """The next entries in order of offset, at least one if there is any, then as many as hold at most `max_points` together.

    An entry that holds jobs before `from_offset` comes without them.
    """
    sizes = await inbox_store.list_sizes(tx, partition, from_offset, MAX_OFFSET)
    if not sizes:
        return []
    before, points = sizes[0].end_offset, 0
    for size in sizes:
        points += size.point_count
        if points > max_points and size is not sizes[0]:
            break
        before = size.end_offset
    entries = await inbox_store.read_range(tx, partition, sizes[0].first_offset, before)
    return [without_jobs_before(entries[0], from_offset), *entries[1:]]


def without_jobs_before(entry: Entry, offset: int) -> Entry:
    """The rest of an entry from an offset on."""
    return take_jobs(entry, max(offset - entry.first_offset, 0), len(entry.batches))


def take_jobs(entry: Entry, first: int, last: int) -> Entry:
    """The jobs `[first, last)` of an entry, counted from its first, as an entry of their own."""
    if first == 0 and last >= len(entry.batches):
        return entry
    begin = int(entry.batch_counts[:first].sum())
    end = begin + int(entry.batch_counts[first:last].sum())
    return replace(
        entry,
        first_offset=entry.first_offset + first,
        batches=entry.batches[first:last],
        series_ids=entry.series_ids[begin:end],
        times_ms=entry.times_ms[begin:end],
        values=entry.values[begin:end],
        batch_counts=entry.batch_counts[first:last],
    )


async def advance(tx: Transaction, lease: Lease, to_offset: int, points: int) -> None:
    """Moves a partition's committed offset; `points` are those of the jobs passed. Raises `LeaseLost`, which rolls everything back."""
    await partition_store.advance(tx, lease, to_offset, points)


async def queue_depth(tx: Transaction) -> QueueDepth:
    """What waits for evaluation in the whole deployment."""
    positions = await partition_store.read_positions(tx)
    jobs = sum(at.next_offset - at.committed_offset for at in positions)
    points = sum(at.appended_points - at.evaluated_points for at in positions)
    return QueueDepth(jobs, points, await inbox_store.oldest_waiting(tx) if jobs else None)


async def summarize_queue(tx: Transaction, organization_id: int) -> QueueSummary:
    """An organization's waiting and evaluated jobs."""
    queued, evaluated, oldest = await inbox_store.count_jobs(tx, organization_id)
    return QueueSummary(queued, evaluated + await receipt_store.count_jobs(tx, organization_id), oldest)


async def find_job(tx: Transaction, organization_id: int, job_id: int) -> Job | None:
    """A job of the organization; None when there is none or it is no longer kept."""
    partition, offset = split_job_id(job_id)
    found = await inbox_store.find_header(tx, organization_id, partition, offset)
    found = found or await receipt_store.find_header(tx, organization_id, partition, offset)
    return None if found is None else Job(job_id, partition, offset, *found)


__all__ = [
    "LeaseLost",
    "acquire",
    "advance",
    "ensure_partitions",
    "find_job",
    "list_leases",
    "queue_depth",
    "read_entries",
    "read_position",
    "read_positions",
    "release",
    "renew",
    "summarize_queue",
    "take_jobs",
]
