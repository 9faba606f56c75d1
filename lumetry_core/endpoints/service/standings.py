"""Endpoints as overviews count them."""

from lumetry_core.endpoints.standings import Standing
from lumetry_core.endpoints.store import standings as store
from lumetry_core.runtime.database import Transaction


async def list_standings(tx: Transaction, organization_id: int) -> list[Standing]:
    """Every active endpoint."""
    return await store.list_standings(tx, organization_id)
