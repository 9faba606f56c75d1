"""Containers as overviews count them."""

from lumetry_core.containers.standings import Standing
from lumetry_core.containers.store import standings as store
from lumetry_core.runtime.database import Transaction


async def list_standings(tx: Transaction, organization_id: int) -> list[Standing]:
    """Every container that is there and not ignored."""
    return await store.list_standings(tx, organization_id)
