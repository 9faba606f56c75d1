"""How many events came."""

from datetime import datetime

from lumetry_core.external.store import arrivals as store
from lumetry_core.runtime.database import Transaction


async def count_events(tx: Transaction, organization_id: int, since: datetime) -> int:
    """How many events of external sources came since a time, repeated ones counted once."""
    return await store.count_events(tx, organization_id, since)
