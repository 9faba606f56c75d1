"""Incidents in lists, decided by the product's own pure functions."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from lumetry_core.alerts.model import Alert, Eligibility
from lumetry_core.alerts.service.membership import eligibility_without_watch
from lumetry_core.incidents.candidates import NON_IMPACT, repeated_non_impact
from lumetry_core.incidents.correlation import Standing, correlate, is_waiting
from lumetry_core.incidents.keys import Anchor, correlation_key_of
from lumetry_core.incidents.model import Classification, Incident, IncidentState, Joining, JoinReason
from lumetry_core.incidents.service.correlating import PLACED_KINDS, ROUTED_AS, SWEEP, follow_members, new_member
from lumetry_core.incidents.service.watching import Sweep, Watch, apply_follow_up, apply_reopening, note_persistent
from lumetry_core.incidents.watch import FIRING_KINDS, Reopening, is_watched, judge
from tests.pipeline.simulation.ground import RULES, WINDOW
from tests.pipeline.simulation.state import State


def has_watched(state: State) -> bool:
    """Whether a sweep would find anything to look at."""
    return any(incident.is_resolved and incident.active_alert_count for incident in state.incidents.values())


def correlate_waiting(state: State, now: datetime) -> None:
    """Works off the queue of correlation."""
    items, state.correlation = state.correlation, []
    about = [(kind, number) for kind, number in items if kind != SWEEP]
    if about:
        correlate_items(state, about, now)
    if len(about) < len(items):
        sweep(state, now)


def correlate_items(state: State, items: list[tuple[str, int]], now: datetime) -> None:
    """Follows the members among alerts, places the others, and hands on what happened."""
    named = {number for _, number in items}
    new = {number for kind, number in items if kind in PLACED_KINDS}
    released = {number for kind, number in items if kind == "alert_released"}
    present = {member.alert_id: member for member in state.members.values() if member.leave_time is None and member.alert_id in named}
    alerts = {number: state.alerts[number] for number in sorted(named)}
    waiting = [
        alert
        for number, alert in alerts.items()
        if number in new and number not in present and is_waiting(alert) and (alert.is_active or number not in released)
    ]
    keys = {correlation_key_of(alert) for alert in waiting} - {None}
    wanted = {member.incident_id for member in present.values()}
    wanted |= {number for number, incident in state.incidents.items() if not incident.is_resolved and incident.correlation_key in keys}
    active = count_active(state, wanted)
    before = [Standing(state.incidents[number], active[number]) for number in sorted(wanted)]
    followed, followings = follow_members(before, [(present[number], alerts[number]) for number in alerts if number in present], now)
    correlated, placements = correlate(waiting, followed, WINDOW, now)
    for following in followings:
        state.members[following.member.incident_id, following.member.alert_id] = following.member
    stored = [standing.incident for standing in correlated]
    for position in range(len(before), len(stored)):
        number = len(state.incidents) + 1 + position - len(before)
        stored[position] = replace(stored[position], id=number, number=number)
    state.incidents |= {incident.id: incident for incident in stored}
    for placement in placements:
        number = stored[placement.position].id
        alert = placement.alert
        state.members[number, alert.id] = new_member(number, alert, placement.joining, now)
        state.alerts[alert.id] = replace(state.alerts[alert.id], incident_id=number, update_time=now)
    state.routing += [(ROUTED_AS[kind], number) for kind, number in items if kind in ROUTED_AS]


def count_active(state: State, incident_ids: Iterable[int]) -> dict[int, Counter[Anchor]]:
    """The active members of incidents, by what an alert must share with one of them."""
    counts: dict[int, Counter[Anchor]] = {number: Counter() for number in incident_ids}
    for member in state.members.values():
        if member.incident_id in counts and member.leave_time is None and member.is_active and member.anchor is not None:
            counts[member.incident_id][member.anchor] += 1
    return counts


def acknowledge(state: State, incident: Incident, now: datetime) -> None:
    """Somebody takes an open incident over."""
    if incident.state is IncidentState.OPEN:
        after = replace(incident, state=IncidentState.ACKNOWLEDGED, acknowledge_time=now, update_time=now)
        state.incidents[incident.id] = after


def resolve(state: State, incident: Incident, classification: Classification, now: datetime) -> None:
    """Somebody ends an incident; its active members are watched."""
    watched = [alert for alert in state.alerts.values() if alert.incident_id == incident.id and alert.is_active]
    for alert in watched:
        watch(state, alert, incident.id, now)
    after = replace(
        incident,
        state=IncidentState.RESOLVED,
        resolve_time=now,
        resolution_classification=classification,
        active_alert_count_at_resolution=len(watched),
        update_time=now,
    )
    state.incidents[incident.id] = after
    state.resolutions.append(after)
    same = [each for each in state.resolutions if each.correlation_key == after.correlation_key and is_harmless(each)]
    occurrence = repeated_non_impact(after, len(same)) if is_harmless(after) else None
    if occurrence is not None:
        state.occurrences.append(occurrence)


def is_harmless(incident: Incident) -> bool:
    """Whether a resolution counts towards a hint."""
    return incident.correlation_key is not None and incident.resolution_classification in NON_IMPACT


def watch(state: State, alert: Alert, incident_id: int, now: datetime) -> None:
    """Starts an alert's watch."""
    state.alerts[alert.id] = replace(
        alert,
        incident_eligibility=alert.incident_eligibility or Eligibility.POST_RESOLUTION_WATCH,
        watch_start_time=now,
        last_resolved_incident_id=incident_id,
        update_time=now,
    )


def sweep(state: State, now: datetime) -> None:
    """Looks once at every watched alert."""
    found = load(state)
    for incident_id in sorted(found.watches, reverse=True):
        incident, watches = found.incidents[incident_id], found.watches[incident_id]
        note_persistent(found, incident, watches, RULES, now)
        judged = judge(incident, find_evidence(state, incident, watches, now), RULES, now)
        if isinstance(judged, Reopening):
            apply_reopening(found, incident, watches, judged, now)
        elif judged is not None:
            apply_follow_up(found, incident, [each for each in watches if each.alert.id in judged.alert_ids], now)
    record_sweep(state, found, now)


def load(state: State) -> Sweep:
    """The watched alerts of resolved incidents."""
    watches: dict[int, list[Watch]] = {}
    for member in sorted(state.members.values(), key=lambda each: (each.incident_id, each.alert_id)):
        incident, alert = state.incidents[member.incident_id], state.alerts[member.alert_id]
        if incident.is_resolved and member.leave_time is None and member.is_active and is_watched(alert, incident):
            watches.setdefault(incident.id, []).append(Watch(member, alert))
    return Sweep(dict(state.incidents), watches)


def find_evidence(state: State, incident: Incident, watches: Iterable[Watch], now: datetime) -> dict[int, datetime]:
    """The first evidence of each watched alert."""
    if incident.resolve_time is None or now < incident.resolve_time + RULES.settle:
        return {}
    evidence = {}
    for each in watches:
        if each.alert.source_kind in FIRING_KINDS:
            evidence[each.alert.id] = now
        for time in state.breaches.get(each.alert.id, ()):
            if time >= incident.resolve_time + RULES.settle and time > incident.resolve_time:
                evidence.setdefault(each.alert.id, time)
    return evidence


def record_sweep(state: State, found: Sweep, now: datetime) -> None:
    """Keeps what a sweep decided."""
    for resolved, follow_up, moving in sorted(found.follow_ups, key=lambda entry: entry[0].id):
        number = len(found.incidents) + 1
        found.incidents[number] = opened = replace(follow_up, id=number, number=number)
        found.incidents[resolved.id] = replace(found.incidents[resolved.id], follow_up_incident_id=number)
        found.moves.append((resolved, opened, moving))
    state.incidents = found.incidents
    state.members |= found.members
    state.occurrences += found.occurrences
    kept = {number for (incident, number), member in state.members.items() if incident in found.reopened and member.leave_time is None}
    for number in found.ended | {each for each in kept if state.alerts[each].is_active}:
        alert = state.alerts[number]
        eligibility = eligibility_without_watch(alert)
        state.alerts[number] = replace(alert, incident_eligibility=eligibility, watch_start_time=None, update_time=now)
    for _, follow_up, moving in found.moves:
        for each in moving:
            joining = Joining(JoinReason.FOLLOW_UP, WINDOW)
            state.members[follow_up.id, each.alert.id] = new_member(follow_up.id, each.alert, joining, now)
            moved = state.alerts[each.alert.id] = replace(state.alerts[each.alert.id], incident_id=follow_up.id)
            if follow_up.is_resolved:
                watch(state, moved, follow_up.id, now)
