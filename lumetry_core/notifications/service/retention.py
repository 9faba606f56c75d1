"""Lets go of deliveries of long ago (contract lumetry 20: they are kept as long as alerts)."""

from datetime import datetime

from lumetry_core.notifications.store import retention as store
from lumetry_core.runtime.database import Transaction


async def drop_old(tx: Transaction, organization_id: int, before: datetime, limit: int) -> bool:
    """Deletes deliveries that were made before a time and wait for nothing, at most so many; True when there may be more."""
    return await store.delete_old(tx, organization_id, before, limit) == limit
