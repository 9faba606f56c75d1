"""The stored part of the tree of containment against which new edges are checked."""

from collections.abc import Collection

from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.model import EdgeType
from lumetry_core.topology.store import edges as store

MAX_LEVELS = 16
"""Levels that are read one by one; where the tree goes higher, the rest of it is read at once."""


async def find_containers(tx: Transaction, organization_id: int, node_ids: Collection[int]) -> set[tuple[int, int]]:
    """The edges of containment above nodes, all the way up: source and target."""
    found: set[tuple[int, int]] = set()
    known: set[int] = set()
    frontier = set(node_ids)
    levels = 0
    while frontier:
        levels += 1
        known |= frontier
        wanted = None if levels > MAX_LEVELS else frontier
        links = await store.find_links_to(tx, organization_id, wanted, EdgeType.CONTAINS)
        found |= {(source_id, target_id) for source_id, target_id, _ in links}
        frontier = set() if wanted is None else {source_id for source_id, _, _ in links} - known
    return found
