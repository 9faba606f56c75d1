"""Incidents of a replay: alerts go through the live correlator's decisions, event time being the clock (contract lumetry 11.4).

The replay starts without incidents, and nobody resolves one. Of what happens at one time, changes of members come before new members, as
live when they are worked off together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby

from lumetry_core.alerts.model import Alert, AlertState, SourceKind
from lumetry_core.incidents.correlation import Placement, correlate, follow
from lumetry_core.incidents.model import Incident, Member
from lumetry_core.replay.outcome import ReplayedAlert
from lumetry_core.runtime.clock import from_ms


@dataclass(frozen=True, slots=True)
class ReplayedIncident:
    """An incident at the end of a replay, and the places of its alerts in order of joining."""

    incident: Incident
    alerts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """What happens to an alert: it opens, or is changed."""

    time: int
    is_opening: bool
    alert: Alert


def correlate_alerts(organization_id: int, alerts: Sequence[ReplayedAlert], window: timedelta) -> list[ReplayedIncident]:
    """Places alerts in incidents, which come in the order of their opening."""
    incidents: list[Incident] = []
    members: dict[int, Member] = {}
    joined: list[list[int]] = []
    events = sorted(
        (event for place, alert in enumerate(alerts) for event in describe_events(organization_id, place, alert)),
        key=lambda event: (event.time, event.is_opening, event.alert.id),
    )
    for time, group in groupby(events, key=lambda event: event.time):
        now = from_ms(time)
        at_once = list(group)
        for event in at_once:
            member = members.get(event.alert.id)
            if not event.is_opening and member is not None:
                followed, members[event.alert.id] = follow(incidents[member.incident_id], member, event.alert, now)
                incidents[member.incident_id] = followed
        incidents, placements = correlate([event.alert for event in at_once if event.is_opening], incidents, window, now)
        joined += [[] for _ in range(len(incidents) - len(joined))]
        for placement in placements:
            members[placement.alert.id] = new_member(placement, incidents)
            joined[placement.position].append(placement.alert.id)
    return [ReplayedIncident(incident, tuple(places)) for incident, places in zip(incidents, joined, strict=True)]


def describe_events(organization_id: int, place: int, replayed: ReplayedAlert) -> list[Event]:
    """What happens to an alert, in order; within a replay its number is its place."""
    opened = Alert(
        id=place,
        organization_id=organization_id,
        rule_id=replayed.rule.id,
        rule_epoch=replayed.rule.counting_epoch,
        metric_key=replayed.rule.metric_key,
        metric_display_name=replayed.rule.metric_display_name,
        dimension_key=replayed.dimension_key,
        alert_name=replayed.rule.alert_name,
        source_kind=SourceKind.METRIC_RULE,
        state=AlertState.OPEN,
        severity=replayed.first_severity,
        alert_level_id=replayed.opened.level.id,
        trigger_reason=replayed.opening_trigger.reason,
        violation_count=replayed.opening_trigger.count,
        start_time=from_ms(replayed.start),
        end_time=None,
        acknowledge_time=None,
        incident_id=None,
        incident_eligibility=None,
        watch_start_time=None,
        last_resolved_incident_id=None,
        first_violation_time=from_ms(replayed.first_violation),
        last_not_clear_time=None,
        close_cause=None,
        create_time=from_ms(replayed.start),
        update_time=from_ms(replayed.start),
    )
    events = [Event(replayed.start, is_opening=True, alert=opened)]
    risen = opened
    escalate_time = replayed.escalate_time
    if escalate_time is not None:
        risen = replace(opened, severity=replayed.severity, trigger_reason=replayed.trigger.reason, update_time=from_ms(escalate_time))
        events.append(Event(escalate_time, is_opening=False, alert=risen))
    if replayed.end is not None:
        end = from_ms(replayed.end)
        closed = replace(risen, state=AlertState.CLOSED, violation_count=replayed.violation_count, end_time=end, update_time=end)
        events.append(Event(replayed.end, is_opening=False, alert=closed))
    return events


def new_member(placement: Placement, incidents: Sequence[Incident]) -> Member:
    """The membership of a placed alert; within a replay an incident's number is its place."""
    alert = placement.alert
    return Member(
        incident_id=placement.position,
        alert_id=alert.id,
        alert_time=alert.start_time,
        metric_key=alert.metric_key,
        is_active=alert.is_active,
        violation_count=alert.violation_count,
        severity=alert.severity,
        joining=placement.joining,
        join_time=incidents[placement.position].update_time,
    )
