"""What the activity feed says of alerts (contract workspace 11.4). Pure."""

from collections.abc import Sequence
from datetime import datetime

from lumetry_core.access.redaction import redact_text
from lumetry_core.activity.model import SYSTEM, Actor, Draft, Resource, Severity
from lumetry_core.alerts.maintenance import MaintenanceWindow
from lumetry_core.alerts.model import Alert, CloseCause, SourceKind
from lumetry_core.alerts.silences import Silence
from lumetry_core.alerts.spelling import entity_id_of, entity_type_of, status_of
from lumetry_core.metrics.dimension import labels_of_member
from lumetry_core.projects.links import MONITOR_TYPES, LinkType, Ref

RECOVERED = frozenset({CloseCause.RECOVERY, CloseCause.SOURCE_RESOLVED})
"""What ends an alert because all is well; whatever else ends it closes it."""
DEEDS = {"fired": "fired", "acknowledged": "acknowledged", "resolved": "resolved", "closed": "closed", "silenced": "silenced"}
EXPLAINED = frozenset({"fired", "escalated", "silenced"})
"""Actions whose summary is why the alert is there."""
HOST_LABEL = "host.id"
OWN_WORDS = frozenset({SourceKind.METRIC_RULE, SourceKind.FLEET_DETECTOR})
"""Sources whose alerts say nothing that came from outside."""


def action_of(alert: Alert) -> str:
    """What happened last to an alert that changed its status."""
    match status_of(alert):
        case "silenced":
            return "silenced"
        case "resolved":
            return "resolved" if alert.close_cause in RECOVERED else "closed"
        case _:
            return "fired"


def describe_alert(alert: Alert, action: str, project_ids: Sequence[str] = (), actor: Actor = SYSTEM) -> Draft:
    """The item of what happened to an alert."""
    severity = Severity(alert.severity.value.lower())
    deed = f"escalated to {severity}" if action == "escalated" else DEEDS[action]
    name, reason = alert.title or alert.alert_name, alert.trigger_reason
    if alert.source_kind not in OWN_WORDS:
        name, reason = redact_text(name), redact_text(reason)
    return Draft(
        kind="alert",
        action=action,
        title=f"Alert {deed}: {name}",
        summary=reason if action in EXPLAINED else None,
        severity=severity,
        actor=actor,
        project_ids=tuple(project_ids),
        machine=machine_of(alert),
        incident_id=alert.incident_id,
        alert_id=alert.id,
        resource=resource_of(alert),
    )


def machine_of(alert: Alert) -> str | None:
    """The host that an alert is about, as far as its labels tell."""
    return labels_of_member(alert.dimension_key).get(HOST_LABEL) or (alert.labels or {}).get(HOST_LABEL)


def resource_of(alert: Alert) -> Resource:
    """What an alert is about; itself, when that has no number."""
    entity_id = entity_id_of(alert)
    return Resource("alert", str(alert.id)) if entity_id is None else Resource(entity_type_of(alert), str(entity_id))


def refs_of(alert: Alert) -> set[Ref]:
    """What a project links that has the alert, as far as the alert itself tells."""
    node_ids = (alert.topology_node_id, alert.related_ci_id, alert.related_service_id)
    refs = {(LinkType.TOPOLOGY_NODE, str(node_id)) for node_id in node_ids if node_id is not None}
    if alert.metric_key is not None:
        refs.add((LinkType.METRIC, alert.metric_key))
    for kind, number in ((alert.entity_type, alert.entity_id), (alert.subject_type, alert.subject_id)):
        if kind in MONITOR_TYPES and number is not None:
            refs.add((LinkType(kind), str(number)))
    return refs


def own_project(alert: Alert) -> str | None:
    """The project of the rule that opened an alert of logs."""
    project_id = (alert.details or {}).get("project_id") if alert.source_kind is SourceKind.MONITOR else None
    return project_id if isinstance(project_id, str) else None


def describe_course(before: MaintenanceWindow, due: datetime, after: MaintenanceWindow, now: datetime) -> list[Draft]:
    """The items of what became of a window by itself since it was due: occurrences that ended and began, the newest ones of many.

    Args:
        before: With the occurrence that was stored when it was due.
        after: The same with the present or next occurrence.
    """
    if before.delete_time is not None:
        return []
    is_new = after.occurrence_start != before.occurrence_start
    happened = [
        (before.occurrence_start, "started"),
        (before.occurrence_end, "ended"),
        *([(after.occurrence_start, "started"), (after.occurrence_end, "ended")] if is_new else []),
    ]
    return [describe_window(after, action) for time, action in happened if due <= time <= now]


def describe_window(window: MaintenanceWindow, action: str) -> Draft:
    """The item of what became of a window by itself."""
    resource = Resource("maintenance_window", str(window.id))
    return Draft(kind="maintenance", action=action, title=f"Maintenance {action}: {window.reason}", resource=resource)


def describe_silence_end(silence: Silence) -> Draft:
    """The item of a silence whose time is over."""
    title = f"Silence ended: {silence.reason}" if silence.reason else f"Silence {silence.id} ended"
    return Draft(kind="maintenance", action="silence_ended", title=title, resource=Resource("silence", str(silence.id)))
