"""Keeps the record of pings and runs bounded (contract monitoring 1.8)."""

from datetime import datetime, timedelta

from lumetry_core.heartbeats.model import QUEUE
from lumetry_core.heartbeats.store import pings as store
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.queue import claim, complete

BATCH = 1_000


async def drop_old(tx: Transaction, kept: timedelta, now: datetime) -> bool:
    """Drops a batch of pings and runs that are older than they are kept, in all organizations; True when there may be more."""
    return await store.drop_before(tx, now - kept, BATCH) >= BATCH


async def clear_removed(tx: Transaction) -> bool:
    """Removes a batch of what removed heartbeats of one organization left behind; True when there may be more."""
    items = await claim(tx, QUEUE)
    if not items:
        return False
    ids = {item.payload["heartbeat_id"] for item in items}
    if await store.remove_of(tx, items[0].organization_id, ids, BATCH) < BATCH:
        await complete(tx, items)
    return True
