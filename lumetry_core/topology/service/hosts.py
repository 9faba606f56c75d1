"""The hosts of the graph by the ids that signals name."""

from collections.abc import Collection

from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.store import nodes as store


async def find_host_ids(tx: Transaction, organization_id: int, host_ids: Collection[str]) -> dict[str, int]:
    """The number of the node that each `host.id` means; those that mean none are left out."""
    return await store.find_host_ids(tx, organization_id, host_ids) if host_ids else {}
