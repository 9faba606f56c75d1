"""Violations (contract lumetry 10.4)."""

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.lumetry.values import Id, Limit, Severity, Time
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.violations.v1 import violation_pb2, violation_service_pb2


class ViolationFilters(msgspec.Struct, rename="camel"):
    """Which violations."""

    metric_id: str | None = None
    rule_id: Id | None = None
    severity: Severity | None = None
    from_: Timestamp | None = msgspec.field(default=None, name="from")
    to: Timestamp | None = None
    dimension_key: str | None = None
    limit: Limit = 500


class ChildFilters(msgspec.Struct, rename="camel"):
    """How many rows below a resource."""

    limit: Limit = 500


class Violation(msgspec.Struct, rename="camel"):
    """One point that broke a threshold."""

    id: int
    rule_id: int | None
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
    alert_level_id: int | None
    dimension_key: str | None
    alert_id: int | None
    is_late: bool


def decode_list_violations(request: Request) -> violation_service_pb2.ListViolationsRequest:
    """10.4 `GET /api/violations`."""
    filters = request.query(ViolationFilters, ordered=("from_", "to"))
    return violation_service_pb2.ListViolationsRequest(
        metric_key=filters.metric_id or "",
        rule_id=filters.rule_id,
        severity=filters.severity or "",
        start_time=filters.from_,
        end_time=filters.to,
        dimension_key=filters.dimension_key,
        limit=filters.limit,
    )


def encode_list_violations(reply: violation_service_pb2.ListViolationsResponse, _asked: object) -> list[Violation]:
    """10.4 the list; replies about alerts and incidents have the same field."""
    return [encode_violation(violation) for violation in reply.violations]


def encode_violation(violation: violation_pb2.Violation) -> Violation:
    """10.4 one violation."""
    has = violation.HasField
    return Violation(
        id=violation.id,
        rule_id=violation.rule_id if has("rule_id") else None,
        metric_id=violation.metric_key,
        timestamp=format_time(violation.time),
        actual_value=violation.actual_value,
        expected_value=violation.expected_value if has("expected_value") else None,
        lower_threshold=violation.lower_threshold if has("lower_threshold") else None,
        upper_threshold=violation.upper_threshold if has("upper_threshold") else None,
        direction=violation.direction,
        severity=violation.severity,
        rule_name=violation.rule_name if has("rule_name") else None,
        metric_display_name=violation.metric_display_name,
        deviation_percent=violation.deviation_percent if has("deviation_percent") else None,
        baseline_confidence=violation.baseline_confidence if has("baseline_confidence") else None,
        detected_at=format_time(violation.detect_time),
        alert_level_id=violation.alert_level_id if has("alert_level_id") else None,
        dimension_key=violation.dimension_key if has("dimension_key") else None,
        alert_id=violation.alert_id if has("alert_id") else None,
        is_late=violation.is_late,
    )
