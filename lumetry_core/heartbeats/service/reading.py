"""Heartbeats for those who look at them."""

from collections.abc import Collection
from datetime import datetime

from lumetry_core.heartbeats.model import AlertState, Heartbeat, Run, State, Status, StoredPing
from lumetry_core.heartbeats.store import heartbeats as store
from lumetry_core.heartbeats.store import pings as ping_store
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found
from lumetry_core.uptime.model import DayUptime, MonitorType
from lumetry_core.uptime.service import list_days as list_uptime

MOST_ROWS = 500
MOST_DAYS = 365


async def get_heartbeat(tx: Transaction, organization_id: int, heartbeat_id: int) -> Heartbeat:
    """One heartbeat. Fails with NOT_FOUND."""
    heartbeat = await store.read_heartbeat(tx, organization_id, heartbeat_id)
    if heartbeat is None:
        raise not_found("Heartbeat", heartbeat_id)
    return heartbeat


async def list_heartbeats(tx: Transaction, organization_id: int, status: str) -> list[Heartbeat]:
    """The heartbeats of an organization, newest created first; an empty status is any. Fails with VALIDATION_FAILED (`status`)."""
    faults = Faults()
    faults.check(not status or status in set(Status), "status", f"must be one of {', '.join(Status)}")
    faults.raise_if_any()
    return await store.list_heartbeats(tx, organization_id, Status(status) if status else None)


async def list_pings(tx: Transaction, organization_id: int, heartbeat_id: int, limit: int, offset: int) -> tuple[list[StoredPing], int]:
    """A page of a heartbeat's pings, newest first, and how many there are. Fails with NOT_FOUND, OUT_OF_RANGE (`limit`, `offset`)."""
    await check_page(tx, organization_id, heartbeat_id, limit, offset)
    return await ping_store.list_pings(tx, organization_id, heartbeat_id, limit, offset)


async def list_runs(tx: Transaction, organization_id: int, heartbeat_id: int, limit: int, offset: int) -> tuple[list[Run], int]:
    """A page of a heartbeat's runs, newest first, and how many there are. Fails with NOT_FOUND, OUT_OF_RANGE (`limit`, `offset`)."""
    await check_page(tx, organization_id, heartbeat_id, limit, offset)
    return await ping_store.list_runs(tx, organization_id, heartbeat_id, limit, offset)


async def check_page(tx: Transaction, organization_id: int, heartbeat_id: int, limit: int, offset: int) -> None:
    """Fails unless there is such a heartbeat and such a page may be asked for."""
    faults = Faults()
    faults.check_range(1 <= limit <= MOST_ROWS, "limit", f"must be between 1 and {MOST_ROWS}")
    faults.check_range(offset >= 0, "offset", "must be at least 0")
    faults.raise_if_any()
    await get_heartbeat(tx, organization_id, heartbeat_id)


async def list_days(tx: Transaction, organization_id: int, heartbeat_id: int, days: int, now: datetime) -> list[DayUptime]:
    """The newest UTC days of a heartbeat, newest first, exactly so many. Fails with NOT_FOUND, OUT_OF_RANGE (`days`)."""
    faults = Faults()
    faults.check_range(1 <= days <= MOST_DAYS, "days", f"must be between 1 and {MOST_DAYS}")
    faults.raise_if_any()
    await get_heartbeat(tx, organization_id, heartbeat_id)
    return await list_uptime(tx, organization_id, MonitorType.HEARTBEAT, heartbeat_id, days, now)


async def count_heartbeats(tx: Transaction, organization_id: int) -> int:
    """How many heartbeats an organization has."""
    return await store.count_heartbeats(tx, organization_id)


async def find_states(tx: Transaction, organization_id: int, ids: Collection[int]) -> dict[int, State]:
    """What status pages show of heartbeats; those that do not exist are left out."""
    return {
        each.id: State(each.name, each.status.value, each.alert_state is AlertState.ALERTING, each.topology_node_id)
        for each in await store.find_by_id(tx, organization_id, ids)
    }
