"""Monitors of certificates as overviews count them."""

from sqlalchemy import select

from lumetry_core.certificates.model import Status
from lumetry_core.certificates.standings import Standing
from lumetry_core.certificates.store.monitors import certificate_monitors
from lumetry_core.runtime.database import Transaction

columns = certificate_monitors.c


async def list_standings(tx: Transaction, organization_id: int) -> list[Standing]:
    """Every monitor."""
    statement = select(columns.id, columns.status).where(columns.organization_id == organization_id)
    return [Standing(row.id, Status(row.status)) for row in await tx.execute(statement)]
