"""Which maintenance windows cover alerts, judged by the server's time (contract lumetry 12.1)."""

from collections.abc import Collection, Sequence
from datetime import datetime

from lumetry_core.alerts.maintenance import NODE_SCOPES, MaintenanceWindow, advance, choose_window
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.store import maintenance as store
from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.service.coverage import find_covering_nodes


async def find_coverage(tx: Transaction, organization_id: int, alerts: Sequence[Alert], now: datetime) -> list[MaintenanceWindow | None]:
    """The window that covers each alert, in order; None where none does. Of several it is the one that ends last.

    One indexed query while no window is active, and only windows of services and configuration items ask the topology.
    """
    windows = await list_active_windows(tx, organization_id, now) if alerts else []
    if not windows:
        return [None] * len(alerts)
    related: set[int] = set()
    if any(window.scope_type in NODE_SCOPES for window in windows):
        related = {node_id for alert in alerts for node_id in (alert.related_service_id, alert.related_ci_id) if node_id is not None}
    covering = await find_covering_nodes(tx, organization_id, related) if related else {}
    return [choose_window(windows, alert, covering) for alert in alerts]


async def list_active_windows(tx: Transaction, organization_id: int, now: datetime) -> list[MaintenanceWindow]:
    """The windows that are active at a time, by number, ascending, whether or not their start was noticed already."""
    begun = [advance(window, now) for window in await store.list_begun(tx, organization_id, now)]
    return [window for window in begun if window.is_active(now)]


async def find_windows(tx: Transaction, organization_id: int, ids: Collection[int]) -> dict[int, MaintenanceWindow]:
    """Windows by number, those that are over or removed included; unknown ones are left out."""
    return {window.id: window for window in await store.read_windows(tx, organization_id, ids)}


async def find_windows_within(tx: Transaction, organization_id: int, start: datetime, end: datetime) -> list[MaintenanceWindow]:
    """The windows that may be active between two times, whether or not they are over now, by number, ascending."""
    return await store.list_within(tx, organization_id, start, end)
