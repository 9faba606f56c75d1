"""From incidents to what the public is told of them, step by step and in fixed texts (contract monitoring 14.3)."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime

from lumetry_core.incidents.model import Incident, IncidentState
from lumetry_core.rules.model import Severity
from lumetry_core.statuspages.page import LISTED, PublicSeverity, PublicStatus, ShownIncident, Update

STATUS_OF: Mapping[IncidentState, PublicStatus] = {
    IncidentState.OPEN: PublicStatus.INVESTIGATING,
    IncidentState.ACKNOWLEDGED: PublicStatus.IDENTIFIED,
    IncidentState.RESOLVED: PublicStatus.RESOLVED,
}
SEVERITY_OF: Mapping[Severity, PublicSeverity] = {
    Severity.INFO: PublicSeverity.MINOR,
    Severity.WARNING: PublicSeverity.MAJOR,
    Severity.CRITICAL: PublicSeverity.CRITICAL,
}
TEXT_OF: Mapping[PublicStatus, str] = {
    PublicStatus.INVESTIGATING: "We are investigating this issue.",
    PublicStatus.IDENTIFIED: "The issue has been identified and we are working on it.",
    PublicStatus.RESOLVED: "This issue has been resolved.",
}
RETURNED = "The issue has returned. We are investigating it."
SPREAD = "The issue affects more components."


def announce(
    before: Sequence[ShownIncident],
    incidents: Mapping[int, Incident],
    affected: Mapping[int, AbstractSet[int]],
    names: Mapping[int, str],
    now: datetime,
) -> tuple[ShownIncident, ...]:
    """The public incidents as they are now, newest first.

    Args:
        before: As they were.
        incidents: All that may be public, by number; one that is missing is gone.
        affected: Components that are found to be affected now, by incident.
        names: Display name of every component whose incidents are public, by its number.
        now: What is announced has this time, unless the incident knows a better one.
    """
    known = {incident.id: incident for incident in before}
    shown = []
    for number in sorted(incidents):
        incident = incidents[number]
        ids = set(known[number].component_ids if number in known else ()) | affected.get(number, set())
        if not any(component_id in names for component_id in ids):
            continue
        step = advance(known.get(number), incident, tuple(sorted(ids)), names, now)
        if step.resolve_time is None or step.resolve_time > now - LISTED:
            shown.append(step)
    return tuple(sorted(shown, key=lambda incident: (incident.start_time, incident.id), reverse=True))


def advance(
    before: ShownIncident | None, incident: Incident, component_ids: tuple[int, ...], names: Mapping[int, str], now: datetime
) -> ShownIncident:
    """One incident with what happened since."""
    status = STATUS_OF[incident.state]
    shown_names = choose_names(component_ids, names)
    updates = list(begin(incident) if before is None else before.updates)
    last = updates[-1].status
    if last is not status:
        text = RETURNED if last is PublicStatus.RESOLVED else TEXT_OF[status]
        updates.append(Update(status, text, time_of(incident, status) or now))
    elif before is not None and status is not PublicStatus.RESOLVED and set(component_ids) - set(before.component_ids):
        updates.append(Update(status, SPREAD, now))
    return ShownIncident(
        id=incident.id,
        title=entitle(shown_names),
        severity=SEVERITY_OF[incident.severity],
        status=status,
        component_ids=component_ids,
        names=shown_names,
        start_time=incident.start_time,
        resolve_time=incident.resolve_time if status is PublicStatus.RESOLVED else None,
        updates=tuple(updates),
    )


def begin(incident: Incident) -> list[Update]:
    """The first step of an incident, and that somebody took it over when it is noticed only afterwards."""
    updates = [Update(PublicStatus.INVESTIGATING, TEXT_OF[PublicStatus.INVESTIGATING], incident.start_time)]
    if incident.acknowledge_time is not None:
        updates.append(Update(PublicStatus.IDENTIFIED, TEXT_OF[PublicStatus.IDENTIFIED], incident.acknowledge_time))
    return updates


def time_of(incident: Incident, status: PublicStatus) -> datetime | None:
    """When an incident got as far; None: nobody noted it."""
    match status:
        case PublicStatus.IDENTIFIED:
            return incident.acknowledge_time
        case PublicStatus.RESOLVED:
            return incident.resolve_time
        case PublicStatus.INVESTIGATING:
            return incident.last_reopen_time


def rename(incidents: Sequence[ShownIncident], names: Mapping[int, str]) -> tuple[ShownIncident, ...]:
    """Public incidents under the names of now; those of which nothing may be named are left out."""
    named = [(incident, choose_names(incident.component_ids, names)) for incident in incidents]
    return tuple(replace(incident, names=chosen, title=entitle(chosen)) for incident, chosen in named if chosen)


def choose_names(component_ids: Iterable[int], names: Mapping[int, str]) -> tuple[str, ...]:
    """The names of those that may be named, each once, ascending."""
    return tuple(sorted({names[number] for number in component_ids if number in names}, key=str.casefold))


def entitle(names: Iterable[str]) -> str:
    """The title of an incident."""
    return f"Issue affecting {', '.join(names)}"
