"""What timelines say (contract lumetry 11.2). Values that a reopening clears live on in these texts."""

from lumetry_core.incidents.model import Classification, Entry, EntryType, Incident, SourceType
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import spell_time


def opened(incident_key: str, alert_id: int) -> Entry:
    """The first alert opened the incident."""
    return by_alert(EntryType.INCIDENT_OPENED, alert_id, f"Incident {incident_key} opened by alert {alert_id}")


def correlated(alert_id: int) -> Entry:
    """An alert became a member."""
    return by_alert(EntryType.ALERT_CORRELATED, alert_id, f"Alert {alert_id} correlated into incident")


def severity_changed(alert_id: int, before: Severity, after: Severity) -> Entry:
    """A member raised the severity."""
    return by_alert(EntryType.SEVERITY_CHANGED, alert_id, f"Severity raised from {before} to {after} by alert {alert_id}")


def alert_closed(alert_id: int) -> Entry:
    """A member closed."""
    return by_alert(EntryType.ALERT_CLOSED, alert_id, f"Alert {alert_id} closed")


def watch_started(alert_id: int) -> Entry:
    """A member is active beyond the resolution."""
    return by_alert(EntryType.POST_RESOLUTION_WATCH_STARTED, alert_id, f"Alert {alert_id} is still active and is watched after resolution")


def acknowledged(caller: Caller, note: str | None) -> Entry:
    """Somebody took ownership."""
    return by_caller(EntryType.ACKNOWLEDGED, caller, "Acknowledged", note)


def resolved(caller: Caller, classification: Classification, note: str) -> Entry:
    """The incident is over."""
    return by_caller(EntryType.RESOLVED, caller, f"Resolved as {classification}", note)


def reopened(before: Incident, after: Incident, alert_id: int) -> Entry:
    """The incident goes on; the values that it loses are told."""
    lost = []
    if before.acknowledge_time is not None:
        deed = f"Acknowledged at {spell_time(before.acknowledge_time)}"
        lost.append(describe(deed, before.acknowledged_by_user_name, before.acknowledge_note))
    if before.resolve_time is not None:
        deed = f"Resolved as {before.resolution_classification} at {spell_time(before.resolve_time)}"
        count = before.active_alert_count_at_resolution or 0
        deed += f" with {count} active {'alert' if count == 1 else 'alerts'}"
        lost.append(describe(deed, before.resolved_by_user_name, before.resolve_note))
    return by_alert(EntryType.REOPENED, alert_id, ". ".join([f"Reopened: {after.reopen_reason}", *lost]))


def followed_up(follow_up: Incident) -> Entry:
    """For the resolved incident: its condition persists."""
    return Entry(EntryType.FOLLOW_UP_CREATED, SourceType.INCIDENT, follow_up.id, f"Followed up by incident {follow_up.incident_key}")


def opened_as_follow_up(resolved: Incident) -> Entry:
    """For the new incident: where it comes from."""
    return Entry(EntryType.FOLLOW_UP_CREATED, SourceType.INCIDENT, resolved.id, f"Created as follow-up of incident {resolved.incident_key}")


def notification_sent(integration_id: int | None, message: str) -> Entry:
    """People were told; without integration by the deployment's fallback."""
    source = SourceType.SYSTEM if integration_id is None else SourceType.INTEGRATION
    return Entry(EntryType.NOTIFICATION_SENT, source, integration_id, message)


def by_alert(entry_type: EntryType, alert_id: int, message: str) -> Entry:
    """An entry whose source is an alert."""
    return Entry(entry_type, SourceType.ALERT, alert_id, message)


def by_caller(entry_type: EntryType, caller: Caller, deed: str, note: str | None) -> Entry:
    """An entry whose source is the acting user, or the system when nobody acts."""
    source = SourceType.SYSTEM if caller.user_id is None else SourceType.USER
    return Entry(entry_type, source, caller.user_id, describe(deed, caller.user_name, note))


def describe(deed: str, user_name: str | None, note: str | None) -> str:
    """`Acknowledged by anna: on it`, without the parts that are absent."""
    return deed + (f" by {user_name}" if user_name else "") + (f": {note}" if note else "")
