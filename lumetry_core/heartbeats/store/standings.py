"""Heartbeats as overviews count them."""

from sqlalchemy import select

from lumetry_core.heartbeats.model import Status
from lumetry_core.heartbeats.standings import Standing
from lumetry_core.heartbeats.store.heartbeats import heartbeats
from lumetry_core.runtime.database import Transaction

columns = heartbeats.c


async def list_standings(tx: Transaction, organization_id: int) -> list[Standing]:
    """Every heartbeat."""
    statement = select(columns.id, columns.status).where(columns.organization_id == organization_id)
    return [Standing(row.id, Status(row.status)) for row in await tx.execute(statement)]
