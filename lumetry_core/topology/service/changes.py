"""Whether graphs have changed, for those who follow them."""

from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.store import versions
from lumetry_core.topology.store.versions import GRAPH_CHANNEL

__all__ = ["GRAPH_CHANNEL", "list_versions"]


async def list_versions(tx: Transaction) -> dict[int, int]:
    """The version of every organization's graph, which counts up with each change; those without one have never had a node."""
    return await versions.list_versions(tx)
