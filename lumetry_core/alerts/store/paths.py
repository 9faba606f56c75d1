"""The ways through the topology that were found when alerts opened."""

from collections.abc import Collection, Mapping, Sequence

import msgspec
from sqlalchemy import BigInteger, Column, LargeBinary, Table, delete, select

from lumetry_core.alerts.store.alerts import parts
from lumetry_core.runtime.database import Transaction, metadata
from lumetry_core.topology.model import EdgeType, NodeType, PathNode

alert_paths = Table(
    "alert_paths",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("alert_id", BigInteger, primary_key=True, autoincrement=False),
    Column("path", LargeBinary, nullable=False),
)


class PathRow(msgspec.Struct, array_like=True, frozen=True):
    """A node of a path without its names."""

    node_id: int
    display_name: str
    node_type: NodeType
    via: EdgeType | None


decoder = msgspec.msgpack.Decoder(tuple[PathRow, ...])


async def insert_paths(tx: Transaction, organization_id: int, paths: Mapping[int, Sequence[PathNode]]) -> None:
    """Keeps paths by alert; empty ones are left out."""
    packed: dict[Sequence[PathNode], bytes] = {}
    rows = []
    for alert_id, path in paths.items():
        if path and path not in packed:
            packed[path] = msgspec.msgpack.encode([PathRow(node.node_id, node.display_name, node.node_type, node.via) for node in path])
        if path:
            rows.append({"organization_id": organization_id, "alert_id": alert_id, "path": packed[path]})
    if rows:
        await tx.execute(alert_paths.insert(), rows)


async def read_paths(tx: Transaction, organization_id: int, alert_ids: Collection[int]) -> dict[int, tuple[PathNode, ...]]:
    """The paths of alerts that have one."""
    found: dict[int, tuple[PathNode, ...]] = {}
    for part in parts(alert_ids):
        rows = await tx.execute(
            select(alert_paths.c.alert_id, alert_paths.c.path).where(
                alert_paths.c.organization_id == organization_id, alert_paths.c.alert_id.in_(part)
            )
        )
        for row in rows:
            found[row.alert_id] = tuple(
                PathNode(node.node_id, node.display_name, node.node_type, node.via) for node in decoder.decode(row.path)
            )
    return found


async def delete_paths(tx: Transaction, organization_id: int, alert_ids: Collection[int]) -> None:
    """Forgets the paths of alerts."""
    for part in parts(alert_ids):
        await tx.execute(delete(alert_paths).where(alert_paths.c.organization_id == organization_id, alert_paths.c.alert_id.in_(part)))
