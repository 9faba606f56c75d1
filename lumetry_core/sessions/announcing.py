"""What the product writes into the sessions of an incident (contract workspace 5)."""

from collections.abc import Callable, Mapping, Sequence

from lumetry_core.incidents.model import Incident
from lumetry_core.sessions.draft import MAX_CONTENT
from lumetry_core.sessions.model import Reference, ReferenceType

MAX_ALERTS = 20
"""Most alerts that a message names."""


def describe(event: str, incident: Incident, alert_ids: Sequence[int]) -> tuple[str, tuple[Reference, ...]]:
    """The text of a message about an event of an incident, and what it points to.

    Args:
        event: A type of the feed.
        alert_ids: The alerts that the incident got.
    """
    references = [Reference(ReferenceType.INCIDENT, str(incident.id), incident.incident_key)]
    references += [Reference(ReferenceType.ALERT, str(alert_id)) for alert_id in alert_ids[:MAX_ALERTS]]
    return TEXTS[event](incident, alert_ids)[:MAX_CONTENT], tuple(references)


def describe_opening(incident: Incident, _alert_ids: Sequence[int]) -> str:
    """It begins."""
    return f"{incident.incident_key} opened: {incident.severity.value}"


def describe_acknowledgement(incident: Incident, _alert_ids: Sequence[int]) -> str:
    """Somebody has taken it over."""
    return with_note(f"{incident.incident_key} was acknowledged{by(incident.acknowledged_by_user_name)}", incident.acknowledge_note)


def describe_alerts(incident: Incident, alert_ids: Sequence[int]) -> str:
    """It got alerts."""
    if len(alert_ids) == 1:
        return f"{incident.incident_key} got alert {alert_ids[0]}"
    named = ", ".join(map(str, alert_ids[:MAX_ALERTS]))
    return f"{incident.incident_key} got {len(alert_ids)} alerts: {named}{', …' if len(alert_ids) > MAX_ALERTS else ''}"


def describe_resolution(incident: Incident, _alert_ids: Sequence[int]) -> str:
    """It is over."""
    found = incident.resolution_classification
    text = f"{incident.incident_key} was resolved{by(incident.resolved_by_user_name)}{f' as {found.value}' if found else ''}"
    return with_note(text, incident.resolve_note)


def describe_reopening(incident: Incident, _alert_ids: Sequence[int]) -> str:
    """It goes on."""
    return f"{incident.incident_key} was reopened: {incident.severity.value}"


def by(name: str | None) -> str:
    """Who did it, as far as known."""
    return f" by {name}" if name else ""


def with_note(text: str, note: str | None) -> str:
    """A text with what a person said to it."""
    return f"{text}\n\n{note}" if note and note.strip() else text


TEXTS: Mapping[str, Callable[[Incident, Sequence[int]], str]] = {
    "incident.opened": describe_opening,
    "incident.acknowledged": describe_acknowledgement,
    "incident.alert_correlated": describe_alerts,
    "incident.resolved": describe_resolution,
    "incident.reopened": describe_reopening,
}
"""By type of event."""
