"""Monitors of certificates as overviews count them."""

from lumetry_core.certificates.standings import Standing
from lumetry_core.certificates.store import standings as store
from lumetry_core.runtime.database import Transaction


async def list_standings(tx: Transaction, organization_id: int) -> list[Standing]:
    """Every monitor."""
    return await store.list_standings(tx, organization_id)
