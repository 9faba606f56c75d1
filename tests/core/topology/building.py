"""Graphs for tests of the topology and of those who ask it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import select

from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database
from lumetry_core.topology.draft import BindingDraft, EdgeDraft, ImportDraft, NodeDraft
from lumetry_core.topology.service.importing import ImportResult, apply_import
from lumetry_core.topology.store.edges import topology_edges
from lumetry_core.topology.store.nodes import topology_nodes

ORGANIZATION = 7
CALLER = Caller(organization_id=ORGANIZATION, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin")

TYPES = {
    "svc": "BusinessService",
    "app": "Application",
    "comp": "Component",
    "host": "Host",
    "db": "Database",
    "cluster": "Cluster",
}
"""What a node is by the first part of its external id: `host-1` is a host."""
EdgeText = tuple[str, str, str]
"""Source, type and target."""


def node(external_id: str, **fields: str | None) -> NodeDraft:
    """A node whose type follows from its external id."""
    node_type = TYPES.get(external_id.split("-", maxsplit=1)[0], "Host")
    written: dict[str, str | None] = {"display_name": external_id.upper(), "node_type": node_type}
    return NodeDraft(external_id=external_id, **(written | fields))  # type: ignore[arg-type]


def edge(source: str, edge_type: str, target: str, metadata: Mapping[str, object] | None = None) -> EdgeDraft:
    """An edge."""
    written = None if metadata is None else msgspec.json.encode(metadata).decode()
    return EdgeDraft(source_external_id=source, edge_type=edge_type, target_external_id=target, metadata_json=written)


def push(
    nodes: Iterable[NodeDraft | str] = (),
    edges: Iterable[EdgeDraft | EdgeText] = (),
    bindings: Iterable[BindingDraft] = (),
    *,
    source: str = "cmdb",
    import_id: str = "1",
    mode: str | None = None,
) -> ImportDraft:
    """An import."""
    return ImportDraft(
        source=source,
        import_id=import_id,
        mode=mode,
        nodes=[node(each) if isinstance(each, str) else each for each in nodes],
        edges=[edge(*each) if isinstance(each, tuple) else each for each in edges],
        bindings=list(bindings),
    )


@dataclass
class Graph:
    """The graph of a database, by external ids."""

    database: Database
    now: datetime
    organization_id: int = ORGANIZATION

    async def apply(self, draft: ImportDraft, now: datetime | None = None) -> ImportResult:
        """Applies an import in a transaction of its own."""
        async with self.database.write() as tx:
            caller = Caller(organization_id=self.organization_id, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin")
            return await apply_import(tx, caller, draft, now or self.now)

    async def ids(self) -> dict[str, int]:
        """The numbers of all nodes, retired ones included."""
        async with self.database.read() as tx:
            statement = select(topology_nodes.c.external_id, topology_nodes.c.id)
            rows = await tx.execute(statement.where(topology_nodes.c.organization_id == self.organization_id))
            return {row.external_id: row.id for row in rows}

    async def edges(self) -> set[EdgeText]:
        """All edges."""
        names = {number: external_id for external_id, number in (await self.ids()).items()}
        columns = topology_edges.c
        async with self.database.read() as tx:
            statement = select(columns.source_id, columns.edge_type, columns.target_id)
            rows = await tx.execute(statement.where(columns.organization_id == self.organization_id))
            return {(names[row.source_id], row.edge_type, names[row.target_id]) for row in rows}
