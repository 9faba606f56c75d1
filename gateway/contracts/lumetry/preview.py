"""Previews of rules (contract lumetry 19.3)."""

import math
from collections.abc import Iterable

import msgspec
import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.lumetry.alerts import DecisionRecord
from gateway.contracts.lumetry.rules import RuleBody, decode_rule
from gateway.contracts.lumetry.values import Severity, Time, optional_time, optional_value
from gateway.transcode.request import Request
from gateway.transcode.times import format_ms, format_time
from lumetry.replay.v1 import replay_service_pb2

SEVERITIES: tuple[Severity, ...] = ("Warning", "Critical")
SENT = "Sent"


class PreviewBody(RuleBody, rename={"from_": "from"}):
    """A rule as written, and the range; inherited fields keep their names."""

    from_: Timestamp | None = None
    to: Timestamp | None = None


class PreviewPoint(msgspec.Struct, rename="camel"):
    """A point that the rule judged, with the limits of its least severe level."""

    timestamp: Time
    dimension_key: str | None
    value: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    breached: bool
    severity: str | None


class PreviewViolation(msgspec.Struct, rename="camel"):
    """A breach that would have been recorded; without the numbers of what is stored."""

    metric_id: str
    timestamp: Time
    actual_value: float
    expected_value: float | None
    lower_threshold: float | None
    upper_threshold: float | None
    direction: str
    severity: str
    rule_name: str | None
    metric_display_name: str
    deviation_percent: float | None
    baseline_confidence: str | None
    detected_at: Time
    dimension_key: str | None
    is_late: bool


class PreviewAlert(msgspec.Struct, rename="camel"):
    """An alert that would have opened."""

    ref: str
    dimension_key: str | None
    severity: str
    alert_level_id: int | None
    event_start_time: Time
    event_end_time: Time | None
    escalated_at: Time | None
    trigger_reason: str
    violation_count: int
    incident_eligibility: str | None
    incident_ref: str | None


class PreviewIncident(msgspec.Struct, rename="camel"):
    """An incident that would have opened."""

    ref: str
    correlation_key: str | None
    primary_service_node_id: int | None
    primary_ci_node_id: int | None
    primary_metric_id: str | None
    severity: str
    start_time: Time
    alert_refs: list[str]


class PreviewNotification(msgspec.Struct, rename="camel"):
    """A notification that would have been sent, held back or left out."""

    alert_ref: str
    transition: str
    at: Time
    profile_id: int | None
    integration_id: int | None
    outcome: str
    reason: str | None
    record: DecisionRecord | None


class Preview(msgspec.Struct, rename="camel"):
    """What a rule would have done."""

    from_: Time = msgspec.field(name="from")
    to: Time
    points: list[PreviewPoint]
    violations: list[PreviewViolation]
    alerts: list[PreviewAlert]
    incidents: list[PreviewIncident]
    notifications: list[PreviewNotification]
    violation_count: int
    alert_count: int
    incident_count: int
    notification_count: int


def decode_preview_rule(request: Request) -> replay_service_pb2.PreviewRuleRequest:
    """19.3 `POST /api/rules/preview`."""
    body = request.body(PreviewBody)
    return replay_service_pb2.PreviewRuleRequest(definition=decode_rule(body), start_time=body.from_, end_time=body.to)


def encode_preview_rule(reply: replay_service_pb2.PreviewRuleResponse, _asked: object) -> Preview:
    """19.3 the answer."""
    notifications = [encode_notification(notification) for notification in reply.notifications]
    return Preview(
        from_=format_time(reply.start_time),
        to=format_time(reply.end_time),
        points=encode_points(reply.points),
        violations=[encode_violation(violation) for violation in reply.violations],
        alerts=[encode_alert(alert) for alert in reply.alerts],
        incidents=[encode_incident(incident) for incident in reply.incidents],
        notifications=notifications,
        violation_count=len(reply.violations),
        alert_count=len(reply.alerts),
        incident_count=len(reply.incidents),
        notification_count=sum(notification.outcome == SENT for notification in notifications),
    )


def encode_points(points: replay_service_pb2.PreviewPoints) -> list[PreviewPoint]:
    """19.3 points."""
    keys = [key or None for key in points.dimension_keys]
    numbers = [numbers_of(column) for column in (points.values, points.expected, points.lowers, points.uppers)]
    members = np.frombuffer(points.member_indexes, "<u4").tolist()
    severities = np.frombuffer(points.severities, np.int8).tolist()
    times = map(format_ms, np.frombuffer(points.times, "<i8").tolist())
    return [
        PreviewPoint(time, keys[member], value, expected, lower, upper, rank >= 0, SEVERITIES[rank] if rank >= 0 else None)
        for time, member, value, expected, lower, upper, rank in zip(times, members, *numbers, severities, strict=True)
    ]


def numbers_of(column: bytes) -> Iterable[float | None]:
    """Numbers of a column; NaN is none."""
    return [None if math.isnan(number) else number for number in np.frombuffer(column, "<f8").tolist()]


def encode_violation(violation: replay_service_pb2.PreviewViolation) -> PreviewViolation:
    """19.3 one violation, recorded at the time of its point."""
    time = format_time(violation.time)
    return PreviewViolation(
        metric_id=violation.metric_key,
        timestamp=time,
        actual_value=violation.actual_value,
        expected_value=optional_value(violation, "expected_value"),
        lower_threshold=optional_value(violation, "lower_threshold"),
        upper_threshold=optional_value(violation, "upper_threshold"),
        direction=violation.direction,
        severity=violation.severity,
        rule_name=optional_value(violation, "rule_name"),
        metric_display_name=violation.metric_display_name,
        deviation_percent=optional_value(violation, "deviation_percent"),
        baseline_confidence=optional_value(violation, "baseline_confidence"),
        detected_at=time,
        dimension_key=optional_value(violation, "dimension_key"),
        is_late=violation.is_late,
    )


def encode_alert(alert: replay_service_pb2.PreviewAlert) -> PreviewAlert:
    """19.3 one alert; levels of a rule that is not stored have no number."""
    return PreviewAlert(
        ref=alert.ref,
        dimension_key=optional_value(alert, "dimension_key"),
        severity=alert.severity,
        alert_level_id=None,
        event_start_time=format_time(alert.start_time),
        event_end_time=optional_time(alert, "end_time"),
        escalated_at=optional_time(alert, "escalate_time"),
        trigger_reason=alert.trigger_reason,
        violation_count=alert.violation_count,
        incident_eligibility=alert.incident_eligibility or None,
        incident_ref=alert.incident_ref or None,
    )


def encode_incident(incident: replay_service_pb2.PreviewIncident) -> PreviewIncident:
    """19.3 one incident."""
    return PreviewIncident(
        ref=incident.ref,
        correlation_key=optional_value(incident, "correlation_key"),
        primary_service_node_id=optional_value(incident, "primary_service_node_id"),
        primary_ci_node_id=optional_value(incident, "primary_ci_node_id"),
        primary_metric_id=optional_value(incident, "primary_metric_key"),
        severity=incident.severity,
        start_time=format_time(incident.start_time),
        alert_refs=list(incident.alert_refs),
    )


def encode_notification(notification: replay_service_pb2.PreviewNotification) -> PreviewNotification:
    """19.3 one notification."""
    record = (notification.record_type, notification.record_id, notification.record_name)
    return PreviewNotification(
        alert_ref=notification.alert_ref,
        transition=notification.transition,
        at=format_time(notification.time),
        profile_id=optional_value(notification, "profile_id"),
        integration_id=optional_value(notification, "integration_id"),
        outcome=notification.outcome,
        reason=notification.reason or None,
        record=DecisionRecord(*record) if notification.record_type else None,
    )
