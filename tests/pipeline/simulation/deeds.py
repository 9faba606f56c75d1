"""What each step does to a deployment in lists. A step that is not possible at its time does nothing."""

from datetime import datetime, timedelta
from functools import singledispatch

from lumetry_core.alerts.model import Alert
from lumetry_core.incidents.model import Incident
from lumetry_core.rules.model import Severity
from tests.pipeline.simulation import alerting, grouping, script
from tests.pipeline.simulation.ground import EDGES, SIGNALS
from tests.pipeline.simulation.state import State


@singledispatch
def do(step: script.Step, _state: State, _now: datetime) -> None:
    """Plays a step that changes the state."""
    raise TypeError(f"{step} is no step of the deployment")


def find_active(state: State, signal: int) -> Alert | None:
    """The active alert of a signal."""
    alert = state.alerts.get(state.newest.get(signal, 0))
    return alert if alert is not None and alert.is_active else None


def find_incident(state: State, signal: int) -> Incident | None:
    """The unresolved incident of a signal's newest alert."""
    alert = state.alerts.get(state.newest.get(signal, 0))
    incident = None if alert is None else state.incidents.get(alert.incident_id or 0)
    return None if incident is None or incident.is_resolved else incident


@do.register
def _(step: script.Open, state: State, now: datetime) -> None:
    start = now - timedelta(seconds=step.age)
    alerting.open_signals(state, [SIGNALS[number] for number in step.signals], step.critical, start, now)


@do.register
def _(step: script.Flash, state: State, now: datetime) -> None:
    opened = alerting.open_signals(state, [SIGNALS[step.signal]], (), now, now)
    alerting.close_alerts(state, opened, now)


@do.register
def _(step: script.Close, state: State, now: datetime) -> None:
    found = [find_active(state, number) for number in step.signals]
    alerting.close_alerts(state, [alert for alert in found if alert is not None], now)


@do.register
def _(step: script.Rise, state: State, now: datetime) -> None:
    alert = find_active(state, step.signal)
    if alert is not None and alert.severity is Severity.WARNING:
        alerting.raise_alert(state, alert, now)


@do.register
def _(step: script.Breach, state: State, now: datetime) -> None:
    alert = find_active(state, step.signal)
    if alert is not None and alert.rule_id is not None:
        alerting.breach(state, alert, now)


@do.register
def _(step: script.Link, state: State, _now: datetime) -> None:
    state.edges ^= {EDGES[step.edge]}


@do.register
def _(step: script.Maintain, state: State, now: datetime) -> None:
    alerting.create_window(state, step, now)


@do.register
def _(step: script.EndMaintenance, state: State, now: datetime) -> None:
    alerting.delete_window(state, step.place + 1, now)


@do.register
def _(step: script.Mute, state: State, now: datetime) -> None:
    alerting.create_silence(state, step, now)


@do.register
def _(step: script.Unmute, state: State, now: datetime) -> None:
    alerting.delete_silence(state, step.place + 1, now)


@do.register
def _(step: script.Acknowledge, state: State, now: datetime) -> None:
    incident = find_incident(state, step.signal)
    if incident is not None:
        grouping.acknowledge(state, incident, now)


@do.register
def _(step: script.Resolve, state: State, now: datetime) -> None:
    incident = find_incident(state, step.signal)
    if incident is not None:
        grouping.resolve(state, incident, step.classification, now)
