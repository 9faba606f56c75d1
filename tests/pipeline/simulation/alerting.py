"""Alerts, the topology around them, maintenance and silences in lists, decided by the product's own pure functions."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

from lumetry_core.alerts.maintenance import MaintenanceWindow, advance, choose_window, has_changed, locate, next_change
from lumetry_core.alerts.model import Alert, CloseCause, Eligibility
from lumetry_core.alerts.reports import new_reported_alert
from lumetry_core.alerts.service.admission import relate
from lumetry_core.alerts.service.transitions import end_alert, new_alert
from lumetry_core.alerts.silences import Matchers, Silence
from lumetry_core.rules.model import Severity
from lumetry_core.topology.model import EdgeType
from lumetry_core.topology.service.context import NO_CONTEXT, NodeContext, tell_context
from lumetry_core.topology.walk import close_over, find_nearest, trace_up
from tests.pipeline.simulation.ground import NODE_OF_HOST, NODES, ORGANIZATION, SERVICES, Edge, Signal
from tests.pipeline.simulation.script import Maintain, Mute
from tests.pipeline.simulation.signals import opening_of, report_of
from tests.pipeline.simulation.state import State


@lru_cache(maxsize=4096)
def find_contexts(edges: frozenset[Edge]) -> dict[int, NodeContext]:
    """What each node is about while there are these edges."""
    sources_of: dict[int, list[tuple[int, EdgeType]]] = {}
    for source, target, edge_type in sorted(edges):
        sources_of.setdefault(target, []).append((source, edge_type))
    hops = find_nearest(sources_of, SERVICES)
    return {node: tell_context(trace_up(node, hops), NODES) for node in NODES}


@lru_cache(maxsize=4096)
def find_covering(edges: frozenset[Edge]) -> dict[int, frozenset[int]]:
    """What covers each node while there are these edges."""
    links: dict[int, set[int]] = {}
    for source, target, edge_type in edges:
        if edge_type is EdgeType.CONTAINS:
            links.setdefault(target, set()).add(source)
        elif edge_type is EdgeType.RUNS_ON:
            links.setdefault(source, set()).add(target)
    return close_over(NODES, links)


def context_of(state: State, signal: Signal) -> NodeContext:
    """What a signal is about now."""
    node = signal.node_id if signal.host is None else NODE_OF_HOST[signal.host]
    return NO_CONTEXT if node not in NODES else find_contexts(frozenset(state.edges))[node]


def active_windows(state: State, now: datetime) -> list[MaintenanceWindow]:
    """The windows that last."""
    begun = [advance(window, now) for window in state.windows.values() if window.delete_time is None and window.occurrence_start <= now]
    return [window for window in begun if window.is_active(now)]


def open_signals(state: State, signals: Sequence[Signal], critical: Iterable[int], start: datetime, now: datetime) -> list[Alert]:
    """Opens the alert of each signal that has no active one; those of rules first, as each producer has its own verb."""
    idle = [signal for signal in signals if signal.number not in state.newest or not state.alerts[state.newest[signal.number]].is_active]
    windows, covering = active_windows(state, now), find_covering(frozenset(state.edges))
    opened = []
    for signal in sorted(idle, key=lambda each: each.rule_id is None):
        severity = Severity.CRITICAL if signal.number in critical else Severity.WARNING
        if signal.rule_id is not None:
            draft = new_alert(ORGANIZATION, opening_of(signal, severity, start), now)
        else:
            draft = new_reported_alert(ORGANIZATION, report_of(signal, severity, start, len(state.alerts) + 1), now)
        alert = replace(relate(draft, context_of(state, signal)), id=len(state.alerts) + 1)
        window = choose_window(windows, alert, covering)
        if window is not None:
            alert = replace(alert, incident_eligibility=Eligibility.MAINTENANCE_SUPPRESSED, maintenance_window_id=window.id)
        else:
            state.seen.add(alert.id)
        state.alerts[alert.id] = alert
        state.newest[signal.number] = alert.id
        opened.append(alert)
        state.correlation.append(("alert_opened", alert.id))
    return opened


def raise_alert(state: State, alert: Alert, now: datetime) -> None:
    """Makes an active `Warning` alert critical."""
    state.alerts[alert.id] = replace(alert, severity=Severity.CRITICAL, update_time=now)
    state.correlation.append(("alert_escalated", alert.id))


def close_alerts(state: State, alerts: Iterable[Alert], now: datetime) -> None:
    """Ends active alerts, and with them what held them back."""
    for alert in sorted(alerts, key=lambda each: (each.rule_id is None, each.id)):
        state.alerts[alert.id] = end_alert(alert, now, CloseCause.RECOVERY, now)
        state.correlation.append(("alert_closed", alert.id))


def breach(state: State, alert: Alert, now: datetime) -> None:
    """Adds a violation to an alert of a rule."""
    state.alerts[alert.id] = replace(alert, violation_count=alert.violation_count + 1)
    state.breaches[alert.id] = [*state.breaches.get(alert.id, ()), now]
    state.correlation.append(("violations_added", alert.id))


def create_window(state: State, step: Maintain, now: datetime) -> None:
    """Plans maintenance."""
    start = now + timedelta(minutes=step.start)
    end = start + timedelta(minutes=step.minutes)
    zone = None if step.rrule is None else "Europe/Berlin"
    number = len(state.windows) + 1
    window = MaintenanceWindow(
        number, ORGANIZATION, step.scope, step.node, step.metric, start, end, "planned", step.rrule, zone, start, end, now, None
    )
    window = locate(window, now)
    state.windows[number] = window
    state.window_changes[number] = next_change(window, now, changed=window.is_active(now))
    if window.is_active(now):
        judge_alerts(state, now)


def delete_window(state: State, number: int, now: datetime) -> None:
    """Ends maintenance early."""
    if number in state.windows and state.windows[number].delete_time is None:
        window = state.windows[number] = replace(state.windows[number], delete_time=now)
        state.window_changes[number] = next_change(window, now, changed=True)
        judge_alerts(state, now)


def create_silence(state: State, step: Mute, now: datetime) -> None:
    """Mutes alerts from now on."""
    severity = Severity(step.severity) if step.severity else None
    matchers = Matchers(metric_key=step.metric, severity=severity, labels={"host.id": step.host} if step.host else {})
    number = len(state.silences) + 1
    end = now + timedelta(minutes=step.minutes)
    state.silences[number] = Silence(number, ORGANIZATION, matchers, now, end, "quiet", now, None)
    state.silence_ends[number] = end


def delete_silence(state: State, number: int, now: datetime) -> None:
    """Mutes no longer."""
    if number in state.silences and state.silences[number].delete_time is None:
        state.silences[number] = replace(state.silences[number], delete_time=now)
        if state.silence_ends[number] is not None:
            state.silence_ends[number] = None
            state.routing.append(("silence_ended", number))


def keep_operations(state: State, now: datetime) -> None:
    """Starts and ends windows and silences that are due."""
    due = [(number, since) for number, since in state.window_changes.items() if since is not None and since <= now]
    for number, since in due:
        before = state.windows[number]
        after = state.windows[number] = advance(before, now)
        state.window_changes[number] = next_change(after, now, changed=has_changed(before, since, now))
    if due:
        judge_alerts(state, now)
    for number, end in state.silence_ends.items():
        if end is not None and end <= now:
            state.silence_ends[number] = None
            state.routing.append(("silence_ended", number))


def judge_alerts(state: State, now: datetime) -> None:
    """Marks active alerts that windows cover, and releases the others."""
    windows, covering = active_windows(state, now), find_covering(frozenset(state.edges))
    freed = []
    for alert in [alert for alert in state.alerts.values() if alert.is_active]:
        window = choose_window(windows, alert, covering)
        if window is not None and alert.maintenance_window_id != window.id:
            suppressed = Eligibility.MAINTENANCE_SUPPRESSED
            state.alerts[alert.id] = replace(alert, incident_eligibility=suppressed, maintenance_window_id=window.id, update_time=now)
        elif window is None and alert.maintenance_window_id is not None:
            eligibility = None if alert.watch_start_time is None else Eligibility.POST_RESOLUTION_WATCH
            state.alerts[alert.id] = replace(alert, incident_eligibility=eligibility, maintenance_window_id=None, update_time=now)
            state.seen.add(alert.id)
            freed.append(alert.id)
    state.correlation += [("alert_released", number) for number in freed]
