"""Edges in the database."""

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    or_,
    select,
    update,
)

from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.topology.model import Edge, EdgeType, NodeType
from lumetry_core.topology.store.nodes import chunks, encode_metadata, topology_nodes

topology_edges = Table(
    "topology_edges",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("source_id", BigInteger, nullable=False),
    Column("target_id", BigInteger, nullable=False),
    Column("edge_type", String(20), nullable=False),
    Column("metadata", Text, nullable=False),  # JSON
    Column("create_time", Time, nullable=False),
    UniqueConstraint("organization_id", "source_id", "target_id", "edge_type", name="uq_topology_edges_key"),
    Index("ix_topology_edges_organization_id_target_id", "organization_id", "target_id", "edge_type", "source_id"),
    sqlite_autoincrement=True,
)

columns = topology_edges.c
Link = tuple[int, int, EdgeType]
"""Source, target and type."""
EDGE_TYPES = {edge_type.value: edge_type for edge_type in EdgeType}
NODE_TYPES = {node_type.value: node_type for node_type in NodeType}


async def find_links_to(
    tx: Transaction, organization_id: int, target_ids: Collection[int] | None, edge_type: EdgeType | None = None
) -> list[Link]:
    """The edges that lead to nodes (None: to any)."""
    return await find_links(tx, organization_id, columns.target_id, target_ids, edge_type)


async def find_links_from(
    tx: Transaction, organization_id: int, source_ids: Collection[int] | None, edge_type: EdgeType | None = None
) -> list[Link]:
    """The edges that lead from nodes (None: from any)."""
    return await find_links(tx, organization_id, columns.source_id, source_ids, edge_type)


async def find_links(
    tx: Transaction,
    organization_id: int,
    column: ColumnElement[int],
    node_ids: Collection[int] | None,
    edge_type: EdgeType | None,
) -> list[Link]:
    """The edges one of whose ends is among nodes."""
    statement = select(columns.source_id, columns.target_id, columns.edge_type).where(columns.organization_id == organization_id)
    if edge_type is not None:
        statement = statement.where(columns.edge_type == edge_type)
    if node_ids is None:
        return [to_link(row) for row in await tx.execute(statement)]
    found: list[Link] = []
    for chunk in chunks(node_ids):
        rows = await tx.execute(statement.where(column.in_(chunk)))
        found += [to_link(row) for row in rows]
    return found


async def find_sources(
    tx: Transaction, organization_id: int, target_ids: Collection[int] | None
) -> list[tuple[int, int, EdgeType, str, NodeType]]:
    """The edges that lead to nodes (None: to any): target, source and type, and the name and type of the source."""
    nodes = topology_nodes.c
    statement = (
        select(columns.target_id, columns.source_id, columns.edge_type, nodes.display_name, nodes.node_type)
        .join(topology_nodes, nodes.id == columns.source_id)
        .where(columns.organization_id == organization_id)
    )
    parts = [statement] if target_ids is None else [statement.where(columns.target_id.in_(chunk)) for chunk in chunks(target_ids)]
    found = []
    for part in parts:
        rows = await tx.execute(part)
        found += [(row.target_id, row.source_id, EDGE_TYPES[row.edge_type], row.display_name, NODE_TYPES[row.node_type]) for row in rows]
    return found


async def find_edges_from(tx: Transaction, organization_id: int, source_ids: Collection[int]) -> list[Edge]:
    """The whole edges that lead from nodes."""
    found = []
    for chunk in chunks(source_ids):
        statement = select(topology_edges).where(columns.organization_id == organization_id, columns.source_id.in_(chunk))
        found += [to_edge(row) for row in await tx.execute(statement)]
    return found


async def find_edges_at(tx: Transaction, organization_id: int, node_ids: Collection[int]) -> list[Edge]:
    """The whole edges one of whose ends is among nodes, ascending by number."""
    found: dict[int, Edge] = {}
    for column in (columns.source_id, columns.target_id):
        for chunk in chunks(node_ids):
            statement = select(topology_edges).where(columns.organization_id == organization_id, column.in_(chunk))
            found.update({row.id: to_edge(row) for row in await tx.execute(statement)})
    return [found[number] for number in sorted(found)]


async def find_edge(tx: Transaction, organization_id: int, edge_id: int) -> Edge | None:
    """One edge."""
    statement = select(topology_edges).where(columns.organization_id == organization_id, columns.id == edge_id)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else to_edge(row)


async def select_newest(tx: Transaction, organization_id: int, node_id: int | None, limit: int) -> list[Edge]:
    """The newest edges, of one node or of all, newest first."""
    statement = select(topology_edges).where(columns.organization_id == organization_id)
    if node_id is not None:
        statement = statement.where(or_(columns.source_id == node_id, columns.target_id == node_id))
    rows = await tx.execute(statement.order_by(columns.create_time.desc(), columns.id.desc()).limit(limit))
    return [to_edge(row) for row in rows]


async def select_after(tx: Transaction, organization_id: int, after_id: int, limit: int) -> list[Edge]:
    """The edges after one, ascending by number."""
    statement = select(topology_edges).where(columns.organization_id == organization_id, columns.id > after_id)
    return [to_edge(row) for row in await tx.execute(statement.order_by(columns.id).limit(limit))]


async def insert_edges(tx: Transaction, edges: Iterable[Edge]) -> dict[Link, int]:
    """Adds the edges that are new, whose numbers do not count, and gives their new ones; the rest is left as it is."""
    found: dict[Link, int] = {}
    for chunk in chunks(list(edges)):
        statement = (
            tx.insert(topology_edges)
            .on_conflict_do_nothing()
            .returning(columns.source_id, columns.target_id, columns.edge_type, columns.id)
        )
        rows = await tx.execute(statement, [to_row(edge) for edge in chunk])
        found.update({to_link(row): row.id for row in rows})
    return found


async def update_metadata(tx: Transaction, edges: Collection[Edge]) -> None:
    """Writes the metadata of edges."""
    statement = (
        update(topology_edges)
        .where(columns.organization_id == bindparam("of_organization"), columns.id == bindparam("of_edge"))
        .values(metadata=bindparam("metadata"))
    )
    rows = [{"of_organization": edge.organization_id, "of_edge": edge.id, "metadata": encode_metadata(edge.metadata)} for edge in edges]
    if rows:
        await tx.execute(statement, rows)


async def delete_edges(tx: Transaction, organization_id: int, ids: Collection[int]) -> None:
    """Removes edges."""
    for chunk in chunks(ids):
        await tx.execute(delete(topology_edges).where(columns.organization_id == organization_id, columns.id.in_(chunk)))


def to_row(edge: Edge) -> dict[str, Any]:
    """An edge as columns."""
    return {
        "organization_id": edge.organization_id,
        "source_id": edge.source_id,
        "target_id": edge.target_id,
        "edge_type": edge.edge_type,
        "metadata": encode_metadata(edge.metadata),
        "create_time": edge.create_time,
    }


def to_link(row: Any) -> Link:  # noqa: ANN401 -- a row with the columns of a link
    """What tells an edge from every other."""
    return row.source_id, row.target_id, EDGE_TYPES[row.edge_type]


def to_edge(row: Any) -> Edge:  # noqa: ANN401 -- a row of the table
    """A row as an edge."""
    return Edge(
        id=row.id,
        organization_id=row.organization_id,
        source_id=row.source_id,
        target_id=row.target_id,
        edge_type=EDGE_TYPES[row.edge_type],
        metadata={} if row.metadata == "{}" else msgspec.json.decode(row.metadata),
        create_time=row.create_time,
    )
