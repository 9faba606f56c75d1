"""Moves alerts as monitors report; otherwise like `transitions`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from lumetry_core.alerts.model import Alert, CloseCause
from lumetry_core.alerts.monitors import (
    RANK,
    AlertKey,
    Change,
    EntityType,
    MonitorRecovery,
    MonitorReport,
    MonitorSource,
    explain_monitor_end,
    explain_monitor_report,
    explain_monitor_rise,
    key_of,
    new_monitored_alert,
    report_again,
)
from lumetry_core.alerts.service.admission import admit, judge_silenced
from lumetry_core.alerts.service.telling import tell_alerts
from lumetry_core.alerts.service.transitions import CORRELATION, TOPIC, announce, close_alerts
from lumetry_core.alerts.store import alerts as store
from lumetry_core.alerts.store import monitored
from lumetry_core.feed.service import take_turn
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.events import publish
from lumetry_core.runtime.queue import enqueue

RECOVERED = "The monitor recovered"


async def report_firing(tx: Transaction, organization_id: int, reports: Sequence[MonitorReport], now: datetime) -> list[Alert]:
    """Opens or updates the alert of each report, in its order; of two with the same key the last counts.

    While an alert is open, a later report changes its details; a higher severity raises it, another renewal has it told again. So it may
    be called whenever the condition is found, and has to be: after a person closed the alert the next report opens another.
    """
    last = {report.key: report for report in reports}
    # Others may be opening the same now. They have to be over before this opens anything: of one key there is one open alert. Nothing is
    # locked before the turn: whoever has it may wait for what is.
    opens = bool(last.keys() - (await find_open(tx, organization_id, last, lock=False)).keys())
    if opens:
        await take_turn(tx, organization_id)
    found = await find_open(tx, organization_id, last)
    missing = last.keys() - found.keys()
    if missing and not opens:  # closed since the first look
        await take_turn(tx, organization_id)
        found |= await find_open(tx, organization_id, missing)
    new = [report for key, report in last.items() if key not in found]
    opened = await open_monitored(tx, organization_id, new, now)
    updated = await update_monitored(tx, organization_id, [(found[key], last[key]) for key in last if key in found], now)
    standing = {key_of(alert): alert for alert in (*opened, *updated)}
    return [standing[report.key] for report in reports]


async def open_monitored(tx: Transaction, organization_id: int, reports: Sequence[MonitorReport], now: datetime) -> list[Alert]:
    """Opens alerts, one for each report; none is open with its key."""
    if not reports:
        return []
    opened = await admit(tx, organization_id, [new_monitored_alert(organization_id, report, now) for report in reports], now)
    explanations = [explain_monitor_report(alert, report, now) for alert, report in zip(opened, reports, strict=True)]
    await announce(tx, organization_id, "alert_opened", "alert.opened", opened, explanations, now)
    return opened


async def update_monitored(
    tx: Transaction, organization_id: int, pairs: Sequence[tuple[Alert, MonitorReport]], now: datetime
) -> list[Alert]:
    """Open alerts after later reports, in their order."""
    judged = [(before, *report_again(before, report, now), report) for before, report in pairs]
    muted = [after for before, after, change, _ in judged if change is Change.RAISED and before.silence_id is not None]
    standing = {alert.id: alert for alert in await judge_silenced(tx, organization_id, muted, now)}
    judged = [(before, standing.get(after.id, after), change, report) for before, after, change, report in judged]
    changed = [after for _, after, change, _ in judged if change is not None]
    await store.update_alerts(tx, organization_id, {alert.id: columns_of(alert) for alert in changed})
    raised = [(before, after, report) for before, after, change, report in judged if change is Change.RAISED]
    if raised:
        explanations = [explain_monitor_rise(before, report, now) for before, _, report in raised]
        notes = {before.id: {"from": before.severity.value} for before, _, _ in raised}
        # One that rises from `Info` is new to the streams of the `lumetry` family.
        for event in ("alert.opened", "alert.updated"):
            of_event = [each for each in raised if (each[0].severity is Severity.INFO) == (event == "alert.opened")]
            if of_event:
                ids = {before.id for before, _, _ in of_event}
                traces = [trace for trace in explanations if trace.alert_id in ids]
                await announce(tx, organization_id, "alert_escalated", event, [after for _, after, _ in of_event], traces, now, notes)
    renewed = [after for _, after, change, _ in judged if change is Change.RENEWED]
    if renewed:
        await tell_alerts(tx, organization_id, renewed, now)
        await enqueue(tx, organization_id, CORRELATION, [("alert_renewed", {"alert_id": alert.id}) for alert in renewed], now)
    shown = [after for before, after, change, _ in judged if change is Change.RENEWED or is_lowered(before, after)]
    updates = [(TOPIC, "alert.updated", alert) for alert in shown if alert.severity is not Severity.INFO]
    await publish(tx, organization_id, updates, now)
    return [after for _, after, _, _ in judged]


def is_lowered(before: Alert, after: Alert) -> bool:
    """Whether an alert became less severe."""
    return RANK[after.severity] < RANK[before.severity]


def columns_of(alert: Alert) -> dict[str, Any]:
    """What a later report may change."""
    return {
        "severity": alert.severity,
        "alert_name": alert.alert_name,
        "title": alert.title,
        "description": alert.description,
        "trigger_reason": alert.trigger_reason,
        "details": store.write_document(alert.details or {}),
        "renewal": alert.renewal,
        "escalate_time": alert.escalate_time,
        "silence_id": alert.silence_id,
        "update_time": alert.update_time,
    }


async def report_recovery(tx: Transaction, organization_id: int, recoveries: Sequence[MonitorRecovery], now: datetime) -> list[Alert]:
    """Closes the alerts of conditions that are over, and answers them; a recovery without an open alert does nothing."""
    by_key = {recovery.key: recovery for recovery in recoveries}
    found = await find_open(tx, organization_id, by_key)
    before = [merge(alert, by_key[key].details) for key, alert in found.items()]
    changed = [alert for alert in before if by_key[key_of(alert)].details]
    await store.update_alerts(tx, organization_id, {alert.id: {"details": store.write_document(alert.details or {})} for alert in changed})
    reasons = {alert.id: by_key[key_of(alert)].message or RECOVERED for alert in before}
    ends = {alert.id: max(by_key[key_of(alert)].end_time, alert.start_time) for alert in before}
    return await close_monitored(tx, organization_id, before, ends, CloseCause.RECOVERY, reasons, now)


async def end_for_entities(
    tx: Transaction,
    organization_id: int,
    entity_type: EntityType,
    entity_ids: Collection[int],
    reason: str,
    now: datetime,
    *,
    sources: Collection[MonitorSource] = (),
) -> list[Alert]:
    """Closes all open alerts of monitors that were deleted, paused or archived, and answers them.

    Args:
        reason: For people.
        sources: Only those; none: all.
    """
    before = await monitored.select_of_entities(tx, organization_id, entity_type, entity_ids, lock=True)
    before = [alert for alert in before if not sources or alert.monitor_source in sources]
    reasons = {alert.id: reason for alert in before}
    ends = {alert.id: max(now, alert.start_time) for alert in before}
    return await close_monitored(tx, organization_id, before, ends, CloseCause.MONITOR_ENDED, reasons, now)


async def close_monitored(
    tx: Transaction,
    organization_id: int,
    before: Sequence[Alert],
    ends: Mapping[int, datetime],
    cause: CloseCause,
    reasons: Mapping[int, str],
    now: datetime,
) -> list[Alert]:
    """Closes alerts, each for its reason."""
    if not before:
        return []
    explanations = [explain_monitor_end(alert, reasons[alert.id], now) for alert in before]
    return await close_alerts(tx, organization_id, before, ends, cause, explanations, now)


def merge(alert: Alert, details: Mapping[str, object] | None) -> Alert:
    """The alert with further details."""
    return replace(alert, details={**(alert.details or {}), **(details or {})})


async def find_open(tx: Transaction, organization_id: int, keys: Collection[AlertKey], *, lock: bool = True) -> dict[AlertKey, Alert]:
    """The open alerts of keys, kept from changing until the transaction ends if `lock` is set."""
    found: dict[AlertKey, Alert] = {}
    for entity_type in EntityType:
        ids = {key.entity_id for key in keys if key.entity_type is entity_type}
        if ids:
            alerts = await monitored.select_of_entities(tx, organization_id, entity_type, ids, lock=lock)
            found |= {key_of(alert): alert for alert in alerts if key_of(alert) in keys}
    return found


async def find_active_monitored(tx: Transaction, organization_id: int, entity_type: EntityType, entity_ids: Collection[int]) -> list[Alert]:
    """The open alerts of monitors, by number, ascending."""
    return await monitored.select_of_entities(tx, organization_id, entity_type, entity_ids)


async def find_last_person_close(
    tx: Transaction,
    organization_id: int,
    source: MonitorSource,
    alert_type: str,
    entity_type: EntityType,
    entity_ids: Collection[int],
) -> dict[int, datetime]:
    """When a person last closed an alert of the type of each monitor, by monitor; those of whom nobody did are left out (9.5)."""
    return await monitored.read_last_closes(tx, organization_id, source, alert_type, entity_type, entity_ids)
