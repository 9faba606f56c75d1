"""Alerts of every source (contract monitoring 9)."""

from typing import Any, Literal

import msgspec

from gateway.contracts.monitoring.values import Time, format_or_none, parameter_failure, read_moment, read_word, read_words, value_or_none
from gateway.transcode.channel import find_rpc
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.alerts.v1 import monitored_alert_service_pb2 as pb

LIST_ALERTS = find_rpc(pb.DESCRIPTOR, "MonitoredAlertService", "ListMonitoredAlerts")
LIST_ACTIVE = find_rpc(pb.DESCRIPTOR, "MonitoredAlertService", "ListActiveAlerts")
GET_ALERT = find_rpc(pb.DESCRIPTOR, "MonitoredAlertService", "GetMonitoredAlert")
ACKNOWLEDGE = find_rpc(pb.DESCRIPTOR, "MonitoredAlertService", "AcknowledgeMonitoredAlert")

SOURCES = ("container", "endpoint", "heartbeat", "certificate", "resource", "update", "metric", "external", "log")
SEVERITIES = ("critical", "warning", "info")
STATUSES = ("active", "resolved", "silenced")
DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class Alert(msgspec.Struct):
    """9.1: an alert; `details` is a JSON text."""

    id: int
    source: str
    alert_type: str
    severity: Literal["critical", "warning", "info"]
    status: Literal["active", "resolved", "silenced"]
    message: str
    entity_type: str
    entity_id: int | None
    entity_name: str
    details: str
    resolved_by_id: int | None
    fired_at: Time
    created_at: Time
    resolved_at: Time | None
    acknowledged_at: Time | None
    acknowledged_by: str | None
    escalated_at: Time | None
    incident_id: int | None
    source_kind: Literal["Monitor", "MetricRule", "FleetDetector", "External"]


class AlertPage(msgspec.Struct):
    """A page, newest first."""

    alerts: list[Alert]
    has_more: bool


class ActiveAlerts(msgspec.Struct):
    """All that are active, by severity."""

    critical: list[Alert]
    warning: list[Alert]
    info: list[Alert]


class AlertQuery(msgspec.Struct):
    """Which alerts. `source` and `severity` are lists, separated by commas."""

    source: str | None = None
    severity: str | None = None
    status: str | None = None
    before: str | None = None
    before_id: str | None = None
    limit: str | None = None


class Note(msgspec.Struct):
    """Why somebody takes an alert over; at most 2,000 characters."""

    note: str | None = None


def decode_list(request: Request) -> pb.ListMonitoredAlertsRequest:
    """9.2 `GET /api/v1/alerts`."""
    query = request.query(AlertQuery)
    before = read_moment(query.before, "before")
    if query.before_id and before is None:
        raise parameter_failure("before_id", "needs before")
    return pb.ListMonitoredAlertsRequest(
        sources=read_words(query.source, "source", SOURCES),
        severities=read_words(query.severity, "severity", SEVERITIES),
        status=read_word(query.status, "status", STATUSES),
        before=before,
        before_id=read_number(query.before_id, "before_id", 1, 2**53 - 1),
        limit=read_number(query.limit, "limit", 1, MAX_LIMIT) or DEFAULT_LIMIT,
    )


def read_number(text: str | None, name: str, least: int, most: int) -> int | None:
    """A number of the query within its range, outside of which it is refused; None when it is absent."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and least <= int(text) <= most):
        raise parameter_failure(name, f"must be a whole number between {least} and {most}")
    return int(text)


def encode_list(reply: pb.ListMonitoredAlertsResponse, _asked: object) -> AlertPage:
    """9.2 a page."""
    return AlertPage([encode_alert(alert) for alert in reply.alerts], reply.has_more)


def decode_active(_request: Request) -> pb.ListActiveAlertsRequest:
    """9.2 `GET /api/v1/alerts/active`."""
    return pb.ListActiveAlertsRequest()


def encode_active(reply: pb.ListActiveAlertsResponse, _asked: object) -> ActiveAlerts:
    """9.2 all that are active."""
    by_severity: dict[str, list[Alert]] = {severity: [] for severity in SEVERITIES}
    for alert in reply.alerts:
        by_severity[alert.severity].append(encode_alert(alert))
    return ActiveAlerts(**by_severity)


def decode_get(request: Request) -> pb.GetMonitoredAlertRequest:
    """9.2 `GET /api/v1/alerts/{id}`."""
    return pb.GetMonitoredAlertRequest(id=request.number("id"))


def decode_acknowledge(request: Request) -> pb.AcknowledgeMonitoredAlertRequest:
    """9.2 `POST /api/v1/alerts/{id}/acknowledge`."""
    number = request.number("id")
    body = request.body(Note, optional=True)
    return pb.AcknowledgeMonitoredAlertRequest(id=number, note=body.note or "")


def encode_one(reply: pb.GetMonitoredAlertResponse | pb.AcknowledgeMonitoredAlertResponse, _asked: object) -> Alert:
    """9.2 an alert."""
    return encode_alert(reply.alert)


def encode_alert(alert: pb.MonitoredAlert) -> Alert:
    """9.1 an alert."""
    source_kind: Any = alert.source_kind
    severity: Any = alert.severity
    status: Any = alert.status
    return Alert(
        id=alert.id,
        source=alert.source,
        alert_type=alert.alert_type,
        severity=severity,
        status=status,
        message=alert.message,
        entity_type=alert.entity_type,
        entity_id=value_or_none(alert, "entity_id"),
        entity_name=alert.entity_name,
        details=alert.details.decode(),
        resolved_by_id=None,
        fired_at=format_time(alert.fire_time),
        created_at=format_time(alert.create_time),
        resolved_at=format_or_none(alert, "resolve_time"),
        acknowledged_at=format_or_none(alert, "acknowledge_time"),
        acknowledged_by=alert.acknowledged_by or None,
        escalated_at=format_or_none(alert, "escalate_time"),
        incident_id=value_or_none(alert, "incident_id"),
        source_kind=source_kind,
    )
