"""What people do with alerts: take them over and end them (contract lumetry 10.3)."""

from dataclasses import replace
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.evaluation_version import raise_evaluation_version
from lumetry_core.alerts.decisions import explain_manual_close
from lumetry_core.alerts.model import Alert, AlertState, CloseCause, SourceKind
from lumetry_core.alerts.service.reading import get_alert
from lumetry_core.alerts.service.transitions import TOPIC, close_alerts
from lumetry_core.alerts.store import alerts as store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason
from lumetry_core.runtime.events import publish

MAX_NOTE = 2000


async def acknowledge(tx: Transaction, caller: Caller, alert_id: int, note: str, now: datetime) -> Alert:
    """Marks ownership of an open alert; an acknowledged one stays as it is.

    Fails with NOT_FOUND, VALIDATION_FAILED (`note`), CONFLICT when closed.
    """
    before = await get_alert(tx, caller.organization_id, alert_id, lock=True)
    check_note(note)
    if before.state is AlertState.CLOSED:
        raise LumetryError(Reason.CONFLICT, f"Alert {alert_id} is closed and cannot be acknowledged.")
    if before.state is AlertState.ACKNOWLEDGED:
        return before
    after = replace(before, state=AlertState.ACKNOWLEDGED, acknowledge_time=now, update_time=now)
    changes = {"state": after.state, "acknowledge_time": now, "update_time": now}
    await store.update_alerts(tx, caller.organization_id, {alert_id: changes})
    await publish(tx, caller.organization_id, [(TOPIC, "alert.updated", after)], now)
    await audit(tx, caller, "Alert.Acknowledged", before, after, note, now)
    return after


async def close(tx: Transaction, caller: Caller, alert_id: int, note: str, now: datetime) -> Alert:
    """Ends an alert now; a closed one stays as it is. Violations recorded from now on count from zero.

    Fails with NOT_FOUND, VALIDATION_FAILED (`note`), CONFLICT when recovery belongs to the alert's source.
    """
    # Evaluation holds the version while it records, so taking it first keeps a close and an evaluation apart.
    await raise_evaluation_version(tx, caller.organization_id)
    before = await get_alert(tx, caller.organization_id, alert_id, lock=True)
    check_note(note)
    if before.source_kind is SourceKind.EXTERNAL:
        raise LumetryError(Reason.CONFLICT, f"Alert {alert_id} is closed by the source that opened it.")
    if not before.is_active:
        return before
    explanations = [explain_manual_close(before, caller.user_name, now)]
    ends = {alert_id: now}
    (after,) = await close_alerts(tx, caller.organization_id, [before], ends, CloseCause.PERSON, explanations, now)
    await audit(tx, caller, "Alert.Closed", before, after, note, now)
    return after


def check_note(note: str) -> None:
    """Fails with VALIDATION_FAILED when a note is too long."""
    faults = Faults()
    faults.check(len(note) <= MAX_NOTE, "note", f"must have at most {MAX_NOTE} characters")
    faults.raise_if_any()


async def audit(tx: Transaction, caller: Caller, action: str, before: Alert, after: Alert, note: str, now: datetime) -> None:
    """Keeps who did what, and why."""
    new = {"status": after.state.value} | ({"note": note} if note else {})
    await record_audit(tx, caller, action, "Alert", after.id, now, {"status": before.state.value}, new)
