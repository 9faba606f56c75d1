"""Moving evaluated points from the inbox to segments, in three steps: read, pack (work for the processor only), store."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from lumetry_core.metrics.codec import decode_payload, encode_segment
from lumetry_core.metrics.model import DAY_MS, Floats, Integers, Lease, Newest
from lumetry_core.metrics.rollup import RAW
from lumetry_core.metrics.service.inbox import read_position
from lumetry_core.metrics.service.series import SeriesIndex
from lumetry_core.metrics.service.stored import newest_of
from lumetry_core.metrics.settings import Settings
from lumetry_core.metrics.store import inbox as inbox_store
from lumetry_core.metrics.store import newest as newest_store
from lumetry_core.metrics.store import partitions as partition_store
from lumetry_core.metrics.store import receipts as receipt_store
from lumetry_core.metrics.store import segments as segment_store
from lumetry_core.metrics.store.inbox import PackedEntry
from lumetry_core.metrics.store.segments import Segment
from lumetry_core.runtime.database import Transaction

MAX_ENTRIES = 20_000
"""Entries sealed at once."""
ENTRIES_DROPPED_AT_ONCE = 32
GROUPS_AT_ONCE = 2
"""Points sealed at once, as a multiple of the number that makes sealing due."""


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """Whole entries of a partition, all evaluated, ascending; and where the next range starts."""

    lease: Lease
    entries: Sequence[PackedEntry]
    end_offset: int
    metric_ids: Integers
    """Metric by series."""


@dataclass(frozen=True, slots=True, eq=False)
class Sealed:
    """A range ready to be stored."""

    lease: Lease
    end_offset: int
    point_count: int
    segments: Sequence[Segment]
    newest: Sequence[tuple[int, Newest]]
    """By organization."""
    receipts: Sequence[tuple[int, Sequence[PackedEntry], bytes]]
    """By organization: the entries and their packed headers."""


async def read_due(tx: Transaction, lease: Lease, index: SeriesIndex, settings: Settings, now: datetime) -> Range | None:
    """The oldest evaluated entries of a partition when there are enough of them or they are old enough; otherwise None."""
    position = await read_position(tx, lease.partition)
    oldest = await inbox_store.list_sizes(tx, lease.partition, position.sealed_offset, position.committed_offset, limit=1)
    if not oldest or oldest[0].end_offset > position.committed_offset:
        return None
    is_old = oldest[0].create_time <= now - timedelta(seconds=settings.seal_age_seconds)
    if not is_old and position.evaluated_points - position.sealed_points < settings.seal_points:
        return None
    end, points = position.sealed_offset, 0
    for size in await inbox_store.list_sizes(tx, lease.partition, position.sealed_offset, position.committed_offset, limit=MAX_ENTRIES):
        if size.end_offset > position.committed_offset or points >= GROUPS_AT_ONCE * settings.seal_points:
            break
        end = size.end_offset
        points += size.point_count
    entries = await inbox_store.read_packed(tx, lease.partition, position.sealed_offset, end)
    for entry in entries:
        series_ids, _, _ = decode_payload(entry.payload)
        await index.ensure_loaded(tx, series_ids)
    return Range(lease, entries, end, index.metric_ids)


def pack(evaluated: Range) -> Sealed:
    """Turns a range of the inbox into segments, newest times and receipts."""
    members: dict[int, list[PackedEntry]] = {}
    for entry in evaluated.entries:
        members.setdefault(entry.organization_id, []).append(entry)
    segments: list[Segment] = []
    newest = []
    point_count = 0
    for organization_id, entries in members.items():
        columns = [decode_payload(entry.payload) for entry in entries]
        series_ids, times_ms, values = (np.concatenate(parts) for parts in zip(*columns, strict=True))
        point_count += len(values)
        newest.append((organization_id, newest_of(series_ids, times_ms)))
        segments += split(organization_id, evaluated, series_ids, times_ms, values)
    return Sealed(
        lease=evaluated.lease,
        end_offset=evaluated.end_offset,
        point_count=point_count,
        segments=segments,
        newest=newest,
        receipts=[(organization_id, entries, receipt_store.pack_headers(entries)) for organization_id, entries in members.items()],
    )


def split(organization_id: int, evaluated: Range, series_ids: Integers, times_ms: Integers, values: Floats) -> Iterator[Segment]:
    """Segments of one metric and day each, of one organization's points in order of arrival; the last of repeated points stays."""
    metric_ids = evaluated.metric_ids[series_ids]
    days = times_ms // DAY_MS
    order = np.lexsort((times_ms, series_ids, days, metric_ids))
    metric_ids, days, series_ids, times_ms = metric_ids[order], days[order], series_ids[order], times_ms[order]
    last = np.append((series_ids[1:] != series_ids[:-1]) | (times_ms[1:] != times_ms[:-1]), True)
    metric_ids, days, series_ids, times_ms = metric_ids[last], days[last], series_ids[last], times_ms[last]
    values = values[order[last]]
    starts = np.flatnonzero(np.append(True, (metric_ids[1:] != metric_ids[:-1]) | (days[1:] != days[:-1])))
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(values)], strict=True):
        times = times_ms[start:end]
        yield Segment(
            id=0,
            organization_id=organization_id,
            metric_id=int(metric_ids[start]),
            resolution=RAW,
            day=int(days[start]),
            level=0,
            sequence=evaluated.end_offset,
            start_ms=int(times.min()),
            end_ms=int(times.max()),
            point_count=end - start,
            payload=encode_segment(series_ids[start:end], times, values[start:end]),
        )


async def store_sealed(tx: Transaction, sealed: Sealed) -> None:
    """Stores segments, newest times and receipts, with which the entries are dead. Raises `LeaseLost`, which rolls everything back."""
    await partition_store.advance_sealed(tx, sealed.lease, sealed.end_offset, sealed.point_count)
    await segment_store.insert_segments(tx, sealed.segments)
    for organization_id, newest in sealed.newest:
        await newest_store.raise_newest(tx, organization_id, sealed.lease.partition, newest)
    for organization_id, entries, headers in sealed.receipts:
        await receipt_store.insert_receipt(tx, organization_id, entries, headers)


async def has_dead(tx: Transaction, lease: Lease) -> bool:
    """Whether there are entries whose points are in segments."""
    position = await read_position(tx, lease.partition)
    return await inbox_store.has_before(tx, lease.partition, position.sealed_offset)


async def drop_dead(tx: Transaction, lease: Lease) -> bool:
    """Drops some entries whose points are in segments; true when there are more. In small parts, as appends wait meanwhile."""
    position = await read_position(tx, lease.partition)
    return await inbox_store.delete_before(tx, lease.partition, position.sealed_offset, ENTRIES_DROPPED_AT_ONCE)
