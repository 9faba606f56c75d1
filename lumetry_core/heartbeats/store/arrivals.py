"""How many pings came."""

from datetime import datetime

from sqlalchemy import func, select

from lumetry_core.heartbeats.store.pings import heartbeat_pings
from lumetry_core.runtime.database import Transaction


async def count_pings(tx: Transaction, organization_id: int, since: datetime) -> int:
    """How many pings came since a time, of those that are kept."""
    columns = heartbeat_pings.c
    statement = select(func.count()).where(columns.organization_id == organization_id, columns.time >= since)
    number: int = (await tx.execute(statement)).scalar_one()
    return number
