"""The hosts of the graph: by the ids that signals name, as enrolled agents make them, and in which cluster they are.

The graph is the truth about placements. A host is placed by its one edge of `contains` from a Cluster, whoever made it: placing a host
elsewhere removes that edge also when an import made it, and a later import or a person may put it back.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from lumetry_core.access.service.audit import Change, record_audit, record_audits
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found
from lumetry_core.topology.audit import audit_edge, audit_node
from lumetry_core.topology.fields import GIVEN_EXTERNAL_ID
from lumetry_core.topology.model import AGENT, Edge, EdgeType, Node, NodeType
from lumetry_core.topology.store import edges as edge_store
from lumetry_core.topology.store import nodes as store
from lumetry_core.topology.store import versions

NODE, EDGE = "TopologyNode", "TopologyEdge"


async def find_host_ids(tx: Transaction, organization_id: int, host_ids: Collection[str]) -> dict[str, int]:
    """The number of the node that each `host.id` means; those that mean none are left out."""
    return await store.find_host_ids(tx, organization_id, host_ids) if host_ids else {}


async def ensure_host_node(
    tx: Transaction, caller: Caller, host_id: str, display_name: str, metadata: Mapping[str, Any], now: datetime
) -> Node:
    """The Host that `host.id` means; when there is none, a new one, or the retired one of that external id, which lives again.

    A Host that is in the graph stays as it is. The external id of a new one is the host's id; when another node has it, the one that nodes
    get which have none, and the id is in the metadata as `hostId`.
    """
    organization_id = caller.organization_id
    await versions.raise_version(tx, organization_id)
    number = (await store.find_host_ids(tx, organization_id, [host_id])).get(host_id)
    if number is not None:
        return (await store.find_by_id(tx, organization_id, [number]))[number]
    taken = (await store.find_by_external_id(tx, organization_id, [host_id])).get(host_id)
    if taken is not None and taken.node_type is NodeType.HOST:
        after = replace(taken, source=AGENT, is_retired=False, update_time=now)  # no snapshot of the old source retires it again
        await store.update_nodes(tx, [after])
        await record_audit(tx, caller, f"{NODE}.Updated", NODE, after.id, now, audit_node(taken), audit_node(after))
        return after
    is_own = taken is None and GIVEN_EXTERNAL_ID.fullmatch(host_id) is None
    return await make_node(
        tx, caller, NodeType.HOST, display_name, host_id if is_own else None, {**metadata, "hostId": host_id}, AGENT, now
    )


async def make_node(
    tx: Transaction,
    caller: Caller,
    node_type: NodeType,
    display_name: str,
    external_id: str | None,
    metadata: Mapping[str, Any],
    source: str,
    now: datetime,
) -> Node:
    """Adds a node whose fields were checked, in a graph whose version was raised.

    Args:
        external_id: Which no node has. None: the form that nodes get which have none.
    """
    node = Node(
        id=0,
        organization_id=caller.organization_id,
        external_id=external_id or "node:",
        node_type=node_type,
        display_name=display_name,
        environment=None,
        owner_team=None,
        metadata=metadata,
        source=source,
        is_retired=False,
        create_time=now,
        update_time=now,
    )
    numbers = await store.insert_nodes(tx, [node])
    node = replace(node, id=numbers[node.external_id])
    if external_id is None:
        node = replace(node, external_id=f"node:{node.id}")
        await store.write_external_id(tx, node)
    await record_audit(tx, caller, f"{NODE}.Created", NODE, node.id, now, None, audit_node(node))
    return node


async def find_cluster(tx: Transaction, organization_id: int, *, name: str = "", external_id: str = "") -> Node | None:
    """The Cluster that a display name, in any letter case, or an exact external id means; None when there is none, or more than one."""
    if external_id:
        found = (await store.find_by_external_id(tx, organization_id, [external_id])).get(external_id)
        return found if found is not None and found.node_type is NodeType.CLUSTER and not found.is_retired else None
    found_by_name = await store.find_named(tx, organization_id, NodeType.CLUSTER, name.strip()) if name.strip() else []
    return found_by_name[0] if len(found_by_name) == 1 else None


async def place_in_cluster(tx: Transaction, caller: Caller, node_id: int, cluster_node_id: int | None, now: datetime) -> None:
    """Makes a Host a member of a Cluster, and of no other. Fails with NOT_FOUND for the host, VALIDATION_FAILED (`clusterId`).

    Args:
        cluster_node_id: None: of none, whoever made it a member.
    """
    organization_id = caller.organization_id
    await versions.raise_version(tx, organization_id)
    wanted = {node_id} if cluster_node_id is None else {node_id, cluster_node_id}
    nodes = await store.find_by_id(tx, organization_id, wanted)
    host = nodes.get(node_id)
    if host is None or host.node_type is not NodeType.HOST:
        raise not_found("Topology node", node_id)
    if cluster_node_id is not None:
        cluster, faults = nodes.get(cluster_node_id), Faults()
        faults.check(
            cluster is not None and cluster.node_type is NodeType.CLUSTER, "clusterId", f"cluster {cluster_node_id} does not exist"
        )
        faults.raise_if_any()
    placed = [
        edge
        for edge in await edge_store.find_edges_at(tx, organization_id, [node_id])
        if edge.target_id == node_id and edge.edge_type is EdgeType.CONTAINS
    ]
    gone = [edge for edge in placed if edge.source_id != cluster_node_id]
    await edge_store.delete_edges(tx, organization_id, [edge.id for edge in gone])
    changes = [Change(f"{EDGE}.Deleted", EDGE, edge.id, audit_edge(edge), None) for edge in gone]
    if cluster_node_id is not None and len(gone) == len(placed):
        new = Edge(0, organization_id, cluster_node_id, node_id, EdgeType.CONTAINS, {}, now)
        numbers = await edge_store.insert_edges(tx, [new])
        changes.append(Change(f"{EDGE}.Created", EDGE, numbers[cluster_node_id, node_id, EdgeType.CONTAINS], None, audit_edge(new)))
    await record_audits(tx, caller, changes, now)


async def find_clusters_of(tx: Transaction, organization_id: int, host_node_ids: Collection[int]) -> dict[int, Node]:
    """The Cluster that each Host is a member of, by the number of the host; hosts of none are left out."""
    links = await edge_store.find_links_to(tx, organization_id, set(host_node_ids), EdgeType.CONTAINS) if host_node_ids else []
    clusters = await store.find_by_id(tx, organization_id, {source_id for source_id, _, _ in links})
    return {
        target_id: clusters[source_id]
        for source_id, target_id, _ in links
        if source_id in clusters and clusters[source_id].node_type is NodeType.CLUSTER
    }
