"""Lets go of alerts that closed long ago, with the decisions and paths that were kept of them (contract lumetry 20)."""

from datetime import datetime

from lumetry_core.alerts.store import paths as path_store
from lumetry_core.alerts.store import retention as store
from lumetry_core.runtime.database import Transaction


async def drop_old(tx: Transaction, organization_id: int, before: datetime, limit: int) -> bool:
    """Deletes alerts that ended before a time, at most so many; True when there may be more."""
    found = await store.select_ended(tx, organization_id, before, limit)
    await path_store.delete_paths(tx, organization_id, found)
    await store.delete_alerts(tx, organization_id, found)
    return len(found) == limit
