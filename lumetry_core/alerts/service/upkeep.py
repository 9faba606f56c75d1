"""Starts and ends maintenance windows and silences in time.

Alerts are judged anew as a whole whenever a window of their organization changes, one judge at a time. As an alert may be committed
after such a change although its transaction began before it, they are judged once more a little later.
"""

from collections.abc import Sequence
from datetime import datetime

from lumetry_core.activity.service import record
from lumetry_core.alerts.activity import describe_course, describe_silence_end
from lumetry_core.alerts.maintenance import NODE_SCOPES, MaintenanceWindow, advance, has_changed, next_change
from lumetry_core.alerts.service.maintenance import find_coverage, list_active_windows
from lumetry_core.alerts.service.membership import release, suppress
from lumetry_core.alerts.service.muting import end_silences
from lumetry_core.alerts.store import maintenance as store
from lumetry_core.alerts.store import selection
from lumetry_core.alerts.store import silences as silence_store
from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.service.references import refer

REFERRER = "MaintenanceWindow"


async def organizations_due(tx: Transaction, now: datetime) -> Sequence[int]:
    """The organizations in which a window or silence has to start or end, ascending. Two indexed queries."""
    return sorted({*await store.organizations_due(tx, now), *await silence_store.organizations_due(tx, now)})


async def keep_operations(tx: Transaction, organization_id: int, now: datetime) -> None:
    """Starts and ends the windows and silences of an organization that are due, each once."""
    await store.lock_live(tx, organization_id)
    due = await store.list_due(tx, organization_id, now)
    for window, since in due:
        after = advance(window, now)
        await store.update_window(tx, after, next_change(after, now, changed=has_changed(window, since, now)))
        await refer_to_node(tx, after, now)
        await record(tx, organization_id, describe_course(window, since, after, now), now)
    if due:
        await judge_alerts(tx, organization_id, now)
    ended = await silence_store.take_ended(tx, organization_id, now)
    over = await silence_store.read_silences(tx, organization_id, [number for number, is_first in ended.items() if is_first])
    await record(tx, organization_id, [describe_silence_end(silence) for silence in over], now)
    await end_silences(tx, organization_id, list(ended), now)


async def judge_alerts(tx: Transaction, organization_id: int, now: datetime) -> None:
    """Marks active alerts that windows cover and releases those that none covers any more.

    The caller has locked the live windows.
    """
    anything = await list_active_windows(tx, organization_id, now)
    alerts = await (selection.select_active if anything else store.list_suppressed)(tx, organization_id)
    windows = await find_coverage(tx, organization_id, alerts, now)
    judged = list(zip(alerts, windows, strict=True))
    covered = {alert.id: window.id for alert, window in judged if window is not None and alert.maintenance_window_id != window.id}
    await suppress(tx, organization_id, covered, now)
    freed = [alert.id for alert, window in judged if window is None and alert.maintenance_window_id is not None]
    await release(tx, organization_id, freed, now)


async def refer_to_node(tx: Transaction, window: MaintenanceWindow, now: datetime) -> None:
    """Keeps the node of an active window from being deleted."""
    if window.scope_type in NODE_SCOPES and window.scope_node_id is not None:
        node_ids = [window.scope_node_id] if window.is_active(now) else []
        await refer(tx, window.organization_id, REFERRER, window.id, node_ids)
