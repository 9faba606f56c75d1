"""What incidents and maintenance windows note on alerts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from lumetry_core.alerts.model import Alert, Eligibility
from lumetry_core.alerts.service.admission import find_silence
from lumetry_core.alerts.service.silences import active_silences
from lumetry_core.alerts.service.telling import tell_alerts
from lumetry_core.alerts.service.transitions import CORRELATION, TOPIC
from lumetry_core.alerts.store import alerts as store
from lumetry_core.alerts.store import selection
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.events import publish
from lumetry_core.runtime.queue import enqueue


async def set_incidents(tx: Transaction, organization_id: int, incident_of: Mapping[int, int], now: datetime) -> None:
    """Makes alerts members of incidents, by alert; they leave the ones they were in."""
    before = await selection.read_alerts(tx, organization_id, incident_of, lock=True)
    changes: dict[int, dict[str, Any]] = {alert.id: {"incident_id": incident_of[alert.id], "update_time": now} for alert in before}
    await change(tx, organization_id, before, changes, now)


async def start_watch(tx: Transaction, organization_id: int, incident_id: int, now: datetime) -> list[Alert]:
    """Starts the post-resolution watch of all active members of a resolved incident; answers them by number, ascending."""
    before = await selection.select_active(tx, organization_id, incident_id=incident_id, lock=True)
    changes: dict[int, dict[str, Any]] = {
        alert.id: {
            "incident_eligibility": alert.incident_eligibility or Eligibility.POST_RESOLUTION_WATCH,
            "watch_start_time": now,
            "last_resolved_incident_id": incident_id,
            "update_time": now,
        }
        for alert in before
    }
    return await change(tx, organization_id, before, changes, now)


async def end_watch(tx: Transaction, organization_id: int, alert_ids: Collection[int], now: datetime) -> list[Alert]:
    """Ends the watch of alerts whose incident was reopened or followed up."""
    before = await selection.read_alerts(tx, organization_id, alert_ids, lock=True)
    changes: dict[int, dict[str, Any]] = {
        alert.id: {"incident_eligibility": eligibility_without_watch(alert), "watch_start_time": None, "update_time": now}
        for alert in before
    }
    return await change(tx, organization_id, before, changes, now)


def eligibility_without_watch(alert: Alert) -> Eligibility | None:
    """What still holds an alert back when its watch is over."""
    return None if alert.maintenance_window_id is None else Eligibility.MAINTENANCE_SUPPRESSED


async def watched_alerts(tx: Transaction, organization_id: int) -> list[Alert]:
    """All alerts in a watch, by number, ascending; those that maintenance covers as well are among them."""
    return await selection.select_active(tx, organization_id, is_watched=True)


async def suppress(tx: Transaction, organization_id: int, window_of: Mapping[int, int], now: datetime) -> list[Alert]:
    """Marks active alerts as covered by maintenance windows, by alert; a watch is kept in mind. Answers those that changed."""
    before = [
        alert
        for alert in await selection.read_alerts(tx, organization_id, window_of, lock=True)
        if alert.is_active and alert.maintenance_window_id != window_of[alert.id]
    ]
    changes: dict[int, dict[str, Any]] = {
        alert.id: {
            "incident_eligibility": Eligibility.MAINTENANCE_SUPPRESSED,
            "maintenance_window_id": window_of[alert.id],
            "update_time": now,
        }
        for alert in before
    }
    after = await change(tx, organization_id, before, changes, now)
    await tell_alerts(tx, organization_id, [new for old, new in zip(before, after, strict=True) if not old.is_silenced], now)
    return after


async def release(tx: Transaction, organization_id: int, alert_ids: Collection[int], now: datetime) -> list[Alert]:
    """Marks active alerts as covered no more and hands them to correlation; a watch goes on. Answers those that changed.

    They fire then, so silences are asked.
    """
    before = [
        alert
        for alert in await selection.read_alerts(tx, organization_id, alert_ids, lock=True)
        if alert.is_active and alert.maintenance_window_id is not None
    ]
    silences = await active_silences(tx, organization_id, now) if before else []
    changes: dict[int, dict[str, Any]] = {
        alert.id: {
            "incident_eligibility": None if alert.watch_start_time is None else Eligibility.POST_RESOLUTION_WATCH,
            "maintenance_window_id": None,
            "silence_id": find_silence(alert, silences),
            "update_time": now,
        }
        for alert in before
    }
    after = await change(tx, organization_id, before, changes, now)
    await tell_alerts(tx, organization_id, [alert for alert in after if not alert.is_silenced], now)
    await enqueue(tx, organization_id, CORRELATION, [("alert_released", {"alert_id": alert.id}) for alert in after], now)
    return after


async def change(
    tx: Transaction, organization_id: int, before: Sequence[Alert], changes: Mapping[int, Mapping[str, Any]], now: datetime
) -> list[Alert]:
    """Sets columns of alerts, the same of each, and publishes them."""
    await store.update_alerts(tx, organization_id, changes)
    after = [replace(alert, **changes[alert.id]) for alert in before]
    told = [(TOPIC, "alert.updated", alert) for alert in after if alert.severity is not Severity.INFO]
    await publish(tx, organization_id, told, now)
    return after
