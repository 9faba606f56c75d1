"""Clusters with how many hosts they have."""

from collections import Counter

from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.model import EdgeType, Node, NodeType
from lumetry_core.topology.store import edges as edge_store
from lumetry_core.topology.store import nodes as store


async def list_clusters(tx: Transaction, organization_id: int) -> list[tuple[Node, int]]:
    """The Clusters in the graph by name, then number, each with the number of Hosts that it contains."""
    clusters = await store.find_of_type(tx, organization_id, NodeType.CLUSTER)
    links = await edge_store.find_links_from(tx, organization_id, {node.id for node in clusters}, EdgeType.CONTAINS)
    members = await store.find_by_id(tx, organization_id, {target_id for _, target_id, _ in links})
    counts = Counter(
        source_id for source_id, target_id, _ in links if target_id in members and members[target_id].node_type is NodeType.HOST
    )
    return [(node, counts[node.id]) for node in clusters]
