"""Who refers to nodes."""

from collections.abc import Collection

from sqlalchemy import BigInteger, Column, Index, String, Table, delete, select

from lumetry_core.runtime.database import Transaction, metadata

topology_references = Table(
    "topology_references",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(40), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("node_id", BigInteger, primary_key=True, autoincrement=False),
    Index("ix_topology_references_organization_id_node_id", "organization_id", "node_id", "kind", "number"),
)

columns = topology_references.c


async def replace_references(tx: Transaction, organization_id: int, kind: str, number: int, node_ids: Collection[int]) -> None:
    """Writes down all nodes to which something refers."""
    this = (columns.organization_id == organization_id) & (columns.kind == kind) & (columns.number == number)
    await tx.execute(delete(topology_references).where(this))
    rows = [{"organization_id": organization_id, "kind": kind, "number": number, "node_id": node_id} for node_id in sorted(set(node_ids))]
    if rows:
        await tx.execute(topology_references.insert(), rows)


async def list_references(tx: Transaction, organization_id: int, node_id: int) -> list[tuple[str, int]]:
    """Kind and number of all that refers to a node, ascending."""
    statement = select(columns.kind, columns.number).where(columns.organization_id == organization_id, columns.node_id == node_id)
    return [(row.kind, row.number) for row in await tx.execute(statement.order_by(columns.kind, columns.number))]
