"""Scans: when they start, who runs them, and how they end (contract monitoring 15)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lumetry_core.access.service.audit import record_audit
from lumetry_core.feed.service import tell
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import spell_time
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import LumetryError, Reason, not_found
from lumetry_core.updates.model import CHANNEL, FIRST_SCAN_DELAY, SCAN_LEASE, Check, Scan, ScanStatus, Target, find_skip_reason
from lumetry_core.updates.service.findings import end_stale
from lumetry_core.updates.service.targets import list_targets, running
from lumetry_core.updates.store import choices as choice_store
from lumetry_core.updates.store import findings as finding_store
from lumetry_core.updates.store import scans as store

ENTITY = "UpdateScan"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a scan asks for: containers of one image follow each other."""

    targets: Sequence[Target]
    checks: dict[int, Check]
    """The last check of each container."""


async def start_scan(tx: Transaction, caller: Caller, now: datetime) -> Scan:
    """Starts a scan at once. Fails with CONFLICT (`scan_in_progress`)."""
    organization_id = caller.organization_id
    await store.lock_schedule(tx, organization_id)
    if await store.find_running(tx, organization_id) is not None:
        raise LumetryError(
            Reason.CONFLICT, "A scan is running.", code="scan_in_progress", type=ENTITY, id=str(organization_id), state="running"
        )
    scan = await open_scan(tx, organization_id, now)
    await record_audit(tx, caller, f"{ENTITY}.Started", ENTITY, scan.id, now)
    return scan


async def start_due(tx: Transaction, organization_id: int, interval: timedelta, now: datetime) -> Scan | None:
    """Starts the planned scan of an organization if it is still due, and plans the next; None when there is nothing to scan."""
    planned = await store.lock_schedule(tx, organization_id)
    if planned is None or planned > now:
        return None
    await store.write_next_time(tx, organization_id, now + interval)
    if await store.find_running(tx, organization_id) is not None or not await list_targets(tx, organization_id):
        return None
    return await open_scan(tx, organization_id, now)


async def open_scan(tx: Transaction, organization_id: int, now: datetime) -> Scan:
    """Adds a scan for whoever takes it first."""
    scan = await store.insert_scan(tx, organization_id, now, now + SCAN_LEASE)
    await tell(tx, organization_id, [("update.scan_started", {"scan_id": scan.id, "started_at": spell_time(now)})], now)
    tx.wake(CHANNEL)
    return scan


async def plan_first(tx: Transaction, organization_id: int, interval: timedelta, now: datetime) -> None:
    """Plans the next scan after a start: what was missed, and the first of all, soon; what is to come, when it was planned."""
    planned = await store.lock_schedule(tx, organization_id)
    if planned is None or planned <= now + FIRST_SCAN_DELAY:
        await store.write_next_time(tx, organization_id, now + FIRST_SCAN_DELAY)
    elif planned > now + interval:
        await store.write_next_time(tx, organization_id, now + interval)


async def find_planned(tx: Transaction, organization_id: int) -> datetime | None:
    """When the next scan of an organization is planned."""
    return await store.read_next_time(tx, organization_id)


async def has_work(tx: Transaction) -> bool:
    """Whether a scan waits to be taken. Across organizations."""
    return await store.is_waiting(tx)


async def list_due(tx: Transaction, now: datetime) -> list[int]:
    """The organizations whose planned scan is due. Across organizations."""
    return await store.list_due(tx, now)


async def take_scan(tx: Transaction, owner: str, now: datetime) -> Scan | None:
    """Takes a scan that waits; None when none does. Across organizations."""
    return await store.claim_waiting(tx, owner, now + SCAN_LEASE)


async def fail_interrupted(tx: Transaction, owner: str, now: datetime, *, is_alone: bool) -> list[Scan]:
    """Ends scans that nobody runs any more, those of a process that runs none now included. Across organizations.

    Args:
        owner: That process.
        is_alone: No other process can be running a scan.
    """
    return await store.fail_abandoned(tx, owner, now, is_alone=is_alone)


async def plan_scan(tx: Transaction, scan: Scan) -> Plan:
    """What a scan has to ask."""
    pins = await choice_store.read_pins(tx, scan.organization_id)
    exclusions = await choice_store.list_exclusions(tx, scan.organization_id)
    targets = [
        target
        for target in running(await list_targets(tx, scan.organization_id))
        if find_skip_reason(target, has_pin=target.container_id in pins, exclusions=exclusions) is None
    ]
    targets.sort(key=lambda target: (target.options.registry, target.reference.name if target.reference else "", target.name))
    return Plan(targets, await finding_store.read_checks(tx, scan.organization_id))


async def complete_scan(tx: Transaction, scan: Scan, owner: str, now: datetime) -> None:
    """Ends a scan that asked for everything, and drops what it showed to be stale."""
    ended = await store.end_scan(tx, scan, owner, ScanStatus.COMPLETED, now)
    if ended is None:
        return
    await end_stale(tx, scan.organization_id, now)
    told = {
        "scan_id": ended.id,
        "containers_scanned": ended.scanned_count,
        "updates_found": ended.found_count,
        "errors": ended.error_count,
    }
    await tell(tx, scan.organization_id, [("update.scan_completed", told)], now)


async def get_scan(tx: Transaction, organization_id: int, scan_id: int) -> Scan:
    """One scan. Fails with NOT_FOUND."""
    scan = await store.find_scan(tx, organization_id, scan_id)
    if scan is None:
        raise not_found("Scan", scan_id)
    return scan
