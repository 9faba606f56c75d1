"""Sources in the database: what they are, how they fare, and when they are polled next."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    delete,
    select,
    update,
)

from lumetry_core.collectors.agent.polling.model import Target
from lumetry_core.metricsources.model import Definition, PollStatus, Source, SourceItem, SourceType, Standing
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

metric_sources = Table(
    "metric_sources",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("type", String(20), nullable=False),
    Column("target", Text, nullable=False),  # a JSON object
    Column("items", Text, nullable=False),  # a JSON array
    Column("item_count", Integer, nullable=False),
    Column("poll_interval_seconds", Integer, nullable=False),
    Column("timeout_seconds", Integer, nullable=False),
    Column("collector_id", String(36)),
    Column("is_enabled", Boolean, nullable=False),
    Column("sealed", LargeBinary),
    Column("last_poll_time", Time),
    Column("last_status", String(20)),
    Column("last_error", Text),
    Column("last_success_time", Time),
    Column("failures_in_row", Integer, nullable=False),
    Column("stale_time", Time),  # when its metrics become stale unless a poll succeeds; none: they are, or cannot
    Column("due_time", Time),  # while it is claimed: when the claim is void; none: it is not polled
    Column("is_claimed", Boolean, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    UniqueConstraint("organization_id", "name_key", name="uq_metric_sources_name"),
    Index("ix_metric_sources_due", "due_time"),
    Index("ix_metric_sources_stale", "stale_time"),
    sqlite_autoincrement=True,
)

columns = metric_sources.c
target_decoder = msgspec.json.Decoder(Target)
items_decoder = msgspec.json.Decoder(tuple[SourceItem, ...])


def of(organization_id: int, source_id: int) -> ColumnElement[bool]:
    """The row of a source."""
    return and_(columns.organization_id == organization_id, columns.id == source_id)


def writable(definition: Definition, sealed: bytes | None) -> dict[str, Any]:
    """The columns that people write."""
    return {
        "name": definition.name,
        "name_key": definition.name.lower(),
        "type": definition.type.value,
        "target": msgspec.json.encode(definition.target).decode(),
        "items": msgspec.json.encode(definition.items).decode(),
        "item_count": len(definition.items),
        "poll_interval_seconds": definition.poll_interval_seconds,
        "timeout_seconds": definition.timeout_seconds,
        "collector_id": definition.collector_id,
        "is_enabled": definition.is_enabled,
        "sealed": sealed,
    }


def standing_values(standing: Standing) -> dict[str, Any]:
    """The columns that polls write."""
    return {
        "last_poll_time": standing.poll_time,
        "last_status": None if standing.status is None else standing.status.value,
        "last_error": standing.error,
        "last_success_time": standing.success_time,
        "failures_in_row": standing.failures_in_row,
    }


async def insert_source(
    tx: Transaction, organization_id: int, definition: Definition, sealed: bytes | None, due: datetime | None, now: datetime
) -> int:
    """Adds a source and answers its number."""
    values = writable(definition, sealed) | standing_values(Standing())
    values |= {"organization_id": organization_id, "epoch": 1, "is_claimed": False, "due_time": due, "create_time": now, "update_time": now}
    number: int = (await tx.execute(metric_sources.insert().values(values).returning(columns.id))).scalar_one()
    return number


async def update_source(
    tx: Transaction,
    source: Source,
    definition: Definition,
    sealed: bytes | None,
    standing: Standing,
    due: datetime | None,
    stale: datetime | None,
    now: datetime,
) -> None:
    """Replaces what people write of a source; what was begun with the former one counts no more."""
    values = writable(definition, sealed) | standing_values(standing)
    values |= {"epoch": columns.epoch + 1, "is_claimed": False, "due_time": due, "stale_time": stale, "update_time": now}
    await tx.execute(update(metric_sources).where(of(source.organization_id, source.id)).values(values))


async def delete_source(tx: Transaction, organization_id: int, source_id: int) -> None:
    """Removes a source."""
    await tx.execute(delete(metric_sources).where(of(organization_id, source_id)))


async def find_source(tx: Transaction, organization_id: int, source_id: int, *, lock: bool = False) -> Source | None:
    """The source of a number.

    Args:
        lock: Keeps others from changing it until the writing transaction ends.
    """
    statement = select(metric_sources).where(of(organization_id, source_id))
    row = (await tx.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else to_source(row)


async def find_name(tx: Transaction, organization_id: int, name: str) -> int | None:
    """The source that has a name, ignoring case."""
    statement = select(columns.id).where(columns.organization_id == organization_id, columns.name_key == name.lower())
    number: int | None = (await tx.execute(statement)).scalar_one_or_none()
    return number


async def list_sources(tx: Transaction, organization_id: int, ids: Collection[int] | None = None) -> list[Source]:
    """All sources of an organization, or those of some numbers, in no order."""
    statement = select(metric_sources).where(columns.organization_id == organization_id)
    if ids is not None:
        statement = statement.where(columns.id.in_(ids))
    return [to_source(row) for row in await tx.execute(statement)]


def to_source(row: Any) -> Source:  # noqa: ANN401 -- rows carry their columns as attributes
    """A source from its row."""
    definition = Definition(
        name=row.name,
        type=SourceType(row.type),
        target=target_decoder.decode(row.target),
        items=items_decoder.decode(row.items),
        poll_interval_seconds=row.poll_interval_seconds,
        timeout_seconds=row.timeout_seconds,
        collector_id=row.collector_id,
        is_enabled=row.is_enabled,
    )
    status = None if row.last_status is None else PollStatus(row.last_status)
    return Source(
        id=row.id,
        organization_id=row.organization_id,
        definition=definition,
        sealed=None if row.sealed is None else bytes(row.sealed),
        standing=Standing(row.last_poll_time, status, row.last_error, row.last_success_time, row.failures_in_row),
        epoch=row.epoch,
        create_time=row.create_time,
        update_time=row.update_time,
    )
