"""Events seen before, by which repeated deliveries are told."""

from collections.abc import Collection
from datetime import datetime

import msgspec
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    Index,
    String,
    Table,
    bindparam,
    cast,
    delete,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSON

from lumetry_core.runtime.database import Time, Transaction, metadata

external_events = Table(
    "external_events",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("source_id", BigInteger, primary_key=True, autoincrement=False),
    Column("event", String(32), primary_key=True),
    Column("receive_time", Time, nullable=False),
    Index("ix_external_events_organization_receive", "organization_id", "receive_time"),
    sqlite_with_rowid=False,
)


async def take_new(tx: Transaction, organization_id: int, source_id: int, events: Collection[str], now: datetime) -> set[str]:
    """Remembers events of a source; answers those that were not known.

    One statement with one parameter, however many there are: the list travels as JSON. It is sorted, so that cores that remember the same
    events at once do not wait for each other in a circle.
    """
    listed: BindParameter[str] = bindparam("events", msgspec.json.encode(sorted(events)).decode())
    texts = func.json_array_elements_text(cast(listed, JSON)) if tx.is_postgresql else func.json_each(listed)
    given = texts.table_valued("value")
    rows = select(literal(organization_id), literal(source_id), given.c.value, literal(now, Time())).where(true())
    statement = (
        tx.insert(external_events)
        .from_select(["organization_id", "source_id", "event", "receive_time"], rows)
        .on_conflict_do_nothing()
        .returning(external_events.c.event)
    )
    return {row[0] for row in await tx.execute(statement)}


async def drop_events(tx: Transaction, organization_id: int, before: datetime, limit: int) -> int:
    """Forgets at most so many events that came before a time; answers how many."""
    columns = external_events.c
    oldest = (
        select(columns.receive_time)
        .where(columns.organization_id == organization_id, columns.receive_time < before)
        .order_by(columns.receive_time)
        .limit(1)
        .offset(limit)
    )
    until = (await tx.execute(oldest)).scalar_one_or_none() or before
    result = await tx.execute(delete(external_events).where(columns.organization_id == organization_id, columns.receive_time < until))
    return result.rowcount
