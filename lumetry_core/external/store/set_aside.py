"""Work that could not be done, kept until it can be."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text, delete, select

from lumetry_core.runtime.database import Id, Time, Transaction, metadata

external_set_aside = Table(
    "external_set_aside",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("kind", String(60), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("attempt_count", Integer, nullable=False),
    Column("next_attempt_time", Time, nullable=False),
    Column("error", Text, nullable=False),
    Index("ix_external_set_aside_organization_next", "organization_id", "next_attempt_time"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class SetAside:
    """An item of the queue whose attempts failed so far."""

    id: int
    organization_id: int
    kind: str
    payload: Any
    attempt_count: int


async def insert_item(
    tx: Transaction,
    organization_id: int,
    kind: str,
    payload: object,
    *,
    attempt_count: int,
    next_attempt_time: datetime,
    error: str,
) -> None:
    """Keeps an item for its next attempt."""
    values = {
        "organization_id": organization_id,
        "kind": kind,
        "payload": msgspec.msgpack.encode(payload),
        "attempt_count": attempt_count,
        "next_attempt_time": next_attempt_time,
        "error": error,
    }
    await tx.execute(external_set_aside.insert(), values)


async def take_due(tx: Transaction, organization_id: int, now: datetime, limit: int) -> list[SetAside]:
    """Takes at most so many items whose time has come, oldest first."""
    columns = external_set_aside.c
    statement = (
        select(external_set_aside)
        .where(columns.organization_id == organization_id, columns.next_attempt_time <= now)
        .order_by(columns.next_attempt_time, columns.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = [
        SetAside(row.id, row.organization_id, row.kind, msgspec.msgpack.decode(row.payload), row.attempt_count)
        for row in await tx.execute(statement)
    ]
    await delete_items(tx, organization_id, [item.id for item in found])
    return found


async def delete_items(tx: Transaction, organization_id: int, ids: Collection[int]) -> None:
    """Removes items."""
    columns = external_set_aside.c
    if ids:
        await tx.execute(delete(external_set_aside).where(columns.organization_id == organization_id, columns.id.in_(sorted(ids))))


async def list_organizations(tx: Transaction, now: datetime) -> list[int]:
    """The organizations that have items whose time has come, ascending."""
    statement = select(external_set_aside.c.organization_id).where(external_set_aside.c.next_attempt_time <= now).distinct()
    return sorted(row[0] for row in await tx.execute(statement))
