"""Receipts: answers to pushes that must not take effect twice."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, delete, select

from lumetry_core.logs.model import Receipt
from lumetry_core.runtime.database import Time, Transaction, metadata

log_receipts = Table(
    "log_receipts",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, primary_key=True),
    Column("processed_count", Integer, nullable=False),
    Column("bytes_used", BigInteger, nullable=False),
    Column("expire_time", Time, nullable=False),
    Index("ix_log_receipts_organization_expire", "organization_id", "expire_time"),
)


async def claim(
    tx: Transaction, organization_id: int, digest: bytes, receipt: Receipt, expire_time: datetime, now: datetime
) -> Receipt | None:
    """Keeps a receipt unless a living one is there, which is given instead.

    Another process that claims the same digest waits for the end of this transaction.
    """
    columns = log_receipts.c
    values = {
        "organization_id": organization_id,
        "digest": digest,
        "processed_count": receipt.processed_count,
        "bytes_used": receipt.bytes_used,
        "expire_time": expire_time,
    }
    renewed = {name: value for name, value in values.items() if name not in ("organization_id", "digest")}
    statement = (
        tx.insert(log_receipts)
        .values(values)
        .on_conflict_do_update(index_elements=["organization_id", "digest"], set_=renewed, where=columns.expire_time <= now)
        .returning(columns.digest)
    )
    if (await tx.execute(statement)).first() is not None:
        return None
    found = select(columns.processed_count, columns.bytes_used).where(columns.organization_id == organization_id, columns.digest == digest)
    row = (await tx.execute(found)).one()
    return Receipt(row.processed_count, row.bytes_used, is_repeat=True)


async def give_back(tx: Transaction, organization_id: int, digests: Sequence[bytes]) -> None:
    """Drops receipts of a push that was not stored after all."""
    columns = log_receipts.c
    await tx.execute(delete(log_receipts).where(columns.organization_id == organization_id, columns.digest.in_(digests)))


async def delete_expired(tx: Transaction, organization_id: int, now: datetime) -> None:
    """Drops receipts past their time."""
    columns = log_receipts.c
    await tx.execute(delete(log_receipts).where(columns.organization_id == organization_id, columns.expire_time <= now))
