"""Dropping what is past its time: entries by their project's retention, receipts by their own."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from lumetry_core.logs.model import NS_PER_MS, Settings
from lumetry_core.logs.store import blocks as block_store
from lumetry_core.logs.store import receipts as receipt_store
from lumetry_core.projects.service import find_project
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Transaction

DROPPED_AT_ONCE = 200


async def list_retentions(tx: Transaction, organization_id: int, settings: Settings) -> Sequence[tuple[str, int]]:
    """Each project that has entries, with the days that it keeps them."""
    retentions = []
    for project_id in await block_store.list_projects(tx, organization_id):
        project = await find_project(tx, organization_id, project_id)
        days = None if project is None else project.settings.logs.retention_days
        retentions.append((project_id, settings.retention_days if days is None else days))
    return retentions


async def drop_old(tx: Transaction, organization_id: int, project_id: str, days: int, now: datetime) -> bool:
    """Drops blocks whose entries are all too old: a day at most after they became so. True when there may be more."""
    before_ns = to_ms(now - timedelta(days=days)) * NS_PER_MS
    return await block_store.delete_before(tx, organization_id, project_id, before_ns, DROPPED_AT_ONCE)


async def drop_receipts(tx: Transaction, organization_id: int, now: datetime) -> None:
    """Drops receipts past their time."""
    await receipt_store.delete_expired(tx, organization_id, now)
