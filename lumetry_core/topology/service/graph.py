"""Reads the graph as people look at it (contract lumetry 15.3)."""

from enum import StrEnum
from typing import TypeVar

from lumetry_core.metrics.binding import MetricBinding
from lumetry_core.metrics.service.bindings import list_node_bindings
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found
from lumetry_core.runtime.paging import read_limit, read_page
from lumetry_core.topology.model import Edge, Node, NodeType
from lumetry_core.topology.store import edges as edge_store
from lumetry_core.topology.store import nodes as node_store

DEFAULT_PAGE_SIZE = 25
MAX_SEARCHED = 767
"""No name, external id or team is longer."""
PART_SIZE = 5000
"""Nodes or edges in one part of the graph."""

Choice = TypeVar("Choice", bound=StrEnum)


async def list_nodes(tx: Transaction, caller: Caller, search: str, node_type: str, page: int, page_size: int) -> tuple[list[Node], int]:
    """A page of the nodes in the graph by name, and how many match. Fails with VALIDATION_FAILED.

    Args:
        search: Part of name, external id or team, ignoring case. Empty: all.
        node_type: Ignoring case. Empty: all.
        page: From 1; 0: 1.
        page_size: 0: 25.
    """
    faults = Faults()
    faults.check("\0" not in search, "search", "must not contain the character NUL")
    wanted = find_choice(NodeType, node_type, "nodeType", faults)
    part = read_page(page, page_size, default_size=DEFAULT_PAGE_SIZE, faults=faults)
    faults.raise_if_any()
    text = search.strip()
    if len(text) > MAX_SEARCHED:  # and SQLite refuses patterns without end
        return [], 0
    return await node_store.select_page(tx, caller.organization_id, text, wanted, part)


async def get_node(tx: Transaction, organization_id: int, node_id: int) -> Node:
    """One node, also a retired one. Fails with NOT_FOUND."""
    found = (await node_store.find_by_id(tx, organization_id, [node_id], retired=True)).get(node_id)
    if found is None:
        raise not_found("Topology node", node_id)
    return found


async def get_edge(tx: Transaction, organization_id: int, edge_id: int) -> Edge:
    """One edge. Fails with NOT_FOUND."""
    found = await edge_store.find_edge(tx, organization_id, edge_id)
    if found is None:
        raise not_found("Topology edge", edge_id)
    return found


async def list_edges(tx: Transaction, caller: Caller, node_id: int | None, limit: int) -> list[Edge]:
    """Edges, newest first. Fails with VALIDATION_FAILED (`limit`).

    Args:
        node_id: Keeps those at a node. None: all.
        limit: 0: 500.
    """
    faults = Faults()
    most = read_limit(limit, faults=faults)
    faults.raise_if_any()
    return await edge_store.select_newest(tx, caller.organization_id, node_id, most)


async def list_bindings(tx: Transaction, caller: Caller, node_id: int) -> list[MetricBinding]:
    """The bindings to a node, by metric. Fails with NOT_FOUND."""
    await get_node(tx, caller.organization_id, node_id)
    return await list_node_bindings(tx, caller.organization_id, node_id)


async def read_nodes(tx: Transaction, caller: Caller, after_id: int, node_type: str, environment: str) -> list[Node]:
    """A part of the graph's nodes, ascending by number. Fails with VALIDATION_FAILED (`nodeType`).

    Args:
        after_id: The last node of the part before. 0: none.
        node_type: Ignoring case. Empty: all.
        environment: As it is written. Empty: all.
    """
    faults = Faults()
    wanted = find_choice(NodeType, node_type, "nodeType", faults)
    faults.check("\0" not in environment, "environment", "must not contain the character NUL")
    faults.raise_if_any()
    return await node_store.select_after(tx, caller.organization_id, after_id, wanted, environment or None, PART_SIZE)


async def read_edges(tx: Transaction, caller: Caller, after_id: int) -> list[Edge]:
    """A part of the graph's edges, ascending by number, after an edge (0: none)."""
    return await edge_store.select_after(tx, caller.organization_id, after_id, PART_SIZE)


def find_choice(kind: type[Choice], value: str, path: str, faults: Faults) -> Choice | None:
    """Reads one value of an enumeration, ignoring case; None when it is empty, or unknown, which notes a fault."""
    if not value:
        return None
    for choice in kind:
        if choice.value.lower() == value.lower():
            return choice
    faults.add(path, f"must be one of {', '.join(kind)}")
    return None
