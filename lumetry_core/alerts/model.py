"""Alerts, what producers say of them, and system alerts (contract lumetry 10.2, 10.3, 5.9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from lumetry_core.rules.model import Severity

EVENTS = frozenset({"alert.fired", "alert.resolved", "alert.silenced", "alert.acknowledged", "silence.created", "silence.cancelled"})
"""What the area tells the feed."""


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
    MONITOR_ENDED = "MonitorEnded"


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert.

    `start_time` and `end_time` are times of the data that opened and closed it (of the action when a person closed it).
    `last_not_clear_time` is the newest point that was not clear; `first_violation_time` the oldest violation that is part of it.
    The related service and configuration item, with their names, are those found when it opened. `title` and `description` are None
    for alerts of metrics; `labels` and all that is external for all but external ones; everything from `monitor_source` on for all but
    those of monitors.
    """

    id: int
    organization_id: int
    alert_name: str
    source_kind: SourceKind
    state: AlertState
    severity: Severity
    trigger_reason: str
    start_time: datetime
    create_time: datetime
    update_time: datetime
    rule_id: int | None = None
    rule_epoch: int = 0
    metric_key: str | None = None
    metric_display_name: str | None = None
    dimension_key: str | None = None
    alert_level_id: int | None = None
    violation_count: int = 0
    end_time: datetime | None = None
    acknowledge_time: datetime | None = None
    acknowledged_by: str | None = None
    """Name of the user, as it was then."""
    escalate_time: datetime | None = None
    """When its severity last rose."""
    incident_id: int | None = None
    incident_eligibility: Eligibility | None = None
    watch_start_time: datetime | None = None
    last_resolved_incident_id: int | None = None
    first_violation_time: datetime | None = None
    last_not_clear_time: datetime | None = None
    close_cause: CloseCause | None = None
    related_service_id: int | None = None
    related_service_name: str | None = None
    related_ci_id: int | None = None
    related_ci_name: str | None = None
    maintenance_window_id: int | None = None
    """The window that covers it now."""
    silence_id: int | None = None
    """The silence that matched when it opened, as long as one does that lasted then."""
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
    monitor_source: str | None = None
    """What kind of monitor reported it, such as `endpoint`."""
    alert_type: str | None = None
    """What it reported, such as `consecutive_failure`."""
    entity_type: str | None = None
    entity_id: int | None = None
    entity_name: str | None = None
    """The monitor, with its name as it was then."""
    subject_type: str | None = None
    subject_id: int | None = None
    subject_name: str | None = None
    """What it correlates by without a node: the container to which the monitor is attached, else the monitor."""
    details: Mapping[str, Any] | None = None
    """JSON values of the contract's keys (monitoring 9.3)."""
    renewal: str | None = None
    """When another is reported the alert is told again."""
    channel_names: tuple[int | str, ...] | None = None
    """The channels to which its container narrows it; a log alert rule names them by number, name or type."""

    @property
    def is_active(self) -> bool:
        """Whether the alert is open or acknowledged."""
        return self.state is not AlertState.CLOSED

    @property
    def is_silenced(self) -> bool:
        """Whether a maintenance window or a silence keeps it from being told (contract monitoring 11)."""
        return self.is_active and (self.maintenance_window_id is not None or self.silence_id is not None)


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
