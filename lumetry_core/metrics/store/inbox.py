"""Entries of the inbox: what one commit brought for an organization to a partition. They leave when their points are in segments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import numpy as np
from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, delete, func, select

from lumetry_core.metrics.codec import decode_payload, encode_payload
from lumetry_core.metrics.model import BatchHeader, Entry
from lumetry_core.metrics.store.partitions import inbox_partitions
from lumetry_core.runtime.database import Time, Transaction, metadata

inbox_entries = Table(
    "inbox_entries",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("first_offset", BigInteger, primary_key=True, autoincrement=False),
    Column("organization_id", BigInteger, nullable=False),
    Column("batch_count", Integer, nullable=False),
    Column("point_count", Integer, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("header", LargeBinary, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Index("ix_inbox_entries_organization", "organization_id", "partition", "first_offset"),
)
SCAN = 512
"""Entries looked at when choosing what to read."""

HeaderRow = tuple[str, str | None, int | None, int, int | None, int | None, int | None]
header_decoder = msgspec.msgpack.Decoder(list[HeaderRow])


@dataclass(frozen=True, slots=True)
class EntrySize:
    """An entry without its contents."""

    first_offset: int
    batch_count: int
    point_count: int
    create_time: datetime

    @property
    def end_offset(self) -> int:
        """The offset after its last job."""
        return self.first_offset + self.batch_count


@dataclass(frozen=True, slots=True)
class PackedEntry:
    """An entry as it is stored; unpacking is work for the processor only."""

    organization_id: int
    partition: int
    first_offset: int
    batch_count: int
    create_time: datetime
    header: bytes
    payload: bytes

    @property
    def end_offset(self) -> int:
        """The offset after its last job."""
        return self.first_offset + self.batch_count


async def insert_entries(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Appends entries at offsets that the same transaction reserved."""
    await tx.execute(
        inbox_entries.insert(),
        [
            {
                "partition": entry.partition,
                "first_offset": entry.first_offset,
                "organization_id": entry.organization_id,
                "batch_count": len(entry.batches),
                "point_count": len(entry.values),
                "create_time": entry.create_time,
                "header": encode_header(entry.batches),
                "payload": encode_payload(entry.series_ids, entry.times_ms, entry.values),
            }
            for entry in entries
        ],
    )


def encode_header(batches: Sequence[BatchHeader]) -> bytes:
    """Job headers as MessagePack."""
    return msgspec.msgpack.encode(
        [
            (
                batch.batch_id,
                batch.credential_kind,
                batch.credential_id,
                batch.point_count,
                batch.metric_id,
                batch.time_ms,
                batch.series_id,
            )
            for batch in batches
        ]
    )


def decode_header(header: bytes) -> list[BatchHeader]:
    """Job headers from MessagePack."""
    return [BatchHeader(*row) for row in header_decoder.decode(header)]


async def list_sizes(tx: Transaction, partition: int, from_offset: int, before_offset: int, limit: int = SCAN) -> list[EntrySize]:
    """Entries that hold offsets from `from_offset` on and start before `before_offset`, ascending."""
    columns = inbox_entries.c
    start = (
        select(func.max(columns.first_offset)).where(columns.partition == partition, columns.first_offset <= from_offset).scalar_subquery()
    )
    rows = await tx.execute(
        select(columns.first_offset, columns.batch_count, columns.point_count, columns.create_time)
        .where(
            columns.partition == partition,
            columns.first_offset >= func.coalesce(start, from_offset),
            columns.first_offset < before_offset,
        )
        .order_by(columns.first_offset)
        .limit(limit)
    )
    sizes = [EntrySize(row.first_offset, row.batch_count, row.point_count, row.create_time) for row in rows]
    return [size for size in sizes if size.end_offset > from_offset]


async def read_packed(
    tx: Transaction, partition: int, first_offset: int, before_offset: int, organization_id: int | None = None
) -> list[PackedEntry]:
    """Whole entries that start in the range, ascending; of one organization or of all."""
    columns = inbox_entries.c
    statement = (
        select(
            columns.organization_id,
            columns.partition,
            columns.first_offset,
            columns.batch_count,
            columns.create_time,
            columns.header,
            columns.payload,
        )
        .where(columns.partition == partition, columns.first_offset >= first_offset, columns.first_offset < before_offset)
        .order_by(columns.first_offset)
    )
    if organization_id is not None:
        statement = statement.where(columns.organization_id == organization_id)
    return [PackedEntry(**row._mapping) for row in await tx.execute(statement)]


async def read_range(
    tx: Transaction, partition: int, first_offset: int, before_offset: int, organization_id: int | None = None
) -> list[Entry]:
    """As `read_packed`, unpacked."""
    return [unpack(packed) for packed in await read_packed(tx, partition, first_offset, before_offset, organization_id)]


def unpack(packed: PackedEntry) -> Entry:
    """An entry with headers and columns."""
    batches = decode_header(packed.header)
    series_ids, times_ms, values = decode_payload(packed.payload)
    return Entry(
        organization_id=packed.organization_id,
        partition=packed.partition,
        first_offset=packed.first_offset,
        batches=batches,
        create_time=packed.create_time,
        series_ids=series_ids,
        times_ms=times_ms,
        values=values,
        batch_counts=np.array([batch.point_count for batch in batches], np.int64),
    )


async def find_header(tx: Transaction, organization_id: int, partition: int, offset: int) -> tuple[datetime, BatchHeader] | None:
    """Create time and header of a job that is still in the inbox."""
    columns = inbox_entries.c
    row = (
        await tx.execute(
            select(columns.first_offset, columns.create_time, columns.header)
            .where(
                columns.organization_id == organization_id,
                columns.partition == partition,
                columns.first_offset <= offset,
                columns.first_offset + columns.batch_count > offset,
            )
            .order_by(columns.first_offset.desc())
            .limit(1)
        )
    ).one_or_none()
    return None if row is None else (row.create_time, decode_header(row.header)[offset - row.first_offset])


async def count_jobs(tx: Transaction, organization_id: int) -> tuple[int, int, datetime | None]:
    """Jobs of an organization in the inbox: waiting, evaluated, and when the oldest waiting one came."""
    columns, counters = inbox_entries.c, inbox_partitions.c
    rows = await tx.execute(
        select(columns.first_offset, columns.batch_count, columns.create_time, counters.committed_offset)
        .join(inbox_partitions, counters.partition == columns.partition)
        .where(columns.organization_id == organization_id)
    )
    queued = evaluated = 0
    oldest: datetime | None = None
    for row in rows:
        done = min(max(row.committed_offset - row.first_offset, 0), row.batch_count)
        evaluated += done
        queued += row.batch_count - done
        if done < row.batch_count and (oldest is None or row.create_time < oldest):
            oldest = row.create_time
    return queued, evaluated, oldest


async def count_waiting(tx: Transaction, organization_id: int, partition: int, from_offset: int) -> tuple[int, datetime | None]:
    """How many jobs of an organization a partition holds from an offset on, and when the oldest of them came."""
    columns = inbox_entries.c
    statement = select(func.sum(columns.batch_count).label("jobs"), func.min(columns.create_time).label("oldest")).where(
        columns.organization_id == organization_id, columns.partition == partition, columns.first_offset >= from_offset
    )
    row = (await tx.execute(statement)).one()
    return int(row.jobs or 0), row.oldest


async def oldest_waiting(tx: Transaction) -> datetime | None:
    """When the oldest entry that waits for evaluation came."""
    columns, counters = inbox_entries.c, inbox_partitions.c
    found: datetime | None = (
        await tx.execute(
            select(func.min(columns.create_time))
            .join(inbox_partitions, counters.partition == columns.partition)
            .where(columns.first_offset + columns.batch_count > counters.committed_offset)
        )
    ).scalar_one()
    return found


async def has_before(tx: Transaction, partition: int, before_offset: int) -> bool:
    """Whether there are entries below an offset."""
    columns = inbox_entries.c
    found = select(columns.first_offset).where(columns.partition == partition, columns.first_offset < before_offset).limit(1)
    return (await tx.execute(found)).first() is not None


async def delete_before(tx: Transaction, partition: int, before_offset: int, limit: int) -> bool:
    """Drops the oldest entries whose points are in segments; true when there are more."""
    columns = inbox_entries.c
    held = columns.partition == partition
    oldest = select(columns.first_offset).where(held, columns.first_offset < before_offset).order_by(columns.first_offset).limit(limit)
    offsets = (await tx.execute(oldest)).scalars().all()
    if offsets:
        await tx.execute(delete(inbox_entries).where(held, columns.first_offset <= offsets[-1]))
    return len(offsets) == limit
