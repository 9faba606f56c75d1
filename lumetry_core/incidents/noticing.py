"""What inboxes are told of incidents, and of alerts that none carries (contract workspace 9): pure."""

from collections.abc import Collection, Iterable, Sequence

from lumetry_core.alerts.model import Alert, Eligibility
from lumetry_core.incidents.model import Entry, EntryType, Incident, SourceType
from lumetry_core.notices.model import NoticeDraft, NoticeKind, NoticeSeverity
from lumetry_core.rules.model import Severity

KIND_OF = {
    EntryType.INCIDENT_OPENED: NoticeKind.INCIDENT_OPENED,
    EntryType.REOPENED: NoticeKind.INCIDENT_REOPENED,
    EntryType.RESOLVED: NoticeKind.INCIDENT_RESOLVED,
}
"""Entries of timelines that inboxes are told of."""
DEED_OF = {
    NoticeKind.INCIDENT_OPENED: "opened",
    NoticeKind.INCIDENT_REOPENED: "reopened",
    NoticeKind.INCIDENT_RESOLVED: "resolved",
}


def find_openers(shown: Iterable[tuple[Incident, Entry]]) -> dict[int, set[int]]:
    """The alerts around which incidents opened, by incident."""
    found: dict[int, set[int]] = {}
    for incident, entry in shown:
        if entry.entry_type is EntryType.INCIDENT_OPENED:
            openers = found.setdefault(incident.id, set())
            if entry.source_type is SourceType.ALERT and entry.source_id is not None:
                openers.add(entry.source_id)
    return found


def describe_incident(incident: Incident, entry: Entry, project_id: str | None) -> NoticeDraft:
    """The notice of an entry that inboxes are told of."""
    kind = KIND_OF[entry.entry_type]
    center = incident.primary_service_name or incident.primary_ci_name or incident.primary_metric_key
    return NoticeDraft(
        kind=kind,
        severity=NoticeSeverity.INFO if kind is NoticeKind.INCIDENT_RESOLVED else severity_of(incident.severity),
        title=f"Incident {incident.incident_key} {DEED_OF[kind]}" + (f": {center}" if center else ""),
        body=entry.message,
        resource_type="incident",
        resource_id=str(incident.id),
        project_id=project_id,
        link=f"/incidents/{incident.id}",
    )


def describe_alert(alert: Alert, project_id: str | None) -> NoticeDraft:
    """The notice of an alert that no incident carries."""
    return NoticeDraft(
        kind=NoticeKind.ALERT_FIRED,
        severity=severity_of(alert.severity),
        title=f"{alert.severity} alert: {alert.title or alert.alert_name}",
        body=alert.trigger_reason,
        resource_type="alert",
        resource_id=str(alert.id),
        project_id=project_id,
        link=f"/alerts/{alert.id}",
    )


def is_alone(alert: Alert, carried: Collection[int]) -> bool:
    """Whether an alert must be told by itself: it is critical, nothing mutes it, and no unresolved incident carries it.

    Correlation gives every such alert an incident except one in a post-resolution watch, whose incident is over.
    """
    return (
        alert.is_active
        and alert.severity is Severity.CRITICAL
        and not alert.is_silenced
        and alert.incident_eligibility is not Eligibility.MAINTENANCE_SUPPRESSED
        and alert.id not in carried
    )


def severity_of(severity: Severity) -> NoticeSeverity:
    """How inboxes spell a severity."""
    return NoticeSeverity(severity.value.lower())


def first_shared(project_ids: Sequence[str], private: Collection[str]) -> str | None:
    """The first project that all see: private ones hide neither alerts nor incidents (contract workspace 4)."""
    return next((project_id for project_id in project_ids if project_id not in private), None)
