"""Who refers to nodes, which therefore cannot be deleted (contract lumetry 15.3)."""

from collections.abc import Collection

from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.store import references as store
from lumetry_core.topology.store import versions


async def refer(tx: Transaction, organization_id: int, kind: str, number: int, node_ids: Collection[int]) -> None:
    """Replaces the nodes to which something refers.

    Args:
        kind: What refers, as people say it, e.g. `MaintenanceWindow`.
        number: Which one of the kind.
        node_ids: Empty: it refers to none any more.
    """
    await versions.hold_version(tx, organization_id)
    await store.replace_references(tx, organization_id, kind, number, node_ids)
