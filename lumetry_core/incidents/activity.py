"""What the activity feed says of incidents: what their timelines tell (contract workspace 11.4). Pure."""

from collections.abc import Mapping, Sequence

from lumetry_core.activity.model import SYSTEM, Actor, Draft, Resource, Severity
from lumetry_core.incidents.model import Entry, EntryType, Incident, SourceType

ACTION_OF = {
    EntryType.INCIDENT_OPENED: "opened",
    EntryType.ALERT_CORRELATED: "alert_correlated",
    EntryType.SEVERITY_CHANGED: "severity_changed",
    EntryType.ACKNOWLEDGED: "acknowledged",
    EntryType.RESOLVED: "resolved",
    EntryType.REOPENED: "reopened",
    EntryType.FOLLOW_UP_CREATED: "follow_up_created",
}
"""The other entries tell what happened to alerts, or who was told."""
DEEDS: Mapping[str, str] = {
    "opened": "opened",
    "alert_correlated": "gained an alert",
    "severity_changed": "became {severity}",
    "acknowledged": "acknowledged",
    "resolved": "resolved",
    "reopened": "reopened",
    "follow_up_created": "followed up",
}


def describe_entry(incident: Incident, entry: Entry, project_ids: Sequence[str] = (), actor: Actor = SYSTEM) -> Draft | None:
    """The item of a timeline entry; None when it has none."""
    action = ACTION_OF.get(entry.entry_type)
    if action is None:
        return None
    severity = Severity(incident.severity.value.lower())
    center = incident.primary_service_name or incident.primary_ci_name or incident.primary_metric_key
    deed = DEEDS[action].format(severity=severity)
    return Draft(
        kind="incident",
        action=action,
        title=f"Incident {incident.incident_key} {deed}" + (f": {center}" if center else ""),
        summary=entry.message,
        severity=severity,
        actor=actor,
        project_ids=tuple(project_ids),
        incident_id=incident.id,
        alert_id=alert_of(entry),
        resource=Resource("incident", str(incident.id)),
    )


def alert_of(entry: Entry) -> int | None:
    """The alert that caused an entry."""
    return entry.source_id if entry.source_type is SourceType.ALERT else None
