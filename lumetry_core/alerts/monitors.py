"""What monitors report, the alerts this makes, and the traces of these transitions (contract monitoring 9)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from lumetry_core.alerts.decisions import Decision, Explanation, Gate, Record, Transition, Verdict, finish, no_trigger
from lumetry_core.alerts.model import Alert, AlertState, SourceKind
from lumetry_core.rules.model import Severity

UPTIME_MONITOR = "UptimeMonitor"
"""What the `lumetry` family calls the kind of monitors (9.5) …"""
LOG_RULE = "LogRule"
"""… and of log alert rules (contract logs 8.3)."""
RANK = {severity: rank for rank, severity in enumerate(Severity)}


class MonitorSource(StrEnum):
    """Which kind of watching reports."""

    CONTAINER = "container"
    ENDPOINT = "endpoint"
    HEARTBEAT = "heartbeat"
    CERTIFICATE = "certificate"
    RESOURCE = "resource"
    UPDATE = "update"
    LOG = "log"


class EntityType(StrEnum):
    """What is watched."""

    CONTAINER = "container"
    ENDPOINT = "endpoint"
    HEARTBEAT = "heartbeat"
    CERTIFICATE = "certificate"
    LOG_RULE = "log_rule"


@dataclass(frozen=True, slots=True)
class Entity:
    """One that is watched, with the name that it has now."""

    type: EntityType
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class AlertKey:
    """What at most one open alert has (9.4)."""

    source: MonitorSource
    alert_type: str
    entity_type: EntityType
    entity_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorReport:
    """A condition that was found, or found again.

    Args:
        alert_name: For people, such as `Endpoint down: shop`.
        message: Why, in one sentence.
        details: JSON values of the keys that the contract gives the type (9.3).
        start_time: When it began; counts only when it opens an alert.
        subject: What the alert correlates by without a node; None: the entity.
        topology_node_id: The node that it is about; counts only when it opens an alert.
        channels: Names of the channels to which the entity narrows its alerts; of a log alert rule also numbers and types. None: all.
        follows: Whether the severity may fall too.
        renewal: When it differs from the one before, the alert is told again though it is no worse.
    """

    source: MonitorSource
    alert_type: str
    entity: Entity
    severity: Severity
    alert_name: str
    message: str
    details: Mapping[str, object]
    start_time: datetime
    subject: Entity | None = None
    topology_node_id: int | None = None
    channels: tuple[int | str, ...] = ()
    follows: bool = False
    renewal: str | None = None

    @property
    def key(self) -> AlertKey:
        """What at most one open alert has."""
        return AlertKey(self.source, self.alert_type, self.entity.type, self.entity.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRecovery:
    """A condition that is over.

    Args:
        details: Join those of the alert.
        message: Says why it is over; empty: it simply is.
    """

    source: MonitorSource
    alert_type: str
    entity_type: EntityType
    entity_id: int
    end_time: datetime
    details: Mapping[str, object] | None = None
    message: str = ""

    @property
    def key(self) -> AlertKey:
        """What at most one open alert has."""
        return AlertKey(self.source, self.alert_type, self.entity_type, self.entity_id)


def find_monitor_kind(alert: Alert) -> str:
    """What the `lumetry` family calls the kind of the monitor that opened an alert."""
    return LOG_RULE if alert.entity_type == EntityType.LOG_RULE else UPTIME_MONITOR


def key_of(alert: Alert) -> AlertKey:
    """The key of an alert that a monitor opened."""
    return AlertKey(
        MonitorSource(alert.monitor_source or ""), alert.alert_type or "", EntityType(alert.entity_type or ""), alert.entity_id or 0
    )


def new_monitored_alert(organization_id: int, report: MonitorReport, now: datetime) -> Alert:
    """The alert of a report, still without its number."""
    entity, subject = report.entity, report.subject or report.entity
    return Alert(
        id=0,
        organization_id=organization_id,
        alert_name=report.alert_name,
        source_kind=SourceKind.MONITOR,
        state=AlertState.OPEN,
        severity=report.severity,
        trigger_reason=report.message,
        start_time=report.start_time,
        create_time=now,
        update_time=now,
        dimension_key=f"monitor.id={entity.id}|monitor.type={entity.type}",
        topology_node_id=report.topology_node_id,
        title=report.alert_name,
        description=report.message,
        monitor_source=report.source,
        alert_type=report.alert_type,
        entity_type=entity.type,
        entity_id=entity.id,
        entity_name=entity.name,
        subject_type=subject.type,
        subject_id=subject.id,
        subject_name=subject.name,
        details=report.details,
        renewal=report.renewal,
        channel_names=report.channels or None,
    )


class Change(StrEnum):
    """What a report makes of an open alert."""

    DETAILS = "details"
    RENEWED = "renewed"
    RAISED = "raised"


def report_again(alert: Alert, report: MonitorReport, now: datetime) -> tuple[Alert, Change | None]:
    """An open alert after a later report, and what that changed; None: nothing."""
    is_worse = RANK[report.severity] > RANK[alert.severity]
    severity = report.severity if is_worse or report.follows else alert.severity
    is_renewed = report.renewal is not None and report.renewal != alert.renewal
    after = replace(alert, severity=severity, details=report.details, renewal=report.renewal or alert.renewal)
    if is_worse or is_renewed:
        after = replace(
            after, alert_name=report.alert_name, title=report.alert_name, trigger_reason=report.message, description=report.message
        )
    if after == alert:
        return alert, None
    after = replace(after, update_time=now, escalate_time=now if is_worse else alert.escalate_time)
    if is_worse:
        return after, Change.RAISED
    return after, Change.RENEWED if is_renewed else Change.DETAILS


def explain_monitor_report(alert: Alert, report: MonitorReport, now: datetime) -> Explanation:
    """The trace of a report that opened an alert."""
    record = record_of(alert)
    gates = (
        watched(alert, now),
        Decision(Gate.TRIGGER_WINDOW, Verdict.PASSED, report.message, record, now, {"alertType": report.alert_type}),
        Decision(Gate.HYSTERESIS, Verdict.PASSED, "No alert of this type was open for the monitor", record, now),
    )
    return finish(alert.id, Transition.OPEN, gates)


def explain_monitor_rise(before: Alert, report: MonitorReport, now: datetime) -> Explanation:
    """The trace of a rise in severity. `before` is the alert before it."""
    record = record_of(before)
    gates = (
        watched(before, now),
        Decision(Gate.TRIGGER_WINDOW, Verdict.PASSED, report.message, record, now, {"alertType": report.alert_type}),
        Decision(Gate.HYSTERESIS, Verdict.PASSED, f"The open alert rises from {before.severity} to {report.severity}", record, now),
    )
    return finish(before.id, Transition.ESCALATE, gates)


def explain_monitor_end(before: Alert, reason: str, now: datetime) -> Explanation:
    """The trace of a close because the condition, or the monitor, ended. `before` is the alert before it."""
    record = record_of(before)
    gates = (
        Decision(Gate.RULE, Verdict.PASSED, reason, record, now),
        no_trigger(now),
        Decision(Gate.HYSTERESIS, Verdict.NOT_APPLICABLE, "The monitor decides by itself when its condition is over", record, now),
    )
    return finish(before.id, Transition.CLOSE, gates)


def record_of(alert: Alert) -> Record:
    """The monitor as a deciding record."""
    return Record("Monitor", f"{alert.entity_type}:{alert.entity_id}", alert.entity_name or "")


def watched(alert: Alert, now: datetime) -> Decision:
    """The first gate's decision for a monitor."""
    reason = f"The {alert.entity_type} '{alert.entity_name}' is watched"
    return Decision(Gate.RULE, Verdict.PASSED, reason, record_of(alert), now)
