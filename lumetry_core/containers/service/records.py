"""Removes the records of containers."""

from collections.abc import Collection
from datetime import datetime, timedelta

from lumetry_core.access.service.audit import record_audit
from lumetry_core.containers.model import ALIVE
from lumetry_core.containers.service import attached
from lumetry_core.containers.service.reading import get_container
from lumetry_core.containers.store import containers as store
from lumetry_core.containers.store import transitions as transition_store
from lumetry_core.containers.telling import tell_archived
from lumetry_core.feed.service import tell
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.uptime.model import MonitorType
from lumetry_core.uptime.service import forget

KEPT_ARCHIVED = timedelta(days=30)
ROWS_AT_ONCE = 1000


async def delete_container(tx: Transaction, caller: Caller, container_id: int, now: datetime) -> None:
    """Removes the record of a container that does not run, with its history. One that still exists is found again at the next reconcile.

    Fails with NOT_FOUND, and with CONFLICT (code `container_running`) while it runs.
    """
    container = await get_container(tx, caller, container_id)
    if not container.is_archived and container.state in ALIVE:
        raise LumetryError(Reason.CONFLICT, f"The container {container.name} is {container.state}.", code="container_running")
    await remove(tx, caller.organization_id, [container.id], now)
    if not container.is_archived:
        await tell(tx, caller.organization_id, [tell_archived(container, now)], now)
    before = {"name": container.name, "image": container.image, "state": container.state.value}
    await record_audit(tx, caller, "Container.Deleted", "Container", container.id, now, before=before)


async def drop_old(tx: Transaction, organization_id: int, transitions_days: int, now: datetime) -> bool:
    """Removes some of what is kept no longer; True when there may be more."""
    archived = await store.list_archived_before(tx, organization_id, now - KEPT_ARCHIVED, ROWS_AT_ONCE)
    await remove(tx, organization_id, archived, now)
    dropped = await transition_store.drop_before(tx, organization_id, now - timedelta(days=transitions_days), ROWS_AT_ONCE)
    return len(archived) == ROWS_AT_ONCE or dropped == ROWS_AT_ONCE


async def remove(tx: Transaction, organization_id: int, container_ids: Collection[int], now: datetime) -> None:
    """Removes records with everything that is theirs."""
    if not container_ids:
        return
    await attached.release(tx, organization_id, container_ids, "The container's record was removed", now)
    await transition_store.delete_transitions(tx, organization_id, container_ids)
    await forget(tx, organization_id, MonitorType.CONTAINER, container_ids)
    await store.delete_containers(tx, organization_id, container_ids)
