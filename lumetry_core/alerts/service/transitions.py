"""Moves alerts as evaluation decides: open, escalate, gather violations, close.

Each transition is recorded with its decision, published, and handed to correlation, in the caller's transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.activity.model import SYSTEM, Actor
from lumetry_core.alerts.decisions import (
    Explanation,
    explain_escalation,
    explain_opening,
    explain_recovery,
    explain_rule_left_active,
)
from lumetry_core.alerts.model import Alert, AlertState, CloseCause, Closing, Eligibility, Escalation, Opening, SourceKind
from lumetry_core.alerts.service.admission import admit, judge_silenced
from lumetry_core.alerts.service.telling import tell_alerts
from lumetry_core.alerts.store import alerts as store
from lumetry_core.alerts.store import decisions as decision_store
from lumetry_core.alerts.store import selection
from lumetry_core.rules.model import RuleStatus, Severity
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.events import publish
from lumetry_core.runtime.queue import enqueue

CORRELATION = "correlation"
TOPIC = "alerts"
ESCALATED = "alert_escalated"


async def open_alerts(tx: Transaction, organization_id: int, openings: Sequence[Opening], now: datetime) -> list[Alert]:
    """Opens alerts, one for each opening and in its order, with rising numbers.

    The rule and member of an opening have no active alert; the database refuses a second one.
    """
    if not openings:
        return []
    opened = await admit(tx, organization_id, [new_alert(organization_id, opening, now) for opening in openings], now)
    explanations = [explain_opening(alert.id, opening, now) for alert, opening in zip(opened, openings, strict=True)]
    await announce(tx, organization_id, "alert_opened", "alert.opened", opened, explanations, now)
    return opened


def new_alert(organization_id: int, opening: Opening, now: datetime) -> Alert:
    """The alert of an opening, still without its number."""
    return Alert(
        id=0,
        organization_id=organization_id,
        rule_id=opening.rule_id,
        rule_epoch=opening.rule_epoch,
        metric_key=opening.metric_key,
        metric_display_name=opening.metric_display_name,
        dimension_key=opening.dimension_key,
        alert_name=opening.alert_name,
        source_kind=SourceKind.METRIC_RULE,
        state=AlertState.OPEN,
        severity=opening.severity,
        alert_level_id=opening.alert_level_id,
        trigger_reason=opening.trigger.reason,
        violation_count=opening.trigger.count,
        start_time=opening.start_time,
        first_violation_time=opening.first_violation_time,
        last_not_clear_time=opening.last_not_clear_time,
        create_time=now,
        update_time=now,
    )


async def escalate(tx: Transaction, organization_id: int, escalations: Sequence[Escalation], now: datetime) -> list[Alert]:
    """Raises the severity of active alerts; the start stays. Alerts that are closed by now are left out of the answer."""
    by_id = {escalation.alert_id: escalation for escalation in escalations}
    before = [alert for alert in await selection.read_alerts(tx, organization_id, by_id, lock=True) if alert.is_active]
    risen = [
        replace(
            alert,
            severity=by_id[alert.id].severity,
            alert_level_id=by_id[alert.id].alert_level_id,
            trigger_reason=by_id[alert.id].trigger.reason,
            escalate_time=now,
            update_time=now,
        )
        for alert in before
    ]
    judged = await judge_silenced(tx, organization_id, [alert for alert in risen if alert.silence_id is not None], now)
    standing = {alert.id: alert for alert in judged}
    after = [standing.get(alert.id, alert) for alert in risen]
    changed = ("severity", "alert_level_id", "trigger_reason", "escalate_time", "silence_id", "update_time")
    await store.update_alerts(tx, organization_id, {alert.id: {name: getattr(alert, name) for name in changed} for alert in after})
    explanations = [explain_escalation(alert, by_id[alert.id], now) for alert in before]
    await announce(tx, organization_id, ESCALATED, "alert.updated", after, explanations, now)
    return after


async def add_violations(tx: Transaction, organization_id: int, counts: Mapping[int, int], now: datetime) -> None:
    """Adds to violation counts by alert number, of closed alerts too, which late violations may join.

    Nothing is published: counts change with every point, and lists show them.
    """
    await store.raise_violation_counts(tx, organization_id, counts)
    items = [("violations_added", {"alert_id": alert_id, "count": count}) for alert_id, count in sorted(counts.items())]
    await enqueue(tx, organization_id, CORRELATION, items, now)


async def close_by_recovery(tx: Transaction, organization_id: int, closings: Sequence[Closing], now: datetime) -> list[Alert]:
    """Closes alerts after their quiet period. Alerts that are closed by now are left out of the answer."""
    by_id = {closing.alert_id: closing for closing in closings}
    before = [alert for alert in await selection.read_alerts(tx, organization_id, by_id, lock=True) if alert.is_active]
    explanations = [explain_recovery(alert, by_id[alert.id], now) for alert in before]
    ends = {alert.id: by_id[alert.id].end_time for alert in before}
    return await close_alerts(tx, organization_id, before, ends, CloseCause.RECOVERY, explanations, now)


async def close_for_rule(
    tx: Transaction, organization_id: int, rule_id: int, rule_name: str, status: RuleStatus, now: datetime
) -> list[Alert]:
    """Closes all active alerts of a rule that left `Active`.

    Args:
        now: The time of the change, which becomes the end.
    """
    before = await selection.select_active(tx, organization_id, rule_id=rule_id, lock=True)
    explanations = [explain_rule_left_active(alert, rule_name, status, now) for alert in before]
    ends = {alert.id: now for alert in before}
    return await close_alerts(tx, organization_id, before, ends, CloseCause.RULE_LEFT_ACTIVE, explanations, now)


async def close_alerts(
    tx: Transaction,
    organization_id: int,
    before: Sequence[Alert],
    ends: Mapping[int, datetime],
    cause: CloseCause,
    explanations: Sequence[Explanation],
    now: datetime,
    actor: Actor = SYSTEM,
) -> list[Alert]:
    """Closes active alerts, which ends their watch; `last_resolved_incident_id` stays."""
    after = [end_alert(alert, ends[alert.id], cause, now) for alert in before]
    changes = {
        alert.id: {
            "state": alert.state,
            "end_time": alert.end_time,
            "close_cause": alert.close_cause,
            "incident_eligibility": alert.incident_eligibility,
            "watch_start_time": alert.watch_start_time,
            "maintenance_window_id": alert.maintenance_window_id,
            "update_time": alert.update_time,
        }
        for alert in after
    }
    await store.update_alerts(tx, organization_id, changes)
    await announce(tx, organization_id, "alert_closed", "alert.closed", after, explanations, now, actor=actor)
    return after


def end_alert(alert: Alert, end_time: datetime, cause: CloseCause, now: datetime) -> Alert:
    """The alert, closed. One that closes under maintenance stays marked: if it was not correlated yet, it never is."""
    is_covered = alert.maintenance_window_id is not None and alert.watch_start_time is None
    return replace(
        alert,
        state=AlertState.CLOSED,
        end_time=end_time,
        close_cause=cause,
        incident_eligibility=Eligibility.MAINTENANCE_SUPPRESSED if is_covered else None,
        watch_start_time=None,
        maintenance_window_id=alert.maintenance_window_id if is_covered else None,
        update_time=now,
    )


async def announce(
    tx: Transaction,
    organization_id: int,
    work: str,
    event: str,
    changed: Sequence[Alert],
    explanations: Sequence[Explanation],
    now: datetime,
    notes: Mapping[int, Mapping[str, str]] | None = None,
    actor: Actor = SYSTEM,
) -> None:
    """Records the decisions of a transition, publishes and tells it, and hands it to correlation.

    Args:
        notes: What the work says besides, by alert.
        actor: Who made it.
    """
    await decision_store.insert_explanations(tx, organization_id, explanations, now)
    # `Info` lies below the range of the `lumetry` family, whose streams follow this topic.
    await publish(tx, organization_id, [(TOPIC, event, alert) for alert in changed if alert.severity is not Severity.INFO], now)
    await tell_alerts(tx, organization_id, changed, now, "escalated" if work == ESCALATED else "", actor)
    items = [(work, {"alert_id": alert.id, **(notes or {}).get(alert.id, {})}) for alert in changed]
    await enqueue(tx, organization_id, CORRELATION, items, now)


async def set_last_not_clear(tx: Transaction, organization_id: int, times: Mapping[int, datetime]) -> None:
    """Remembers, by alert number, the newest point that was not clear."""
    changes = {alert_id: {"last_not_clear_time": time} for alert_id, time in sorted(times.items())}
    await store.update_alerts(tx, organization_id, changes)


async def set_first_violation(tx: Transaction, organization_id: int, times: Mapping[int, datetime]) -> None:
    """Remembers, by alert number, the oldest violation that is part of it, when one older than all before joined."""
    changes = {alert_id: {"first_violation_time": time} for alert_id, time in sorted(times.items())}
    await store.update_alerts(tx, organization_id, changes)


async def active_rule_alerts(tx: Transaction, organization_id: int) -> list[Alert]:
    """All active alerts that rules opened, by number, ascending."""
    return await selection.select_active(tx, organization_id, source_kind=SourceKind.METRIC_RULE)


async def manual_closings(tx: Transaction, organization_id: int, since: datetime) -> dict[tuple[int, str | None], datetime]:
    """When people last closed an alert of each rule and dimension key, if since a time.

    Violations recorded before it never count for a new alert (contract lumetry 8.2).
    """
    closed = await selection.select_closings(tx, organization_id, CloseCause.PERSON, since)
    return {(alert.rule_id, alert.dimension_key): alert.end_time for alert in closed if alert.rule_id and alert.end_time}


async def find_covering(tx: Transaction, organization_id: int, probes: Sequence[tuple[int, str | None, datetime]]) -> list[int | None]:
    """The alert that covers each probe, in order; None where none does.

    Args:
        probes: Rule, dimension key and time of late violations.

    Returns:
        The newest alert of the rule and dimension key with the time between its first violation and its end (now, while open).
    """
    covering = await selection.select_covering(tx, organization_id, probes)
    by_series: dict[tuple[int, str], list[tuple[int, datetime, datetime | None]]] = {}
    for alert_id, rule_id, dimension_key, first_time, end_time in covering:
        by_series.setdefault((rule_id, dimension_key), []).append((alert_id, first_time, end_time))
    return [
        max(
            (
                alert_id
                for alert_id, first_time, end_time in by_series.get((rule_id, dimension_key or ""), [])
                if first_time <= time and (end_time is None or time <= end_time)
            ),
            default=None,
        )
        for rule_id, dimension_key, time in probes
    ]
