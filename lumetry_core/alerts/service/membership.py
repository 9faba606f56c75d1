"""What incidents note on their members."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from lumetry_core.alerts.model import Alert, Eligibility
from lumetry_core.alerts.service.transitions import TOPIC
from lumetry_core.alerts.store import alerts as store
from lumetry_core.alerts.store import selection
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.events import publish


async def set_incidents(tx: Transaction, organization_id: int, incident_of: Mapping[int, int], now: datetime) -> None:
    """Makes alerts members of incidents, by alert; they leave the ones they were in."""
    before = await selection.read_alerts(tx, organization_id, incident_of, lock=True)
    changes: dict[int, dict[str, Any]] = {alert.id: {"incident_id": incident_of[alert.id], "update_time": now} for alert in before}
    await store.update_alerts(tx, organization_id, changes)
    await publish(tx, organization_id, [(TOPIC, "alert.updated", replace(alert, **changes[alert.id])) for alert in before], now)


async def start_watch(tx: Transaction, organization_id: int, incident_id: int, now: datetime) -> list[Alert]:
    """Starts the post-resolution watch of all active members of a resolved incident; answers them by number, ascending."""
    before = await selection.select_active(tx, organization_id, incident_id=incident_id, lock=True)
    watch = {
        "incident_eligibility": Eligibility.POST_RESOLUTION_WATCH,
        "watch_start_time": now,
        "last_resolved_incident_id": incident_id,
    }
    return await note(tx, organization_id, before, watch, now)


async def end_watch(tx: Transaction, organization_id: int, alert_ids: Collection[int], now: datetime) -> list[Alert]:
    """Ends the watch of alerts whose incident was reopened or followed up."""
    before = await selection.read_alerts(tx, organization_id, alert_ids, lock=True)
    return await note(tx, organization_id, before, {"incident_eligibility": None, "watch_start_time": None}, now)


async def watched_alerts(tx: Transaction, organization_id: int) -> list[Alert]:
    """All alerts in a watch, by number, ascending."""
    return await selection.select_active(tx, organization_id, eligibility=Eligibility.POST_RESOLUTION_WATCH)


async def note(tx: Transaction, organization_id: int, before: Collection[Alert], columns: Mapping[str, Any], now: datetime) -> list[Alert]:
    """Sets the same columns of alerts and publishes them."""
    changed = {**columns, "update_time": now}
    await store.update_alike(tx, organization_id, [alert.id for alert in before], changed)
    after = [replace(alert, **changed) for alert in before]
    await publish(tx, organization_id, [(TOPIC, "alert.updated", alert) for alert in after], now)
    return after
