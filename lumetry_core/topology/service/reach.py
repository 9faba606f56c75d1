"""What is reached from a node, upwards and downwards (contract lumetry 15.3)."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.model import EdgeType, Node, NodeType, PathNode
from lumetry_core.topology.service.graph import get_node
from lumetry_core.topology.store import edges as edge_store
from lumetry_core.topology.store import nodes as node_store
from lumetry_core.topology.walk import Visit, trace_back, visit_all

MAX_LEVELS = 16
"""Levels that are read one by one; where a graph goes further, the rest of it is read at once."""

FindLinks = Callable[[Transaction, int, Collection[int] | None], Awaitable[list[edge_store.Link]]]


@dataclass(frozen=True, slots=True)
class Reach:
    """A node and what is reached from it.

    Args:
        services: All services above it, nearest first; itself when it is one.
        paths: To each service, in their order.
        depth_of: Edges on a shortest path downwards, by node; 0 for the node itself.
        members: What it contains, when it is a cluster.
    """

    node: Node
    services: tuple[Node, ...]
    paths: tuple[tuple[PathNode, ...], ...]
    depth_of: dict[int, int]
    members: frozenset[int]


async def find_reach(tx: Transaction, organization_id: int, node_id: int) -> Reach:
    """What is reached from a node. Fails with NOT_FOUND."""
    node = await get_node(tx, organization_id, node_id)
    upwards = await walk(tx, organization_id, node_id, edge_store.find_links_to, is_upwards=True)
    downwards = await walk(tx, organization_id, node_id, edge_store.find_links_from, is_upwards=False)
    above = await node_store.find_by_id(tx, organization_id, upwards.keys(), retired=True)
    found = [above[number] for number in upwards if number in above and above[number].node_type is NodeType.BUSINESS_SERVICE]
    services = sorted(found, key=lambda service: (upwards[service.id].depth, service.id))
    paths = [
        tuple(PathNode(number, above[number].display_name, above[number].node_type, via) for number, via in trace_back(service.id, upwards))
        for service in services
    ]
    members = await edge_store.find_links_from(tx, organization_id, [node_id], EdgeType.CONTAINS)
    return Reach(
        node=node,
        services=tuple(services),
        paths=tuple(paths),
        depth_of={number: visit.depth for number, visit in downwards.items()},
        members=frozenset(target_id for _, target_id, _ in members) if node.node_type is NodeType.CLUSTER else frozenset(),
    )


async def walk(tx: Transaction, organization_id: int, node_id: int, find_links: FindLinks, *, is_upwards: bool) -> dict[int, Visit]:
    """Every node that is reached from one against, or along, the edges."""
    links: dict[int, list[tuple[int, EdgeType]]] = {}
    known: set[int] = set()
    frontier = {node_id}
    levels = 0
    while frontier:
        levels += 1
        known |= frontier
        reads_all = levels > MAX_LEVELS
        if reads_all:
            links.clear()
        reached: set[int] = set()
        for source_id, target_id, edge_type in await find_links(tx, organization_id, None if reads_all else frontier):
            start, end = (target_id, source_id) if is_upwards else (source_id, target_id)
            links.setdefault(start, []).append((end, edge_type))
            reached.add(end)
        frontier = set() if reads_all else reached - known
    return visit_all(node_id, links)
