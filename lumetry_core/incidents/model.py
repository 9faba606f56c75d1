"""Incidents, their members and what happens to them (contract lumetry 11.1 to 11.4)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lumetry_core.incidents.keys import Anchor, anchor_of
from lumetry_core.rules.model import Severity

EVENTS = frozenset({"incident.opened", "incident.acknowledged", "incident.alert_correlated", "incident.resolved", "incident.reopened"})
"""What the area hands to subscribers of the feed."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept after their end."""

    alerts: timedelta = timedelta(days=400)
    """Alerts and incidents."""
    violations: timedelta = timedelta(days=180)


class IncidentState(StrEnum):
    """Lifecycle of an incident."""

    OPEN = "Open"
    ACKNOWLEDGED = "Acknowledged"
    RESOLVED = "Resolved"


class Classification(StrEnum):
    """What an incident turned out to be when it was resolved."""

    RESOLVED = "Resolved"
    NO_IMPACT = "NoImpact"
    FALSE_POSITIVE = "FalsePositive"
    DUPLICATE = "Duplicate"
    MAINTENANCE = "Maintenance"
    ACCEPTED_RISK = "AcceptedRisk"
    TRANSFERRED = "Transferred"


class JoinReason(StrEnum):
    """Why an alert is a member (contract lumetry 19.4)."""

    OPENED = "Opened"
    WINDOW_MATCH = "WindowMatch"
    ACTIVE_MEMBER_MATCH = "ActiveMemberMatch"
    REOPENED = "Reopened"
    FOLLOW_UP = "FollowUp"


class EntryType(StrEnum):
    """What a timeline entry tells (contract lumetry 11.2)."""

    INCIDENT_OPENED = "IncidentOpened"
    ALERT_CORRELATED = "AlertCorrelated"
    SEVERITY_CHANGED = "SeverityChanged"
    ALERT_CLOSED = "AlertClosed"
    ACKNOWLEDGED = "Acknowledged"
    RESOLVED = "Resolved"
    REOPENED = "Reopened"
    FOLLOW_UP_CREATED = "FollowUpCreated"
    POST_RESOLUTION_WATCH_STARTED = "PostResolutionWatchStarted"
    NOTIFICATION_SENT = "NotificationSent"


class SourceType(StrEnum):
    """Who or what caused a timeline entry."""

    ALERT = "Alert"
    USER = "User"
    INCIDENT = "Incident"
    INTEGRATION = "Integration"
    SYSTEM = "System"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An incident.

    `correlation_key` is None when it was opened by an alert that belongs with no other. The centre, which the first member gives, is its
    service and configuration item, or its metric when neither is known. `start_time` is the earliest start of a member; the newest member
    is the one with the latest start. `inactive_time` is when its last active member closed; None while there is one.
    `follow_up_incident_id` is what the present resolution led to.
    """

    id: int
    organization_id: int
    number: int
    correlation_key: str | None
    primary_service_node_id: int | None = None
    primary_service_name: str | None = None
    primary_ci_node_id: int | None = None
    primary_ci_name: str | None = None
    primary_metric_key: str | None = None
    severity: Severity
    state: IncidentState = IncidentState.OPEN
    start_time: datetime
    newest_alert_id: int
    newest_alert_time: datetime
    alert_count: int = 0
    active_alert_count: int = 0
    violation_count: int = 0
    acknowledge_time: datetime | None = None
    acknowledged_by_user_name: str | None = None
    acknowledge_note: str | None = None
    resolve_time: datetime | None = None
    resolved_by_user_name: str | None = None
    resolve_note: str | None = None
    resolution_classification: Classification | None = None
    active_alert_count_at_resolution: int | None = None
    reopen_count: int = 0
    last_reopen_time: datetime | None = None
    reopen_reason: str | None = None
    follow_up_of_incident_id: int | None = None
    follow_up_incident_id: int | None = None
    inactive_time: datetime | None = None
    create_time: datetime
    update_time: datetime

    @property
    def incident_key(self) -> str:
        """What people call it: `INC-` and the organization's own count, at least six digits."""
        return f"INC-{self.number:06d}"

    @property
    def is_resolved(self) -> bool:
        """Whether it takes no further members."""
        return self.state is IncidentState.RESOLVED

    def duration_at(self, now: datetime) -> timedelta:
        """From its start to its end, or to now while it has none; never negative."""
        return max((self.resolve_time or now) - self.start_time, timedelta())


@dataclass(frozen=True, slots=True)
class Joining:
    """The decision that made an alert a member. Without reference it was the first one.

    `reference_alert_id` is the newest member before it, `gap` the span between the starts of the two.
    """

    reason: JoinReason
    window: timedelta
    reference_alert_id: int | None = None
    reference_time: datetime | None = None
    gap: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """An alert's membership, with what of the alert is counted in the incident now. `leave_time` None: a present member.

    `persist_time` is when its watch was last found to persist.
    """

    incident_id: int
    alert_id: int
    alert_time: datetime
    metric_key: str | None
    is_active: bool
    violation_count: int
    severity: Severity
    joining: Joining
    join_time: datetime
    leave_time: datetime | None = None
    ci_node_id: int | None = None
    persist_time: datetime | None = None

    @property
    def anchor(self) -> Anchor | None:
        """What an alert must share with it to join it while it is active."""
        return anchor_of(self.ci_node_id, self.metric_key)


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to be told in a timeline. `source_id` is None for `System`."""

    entry_type: EntryType
    source_type: SourceType
    source_id: int | None
    message: str


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """A recorded event in the life of an incident."""

    id: int
    incident_id: int
    entry: Entry
    create_time: datetime


@dataclass(frozen=True, slots=True)
class IncidentMetric:
    """A metric of the members, as the catalog describes it now; unit empty when unknown."""

    metric_key: str
    display_name: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFilter:
    """Which incidents; None keeps all. The range of `start_time` is inclusive."""

    state: IncidentState | None = None
    severity: Severity | None = None
    service_node_id: int | None = None
    ci_node_id: int | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    limit: int = 500


SEVERITY_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


def worst(first: Severity, second: Severity) -> Severity:
    """The higher of two severities."""
    return max(first, second, key=SEVERITY_RANK.__getitem__)
