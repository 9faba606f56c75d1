"""Endpoints as overviews count them."""

from sqlalchemy import select

from lumetry_core.endpoints.model import Status
from lumetry_core.endpoints.standings import Standing
from lumetry_core.endpoints.store.endpoints import endpoints
from lumetry_core.runtime.database import Transaction

columns = endpoints.c


async def list_standings(tx: Transaction, organization_id: int) -> list[Standing]:
    """Every active endpoint."""
    statement = select(columns.id, columns.status, columns.is_paused).where(
        columns.organization_id == organization_id, columns.is_active.is_(True)
    )
    return [Standing(row.id, Status(row.status), row.is_paused) for row in await tx.execute(statement)]
