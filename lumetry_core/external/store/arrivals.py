"""How many events came."""

from datetime import datetime

from sqlalchemy import func, select

from lumetry_core.external.store.events import external_events
from lumetry_core.runtime.database import Transaction


async def count_events(tx: Transaction, organization_id: int, since: datetime) -> int:
    """How many events of external sources came since a time."""
    columns = external_events.c
    statement = select(func.count()).where(columns.organization_id == organization_id, columns.receive_time >= since)
    number: int = (await tx.execute(statement)).scalar_one()
    return number
