"""Nodes in the database."""

from collections.abc import Collection, Iterable, Mapping, Sequence
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
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.runtime.paging import Page
from lumetry_core.topology.model import MAX_HOST_ID, Node, NodeType, host_id_of

CHUNK = 1000
"""Values in one IN list; databases limit the parameters of a statement."""
SORT_LENGTH = 255
SortText = String(SORT_LENGTH).with_variant(postgresql.VARCHAR(SORT_LENGTH, collation="C"), "postgresql")
"""Text that both databases order by code point."""

topology_nodes = Table(
    "topology_nodes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("external_id", String(255), nullable=False),
    Column("node_type", String(20), nullable=False),
    Column("display_name", String(255), nullable=False),
    Column("sort_name", SortText, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("environment", String(128)),
    Column("owner_team", String(255)),
    Column("metadata", Text, nullable=False),  # JSON
    Column("host_id", String(MAX_HOST_ID)),  # the one in the metadata, of hosts only
    Column("source", String(255), nullable=False),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    Column("retire_time", Time),
    UniqueConstraint("organization_id", "external_id"),
    Index("ix_topology_nodes_organization_id_sort_name", "organization_id", "sort_name", "id"),
    Index("ix_topology_nodes_organization_id_source", "organization_id", "source"),
    Index("ix_topology_nodes_organization_id_host_id", "organization_id", "host_id"),
    sqlite_autoincrement=True,
)

columns = topology_nodes.c
IS_PRESENT = columns.retire_time.is_(None)
SHOWN = [column for column in columns if column.name not in ("sort_name", "search_text", "host_id")]
WRITTEN = (
    "external_id",
    "node_type",
    "display_name",
    "environment",
    "owner_team",
    "source",
)
"""Columns that hold a field of a node as it is."""
UPDATED = (*(name for name in WRITTEN if name not in ("external_id", "node_type")), "metadata", "host_id", "sort_name", "search_text")


async def has_nodes(tx: Transaction, organization_id: int) -> bool:
    """Whether the graph has any node, retired ones included."""
    statement = select(columns.id).where(columns.organization_id == organization_id).limit(1)
    return (await tx.execute(statement)).first() is not None


async def find_by_id(tx: Transaction, organization_id: int, ids: Collection[int], *, retired: bool = False) -> dict[int, Node]:
    """The nodes that are in the graph, by number.

    Args:
        retired: Also those that left it.
    """
    return {node.id: node for node in await fetch(tx, organization_id, columns.id, ids, retired=retired)}


async def find_by_external_id(tx: Transaction, organization_id: int, external_ids: Collection[str]) -> dict[str, Node]:
    """The nodes with external ids, retired ones included."""
    return {node.external_id: node for node in await fetch(tx, organization_id, columns.external_id, external_ids, retired=True)}


async def find_hosts(tx: Transaction, organization_id: int, host_ids: Collection[str]) -> list[Node]:
    """The hosts in the graph whose external id, or the one in their metadata, is among some."""
    found = []
    for column in (columns.external_id, columns.host_id):
        found += [node for node in await fetch(tx, organization_id, column, host_ids) if node.node_type is NodeType.HOST]
    return found


async def find_host_ids(tx: Transaction, organization_id: int, host_ids: Collection[str]) -> dict[str, int]:
    """The number of the host of each id: by its external id, else by its metadata; of several the lowest."""
    found: dict[str, int] = {}
    for column in (columns.host_id, columns.external_id):
        for chunk in chunks(host_ids):
            statement = select(columns.id, column.label("name")).where(
                columns.organization_id == organization_id, column.in_(chunk), columns.node_type == NodeType.HOST.value, IS_PRESENT
            )
            # external ids come last, and so win; of the same name the lowest number does
            found |= {row.name: row.id for row in await tx.execute(statement.order_by(columns.id.desc()))}
    return found


async def find_named(tx: Transaction, organization_id: int, node_type: NodeType, name: str) -> list[Node]:
    """The nodes of a type in the graph whose display name is a name, ignoring case."""
    statement = select(*SHOWN).where(
        columns.organization_id == organization_id,
        columns.sort_name == name.casefold()[:SORT_LENGTH],
        columns.node_type == node_type.value,
        IS_PRESENT,
    )
    found = [to_node(row) for row in await tx.execute(statement.order_by(columns.id))]
    return [node for node in found if node.display_name.casefold() == name.casefold()]


async def find_of_type(tx: Transaction, organization_id: int, node_type: NodeType) -> list[Node]:
    """The nodes of a type in the graph by name, then number."""
    statement = select(*SHOWN).where(columns.organization_id == organization_id, columns.node_type == node_type.value, IS_PRESENT)
    return [to_node(row) for row in await tx.execute(statement.order_by(columns.sort_name, columns.id))]


async def find_names(tx: Transaction, organization_id: int, ids: Collection[int]) -> dict[int, str]:
    """The names of nodes by number, retired ones included."""
    found: dict[int, str] = {}
    for chunk in chunks(ids):
        statement = select(columns.id, columns.display_name).where(columns.organization_id == organization_id, columns.id.in_(chunk))
        found.update({row.id: row.display_name for row in await tx.execute(statement)})
    return found


async def fetch(
    tx: Transaction, organization_id: int, column: ColumnElement[Any], values: Collection[Any], *, retired: bool = False
) -> list[Node]:
    """Reads the nodes whose column has one of the values."""
    found = []
    for chunk in chunks(values):
        statement = select(*SHOWN).where(columns.organization_id == organization_id, column.in_(chunk))
        found += [to_node(row) for row in await tx.execute(statement if retired else statement.where(IS_PRESENT))]
    return found


async def find_of_source(tx: Transaction, organization_id: int, source: str) -> list[Node]:
    """The nodes in the graph that a source pushed."""
    statement = select(*SHOWN).where(columns.organization_id == organization_id, columns.source == source, IS_PRESENT)
    return [to_node(row) for row in await tx.execute(statement)]


async def select_page(tx: Transaction, organization_id: int, search: str, node_type: NodeType | None, page: Page) -> tuple[list[Node], int]:
    """A page of the nodes in the graph by name, then number, and how many match."""
    conditions = [columns.organization_id == organization_id, IS_PRESENT]
    if search:
        conditions.append(columns.search_text.contains(search.casefold(), autoescape=True))
    if node_type is not None:
        conditions.append(columns.node_type == node_type)
    total: int = (await tx.execute(select(func.count()).select_from(topology_nodes).where(*conditions))).scalar_one()
    statement = select(*SHOWN).where(*conditions).order_by(columns.sort_name, columns.id).limit(page.size).offset(page.offset)
    return [to_node(row) for row in await tx.execute(statement)], total


async def select_after(
    tx: Transaction, organization_id: int, after_id: int, node_type: NodeType | None, environment: str | None, limit: int
) -> list[Node]:
    """The matching nodes in the graph after one, ascending by number."""
    conditions = [columns.organization_id == organization_id, IS_PRESENT, columns.id > after_id]
    if node_type is not None:
        conditions.append(columns.node_type == node_type)
    if environment is not None:
        conditions.append(columns.environment == environment)
    statement = select(*SHOWN).where(*conditions).order_by(columns.id).limit(limit)
    return [to_node(row) for row in await tx.execute(statement)]


async def insert_nodes(tx: Transaction, nodes: Iterable[Node]) -> dict[str, int]:
    """Adds nodes, whose numbers do not count, and gives their new ones by external id."""
    found: dict[str, int] = {}
    for chunk in chunks(list(nodes)):
        statement = topology_nodes.insert().returning(columns.external_id, columns.id)
        rows = await tx.execute(statement, [to_row(node) for node in chunk])
        found.update({row.external_id: row.id for row in rows})
    return found


UPDATE = (
    update(topology_nodes)
    .where(columns.organization_id == bindparam("of_organization"), columns.id == bindparam("of_node"))
    .values({name: bindparam(name) for name in (*UPDATED, "update_time", "retire_time")})
)


async def update_nodes(tx: Transaction, nodes: Sequence[Node]) -> None:
    """Writes what may change of nodes."""
    rows = []
    for node in nodes:
        row = to_row(node)
        rows.append(
            {name: row[name] for name in (*UPDATED, "update_time", "retire_time")}
            | {"of_organization": node.organization_id, "of_node": node.id}
        )
    if rows:
        await tx.execute(UPDATE, rows)


async def write_external_id(tx: Transaction, node: Node) -> None:
    """Writes the external id of a node, which else never changes."""
    this = (columns.organization_id == node.organization_id) & (columns.id == node.id)
    await tx.execute(update(topology_nodes).where(this).values(external_id=node.external_id, search_text=search_text_of(node)))


async def delete_node(tx: Transaction, organization_id: int, node_id: int) -> None:
    """Removes a node for good."""
    await tx.execute(delete(topology_nodes).where(columns.organization_id == organization_id, columns.id == node_id))


def to_row(node: Node) -> dict[str, Any]:
    """A node as columns; when it retired is when it was last written."""
    return {
        **{name: getattr(node, name) for name in WRITTEN},
        "organization_id": node.organization_id,
        "sort_name": node.display_name.casefold()[:SORT_LENGTH],
        "search_text": search_text_of(node),
        "metadata": encode_metadata(node.metadata),
        "host_id": host_id_of(node.node_type, node.metadata),
        "create_time": node.create_time,
        "update_time": node.update_time,
        "retire_time": node.update_time if node.is_retired else None,
    }


def search_text_of(node: Node) -> str:
    """What lists search in (contract lumetry 22.19)."""
    return "\n".join((node.display_name, node.external_id, node.owner_team or "")).casefold()


def encode_metadata(values: Mapping[str, Any]) -> str:
    """Metadata as JSON."""
    return msgspec.json.encode(values).decode()


def to_node(row: Any) -> Node:  # noqa: ANN401 -- a row of SHOWN
    """A row as a node."""
    return Node(
        id=row.id,
        organization_id=row.organization_id,
        external_id=row.external_id,
        node_type=NodeType(row.node_type),
        display_name=row.display_name,
        environment=row.environment,
        owner_team=row.owner_team,
        metadata={} if row.metadata == "{}" else msgspec.json.decode(row.metadata),
        source=row.source,
        is_retired=row.retire_time is not None,
        create_time=row.create_time,
        update_time=row.update_time,
    )


def chunks(values: Collection[Any]) -> Iterable[list[Any]]:
    """Parts that fit into a statement."""
    ordered = values if isinstance(values, list) else list(values)
    return (ordered[start : start + CHUNK] for start in range(0, len(ordered), CHUNK))
