"""Identities that are monitored, and what of the graph came by it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Column, Index, String, Table, Text, delete, select
from sqlalchemy.dialects import postgresql

from lumetry_core.runtime.database import Time, Transaction, metadata

SortText = String(255).with_variant(postgresql.VARCHAR(255, collation="C"), "postgresql")
"""Text that both databases order by code point."""

monitored_processes = Table(
    "monitored_processes",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("identity", SortText, primary_key=True),
    Column("search_text", Text, nullable=False),
    Column("node_id", BigInteger, nullable=False),
    Column("create_time", Time, nullable=False),
)
monitored_parts = Table(
    "monitored_parts",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(8), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("identity", SortText, nullable=False),
    Index("ix_monitored_parts_organization_id_identity", "organization_id", "identity"),
)

columns, parts = monitored_processes.c, monitored_parts.c
CHUNK = 500


class Kind(StrEnum):
    """What a part is."""

    EDGE = "edge"
    BINDING = "binding"


@dataclass(frozen=True, slots=True)
class Part:
    """Something in the graph that came by monitoring an identity, and goes with it."""

    kind: Kind
    number: int
    identity: str


async def list_monitored(tx: Transaction, organization_id: int, identities: Collection[str] | None = None) -> dict[str, int]:
    """The nodes of monitored identities.

    Args:
        identities: None: all.
    """
    statement = select(columns.identity, columns.node_id).where(columns.organization_id == organization_id)
    if identities is not None:
        statement = statement.where(columns.identity.in_(sorted(identities)))
    return {row.identity: row.node_id for row in await tx.execute(statement.order_by(columns.identity))}


async def list_organizations(tx: Transaction) -> list[int]:
    """Organizations that monitor anything."""
    return sorted((await tx.execute(select(columns.organization_id).distinct())).scalars())


async def insert_monitored(tx: Transaction, organization_id: int, identity: str, node_id: int, now: datetime) -> None:
    """Notes that an identity is monitored."""
    values = {
        "organization_id": organization_id,
        "identity": identity,
        "search_text": identity.casefold(),
        "node_id": node_id,
        "create_time": now,
    }
    await tx.execute(monitored_processes.insert(), values)


async def delete_monitored(tx: Transaction, organization_id: int, identity: str) -> None:
    """Forgets an identity with its parts."""
    for table in (monitored_parts, monitored_processes):
        await tx.execute(delete(table).where(table.c.organization_id == organization_id, table.c.identity == identity))


async def list_parts(tx: Transaction, organization_id: int, identities: Collection[str]) -> list[Part]:
    """What came by monitoring identities."""
    found: list[Part] = []
    ordered = sorted(identities)
    for start in range(0, len(ordered), CHUNK):
        statement = select(parts.kind, parts.number, parts.identity).where(
            parts.organization_id == organization_id, parts.identity.in_(ordered[start : start + CHUNK])
        )
        found += [Part(Kind(row.kind), row.number, row.identity) for row in await tx.execute(statement)]
    return found


async def insert_parts(tx: Transaction, organization_id: int, added: Collection[Part]) -> None:
    """Notes what came by monitoring."""
    rows = [
        {"organization_id": organization_id, "kind": part.kind.value, "number": part.number, "identity": part.identity} for part in added
    ]
    if rows:
        await tx.execute(monitored_parts.insert(), rows)


async def delete_parts(tx: Transaction, organization_id: int, kind: Kind, numbers: Collection[int]) -> None:
    """Forgets parts."""
    ordered = sorted(numbers)
    for start in range(0, len(ordered), CHUNK):
        this = (parts.organization_id == organization_id) & (parts.kind == kind.value)
        await tx.execute(delete(monitored_parts).where(this, parts.number.in_(ordered[start : start + CHUNK])))
