"""Sources in the database, and beside each its health, which every delivery changes."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Table, Text, UniqueConstraint, delete, select, update

from lumetry_core.external.model import Health, ProviderType, Source
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

external_sources = Table(
    "external_sources",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("source_key", String(40), nullable=False),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("provider_type", String(20), nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("severity_mapping", Text, nullable=False),
    Column("mapped_count", BigInteger, nullable=False),
    Column("unmapped_count", BigInteger, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    UniqueConstraint("organization_id", "name_key", name="uq_external_sources_name"),
    UniqueConstraint("organization_id", "source_key", name="uq_external_sources_key"),
    sqlite_autoincrement=True,
)
external_source_health = Table(
    "external_source_health",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("source_id", BigInteger, primary_key=True, autoincrement=False),
    Column("receive_time", Time),
    Column("accepted_count", BigInteger, nullable=False),
    Column("rejected_count", BigInteger, nullable=False),
    Column("rejections_in_row", Integer, nullable=False),
    Column("last_error", Text),
)

mapping_decoder = msgspec.json.Decoder(dict[str, Severity])


async def insert_source(tx: Transaction, source: Source) -> int:
    """Adds a source, whose own number does not count, and answers the number given to it."""
    values = writable(source) | {
        "organization_id": source.organization_id,
        "source_key": source.key,
        "provider_type": source.provider_type,
        "mapped_count": 0,
        "unmapped_count": 0,
        "create_time": source.create_time,
    }
    number: int = (await tx.execute(external_sources.insert().values(values).returning(external_sources.c.id))).scalar_one()
    empty = {"accepted_count": 0, "rejected_count": 0, "rejections_in_row": 0}
    await tx.execute(external_source_health.insert(), {"organization_id": source.organization_id, "source_id": number, **empty})
    return number


async def update_source(tx: Transaction, source: Source) -> None:
    """Writes what people may change of a source."""
    await tx.execute(
        update(external_sources)
        .where(external_sources.c.organization_id == source.organization_id, external_sources.c.id == source.id)
        .values(writable(source))
    )


def writable(source: Source) -> dict[str, Any]:
    """The columns that people may change."""
    return {
        "name": source.name,
        "name_key": source.name.lower(),
        "is_enabled": source.is_enabled,
        "severity_mapping": msgspec.json.encode(source.severity_mapping).decode(),
        "update_time": source.update_time,
    }


async def delete_source(tx: Transaction, organization_id: int, source_id: int) -> None:
    """Removes a source and its health."""
    health = external_source_health.c
    await tx.execute(delete(external_source_health).where(health.organization_id == organization_id, health.source_id == source_id))
    await tx.execute(
        delete(external_sources).where(external_sources.c.organization_id == organization_id, external_sources.c.id == source_id)
    )


async def find_name(tx: Transaction, organization_id: int, name: str) -> int | None:
    """The number of the source with a name, ignoring case."""
    statement = select(external_sources.c.id).where(
        external_sources.c.organization_id == organization_id, external_sources.c.name_key == name.lower()
    )
    return (await tx.execute(statement)).scalar_one_or_none()


async def read_sources(tx: Transaction, organization_id: int, ids: Collection[int], *, lock: bool = False) -> dict[int, Source]:
    """Sources by number; unknown ones are left out.

    Args:
        lock: Keeps others from changing them until the transaction ends.
    """
    statement = (
        select(external_sources)
        .where(external_sources.c.organization_id == organization_id, external_sources.c.id.in_(sorted(ids)))
        .order_by(external_sources.c.id)
    )
    rows = await tx.execute(statement.with_for_update() if lock else statement)
    return {row.id: read_row(row) for row in rows}


async def list_sources(tx: Transaction, organization_id: int) -> list[tuple[Source, Health]]:
    """All sources with their health, by name."""
    statement = (
        select(external_sources, external_source_health)
        .join_from(
            external_sources,
            external_source_health,
            (external_source_health.c.organization_id == external_sources.c.organization_id)
            & (external_source_health.c.source_id == external_sources.c.id),
        )
        .where(external_sources.c.organization_id == organization_id)
        .order_by(external_sources.c.name_key, external_sources.c.id)
    )
    return [(read_row(row), read_health_row(row)) for row in await tx.execute(statement)]


async def read_health(tx: Transaction, organization_id: int, source_id: int, *, lock: bool = False) -> Health | None:
    """The health of a source; None when it is gone."""
    statement = select(external_source_health).where(
        external_source_health.c.organization_id == organization_id, external_source_health.c.source_id == source_id
    )
    row = (await tx.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else read_health_row(row)


async def note_accepted(tx: Transaction, organization_id: int, source_id: int, count: int, now: datetime) -> None:
    """Counts the transitions of successful requests."""
    await change_health(
        tx,
        organization_id,
        source_id,
        {
            "receive_time": now,
            "accepted_count": external_source_health.c.accepted_count + count,
            "rejections_in_row": 0,
            "last_error": None,
        },
    )


async def note_rejected(tx: Transaction, organization_id: int, source_id: int, error: str, now: datetime) -> None:
    """Counts a request that was rejected."""
    columns = external_source_health.c
    await change_health(
        tx,
        organization_id,
        source_id,
        {
            "receive_time": now,
            "rejected_count": columns.rejected_count + 1,
            "rejections_in_row": columns.rejections_in_row + 1,
            "last_error": error,
        },
    )


async def note_unstored(tx: Transaction, organization_id: int, source_id: int, count: int) -> None:
    """Counts requests that could not be stored when they came."""
    rejected = external_source_health.c.rejected_count + count
    await change_health(tx, organization_id, source_id, {"rejected_count": rejected})


async def note_error(tx: Transaction, organization_id: int, source_id: int, error: str) -> None:
    """Remembers what went wrong with an accepted transition."""
    await change_health(tx, organization_id, source_id, {"last_error": error})


async def change_health(tx: Transaction, organization_id: int, source_id: int, values: Mapping[str, Any]) -> None:
    """Writes columns of the health of a source."""
    columns = external_source_health.c
    await tx.execute(
        update(external_source_health).where(columns.organization_id == organization_id, columns.source_id == source_id).values(values)
    )


async def count_processed(tx: Transaction, organization_id: int, source_id: int, mapped: int, unmapped: int) -> None:
    """Adds processed transitions to the counts of a source."""
    columns = external_sources.c
    await tx.execute(
        update(external_sources)
        .where(columns.organization_id == organization_id, columns.id == source_id)
        .values(mapped_count=columns.mapped_count + mapped, unmapped_count=columns.unmapped_count + unmapped)
    )


def read_row(row: Any) -> Source:  # noqa: ANN401 -- rows carry their columns as attributes
    """A source from its row."""
    return Source(
        id=row.id,
        organization_id=row.organization_id,
        key=row.source_key,
        name=row.name,
        provider_type=ProviderType(row.provider_type),
        is_enabled=row.is_enabled,
        severity_mapping=mapping_decoder.decode(row.severity_mapping),
        mapped_count=row.mapped_count,
        unmapped_count=row.unmapped_count,
        create_time=row.create_time,
        update_time=row.update_time,
    )


def read_health_row(row: Any) -> Health:  # noqa: ANN401 -- as above
    """The health of a source from its row."""
    return Health(row.receive_time, row.accepted_count, row.rejected_count, row.rejections_in_row, row.last_error)
