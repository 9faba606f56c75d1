"""Heartbeats as overviews count them."""

from lumetry_core.heartbeats.standings import Standing
from lumetry_core.heartbeats.store import standings as store
from lumetry_core.runtime.database import Transaction


async def list_standings(tx: Transaction, organization_id: int) -> list[Standing]:
    """Every heartbeat."""
    return await store.list_standings(tx, organization_id)
