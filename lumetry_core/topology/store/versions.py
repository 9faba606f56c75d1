"""A counter for each organization, raised by whatever changes its graph: those who change it take turns."""

from sqlalchemy import BigInteger, Column, Table, select

from lumetry_core.runtime.database import Transaction, metadata

topology_versions = Table(
    "topology_versions",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
)

columns = topology_versions.c
GRAPH_CHANNEL = "topology"
"""Woken when a graph has changed."""


async def raise_version(tx: Transaction, organization_id: int) -> None:
    """Counts the version up and keeps it locked until the transaction ends."""
    insert = tx.insert(topology_versions).values(organization_id=organization_id, version=1)
    await tx.execute(insert.on_conflict_do_update(index_elements=["organization_id"], set_={"version": columns.version + 1}))
    tx.wake(GRAPH_CHANNEL)


async def hold_version(tx: Transaction, organization_id: int) -> None:
    """Keeps the graph from changing until the writing transaction ends."""
    statement = select(columns.version).where(columns.organization_id == organization_id).with_for_update(read=True)
    await tx.execute(statement)


async def list_versions(tx: Transaction) -> dict[int, int]:
    """The version of every organization's graph; those without one have never had a node."""
    return {row.organization_id: row.version for row in await tx.execute(select(columns.organization_id, columns.version))}
