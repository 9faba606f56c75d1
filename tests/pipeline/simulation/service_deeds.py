"""What each step does to a deployment on the real services. A step that is not possible at its time does nothing."""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import singledispatch

from lumetry_core.alerts.model import Alert, CloseCause, Closing, Escalation, Trigger
from lumetry_core.alerts.reports import ReportedEnd, Retelling
from lumetry_core.alerts.service import muting, silences, windows
from lumetry_core.alerts.service.reading import find_alerts
from lumetry_core.alerts.service.reports import end_reported, open_reported, update_reported
from lumetry_core.alerts.service.transitions import add_violations, close_by_recovery, escalate, open_alerts
from lumetry_core.incidents.model import Incident, IncidentState
from lumetry_core.incidents.service import handling
from lumetry_core.incidents.service.reading import find_incidents
from lumetry_core.rules.model import Direction, Severity
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.topology.service.editing import create_edge, delete_edge
from lumetry_core.topology.store.edges import find_edges_from
from lumetry_core.violations import service as violations
from lumetry_core.violations.model import NewViolation
from tests.pipeline.simulation import script
from tests.pipeline.simulation.founding import CALLER
from tests.pipeline.simulation.ground import EDGES, ORGANIZATION, SIGNALS, Signal
from tests.pipeline.simulation.signals import opening_of, report_of, reporter_of


@dataclass(slots=True)
class Desk:
    """What producers remember. `newest`: the newest alert of each signal."""

    newest: dict[int, int] = field(default_factory=dict)
    opened: int = 0


@singledispatch
async def do(step: script.Step, _tx: Transaction, _desk: Desk, _now: datetime) -> None:
    """Plays a step that writes."""
    raise TypeError(f"{step} is no step of the deployment")


async def find_newest(tx: Transaction, desk: Desk, signal: int) -> Alert | None:
    """The newest alert of a signal."""
    return next(iter(await find_alerts(tx, ORGANIZATION, [desk.newest.get(signal, 0)])), None)


async def find_active(tx: Transaction, desk: Desk, signal: int) -> Alert | None:
    """The active alert of a signal."""
    alert = await find_newest(tx, desk, signal)
    return alert if alert is not None and alert.is_active else None


async def find_incident(tx: Transaction, desk: Desk, signal: int) -> Incident | None:
    """The unresolved incident of a signal's newest alert."""
    alert = await find_newest(tx, desk, signal)
    found = await find_incidents(tx, ORGANIZATION, [] if alert is None or alert.incident_id is None else [alert.incident_id])
    return next((incident for incident in found.values() if not incident.is_resolved), None)


async def open_signals(tx: Transaction, desk: Desk, step: script.Open, now: datetime) -> bool:
    """Opens the alert of each signal that has no active one; whether there was any."""
    start = now - timedelta(seconds=step.age)
    idle = [SIGNALS[number] for number in step.signals if await find_active(tx, desk, number) is None]
    of_rules = [signal for signal in idle if signal.rule_id is not None]
    reported = [signal for signal in idle if signal.rule_id is None]
    desk.opened += len(idle)

    def severity_of(signal: Signal) -> Severity:
        return Severity.CRITICAL if signal.number in step.critical else Severity.WARNING

    openings = [opening_of(signal, severity_of(signal), start) for signal in of_rules]
    reports = [report_of(signal, severity_of(signal), start, desk.opened) for signal in reported]
    opened = [*await open_alerts(tx, ORGANIZATION, openings, now), *await open_reported(tx, ORGANIZATION, reports, now)]
    desk.newest |= {signal.number: alert.id for signal, alert in zip([*of_rules, *reported], opened, strict=True)}
    return bool(opened)


@do.register
async def _(step: script.Open, tx: Transaction, desk: Desk, now: datetime) -> None:
    await open_signals(tx, desk, step, now)


@do.register
async def _(step: script.Flash, tx: Transaction, desk: Desk, now: datetime) -> None:
    if await open_signals(tx, desk, script.Open((step.signal,)), now):
        await do(script.Close((step.signal,)), tx, desk, now)


@do.register
async def _(step: script.Close, tx: Transaction, desk: Desk, now: datetime) -> None:
    closings, ends = [], []
    for number in step.signals:
        alert = await find_active(tx, desk, number)
        if alert is not None and alert.rule_id is not None:
            closings.append(Closing(alert.id, alert.rule_id, "rule", now, now - timedelta(minutes=5), 5))
        elif alert is not None:
            ends.append(ReportedEnd(alert.id, reporter_of(SIGNALS[number]), CloseCause.SOURCE_RESOLVED, "over", now))
    await close_by_recovery(tx, ORGANIZATION, closings, now)
    await end_reported(tx, ORGANIZATION, ends, now)


@do.register
async def _(step: script.Rise, tx: Transaction, desk: Desk, now: datetime) -> None:
    alert = await find_active(tx, desk, step.signal)
    if alert is None or alert.severity is Severity.CRITICAL:
        return
    if alert.rule_id is not None:
        await escalate(tx, ORGANIZATION, [Escalation(alert.id, alert.rule_id, "rule", Severity.CRITICAL, 4, Trigger(3, 3, 5))], now)
    else:
        retelling = Retelling(alert.id, reporter_of(SIGNALS[step.signal]), Severity.CRITICAL, None, None)
        await update_reported(tx, ORGANIZATION, [retelling], now)


@do.register
async def _(step: script.Breach, tx: Transaction, desk: Desk, now: datetime) -> None:
    alert = await find_active(tx, desk, step.signal)
    if alert is None or alert.rule_id is None:
        return
    violation = NewViolation(
        rule_id=alert.rule_id,
        metric_key=alert.metric_key or "",
        time=now,
        actual_value=11.0,
        direction=Direction.ABOVE,
        severity=Severity.WARNING,
        metric_display_name=alert.metric_key or "",
        detect_time=now,
        dimension_key=alert.dimension_key,
        alert_id=alert.id,
    )
    await violations.record(tx, ORGANIZATION, [violation])
    await add_violations(tx, ORGANIZATION, {alert.id: 1}, now)


@do.register
async def _(step: script.Link, tx: Transaction, _desk: Desk, now: datetime) -> None:
    source, target, edge_type = EDGES[step.edge]
    found = await find_edges_from(tx, ORGANIZATION, [source])
    present = next((edge for edge in found if (edge.target_id, edge.edge_type) == (target, edge_type)), None)
    if present is None:
        await create_edge(tx, CALLER, source, target, edge_type, None, now)
    else:
        await delete_edge(tx, CALLER, present.id, now)


@do.register
async def _(step: script.Maintain, tx: Transaction, _desk: Desk, now: datetime) -> None:
    start = now + timedelta(minutes=step.start)
    draft = windows.WindowDraft(
        scope_type=step.scope,
        scope_node_id=step.node,
        metric_key=step.metric,
        start_time=start,
        end_time=start + timedelta(minutes=step.minutes),
        reason="planned",
        rrule=step.rrule,
        time_zone=None if step.rrule is None else "Europe/Berlin",
    )
    await windows.create_window(tx, CALLER, draft, now)


@do.register
async def _(step: script.EndMaintenance, tx: Transaction, _desk: Desk, now: datetime) -> None:
    with suppress(LumetryError):
        await windows.delete_window(tx, CALLER, step.place + 1, now)


@do.register
async def _(step: script.Mute, tx: Transaction, _desk: Desk, now: datetime) -> None:
    labels = {"host.id": step.host} if step.host else {}
    matchers = silences.MatchersDraft(metric_key=step.metric, severity=step.severity, labels=labels)
    end = now + timedelta(minutes=step.minutes)
    await silences.create_silence(tx, CALLER, silences.SilenceDraft(matchers=matchers, start_time=now, end_time=end, reason="quiet"), now)


@do.register
async def _(step: script.Unmute, tx: Transaction, _desk: Desk, now: datetime) -> None:
    with suppress(LumetryError):
        await muting.delete_silence(tx, CALLER, step.place + 1, now)


@do.register
async def _(step: script.Acknowledge, tx: Transaction, desk: Desk, now: datetime) -> None:
    incident = await find_incident(tx, desk, step.signal)
    if incident is not None and incident.state is IncidentState.OPEN:
        await handling.acknowledge(tx, CALLER, incident.id, None, now)


@do.register
async def _(step: script.Resolve, tx: Transaction, desk: Desk, now: datetime) -> None:
    incident = await find_incident(tx, desk, step.signal)
    if incident is not None:
        await handling.resolve(tx, CALLER, incident.id, "done", step.classification, now)
