"""How many pings came."""

from datetime import datetime

from lumetry_core.heartbeats.store import arrivals as store
from lumetry_core.runtime.database import Transaction


async def count_pings(tx: Transaction, organization_id: int, since: datetime) -> int:
    """How many pings came since a time, of those that are kept."""
    return await store.count_pings(tx, organization_id, since)
