"""What the tree of containment must be: no cycles, one parent, one cluster for each node (contract lumetry 15.1)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lumetry_core.runtime.errors import Faults

Key = int | str
"""A node: its number, or the external id of one that has none yet."""


@dataclass(frozen=True, slots=True)
class Containment:
    """An edge of the type `contains`.

    Args:
        in_cluster: Whether the source is a cluster, whose members may have a parent besides.
        path: Where the request names it; None: it is stored.
    """

    source: Key
    target: Key
    in_cluster: bool
    path: str | None


def check_structure(edges: Sequence[Containment], name_of: Callable[[Key], str], faults: Faults) -> None:
    """Notes every edge of the request that gives a node a second parent or cluster, or closes a cycle."""
    holders: dict[tuple[Key, bool], Key] = {}
    for edge in sorted(edges, key=lambda edge: edge.path is not None):  # what is stored came first
        holder = holders.setdefault((edge.target, edge.in_cluster), edge.source)
        if holder != edge.source and edge.path is not None:
            kind = "cluster" if edge.in_cluster else "parent"
            faults.add(edge.path, f"A node has one {kind} at most: '{name_of(edge.target)}' is contained in '{name_of(holder)}'.")
    cyclic = find_cyclic((edge.source, edge.target) for edge in edges if not edge.in_cluster)
    for edge in edges:
        if edge.path is not None and edge.source in cyclic and edge.target in cyclic:
            faults.add(edge.path, f"'{name_of(edge.source)}' and '{name_of(edge.target)}' would contain each other.")


def find_cyclic(links: Iterable[tuple[Key, Key]]) -> set[Key]:
    """The nodes on cycles, and between cycles: what stays when nodes without sources or without targets go, again and again."""
    pairs = set(links)
    sources: dict[Key, set[Key]] = {}
    targets: dict[Key, set[Key]] = {}
    for source, target in pairs:
        sources.setdefault(target, set()).add(source)
        targets.setdefault(source, set()).add(target)
    left = sources.keys() | targets.keys()
    for incoming, outgoing in ((sources, targets), (targets, sources)):
        waiting = [key for key in left if not incoming.get(key)]
        while waiting:
            gone = waiting.pop()
            left.discard(gone)
            for following in outgoing.pop(gone, ()):
                incoming[following].discard(gone)
                if not incoming[following]:
                    waiting.append(following)
    return left
