"""Nodes for those who name them."""

from collections.abc import Collection

from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.model import Node
from lumetry_core.topology.store import nodes as store
from lumetry_core.topology.store import versions


async def find_nodes(tx: Transaction, organization_id: int, ids: Collection[int], *, hold: bool = False) -> dict[int, Node]:
    """The nodes that are in the graph, by number; retired ones are not.

    Args:
        hold: Keeps them in it until the writing transaction ends.
    """
    if hold:
        await versions.hold_version(tx, organization_id)
    return await store.find_by_id(tx, organization_id, set(ids))


async def find_node_names(tx: Transaction, organization_id: int, ids: Collection[int]) -> dict[int, str]:
    """The names of the nodes that are in the graph, which stay in it until the writing transaction ends."""
    found = await find_nodes(tx, organization_id, ids, hold=True)
    return {node.id: node.display_name for node in found.values()}


async def find_all_node_names(tx: Transaction, organization_id: int, ids: Collection[int]) -> dict[int, str]:
    """The names of nodes by number, as history tells them: retired ones too."""
    return await store.find_names(tx, organization_id, set(ids))


async def find_node_ids(tx: Transaction, organization_id: int, external_ids: Collection[str]) -> dict[str, int]:
    """The numbers of the nodes that are in the graph by the identity that their owners gave them; others are left out."""
    if not external_ids:
        return {}
    found = await store.find_by_external_id(tx, organization_id, set(external_ids))
    return {node.external_id: node.id for node in found.values() if not node.is_retired}
