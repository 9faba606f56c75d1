"""Faults of the platform itself, shown to its operators and never mixed with alerts."""

from datetime import datetime

from lumetry_core.access.service.holders import find_members
from lumetry_core.alerts.model import SystemAlert, SystemAlertState
from lumetry_core.alerts.store import system_alerts as store
from lumetry_core.notices.model import NoticeDraft, NoticeKind, NoticeSeverity
from lumetry_core.notices.service import notify
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.events import publish

TOPIC = "systemAlerts"
TITLES = {
    "AmbiguousDimensions": "Points of a metric are ambiguous",
    "CardinalityLimit": "A metric has too many series",
    "CollectorDuplicateSuspected": "Several instances share the identity of a collector",
    "DeliveryFailing": "Notifications do not arrive",
    "EvaluationBacklog": "Evaluation lags behind",
    "EvaluationJobFailed": "An evaluation job was given up",
    "ExternalSourceFailing": "An external alert source keeps failing",
    "MetricSourceFailing": "A metric source keeps failing",
}
"""What inboxes call the codes; others are told as they are."""
TOLD_OTHERWISE = frozenset({"CollectorOffline"})
"""Codes of faults of which inboxes are told by whoever finds them, as a kind of their own."""


async def raise_system_alert(
    tx: Transaction,
    organization_id: int,
    code: str,
    severity: Severity,
    message: str,
    subject_type: str,
    subject_id: str,
    now: datetime,
) -> SystemAlert:
    """Opens a system alert, or counts another occurrence of the one that is open for the code and subject."""
    raised = await store.raise_or_repeat(
        tx,
        organization_id,
        code=code,
        severity=severity,
        message=message,
        subject_type=subject_type,
        subject_id=subject_id,
        now=now,
    )
    if raised.occurrence_count == 1:
        await publish(tx, organization_id, [(TOPIC, "systemAlert.opened", raised)], now)
        if code not in TOLD_OTHERWISE:
            await notify(tx, organization_id, await find_members(tx, organization_id), [describe(raised)], now)
    return raised


def describe(raised: SystemAlert) -> NoticeDraft:
    """What inboxes are told of a system alert, once."""
    return NoticeDraft(
        kind=NoticeKind.SYSTEM,
        severity=NoticeSeverity(raised.severity.value.lower()),
        title=TITLES.get(raised.code, raised.code),
        body=raised.message,
        resource_type="system_alert",
        resource_id=str(raised.id),
        link="/system-alerts",
    )


async def close_system_alert(
    tx: Transaction, organization_id: int, code: str, subject_type: str, subject_id: str, now: datetime
) -> SystemAlert | None:
    """Closes the open system alert of the code and subject; None when there is none."""
    closed = await store.close_open(tx, organization_id, code, subject_type, subject_id, now)
    if closed is not None:
        await publish(tx, organization_id, [(TOPIC, "systemAlert.closed", closed)], now)
    return closed


async def list_system_alerts(tx: Transaction, organization_id: int, state: SystemAlertState | None, limit: int) -> list[SystemAlert]:
    """The newest system alerts by first occurrence, then by number, both descending."""
    return await store.select_system_alerts(tx, organization_id, state, limit)
