"""Definitions in the database, and what came of those that nobody mapped."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, String, Table, Text, UniqueConstraint, delete, func, select, update

from lumetry_core.external.model import Definition, TransitionState, Unmapped
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

external_definitions = Table(
    "external_definitions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("source_id", BigInteger, nullable=False),
    Column("definition_key", Text, nullable=False),
    Column("node_id", BigInteger, nullable=False),
    Column("display_name", Text),
    Column("is_enabled", Boolean, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    UniqueConstraint("organization_id", "source_id", "definition_key", name="uq_external_definitions_key"),
    sqlite_autoincrement=True,
)
external_unmapped = Table(
    "external_unmapped",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("source_id", BigInteger, primary_key=True, autoincrement=False),
    Column("definition_key", Text, primary_key=True),
    Column("transition_count", BigInteger, nullable=False),
    Column("state", String(20), nullable=False),
    Column("severity", Text),
    Column("title", Text),
    Column("first_seen_time", Time, nullable=False),
    Column("last_seen_time", Time, nullable=False),
)
KEYS_PER_STATEMENT = 500


async def insert_definition(tx: Transaction, definition: Definition) -> int:
    """Adds a definition, whose own number does not count, and answers the number given to it."""
    values = {
        "organization_id": definition.organization_id,
        "source_id": definition.source_id,
        "definition_key": definition.key,
        "create_time": definition.create_time,
        **writable(definition),
    }
    number: int = (await tx.execute(external_definitions.insert().values(values).returning(external_definitions.c.id))).scalar_one()
    return number


async def update_definition(tx: Transaction, definition: Definition) -> None:
    """Writes what people may change of a definition."""
    await tx.execute(
        update(external_definitions)
        .where(external_definitions.c.organization_id == definition.organization_id, external_definitions.c.id == definition.id)
        .values(writable(definition))
    )


def writable(definition: Definition) -> dict[str, Any]:
    """The columns that people may change."""
    return {
        "node_id": definition.node_id,
        "display_name": definition.display_name,
        "is_enabled": definition.is_enabled,
        "update_time": definition.update_time,
    }


async def delete_definition(tx: Transaction, organization_id: int, definition_id: int) -> None:
    """Removes a definition."""
    await tx.execute(
        delete(external_definitions).where(
            external_definitions.c.organization_id == organization_id, external_definitions.c.id == definition_id
        )
    )


async def read_definition(tx: Transaction, organization_id: int, definition_id: int) -> Definition | None:
    """One definition."""
    statement = select(external_definitions).where(
        external_definitions.c.organization_id == organization_id, external_definitions.c.id == definition_id
    )
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else read_row(row)


async def list_definitions(tx: Transaction, organization_id: int, source_id: int | None, limit: int | None) -> list[Definition]:
    """Definitions by the name that people see, ignoring case, then by number; of one source, unless None."""
    columns = external_definitions.c
    statement = select(external_definitions).where(columns.organization_id == organization_id)
    if source_id is not None:
        statement = statement.where(columns.source_id == source_id)
    ordered = statement.order_by(func.lower(func.coalesce(columns.display_name, columns.definition_key)), columns.id)
    rows = await tx.execute(ordered if limit is None else ordered.limit(limit))
    return [read_row(row) for row in rows]


async def find_by_keys(tx: Transaction, organization_id: int, keys: Collection[tuple[int, str]]) -> dict[tuple[int, str], Definition]:
    """Definitions by source and key, disabled ones too; those that do not exist are left out."""
    columns = external_definitions.c
    by_source: dict[int, list[str]] = {}
    for source_id, key in sorted(keys):
        by_source.setdefault(source_id, []).append(key)
    found: dict[tuple[int, str], Definition] = {}
    for source_id, of_source in by_source.items():
        for start in range(0, len(of_source), KEYS_PER_STATEMENT):
            statement = select(external_definitions).where(
                columns.organization_id == organization_id,
                columns.source_id == source_id,
                columns.definition_key.in_(of_source[start : start + KEYS_PER_STATEMENT]),
            )
            found |= {(row.source_id, row.definition_key): read_row(row) for row in await tx.execute(statement)}
    return found


async def add_unmapped(tx: Transaction, organization_id: int, source_id: int, noted: Sequence[Unmapped]) -> None:
    """Adds to the counts of unmapped definitions, one of each; what is told last stands."""
    insert = tx.insert(external_unmapped)
    new = insert.excluded
    statement = insert.on_conflict_do_update(
        index_elements=["organization_id", "source_id", "definition_key"],
        set_={
            "transition_count": external_unmapped.c.transition_count + new.transition_count,
            "state": new.state,
            "severity": new.severity,
            "title": new.title,
            "last_seen_time": new.last_seen_time,
        },
    )
    rows = [
        {
            "organization_id": organization_id,
            "source_id": source_id,
            "definition_key": each.definition_key,
            "transition_count": each.count,
            "state": each.state,
            "severity": each.severity,
            "title": each.title,
            "first_seen_time": each.first_seen_time,
            "last_seen_time": each.last_seen_time,
        }
        for each in sorted(noted, key=lambda each: each.definition_key)
    ]
    if rows:
        await tx.execute(statement, rows)


async def list_unmapped(tx: Transaction, organization_id: int, source_id: int, limit: int) -> list[Unmapped]:
    """Unmapped definitions of a source, the one seen last first, then by key."""
    columns = external_unmapped.c
    statement = (
        select(external_unmapped)
        .where(columns.organization_id == organization_id, columns.source_id == source_id)
        .order_by(columns.last_seen_time.desc(), columns.definition_key)
        .limit(limit)
    )
    return [
        Unmapped(
            definition_key=row.definition_key,
            count=row.transition_count,
            state=TransitionState(row.state),
            severity=row.severity,
            title=row.title,
            first_seen_time=row.first_seen_time,
            last_seen_time=row.last_seen_time,
        )
        for row in await tx.execute(statement)
    ]


async def delete_unmapped(tx: Transaction, organization_id: int, source_id: int, key: str | None = None) -> None:
    """Forgets what is unmapped of a source: of one definition, or all."""
    columns = external_unmapped.c
    statement = delete(external_unmapped).where(columns.organization_id == organization_id, columns.source_id == source_id)
    await tx.execute(statement if key is None else statement.where(columns.definition_key == key))


async def drop_unmapped(tx: Transaction, organization_id: int, before: datetime) -> None:
    """Forgets what was not seen since a time."""
    columns = external_unmapped.c
    await tx.execute(delete(external_unmapped).where(columns.organization_id == organization_id, columns.last_seen_time < before))


def read_row(row: Any) -> Definition:  # noqa: ANN401 -- rows carry their columns as attributes
    """A definition from its row."""
    return Definition(
        id=row.id,
        organization_id=row.organization_id,
        source_id=row.source_id,
        key=row.definition_key,
        node_id=row.node_id,
        display_name=row.display_name,
        is_enabled=row.is_enabled,
        create_time=row.create_time,
        update_time=row.update_time,
    )
