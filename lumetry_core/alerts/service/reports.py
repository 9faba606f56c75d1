"""Moves alerts as external sources report; otherwise like `transitions`."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.alerts.model import Alert, CloseCause, SourceKind
from lumetry_core.alerts.reports import (
    Report,
    ReportedEnd,
    Retelling,
    explain_report,
    explain_reported_end,
    explain_reported_rise,
    new_reported_alert,
)
from lumetry_core.alerts.service.admission import admit
from lumetry_core.alerts.service.transitions import TOPIC, announce, close_alerts
from lumetry_core.alerts.store import alerts as store
from lumetry_core.alerts.store import selection
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.events import publish


async def open_reported(tx: Transaction, organization_id: int, reports: Sequence[Report], now: datetime) -> list[Alert]:
    """Opens alerts, one for each report and in its order, with rising numbers.

    The occurrence of a report has opened no alert before; the caller keeps the occurrences.
    """
    if not reports:
        return []
    opened = await admit(tx, organization_id, [new_reported_alert(organization_id, report, now) for report in reports], now)
    explanations = [explain_report(alert.id, report, now) for alert, report in zip(opened, reports, strict=True)]
    await announce(tx, organization_id, "alert_opened", "alert.opened", opened, explanations, now)
    return opened


async def update_reported(tx: Transaction, organization_id: int, retellings: Sequence[Retelling], now: datetime) -> list[Alert]:
    """Writes what later reports tell of active alerts, one for each alert. Those that change nothing are left out of the answer."""
    by_id = {retelling.alert_id: retelling for retelling in retellings}
    found = [alert for alert in await selection.read_alerts(tx, organization_id, by_id, lock=True) if alert.is_active]
    pairs = [(before, retell(before, by_id[before.id], now)) for before in found]
    changed = [(before, after) for before, after in pairs if replace(after, update_time=before.update_time) != before]
    changes = {
        after.id: {
            "severity": after.severity,
            "alert_name": after.alert_name,
            "title": after.title,
            "description": after.description,
            "escalate_time": after.escalate_time,
            "update_time": now,
        }
        for _, after in changed
    }
    await store.update_alerts(tx, organization_id, changes)
    risen = [(before, after) for before, after in changed if before.severity is not after.severity]
    explanations = [explain_reported_rise(before, by_id[before.id], now) for before, _ in risen]
    await announce(tx, organization_id, "alert_escalated", "alert.updated", [after for _, after in risen], explanations, now)
    told = [(TOPIC, "alert.updated", after) for before, after in changed if before.severity is after.severity]
    await publish(tx, organization_id, told, now)
    return [after for _, after in changed]


def retell(alert: Alert, retelling: Retelling, now: datetime) -> Alert:
    """The alert as a later report tells it. Severity only rises; a title or description that is not told stays."""
    title = retelling.title or alert.title
    rises = retelling.severity is Severity.CRITICAL and alert.severity is not Severity.CRITICAL
    return replace(
        alert,
        severity=Severity.CRITICAL if rises else alert.severity,
        escalate_time=now if rises else alert.escalate_time,
        alert_name=title or alert.alert_name,
        title=title,
        description=retelling.description or alert.description,
        update_time=now,
    )


async def end_reported(tx: Transaction, organization_id: int, ends: Sequence[ReportedEnd], now: datetime) -> list[Alert]:
    """Closes alerts of external sources. Those that are closed by now are left out of the answer."""
    by_id = {end.alert_id: end for end in ends}
    before = [alert for alert in await selection.read_alerts(tx, organization_id, by_id, lock=True) if alert.is_active]
    closed: list[Alert] = []
    for cause in (CloseCause.SOURCE_RESOLVED, CloseCause.SOURCE_REMOVED):
        of_cause = [alert for alert in before if by_id[alert.id].cause is cause]
        if of_cause:
            explanations = [explain_reported_end(alert, by_id[alert.id], now) for alert in of_cause]
            # a source whose clock is wrong must not make an alert end before it began
            times = {alert.id: max(by_id[alert.id].end_time, alert.start_time) for alert in of_cause}
            closed += await close_alerts(tx, organization_id, of_cause, times, cause, explanations, now)
    return sorted(closed, key=lambda alert: alert.id)


async def find_active_reported(tx: Transaction, organization_id: int, alert_ids: Collection[int]) -> list[Alert]:
    """Those of the alerts that external sources opened and that are active, by number, ascending."""
    found = await selection.read_alerts(tx, organization_id, alert_ids)
    return [alert for alert in found if alert.is_active and alert.source_kind is SourceKind.EXTERNAL]
