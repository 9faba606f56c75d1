"""Dropping what is past its time: entries by their project's retention, receipts by their own."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from lumetry_core.logs.groups import forget
from lumetry_core.logs.model import NS_PER_MS, Settings
from lumetry_core.logs.store import blocks as block_store
from lumetry_core.logs.store import group_alerts as alerts_store
from lumetry_core.logs.store import group_hours as hours_store
from lumetry_core.logs.store import groups as group_store
from lumetry_core.logs.store import receipts as receipt_store
from lumetry_core.projects.service import find_project
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Transaction

DROPPED_AT_ONCE = 200


async def list_retentions(tx: Transaction, organization_id: int, settings: Settings) -> Sequence[tuple[str, int]]:
    """Each project that has entries or groups, with the days that it keeps them."""
    retentions = []
    with_entries = await block_store.list_projects(tx, organization_id)
    for project_id in sorted({*with_entries, *await group_store.list_projects(tx, organization_id)}):
        project = await find_project(tx, organization_id, project_id)
        days = None if project is None else project.settings.logs.retention_days
        retentions.append((project_id, settings.retention_days if days is None else days))
    return retentions


async def drop_old(tx: Transaction, organization_id: int, project_id: str, days: int, now: datetime) -> bool:
    """Drops blocks whose entries are all too old: a day at most after they became so. True when there may be more."""
    before_ns = to_ms(now - timedelta(days=days)) * NS_PER_MS
    return await block_store.delete_before(tx, organization_id, project_id, before_ns, DROPPED_AT_ONCE)


async def drop_beyond(tx: Transaction, max_bytes: int) -> int:
    """Drops the oldest blocks of the deployment while more than so many packed bytes are stored, some at once; how many."""
    excess = await block_store.sum_bytes(tx) - max_bytes
    doomed: dict[int, list[int]] = {}
    for organization_id, block_id, byte_count in await block_store.list_oldest(tx, DROPPED_AT_ONCE):
        if excess <= 0:
            break
        excess -= byte_count
        doomed.setdefault(organization_id, []).append(block_id)
    for organization_id, ids in doomed.items():
        await block_store.delete_by_id(tx, organization_id, ids)
    return sum(map(len, doomed.values()))


async def drop_receipts(tx: Transaction, organization_id: int, now: datetime) -> None:
    """Drops receipts past their time."""
    await receipt_store.delete_expired(tx, organization_id, now)


async def drop_old_groups(tx: Transaction, organization_id: int, project_id: str, days: int, now: datetime) -> bool:
    """Takes entries that are too old off the counts of groups, and ends groups that have no others. True when there may be more."""
    before = int((now - timedelta(days=days)).timestamp()) // 3600
    old = await hours_store.count_old(tx, organization_id, project_id, before, DROPPED_AT_ONCE)
    if not old:
        return False
    found = [forget(group, old[group.id]) for group in await group_store.find_groups(tx, organization_id, old, lock=True)]
    ended = [group.id for group in found if group.count <= 0]
    await hours_store.delete_hours(tx, organization_id, old, before)
    await group_store.update_groups(tx, organization_id, [group for group in found if group.count > 0])
    await alerts_store.delete_links(tx, organization_id, ended)
    await group_store.delete_groups(tx, organization_id, ended)
    return len(old) == DROPPED_AT_ONCE
