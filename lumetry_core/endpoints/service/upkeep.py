"""Drops what is older than it is kept (contract monitoring 1.8)."""

from datetime import datetime

from lumetry_core.endpoints.store import checks as check_store
from lumetry_core.endpoints.store import endpoints as store
from lumetry_core.runtime.database import Transaction
from lumetry_core.uptime.model import MonitorType
from lumetry_core.uptime.service import forget

BATCH = 1000


async def drop_checks(tx: Transaction, before: datetime) -> bool:
    """Drops a batch of checks from before a time; true when there may be more."""
    return await check_store.drop_oldest(tx, before, BATCH) == BATCH


async def drop_endpoints(tx: Transaction, before: datetime) -> bool:
    """Drops a batch of endpoints that are inactive since before a time; true when there may be more."""
    found = await store.find_forgotten(tx, before, BATCH)
    for organization_id in sorted({organization for organization, _ in found}):
        ids = [number for organization, number in found if organization == organization_id]
        await store.delete_endpoints(tx, organization_id, ids)
        await forget(tx, organization_id, MonitorType.ENDPOINT, ids)
    return len(found) == BATCH
