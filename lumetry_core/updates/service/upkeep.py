"""Lets go of what is past its time (contract monitoring 1.8)."""

from datetime import datetime

from lumetry_core.runtime.database import Transaction
from lumetry_core.updates.store import findings as finding_store
from lumetry_core.updates.store import scans as scan_store

DROPPED_AT_ONCE = 1000


async def drop_old(tx: Transaction, organization_id: int, before: datetime) -> bool:
    """Removes a part of what ended before a time: resolved updates, and scans but for the newest; True when there may be more."""
    newest = await scan_store.find_newest(tx, organization_id)
    completed = await scan_store.find_newest_completed(tx, organization_id)
    kept = {scan.id for scan in (newest, completed) if scan is not None}
    scans = await scan_store.delete_old(tx, organization_id, before, kept, DROPPED_AT_ONCE)
    updates = await finding_store.delete_resolved(tx, organization_id, before, DROPPED_AT_ONCE)
    return DROPPED_AT_ONCE in (scans, updates)
