"""Receipts: headers of evaluated jobs whose points have left the inbox, packed per organization and sealed range."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, delete, func, select

from lumetry_core.metrics.codec import compression
from lumetry_core.metrics.model import BatchHeader
from lumetry_core.metrics.store.inbox import PackedEntry, decode_header
from lumetry_core.runtime.clock import from_ms, to_ms
from lumetry_core.runtime.database import Time, Transaction, metadata

inbox_receipts = Table(
    "inbox_receipts",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("first_offset", BigInteger, primary_key=True),
    Column("end_offset", BigInteger, nullable=False),
    Column("job_count", Integer, nullable=False),
    Column("last_create_time", Time, nullable=False),
    Column("headers", LargeBinary, nullable=False),
    Index("ix_inbox_receipts_organization_time", "organization_id", "last_create_time"),
)

Packed = list[tuple[int, int, bytes]]
"""First offset, create time in ms and header of each entry."""


def pack_headers(entries: Sequence[PackedEntry]) -> bytes:
    """The headers of entries, ascending by offset."""
    packed: Packed = [(entry.first_offset, to_ms(entry.create_time), entry.header) for entry in entries]
    return compression.compress(msgspec.msgpack.encode(packed))


async def insert_receipt(tx: Transaction, organization_id: int, entries: Sequence[PackedEntry], headers: bytes) -> None:
    """Keeps the headers of an organization's entries, ascending, of one partition."""
    await tx.execute(
        inbox_receipts.insert(),
        {
            "organization_id": organization_id,
            "partition": entries[0].partition,
            "first_offset": entries[0].first_offset,
            "end_offset": entries[-1].end_offset,
            "job_count": sum(entry.batch_count for entry in entries),
            "last_create_time": entries[-1].create_time,
            "headers": headers,
        },
    )


async def find_header(tx: Transaction, organization_id: int, partition: int, offset: int) -> tuple[datetime, BatchHeader] | None:
    """Create time and header of a job whose points have left the inbox."""
    columns = inbox_receipts.c
    headers = (
        await tx.execute(
            select(columns.headers)
            .where(
                columns.organization_id == organization_id,
                columns.partition == partition,
                columns.first_offset <= offset,
                columns.end_offset > offset,
            )
            .limit(1)
        )
    ).scalar_one_or_none()
    if headers is None:
        return None
    for first_offset, create_ms, header in msgspec.msgpack.decode(compression.decompress(headers), type=Packed):
        batches = decode_header(header) if first_offset <= offset else []
        if first_offset <= offset < first_offset + len(batches):
            return from_ms(create_ms), batches[offset - first_offset]
    return None


async def count_jobs(tx: Transaction, organization_id: int) -> int:
    """Jobs with a receipt."""
    statement = select(func.sum(inbox_receipts.c.job_count)).where(inbox_receipts.c.organization_id == organization_id)
    return int((await tx.execute(statement)).scalar_one() or 0)


async def delete_before(tx: Transaction, organization_id: int, before: datetime) -> None:
    """Drops old receipts."""
    await tx.execute(
        delete(inbox_receipts).where(inbox_receipts.c.organization_id == organization_id, inbox_receipts.c.last_create_time < before)
    )
