"""What people do with alerts: take them over and end them (contract lumetry 10.3)."""

from datetime import datetime
from typing import Any

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.evaluation_version import raise_evaluation_version
from lumetry_core.activity.model import actor_of
from lumetry_core.alerts.decisions import explain_manual_close
from lumetry_core.alerts.model import Alert, AlertState, CloseCause, SourceKind
from lumetry_core.alerts.service.membership import change
from lumetry_core.alerts.service.reading import get_alert
from lumetry_core.alerts.service.telling import tell_alerts
from lumetry_core.alerts.service.transitions import CORRELATION, close_alerts
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found
from lumetry_core.runtime.queue import enqueue

MAX_NOTE = 2000


async def acknowledge(tx: Transaction, caller: Caller, alert_id: int, note: str, now: datetime, *, is_listed: bool = False) -> Alert:
    """Marks ownership of an open alert; an acknowledged one stays as it is.

    Fails with NOT_FOUND, VALIDATION_FAILED (`note`), CONFLICT when closed.

    Args:
        is_listed: Only those that the `lumetry` family knows.
    """
    before = await get_alert(tx, caller.organization_id, alert_id, lock=True)
    if is_listed:
        check_listed(before)
    check_note(note)
    if before.state is AlertState.CLOSED:
        raise LumetryError(Reason.CONFLICT, f"Alert {alert_id} is closed and cannot be acknowledged.")
    if before.state is AlertState.ACKNOWLEDGED:
        return before
    changes: dict[str, Any] = {
        "state": AlertState.ACKNOWLEDGED,
        "acknowledge_time": now,
        "acknowledged_by": caller.user_name,
        "update_time": now,
    }
    (after,) = await change(tx, caller.organization_id, [before], {alert_id: changes}, now)
    await tell_alerts(tx, caller.organization_id, [after], now, "acknowledged", actor_of(caller))
    await enqueue(tx, caller.organization_id, CORRELATION, [("alert_acknowledged", {"alert_id": alert_id})], now)
    await audit(tx, caller, "Alert.Acknowledged", before, after, note, now)
    return after


async def close(tx: Transaction, caller: Caller, alert_id: int, note: str, now: datetime) -> Alert:
    """Ends an alert now; a closed one stays as it is. Violations recorded from now on count from zero.

    One of severity `Info`, which no list of the `lumetry` family has, can be ended by number: no other family closes alerts.

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
    (after,) = await close_alerts(tx, caller.organization_id, [before], ends, CloseCause.PERSON, explanations, now, actor_of(caller))
    await audit(tx, caller, "Alert.Closed", before, after, note, now)
    return after


def check_listed(alert: Alert) -> None:
    """Fails with NOT_FOUND when the alert is of severity `Info`, which the `lumetry` family does not know (contract monitoring 9.5)."""
    if alert.severity is Severity.INFO:
        raise not_found("Alert", alert.id)


def check_note(note: str) -> None:
    """Fails with VALIDATION_FAILED when a note is too long."""
    faults = Faults()
    faults.check(len(note) <= MAX_NOTE, "note", f"must have at most {MAX_NOTE} characters")
    faults.raise_if_any()


async def audit(tx: Transaction, caller: Caller, action: str, before: Alert, after: Alert, note: str, now: datetime) -> None:
    """Keeps who did what, and why."""
    new = {"status": after.state.value} | ({"note": note} if note else {})
    await record_audit(tx, caller, action, "Alert", after.id, now, {"status": before.state.value}, new)
