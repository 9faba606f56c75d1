"""Which nodes cover others, as maintenance of a node does (contract lumetry 12.1)."""

from collections.abc import Collection

from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.model import EdgeType
from lumetry_core.topology.store import edges as store
from lumetry_core.topology.walk import close_over


async def find_covering_nodes(tx: Transaction, organization_id: int, node_ids: Collection[int]) -> dict[int, frozenset[int]]:
    """Per node: itself and every node that contains it or on which it runs, and so on upwards."""
    links: dict[int, set[int]] = {}
    known: set[int] = set()
    frontier = set(node_ids)
    while frontier:
        known |= frontier
        for source_id, target_id, _ in await store.find_links_to(tx, organization_id, frontier, EdgeType.CONTAINS):
            links.setdefault(target_id, set()).add(source_id)
        for source_id, target_id, _ in await store.find_links_from(tx, organization_id, frontier, EdgeType.RUNS_ON):
            links.setdefault(source_id, set()).add(target_id)
        frontier = {covering for node_id in frontier for covering in links.get(node_id, ())} - known
    return close_over(set(node_ids), links)
