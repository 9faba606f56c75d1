"""Writes nodes and edges one by one, as people do (contract lumetry 15.3)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.access.service.audit import Change, record_audit, record_audits
from lumetry_core.metrics.service.bindings import unbind_node
from lumetry_core.metrics.validation import read_metadata
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason
from lumetry_core.topology.audit import audit_edge, audit_node
from lumetry_core.topology.draft import NodeDraft
from lumetry_core.topology.fields import GIVEN_EXTERNAL_ID, check_node, read_choice
from lumetry_core.topology.matrix import is_allowed, refusal_of
from lumetry_core.topology.model import MANUAL, Edge, EdgeType, Node, NodeType
from lumetry_core.topology.service.containment import find_containers
from lumetry_core.topology.service.graph import get_edge, get_node
from lumetry_core.topology.store import edges as edge_store
from lumetry_core.topology.store import nodes as node_store
from lumetry_core.topology.store import references as reference_store
from lumetry_core.topology.store import versions
from lumetry_core.topology.structure import Containment, check_structure

NODE, EDGE = "TopologyNode", "TopologyEdge"
MAX_NAMED = 20
"""References named in a refusal."""


async def create_node(tx: Transaction, caller: Caller, draft: NodeDraft, now: datetime) -> Node:
    """Adds a node. Fails with VALIDATION_FAILED."""
    organization_id = caller.organization_id
    await versions.raise_version(tx, organization_id)
    faults = Faults()
    fields = check_node(draft, "", faults)
    if fields.external_id is not None and not faults:
        taken = (await node_store.find_by_external_id(tx, organization_id, [fields.external_id])).get(fields.external_id)
        if taken is not None:
            state = ", which is retired" if taken.is_retired else ""
            faults.add("externalId", f"is the one of node {taken.id}{state}")
        form = GIVEN_EXTERNAL_ID.fullmatch(fields.external_id) is None
        faults.check(form, "externalId", "has the form that nodes without an external id get")
    faults.raise_if_any()
    node = Node(
        id=0,
        organization_id=organization_id,
        external_id=fields.external_id or "node:",
        node_type=fields.node_type or NodeType.HOST,
        display_name=fields.display_name,
        environment=fields.environment or None,
        owner_team=fields.owner_team or None,
        metadata=fields.metadata or {},
        source=MANUAL,
        is_retired=False,
        create_time=now,
        update_time=now,
    )
    numbers = await node_store.insert_nodes(tx, [node])
    node = replace(node, id=numbers[node.external_id])
    if fields.external_id is None:
        node = replace(node, external_id=f"node:{node.id}")
        await node_store.write_external_id(tx, node)
    await record_audit(tx, caller, f"{NODE}.Created", NODE, node.id, now, None, audit_node(node))
    return node


async def update_node(tx: Transaction, caller: Caller, node_id: int, draft: NodeDraft, now: datetime) -> Node:
    """Replaces what people write of a node; absent fields become empty. Fails with NOT_FOUND, VALIDATION_FAILED.

    The external id and the type cannot be changed; the former may be left out. A retired node stays retired.
    """
    organization_id = caller.organization_id
    await versions.raise_version(tx, organization_id)
    before = await get_node(tx, organization_id, node_id)
    faults = Faults()
    fields = check_node(draft, "", faults)
    faults.check(fields.external_id in (None, before.external_id), "externalId", f"cannot be changed from '{before.external_id}'")
    if fields.node_type is not None:
        is_same = fields.node_type is before.node_type
        faults.check(is_same, "nodeType", f"cannot be changed from '{before.node_type}' to '{fields.node_type}'")
    faults.raise_if_any()
    after = replace(
        before,
        display_name=fields.display_name,
        environment=fields.environment or None,
        owner_team=fields.owner_team or None,
        metadata=fields.metadata or {},
        update_time=now,
    )
    await node_store.update_nodes(tx, [after])
    await record_audit(tx, caller, f"{NODE}.Updated", NODE, node_id, now, audit_node(before), audit_node(after))
    return after


async def delete_node(tx: Transaction, caller: Caller, node_id: int, now: datetime) -> None:
    """Removes a node with its edges and bindings. Fails with NOT_FOUND, CONFLICT while anything refers to it."""
    organization_id = caller.organization_id
    await versions.raise_version(tx, organization_id)
    node = await get_node(tx, organization_id, node_id)
    refuse_if_used(node, await reference_store.list_references(tx, organization_id, node_id))
    edges = await edge_store.find_edges_at(tx, organization_id, [node_id])
    await edge_store.delete_edges(tx, organization_id, [edge.id for edge in edges])
    changes = [Change(f"{EDGE}.Deleted", EDGE, edge.id, audit_edge(edge), None) for edge in edges]
    changes += await unbind_node(tx, caller, node_id)
    await node_store.delete_node(tx, organization_id, node_id)
    await record_audits(tx, caller, [*changes, Change(f"{NODE}.Deleted", NODE, node_id, audit_node(node), None)], now)


def refuse_if_used(node: Node, references: Sequence[tuple[str, int]]) -> None:
    """Fails with CONFLICT, naming what refers to a node."""
    if not references:
        return
    named = [f"{kind} {number}" for kind, number in references[:MAX_NAMED]]
    if len(references) > MAX_NAMED:
        named.append(f"{len(references) - MAX_NAMED} more")
    message = f"Topology node {node.id} cannot be deleted while it is used by {', '.join(named)}."
    raise LumetryError(Reason.CONFLICT, message, type="Topology node", id=str(node.id), state="used")


async def create_edge(
    tx: Transaction, caller: Caller, source_id: int, target_id: int, edge_type: str, metadata_json: str | None, now: datetime
) -> Edge:
    """Adds an edge. Fails with VALIDATION_FAILED; one that exists already is a fault."""
    organization_id = caller.organization_id
    await versions.raise_version(tx, organization_id)
    faults = Faults()
    chosen = read_choice(EdgeType, edge_type, "edgeType", faults)
    metadata = read_metadata(metadata_json, faults)
    nodes = await node_store.find_by_id(tx, organization_id, [source_id, target_id])
    for node_id, path in ((source_id, "sourceNodeId"), (target_id, "targetNodeId")):
        faults.check(node_id in nodes, path, f"node {node_id} does not exist")
    source, target = nodes.get(source_id), nodes.get(target_id)
    if source is not None and target is not None and chosen is not None:
        if source_id == target_id:
            faults.add("targetNodeId", "An edge cannot lead from a node to itself.")
        elif not is_allowed(source.node_type, chosen, target.node_type):
            faults.add("edgeType", refusal_of(source.node_type, chosen, target.node_type))
        elif any(
            (edge.target_id, edge.edge_type) == (target_id, chosen)
            for edge in await edge_store.find_edges_from(tx, organization_id, [source_id])
        ):
            faults.add("targetNodeId", "The edge exists already.")
        elif chosen is EdgeType.CONTAINS:
            await check_containment(tx, source, target, faults)
    faults.raise_if_any()
    edge = Edge(0, organization_id, source_id, target_id, chosen or EdgeType.CONTAINS, metadata, now)
    numbers = await edge_store.insert_edges(tx, [edge])
    edge = replace(edge, id=numbers[source_id, target_id, edge.edge_type])
    await record_audit(tx, caller, f"{EDGE}.Created", EDGE, edge.id, now, None, audit_edge(edge))
    return edge


async def check_containment(tx: Transaction, source: Node, target: Node, faults: Faults) -> None:
    """Notes that a new edge breaks the tree of containment."""
    stored = await find_containers(tx, source.organization_id, [source.id, target.id])
    nodes = await node_store.find_by_id(tx, source.organization_id, {source.id, target.id}.union(*stored))
    edges = [Containment(*link, nodes[link[0]].node_type is NodeType.CLUSTER, None) for link in sorted(stored)]
    new = Containment(source.id, target.id, source.node_type is NodeType.CLUSTER, "targetNodeId")
    names = {key: node.external_id for key, node in nodes.items()}
    check_structure([*edges, new], lambda key: names[int(key)], faults)


async def delete_edge(tx: Transaction, caller: Caller, edge_id: int, now: datetime) -> None:
    """Removes an edge. Fails with NOT_FOUND."""
    await versions.raise_version(tx, caller.organization_id)
    edge = await get_edge(tx, caller.organization_id, edge_id)
    await edge_store.delete_edges(tx, caller.organization_id, [edge_id])
    await record_audit(tx, caller, f"{EDGE}.Deleted", EDGE, edge_id, now, audit_edge(edge), None)
