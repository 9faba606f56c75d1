"""Hints for problem management: when there is one, and what it says (contract lumetry 12.2)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lumetry_core.alerts.model import Alert
from lumetry_core.incidents.model import Classification, Incident
from lumetry_core.incidents.watch import MINUTE

NON_IMPACT = frozenset({Classification.NO_IMPACT, Classification.FALSE_POSITIVE, Classification.DUPLICATE})
"""Classifications that say that nothing was wrong."""
REPEATED_COUNT = 3
"""So many resolutions as one of them are worth a hint."""
REPEATED_SPAN = timedelta(days=30)
"""In which they lie."""


class CandidateType(StrEnum):
    """What a hint is derived from."""

    PERSISTENT_WATCH = "PersistentWatch"
    REOPENED_INCIDENT = "ReopenedIncident"
    REPEATED_NON_IMPACT = "RepeatedNonImpact"


class CandidateStatus(StrEnum):
    """Whether somebody still has to look at a hint."""

    OPEN = "Open"
    DISMISSED = "Dismissed"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that is worth a hint. One of the same type and correlation key makes an open hint stronger.

    An incident that belongs with no other has itself as its key.
    """

    type: CandidateType
    incident: Incident
    alert_id: int | None
    summary: str

    @property
    def key(self) -> str:
        """What hints of one type are about."""
        return self.incident.correlation_key or f"incident:{self.incident.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemCandidate:
    """A hint. Incident, alert and summary are those of its last occurrence."""

    id: int
    organization_id: int
    type: CandidateType
    status: CandidateStatus
    correlation_key: str
    incident_id: int | None
    alert_id: int | None
    service_node_id: int | None
    ci_node_id: int | None
    metric_key: str | None
    summary: str
    occurrence_count: int
    first_seen_time: datetime
    last_seen_time: datetime
    dismiss_time: datetime | None = None
    dismissed_by_user_name: str | None = None
    dismiss_note: str | None = None


@dataclass(frozen=True, slots=True)
class CandidateFilter:
    """Which hints; None keeps all."""

    status: CandidateStatus | None
    type: CandidateType | None
    limit: int


def persistent_watch(incident: Incident, alert: Alert, now: datetime) -> Occurrence:
    """An alert stayed active for long after the resolution."""
    minutes = (now - (alert.watch_start_time or now)) // MINUTE
    summary = f"Alert {alert.id} is still active {minutes} minutes after the resolution of {incident.incident_key}"
    return Occurrence(CandidateType.PERSISTENT_WATCH, incident, alert.id, summary)


def reopened_incident(incident: Incident, alert_id: int) -> Occurrence:
    """An incident had to be reopened."""
    summary = f"{incident.incident_key} was reopened: {incident.reopen_reason}"
    return Occurrence(CandidateType.REOPENED_INCIDENT, incident, alert_id, summary)


def repeated_non_impact(incident: Incident, count: int) -> Occurrence | None:
    """Incidents of one key were resolved again and again as no problem; None while there are too few of them.

    Args:
        count: Such resolutions within the span, the present one among them.
    """
    if count < REPEATED_COUNT:
        return None
    days = REPEATED_SPAN // timedelta(days=1)
    summary = f"{count} resolutions without impact within {days} days, the last of {incident.incident_key}"
    return Occurrence(CandidateType.REPEATED_NON_IMPACT, incident, None, summary)
