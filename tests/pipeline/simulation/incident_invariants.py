"""What holds of incidents and their members whenever every stage has caught up (contract lumetry 11.4, 11.5, 12.1)."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from lumetry_core.alerts.model import Alert, Eligibility
from lumetry_core.incidents.candidates import CandidateType, Occurrence
from lumetry_core.incidents.keys import anchor_of, correlation_key_of
from lumetry_core.incidents.model import SEVERITY_RANK, Incident, JoinReason, Member, worst
from lumetry_core.incidents.watch import FINAL_CLASSIFICATIONS, FIRING_KINDS
from tests.pipeline.simulation.ground import RULES, WINDOW
from tests.pipeline.simulation.state import View

MINUTE = timedelta(minutes=1)


def check_memberships(view: View) -> None:
    """An alert is in at most one incident, and the incident knows it; what needs one has one."""
    present = Counter(member.alert_id for member in view.members.values() if member.leave_time is None)
    for alert in view.alerts.values():
        incident = view.incidents.get(alert.incident_id or 0)
        assert present[alert.id] == (alert.incident_id is not None), f"alert {alert.id} is present in {present[alert.id]} incidents"
        if incident is not None:
            assert view.members[incident.id, alert.id].leave_time is None, f"alert {alert.id} has left its incident"
        if alert.is_active and alert.maintenance_window_id is None and alert.watch_start_time is None:
            assert incident is not None, f"alert {alert.id} is in no incident"
            assert not incident.is_resolved, f"alert {alert.id} is active in resolved incident {incident.id}, and nobody watches it"


def check_flags(view: View) -> None:
    """Alerts are watched exactly while they are active in a resolved incident, and show what holds them back."""
    for alert in view.alerts.values():
        incident = view.incidents.get(alert.incident_id or 0)
        is_left_behind = alert.is_active and incident is not None and incident.is_resolved
        assert (alert.watch_start_time is not None) == is_left_behind, f"the watch of alert {alert.id} is wrong"
        if is_left_behind:
            assert alert.last_resolved_incident_id == alert.incident_id, f"alert {alert.id} is watched for another incident"
        expected = None
        if alert.maintenance_window_id is not None:
            expected = Eligibility.MAINTENANCE_SUPPRESSED
        elif is_left_behind:
            expected = Eligibility.POST_RESOLUTION_WATCH
        assert alert.incident_eligibility is expected, f"alert {alert.id} shows {alert.incident_eligibility} instead of {expected}"


def check_counters(view: View) -> None:
    """Incidents count what their members say."""
    of_incident: dict[int, list[Member]] = {number: [] for number in view.incidents}
    for member in view.members.values():
        of_incident[member.incident_id].append(member)
    for incident in view.incidents.values():
        check_incident(incident, of_incident[incident.id], view.alerts)


def check_incident(incident: Incident, members: list[Member], alerts: dict[int, Alert]) -> None:
    """What an incident says of itself and its members."""
    name = f"incident {incident.id}"
    assert members, f"{name} has no members"
    present = [member for member in members if member.leave_time is None]
    for member in present:
        alert = alerts[member.alert_id]
        counted = (member.is_active, member.violation_count, member.severity)
        assert counted == (alert.is_active, alert.violation_count, alert.severity), f"{name} has not followed alert {alert.id}"
    severity = members[0].severity
    for member in members:
        severity = worst(severity, member.severity)
    assert incident.alert_count == len(members), f"{name} counts {incident.alert_count} alerts of {len(members)}"
    assert incident.active_alert_count == sum(member.is_active for member in present), f"{name} counts its active alerts wrongly"
    assert incident.violation_count == sum(member.violation_count for member in members), f"{name} counts violations wrongly"
    assert incident.severity is severity, f"{name} has severity {incident.severity} instead of {severity}"
    assert incident.start_time == min(member.alert_time for member in members), f"{name} has a wrong start"
    assert incident.newest_alert_time == max(member.alert_time for member in members), f"{name} has a wrong newest alert"
    assert (incident.inactive_time is None) == (incident.active_alert_count > 0), f"{name} has a wrong inactive time"
    keys = {correlation_key_of(alerts[member.alert_id]) for member in members}
    assert keys == {incident.correlation_key}, f"{name} groups {keys}"
    assert incident.correlation_key is not None or len(members) == 1, f"{name} groups alerts without a key"


def check_twins(view: View) -> None:
    """No incident opened for an alert that an unresolved one of its key should have taken."""
    by_key: dict[str, list[Incident]] = {}
    for incident in view.incidents.values():
        if incident.correlation_key is not None and not incident.is_resolved:
            by_key.setdefault(incident.correlation_key, []).append(incident)
    members: dict[int, list[Member]] = {}
    if any(len(same) > 1 for same in by_key.values()):
        for member in view.members.values():
            members.setdefault(member.incident_id, []).append(member)
    for same in by_key.values():
        for second in same:
            opener = next((each for each in members.get(second.id, ()) if each.joining.reason is JoinReason.OPENED), None)
            for first in same:
                was_there = first.last_reopen_time is None or first.last_reopen_time < second.create_time
                if opener is not None and first.id < second.id and was_there:
                    check_pair(first, second, opener, members[first.id], view)


def check_pair(first: Incident, second: Incident, opener: Member, members: list[Member], view: View) -> None:
    """An incident opened while an older one of its key was there: none of its members may have been near enough, or still active."""
    before = [each for each in members if (each.join_time, each.alert_time) <= (opener.join_time, opener.alert_time)]
    newest = max((each.alert_time for each in before), default=None)
    names = f"incidents {first.id} and {second.id}"
    assert newest is None or abs(opener.alert_time - newest) > WINDOW, f"{names} are twins within the window"
    alert = view.alerts[opener.alert_id]
    anchor = anchor_of(alert.related_ci_id, alert.metric_key)
    earlier = [each for each in before if each.join_time < opener.join_time]
    standing = [each for each in earlier if anchor is not None and each.anchor == anchor and view.alerts[each.alert_id].is_active]
    assert not standing, f"{names} are twins around an active member"


def check_history(before: View, after: View) -> None:
    """What may become of an incident: severity rises, and it reopens only for evidence in time."""
    for incident in before.incidents.values():
        now = after.incidents[incident.id]
        name = f"incident {incident.id}"
        assert SEVERITY_RANK[now.severity] >= SEVERITY_RANK[incident.severity], f"{name} became less severe"
        if now.reopen_count > incident.reopen_count:
            assert incident.is_resolved, f"{name} was reopened, but was not resolved"
            assert incident.resolution_classification not in FINAL_CLASSIFICATIONS, f"{name} was reopened after a final resolution"
            assert incident.follow_up_incident_id is None, f"{name} was reopened after its follow-up"
            minutes = int((now.reopen_reason or "").split(" minutes")[0].rsplit(" ", 1)[1])
            assert RULES.settle <= minutes * MINUTE <= RULES.horizon, f"{name} was reopened: {now.reopen_reason}"
        elif incident.is_resolved:
            assert now.is_resolved, f"{name} is not resolved any more"


def check_hidden(view: View) -> None:
    """What maintenance covered as long as it lasted is in no incident, and nobody was told of it."""
    for number in view.hidden:
        assert view.alerts[number].incident_id is None, f"alert {number} is in an incident, and was under maintenance all its life"
    told = [arrival for arrival in view.arrivals if arrival.alert_id in view.hidden]
    assert not told, f"told of alerts that were under maintenance all their life: {told}"


def check_follow_ups(view: View) -> None:
    """A resolution has at most one follow-up, and both know of it."""
    follow_ups = Counter(incident.follow_up_of_incident_id for incident in view.incidents.values() if incident.follow_up_of_incident_id)
    for number, count in follow_ups.items():
        assert count == 1, f"incident {number} has {count} follow-ups"
        resolved = view.incidents[number]
        assert resolved.resolution_classification not in FINAL_CLASSIFICATIONS, f"incident {number} was followed up"
        follow_up = view.incidents[resolved.follow_up_incident_id or 0]
        assert follow_up.follow_up_of_incident_id == number, f"incident {number} names another follow-up"


def check_persistence(view: View) -> None:
    """What goes on firing after a resolution that is not final leads to something before long."""
    late = view.now - RULES.persistence - 2 * MINUTE
    for alert in view.alerts.values():
        incident = view.incidents.get(alert.last_resolved_incident_id or 0)
        is_firing = alert.source_kind in FIRING_KINDS and alert.incident_eligibility is Eligibility.POST_RESOLUTION_WATCH
        if not is_firing or incident is None or incident.resolution_classification in FINAL_CLASSIFICATIONS:
            continue
        is_new = alert.update_time > view.now - 2 * MINUTE  # released from maintenance since the last sweep
        is_over = incident.resolve_time is not None and incident.resolve_time <= late
        assert is_new or not is_over, f"alert {alert.id} fires on, and incident {incident.id} has neither reopened nor a follow-up"


def check_suppression(before: View, after: View) -> None:
    """A round of correlation gives no incident to an alert that maintenance covers."""
    for alert in after.alerts.values():
        if alert.maintenance_window_id is not None:
            earlier = before.alerts[alert.id].incident_id
            assert alert.incident_id == earlier, f"alert {alert.id} joined incident {alert.incident_id} under maintenance"


def check_hints(occurrences: Iterable[Occurrence]) -> None:
    """A watch that persists is noted once."""
    watches = Counter(
        (each.alert_id, each.incident.id, each.incident.resolve_time) for each in occurrences if each.type is CandidateType.PERSISTENT_WATCH
    )
    assert all(count == 1 for count in watches.values()), f"watches noted again: {watches}"


def check_incidents(view: View) -> None:
    """All that holds of incidents once every stage has caught up."""
    check_memberships(view)
    check_flags(view)
    check_counters(view)
    check_twins(view)
    check_hidden(view)
    check_follow_ups(view)
    check_persistence(view)
