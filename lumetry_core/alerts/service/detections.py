"""Moves alerts as detectors of fleets decide; otherwise like `transitions`."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.alerts.detections import (
    DetectedEnd,
    DetectedRise,
    Detection,
    explain_detection,
    explain_end,
    explain_rise,
    new_detected_alert,
)
from lumetry_core.alerts.model import Alert, CloseCause, SourceKind
from lumetry_core.alerts.service.admission import admit
from lumetry_core.alerts.service.transitions import announce, close_alerts
from lumetry_core.alerts.store import alerts as store
from lumetry_core.alerts.store import selection
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Transaction


async def open_detected(tx: Transaction, organization_id: int, detections: Sequence[Detection], now: datetime) -> list[Alert]:
    """Opens alerts, one for each detection and in its order.

    The metric and member of a detection have no active alert of a detector; the database refuses a second one.
    """
    if not detections:
        return []
    opened = await admit(tx, organization_id, [new_detected_alert(organization_id, detection, now) for detection in detections], now)
    explanations = [explain_detection(alert.id, detection, now) for alert, detection in zip(opened, detections, strict=True)]
    await announce(tx, organization_id, "alert_opened", "alert.opened", opened, explanations, now)
    return opened


async def raise_detected(tx: Transaction, organization_id: int, rises: Sequence[DetectedRise], now: datetime) -> list[Alert]:
    """Makes active `Warning` alerts critical; the start stays. Others are left out of the answer."""
    by_id = {rise.alert_id: rise for rise in rises}
    found = await selection.read_alerts(tx, organization_id, by_id, lock=True)
    before = [alert for alert in found if alert.is_active and alert.severity is not Severity.CRITICAL]
    after = [
        replace(alert, severity=Severity.CRITICAL, trigger_reason=by_id[alert.id].trigger_reason, escalate_time=now, update_time=now)
        for alert in before
    ]
    changes = {
        alert.id: {"severity": alert.severity, "trigger_reason": alert.trigger_reason, "escalate_time": now, "update_time": now}
        for alert in after
    }
    await store.update_alerts(tx, organization_id, changes)
    explanations = [explain_rise(alert, by_id[alert.id], now) for alert in before]
    await announce(tx, organization_id, "alert_escalated", "alert.updated", after, explanations, now)
    return after


async def end_detected(tx: Transaction, organization_id: int, ends: Sequence[DetectedEnd], now: datetime) -> list[Alert]:
    """Closes alerts of detectors. Those that are closed by now are left out of the answer."""
    by_id = {end.alert_id: end for end in ends}
    before = [alert for alert in await selection.read_alerts(tx, organization_id, by_id, lock=True) if alert.is_active]
    closed: list[Alert] = []
    for cause in CloseCause:
        of_cause = [alert for alert in before if by_id[alert.id].cause is cause]
        if of_cause:
            explanations = [explain_end(alert, by_id[alert.id], now) for alert in of_cause]
            times = {alert.id: by_id[alert.id].end_time for alert in of_cause}
            closed += await close_alerts(tx, organization_id, of_cause, times, cause, explanations, now)
    return closed


async def active_detected(tx: Transaction, organization_id: int) -> list[Alert]:
    """All active alerts that detectors opened, by number, ascending."""
    return await selection.select_active(tx, organization_id, source_kind=SourceKind.FLEET_DETECTOR)
