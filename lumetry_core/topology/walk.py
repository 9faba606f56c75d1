"""Walks over the graph as far as it is loaded: nearest services, what is reached, what covers a node. All end on cycles too."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lumetry_core.topology.model import EDGE_ORDER, EdgeType

Links = Mapping[int, Sequence[tuple[int, EdgeType]]]
"""By node: its neighbours in the direction of the walk, each with the type of the edge."""


@dataclass(frozen=True, slots=True)
class Hop:
    """The first step from a node to its nearest service; at the service itself both next node and edge are None."""

    distance: int
    service_id: int
    next_id: int | None
    via: EdgeType | None


def find_nearest(sources_of: Links, services: Iterable[int]) -> dict[int, Hop]:
    """The first hop from every node to the nearest service that lies above it (contract lumetry 11.4.1).

    Of services equally near the one with the lowest number wins; of paths to it the one over the lowest numbers.

    Args:
        sources_of: By target: the sources of its edges.
        services: The nodes that are services.
    """
    targets_of: dict[int, list[tuple[int, EdgeType]]] = {}
    for target, sources in sources_of.items():
        for source, edge_type in sources:
            targets_of.setdefault(source, []).append((target, edge_type))
    hops = {service: Hop(0, service, None, None) for service in services}
    level = list(hops)
    distance = 0
    while level:
        distance += 1
        best: dict[int, tuple[int, int, int, EdgeType]] = {}
        for node in level:
            service_id = hops[node].service_id
            for target, edge_type in targets_of.get(node, ()):
                if target in hops:
                    continue
                candidate = (service_id, node, EDGE_ORDER[edge_type], edge_type)
                if target not in best or candidate < best[target]:
                    best[target] = candidate
        for target, (service_id, node, _, edge_type) in best.items():
            hops[target] = Hop(distance, service_id, node, edge_type)
        level = list(best)
    return hops


def trace_up(start: int, hops: Mapping[int, Hop]) -> list[tuple[int, EdgeType | None]]:
    """The nodes from one to its nearest service, each with the edge by which it was reached; the node alone when there is no service."""
    path: list[tuple[int, EdgeType | None]] = [(start, None)]
    hop = hops.get(start)
    while hop is not None and hop.next_id is not None:
        path.append((hop.next_id, hop.via))
        hop = hops[hop.next_id]
    return path


@dataclass(frozen=True, slots=True)
class Visit:
    """How a walk reached a node: over how many edges, from where, and by which edge; the start from None."""

    depth: int
    previous_id: int | None
    via: EdgeType | None


def visit_all(start: int, links: Links) -> dict[int, Visit]:
    """Every node that is reached from one, by a shortest path over the lowest numbers, nearest first."""
    visits = {start: Visit(0, None, None)}
    level = [start]
    depth = 0
    while level:
        depth += 1
        following: dict[int, Visit] = {}
        for node in sorted(level):
            for neighbour, edge_type in sorted(links.get(node, ()), key=lambda link: (link[0], EDGE_ORDER[link[1]])):
                if neighbour not in visits and neighbour not in following:
                    following[neighbour] = Visit(depth, node, edge_type)
        visits.update(following)
        level = list(following)
    return visits


def trace_back(end: int, visits: Mapping[int, Visit]) -> list[tuple[int, EdgeType | None]]:
    """The nodes from the start of a walk to one that it reached, each with the edge by which it was reached."""
    path: list[tuple[int, EdgeType | None]] = []
    node: int | None = end
    while node is not None:
        visit = visits[node]
        path.append((node, visit.via))
        node = visit.previous_id
    return path[::-1]


def close_over(starts: Collection[int], links: Mapping[int, Collection[int]]) -> dict[int, frozenset[int]]:
    """Per start: itself and everything it leads to."""
    closures = {}
    for start in starts:
        reached = {start}
        waiting = [start]
        while waiting:
            for following in links.get(waiting.pop(), ()):
                if following not in reached:
                    reached.add(following)
                    waiting.append(following)
        closures[start] = frozenset(reached)
    return closures
