"""Writes what pings and passed deadlines made of heartbeats: their state, runs, days, alerts and events, in few statements."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lumetry_core.alerts.monitors import Entity, EntityType, MonitorRecovery, MonitorReport, MonitorSource
from lumetry_core.alerts.service.monitors import find_active_monitored, report_firing, report_recovery
from lumetry_core.feed.service import tell
from lumetry_core.heartbeats.machine import Move
from lumetry_core.heartbeats.model import AlertType, Heartbeat, Ping, Run
from lumetry_core.heartbeats.store import heartbeats as store
from lumetry_core.heartbeats.store import pings as ping_store
from lumetry_core.heartbeats.wording import (
    Event,
    describe,
    explain,
    name_alert,
    tell_alert,
    tell_change,
    tell_ping,
    tell_recovery,
)
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Transaction
from lumetry_core.uptime.model import DayCount, MonitorType
from lumetry_core.uptime.service import count


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a heartbeat: how it was, what followed, and the ping that it came from, if any."""

    before: Heartbeat
    move: Move
    ping: Ping | None = None


@dataclass(slots=True)
class Ledger:
    """What steps add up to in one organization."""

    moved: dict[int, Heartbeat] = field(default_factory=dict)
    run_counts: dict[int, int] = field(default_factory=dict)
    """Runs that are kept of each heartbeat."""
    runs: dict[tuple[int, int], Run] = field(default_factory=dict)
    counts: list[DayCount] = field(default_factory=list)
    actions: list[MonitorReport | MonitorRecovery] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


async def record_steps(tx: Transaction, steps: Sequence[Step], now: datetime) -> None:
    """Writes steps that happen now, those of one heartbeat in order. Its heartbeats are locked.

    Organizations are worked off in ascending order, so that workers that do the same at once do not wait for each other in a circle.
    """
    ledgers: dict[int, Ledger] = {}
    for step in steps:
        enter(ledgers.setdefault(step.before.organization_id, Ledger()), step, now)
    ordered = sorted(ledgers.items())
    await store.move_heartbeats(tx, [heartbeat for _, ledger in ordered for heartbeat in ledger.moved.values()])
    opened: list[tuple[Heartbeat, Run]] = []
    ended: list[tuple[Heartbeat, Run]] = []
    for _, ledger in ordered:
        for (heartbeat_id, number), run in ledger.runs.items():
            is_new = number > ledger.run_counts[heartbeat_id]
            (opened if is_new else ended).append((ledger.moved[heartbeat_id], run))
    await ping_store.insert_runs(tx, opened, now)
    await ping_store.end_runs(tx, ended)
    for organization_id, ledger in ordered:
        await count(tx, organization_id, MonitorType.HEARTBEAT, ledger.counts)
        ledger.events += await act(tx, organization_id, ledger.actions, now)
        await tell(tx, organization_id, ledger.events, now)


def enter(ledger: Ledger, step: Step, now: datetime) -> None:
    """Adds a step to what is to be written."""
    before, move = step.before, step.move
    after = move.heartbeat
    ledger.run_counts.setdefault(after.id, before.run_count)
    if after is not before:
        ledger.moved[after.id] = after
    for run in move.runs:
        known = ledger.runs.get((after.id, run.number))
        ledger.runs[after.id, run.number] = run if known is None or run.payload is not None else with_payload(run, known.payload)
    if move.total:
        ledger.counts.append(DayCount(after.id, now.astimezone(UTC).date(), move.good, move.total, move.incidents))
    if step.ping is not None:
        ledger.events += tell_ping(after, step.ping)
    ledger.events += tell_change(before, after)
    if move.failing is AlertType.DEADLINE_MISSED:
        ledger.events.append(("heartbeat.deadline_missed", describe(before, move.failing, started=before.open_run is not None)))
    if move.failing is not None:
        ledger.actions.append(build_report(after, move.failing, now, started=before.open_run is not None))
    if move.recovers:
        ledger.events.append(tell_recovery(after))
        ledger.actions += [
            MonitorRecovery(
                source=MonitorSource.HEARTBEAT,
                alert_type=alert_type,
                entity_type=EntityType.HEARTBEAT,
                entity_id=after.id,
                end_time=now,
                message="A run ended in success",
            )
            for alert_type in AlertType
        ]


def with_payload(run: Run, payload: str | None) -> Run:
    """The run with the payload of its start."""
    return Run(run.number, run.start_time, run.end_time, run.duration_ms, run.exit_code, run.outcome, payload)


def build_report(heartbeat: Heartbeat, alert_type: AlertType, now: datetime, *, started: bool) -> MonitorReport:
    """What is wrong with a heartbeat. `started` as in `wording.describe`."""
    return MonitorReport(
        source=MonitorSource.HEARTBEAT,
        alert_type=alert_type,
        entity=Entity(EntityType.HEARTBEAT, heartbeat.id, heartbeat.name),
        severity=Severity.CRITICAL,
        alert_name=name_alert(heartbeat, alert_type),
        message=explain(heartbeat, alert_type, started=started),
        details=describe(heartbeat, alert_type, started=started),
        start_time=now,
        topology_node_id=heartbeat.topology_node_id,
    )


async def act(tx: Transaction, organization_id: int, actions: Sequence[MonitorReport | MonitorRecovery], now: datetime) -> list[Event]:
    """Moves alerts in the order of the actions, those of one sort that follow each other together; answers what is to be told of it."""
    events: list[Event] = []
    start = 0
    while start < len(actions):
        end = start
        while end < len(actions) and type(actions[end]) is type(actions[start]):
            end += 1
        part = actions[start:end]
        reports = [action for action in part if isinstance(action, MonitorReport)]
        if reports:
            events += await fire(tx, organization_id, reports, now)
        else:
            await report_recovery(tx, organization_id, [action for action in part if isinstance(action, MonitorRecovery)], now)
        start = end
    return events


async def fire(tx: Transaction, organization_id: int, reports: Sequence[MonitorReport], now: datetime) -> list[Event]:
    """Reports what is wrong; answers what is to be told of the alerts that this opened, each once."""
    ids = {report.entity.id for report in reports}
    known = {alert.id for alert in await find_active_monitored(tx, organization_id, EntityType.HEARTBEAT, ids)}
    events: list[Event] = []
    for report, alert in zip(reports, await report_firing(tx, organization_id, reports, now), strict=True):
        if alert.id not in known:
            known.add(alert.id)
            events.append(tell_alert(report.entity.id, report.entity.name, report.alert_type, report.message))
    return events
