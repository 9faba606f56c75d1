"""What came of a simulation, told without the numbers that depend on who came first."""

from collections.abc import Mapping

from lumetry_core.alerts.model import Alert
from lumetry_core.incidents.model import Incident, Member
from tests.pipeline.simulation.state import Arrival, View

AlertName = tuple[object, ...]


def name_alert(alert: Alert) -> AlertName:
    """An alert by what it is about and when it opened."""
    return (alert.rule_id, alert.metric_key, alert.dimension_key, alert.external_definition_key, alert.create_time, alert.start_time)


def name_incidents(view: View) -> dict[int, frozenset[AlertName]]:
    """Incidents by all alerts that were ever theirs."""
    found: dict[int, set[AlertName]] = {number: set() for number in view.incidents}
    for member in view.members.values():
        found[member.incident_id].add(name_alert(view.alerts[member.alert_id]))
    return {number: frozenset(names) for number, names in found.items()}


def describe_incidents(view: View) -> dict[tuple[frozenset[AlertName], object], tuple[object, ...]]:
    """Each incident, by its alerts and its opening, with all that people see of it but its number."""
    names = name_incidents(view)
    return {(names[incident.id], incident.create_time): describe(incident, names, view.members) for incident in view.incidents.values()}


def describe(
    incident: Incident, names: Mapping[int, frozenset[AlertName]], members: Mapping[tuple[int, int], Member]
) -> tuple[object, ...]:
    """What people see of an incident."""
    return (
        incident.correlation_key,
        incident.state,
        incident.severity,
        incident.start_time,
        incident.newest_alert_time,
        incident.alert_count,
        incident.active_alert_count,
        incident.violation_count,
        incident.active_alert_count_at_resolution,
        incident.resolve_time,
        incident.resolution_classification,
        incident.reopen_count,
        incident.inactive_time,
        names.get(incident.follow_up_of_incident_id or 0),
        sum(member.leave_time is None for member in members.values() if member.incident_id == incident.id),
    )


def told_keys(arrivals: tuple[Arrival, ...]) -> set[tuple[int, int, str]]:
    """Integration, alert and transition of all that arrived."""
    return {(each.integration_id, each.alert_id, each.transition.value) for each in arrivals}
