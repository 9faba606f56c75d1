"""What waits to be delivered, and what could not be."""

from datetime import datetime

from lumetry_core.notifications.store import backlog as store
from lumetry_core.runtime.database import Transaction


async def count_waiting(tx: Transaction, organization_id: int) -> int:
    """Deliveries to integrations, channels and webhooks that are still to be made."""
    return await store.count_waiting(tx, organization_id)


async def count_failed(tx: Transaction, organization_id: int, since: datetime) -> int:
    """Deliveries that were wanted since a time and were given up."""
    return await store.count_failed(tx, organization_id, since)
