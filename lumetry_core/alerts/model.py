"""Alerts, what producers say of them, and system alerts (contract lumetry 10.2, 10.3, 5.9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lumetry_core.rules.model import Severity


class AlertState(StrEnum):
    """Lifecycle of an alert. `Closed` is final."""

    OPEN = "Open"
    ACKNOWLEDGED = "Acknowledged"
    CLOSED = "Closed"


class SourceKind(StrEnum):
    """What opened an alert."""

    METRIC_RULE = "MetricRule"
    FLEET_DETECTOR = "FleetDetector"
    EXTERNAL = "External"
    MONITOR = "Monitor"


class Eligibility(StrEnum):
    """Why an alert takes no part in correlation."""

    POST_RESOLUTION_WATCH = "PostResolutionWatch"
    MAINTENANCE_SUPPRESSED = "MaintenanceSuppressed"


class CloseCause(StrEnum):
    """What closed an alert."""

    RECOVERY = "Recovery"
    PERSON = "Person"
    RULE_LEFT_ACTIVE = "RuleLeftActive"
    MEMBER_GONE = "MemberGone"
    DETECTOR_CHANGED = "DetectorChanged"
    SOURCE_RESOLVED = "SourceResolved"
    SOURCE_REMOVED = "SourceRemoved"


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert.

    `start_time` and `end_time` are times of the data that opened and closed it (of the action when a person closed it).
    `last_not_clear_time` is the newest point that was not clear; `first_violation_time` the oldest violation that is part of it.
    The related service and configuration item, with their names, are those found when it opened. `topology_node_id`, `title` and
    `description` are None for alerts of metrics; `labels` and all that is external for all but external ones; the monitor for all but
    those of monitors.
    """

    id: int
    organization_id: int
    rule_id: int | None
    rule_epoch: int
    metric_key: str | None
    metric_display_name: str | None
    dimension_key: str | None
    alert_name: str
    source_kind: SourceKind
    state: AlertState
    severity: Severity
    alert_level_id: int | None
    trigger_reason: str
    violation_count: int
    start_time: datetime
    end_time: datetime | None
    acknowledge_time: datetime | None
    incident_id: int | None
    incident_eligibility: Eligibility | None
    watch_start_time: datetime | None
    last_resolved_incident_id: int | None
    first_violation_time: datetime | None
    last_not_clear_time: datetime | None
    close_cause: CloseCause | None
    create_time: datetime
    update_time: datetime
    related_service_id: int | None = None
    related_service_name: str | None = None
    related_ci_id: int | None = None
    related_ci_name: str | None = None
    maintenance_window_id: int | None = None
    """The window that covers it now."""
    topology_node_id: int | None = None
    title: str | None = None
    description: str | None = None
    labels: Mapping[str, str] | None = None
    external_source_id: int | None = None
    external_source_name: str | None = None
    external_definition_id: int | None = None
    external_definition_key: str | None = None
    external_instance_key: str | None = None
    external_occurrence_key: str | None = None
    monitor_kind: str | None = None
    monitor_id: str | None = None
    monitor_name: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether the alert is open or acknowledged."""
        return self.state is not AlertState.CLOSED


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger that was met: violations counted, needed, and the window, in minutes, in which they lie."""

    count: int
    needed: int
    window_minutes: int

    @property
    def reason(self) -> str:
        """For people, such as `11 violations within 10 minutes` (contract lumetry 8.2)."""
        violations = "violation" if self.count == 1 else "violations"
        minutes = "minute" if self.window_minutes == 1 else "minutes"
        return f"{self.count} {violations} within {self.window_minutes} {minutes}"


@dataclass(frozen=True, slots=True)
class Opening:
    """A rule's trigger that opens an alert.

    Args:
        start_time: Time of the triggering violation.
        trigger: Its count becomes the alert's violation count.
        rule_epoch: The rule's counting epoch.
        first_violation_time: Oldest violation that carries the trigger.
        last_not_clear_time: Newest point of the series that was not clear.
    """

    rule_id: int
    rule_name: str
    rule_epoch: int
    alert_name: str
    metric_key: str
    metric_display_name: str
    dimension_key: str | None
    start_time: datetime
    severity: Severity
    alert_level_id: int
    trigger: Trigger
    first_violation_time: datetime
    last_not_clear_time: datetime


@dataclass(frozen=True, slots=True)
class Escalation:
    """A `Critical` level that triggered on an open `Warning` alert."""

    alert_id: int
    rule_id: int
    rule_name: str
    severity: Severity
    alert_level_id: int
    trigger: Trigger


@dataclass(frozen=True, slots=True)
class Closing:
    """A clear point after a quiet period that closes an alert.

    Args:
        end_time: Time of the clear point.
        last_not_clear_time: Newest point before it that was not clear.
        recovery_minutes: The quiet period that the alert's level asks for.
    """

    alert_id: int
    rule_id: int
    rule_name: str
    end_time: datetime
    last_not_clear_time: datetime
    recovery_minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """Which alerts; None keeps all. The range of `start_time` is inclusive."""

    metric_key: str | None = None
    rule_id: int | None = None
    severity: Severity | None = None
    state: AlertState | None = None
    incident_id: int | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    source_kind: SourceKind | None = None
    dimension_key: str | None = None
    limit: int = 500


class SystemAlertState(StrEnum):
    """Whether a fault of the platform lasts."""

    OPEN = "Open"
    CLOSED = "Closed"


@dataclass(frozen=True, slots=True)
class SystemAlert:
    """A fault of the platform itself; at most one is open for each code and subject."""

    id: int
    organization_id: int
    code: str
    severity: Severity
    state: SystemAlertState
    message: str
    subject_type: str
    subject_id: str
    first_seen_time: datetime
    last_seen_time: datetime
    close_time: datetime | None
    occurrence_count: int
