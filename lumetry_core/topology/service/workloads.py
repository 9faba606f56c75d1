"""Components that the product itself puts into the graph, and the hosts they run on."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from lumetry_core.access.service.audit import Change, record_audit, record_audits
from lumetry_core.metrics.service.bindings import list_node_bindings
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.audit import audit_edge, audit_node
from lumetry_core.topology.model import AGENT, Edge, EdgeType, Node, NodeType
from lumetry_core.topology.service.hosts import EDGE, NODE, make_node
from lumetry_core.topology.store import edges as edge_store
from lumetry_core.topology.store import nodes as store
from lumetry_core.topology.store import references as reference_store
from lumetry_core.topology.store import versions


async def lock_graph(tx: Transaction, organization_id: int) -> None:
    """Keeps everybody else from changing the graph until the transaction ends."""
    await versions.raise_version(tx, organization_id)


async def ensure_component(
    tx: Transaction, caller: Caller, external_id: str, display_name: str, metadata: Mapping[str, Any], now: datetime
) -> Node:
    """The Component of an external id: the one that is there, the retired one, which lives again, or a new one.

    When another kind of node has the external id, the new one has the one that nodes get which have none.
    """
    await versions.raise_version(tx, caller.organization_id)
    taken = (await store.find_by_external_id(tx, caller.organization_id, [external_id])).get(external_id)
    if taken is None or taken.node_type is not NodeType.COMPONENT:
        own = external_id if taken is None else None
        return await make_node(tx, caller, NodeType.COMPONENT, display_name, own, metadata, AGENT, now)
    if not taken.is_retired:
        return taken
    after = replace(taken, source=AGENT, is_retired=False, update_time=now)  # it is there because of the product now
    await write_node(tx, caller, taken, after, now)
    return after


async def find_hosts_of(tx: Transaction, organization_id: int, node_ids: Collection[int]) -> dict[tuple[int, int], int]:
    """On which nodes others run: the number of the edge of `runs_on` by its source and target."""
    edges = await edge_store.find_edges_from(tx, organization_id, set(node_ids))
    return {(edge.source_id, edge.target_id): edge.id for edge in edges if edge.edge_type is EdgeType.RUNS_ON}


async def add_hosts(tx: Transaction, caller: Caller, links: Collection[tuple[int, int]], now: datetime) -> dict[tuple[int, int], int]:
    """Has Components run on Hosts that are all in the graph, and gives the numbers of the edges that are new by source and target."""
    if not links:
        return {}
    await versions.raise_version(tx, caller.organization_id)
    new = [Edge(0, caller.organization_id, source_id, target_id, EdgeType.RUNS_ON, {}, now) for source_id, target_id in sorted(links)]
    numbers = await edge_store.insert_edges(tx, new)
    made = [replace(edge, id=numbers[link]) for edge in new if (link := (edge.source_id, edge.target_id, edge.edge_type)) in numbers]
    await record_audits(tx, caller, [Change(f"{EDGE}.Created", EDGE, edge.id, None, audit_edge(edge)) for edge in made], now)
    return {(edge.source_id, edge.target_id): edge.id for edge in made}


async def remove_hosts(tx: Transaction, caller: Caller, node_ids: Collection[int], edge_ids: Collection[int], now: datetime) -> None:
    """Removes edges of Components; those that they do not have, or not any more, do not matter."""
    if not edge_ids:
        return
    await versions.raise_version(tx, caller.organization_id)
    gone = [edge for edge in await edge_store.find_edges_from(tx, caller.organization_id, set(node_ids)) if edge.id in edge_ids]
    await edge_store.delete_edges(tx, caller.organization_id, [edge.id for edge in gone])
    await record_audits(tx, caller, [Change(f"{EDGE}.Deleted", EDGE, edge.id, audit_edge(edge), None) for edge in gone], now)


async def retire_component(tx: Transaction, caller: Caller, node_id: int, now: datetime) -> None:
    """Takes a Component out of the graph that the product put there, unless somebody uses it: by an edge, binding or reference."""
    organization_id = caller.organization_id
    await versions.raise_version(tx, organization_id)
    node = (await store.find_by_id(tx, organization_id, [node_id])).get(node_id)
    if node is None or node.source != AGENT:
        return
    if await edge_store.find_edges_at(tx, organization_id, [node_id]) or await list_node_bindings(tx, organization_id, node_id):
        return
    if await reference_store.list_references(tx, organization_id, node_id):
        return
    await write_node(tx, caller, node, replace(node, is_retired=True, update_time=now), now)


async def write_node(tx: Transaction, caller: Caller, before: Node, after: Node, now: datetime) -> None:
    """Writes what became of a node."""
    await store.update_nodes(tx, [after])
    await record_audit(tx, caller, f"{NODE}.Updated", NODE, after.id, now, audit_node(before), audit_node(after))
