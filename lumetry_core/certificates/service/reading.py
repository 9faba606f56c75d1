"""Monitors and checks for those who look at them."""

from collections.abc import Collection

from lumetry_core.certificates.model import ChainEntry, Check, Listed, Monitor, Source, State, Status
from lumetry_core.certificates.service.monitors import KIND
from lumetry_core.certificates.store import checks as check_store
from lumetry_core.certificates.store import monitors as store
from lumetry_core.rules.choices import find_choice
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found

DEFAULT_CHECKS = 50
MAX_CHECKS = 500


async def list_monitors(tx: Transaction, organization_id: int, status: str, source: str) -> list[Listed]:
    """Monitors by host and port, each with its latest check. Fails with VALIDATION_FAILED (`status`, `source`).

    Args:
        status: Empty: any.
        source: Empty: any.
    """
    faults = Faults()
    wanted = find_choice(Status, status, "status", faults), find_choice(Source, source, "source", faults)
    faults.raise_if_any()
    monitors = await store.list_monitors(tx, organization_id, *wanted)
    checks = await check_store.read_checks(tx, organization_id, [each.latest_check_id for each in monitors if each.latest_check_id])
    return [Listed(monitor, checks.get(monitor.latest_check_id or 0)) for monitor in monitors]


async def get_monitor(tx: Transaction, organization_id: int, monitor_id: int) -> tuple[Listed, list[ChainEntry]]:
    """One monitor with its latest check and the chain that this found. Fails with NOT_FOUND."""
    monitor = await find_monitor(tx, organization_id, monitor_id)
    if monitor.latest_check_id is None:
        return Listed(monitor, None), []
    checks = await check_store.read_checks(tx, organization_id, [monitor.latest_check_id])
    chain = await check_store.list_chain(tx, organization_id, monitor.latest_check_id)
    return Listed(monitor, checks.get(monitor.latest_check_id)), chain


async def list_checks(tx: Transaction, organization_id: int, monitor_id: int, limit: int, offset: int) -> tuple[list[Check], int]:
    """A page of a monitor's checks, the newest first, and how many there are. Fails with NOT_FOUND, VALIDATION_FAILED (`limit`, `offset`).

    Args:
        limit: 0: 50; more than 500 count as 500.
    """
    faults = Faults()
    faults.check(limit >= 0, "limit", "must be at least 1")
    faults.check(offset >= 0, "offset", "must be at least 0")
    faults.raise_if_any()
    await find_monitor(tx, organization_id, monitor_id)
    return await check_store.list_checks(tx, organization_id, monitor_id, min(limit or DEFAULT_CHECKS, MAX_CHECKS), offset)


async def find_states(tx: Transaction, organization_id: int, ids: Collection[int]) -> dict[int, State]:
    """Monitors as others show them, by number; unknown ones are left out."""
    found = await store.read_monitors(tx, organization_id, ids)
    return {monitor.id: State(monitor.name, monitor.status.value, bool(monitor.conditions), monitor.node_id) for monitor in found.values()}


async def count_certificates(tx: Transaction, organization_id: int) -> int:
    """How many monitors there are."""
    return await store.count_monitors(tx, organization_id)


async def find_monitor(tx: Transaction, organization_id: int, monitor_id: int) -> Monitor:
    """One monitor. Fails with NOT_FOUND."""
    monitor = (await store.read_monitors(tx, organization_id, [monitor_id])).get(monitor_id)
    if monitor is None:
        raise not_found(KIND, monitor_id)
    return monitor
