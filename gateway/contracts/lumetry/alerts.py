"""Alerts (contract lumetry 10, 19.1, 19.2). `/api/events` answers like `/api/alerts`."""

from typing import Any, Literal

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.lumetry.values import Id, Limit, Severity, Time, optional_time, optional_value, seconds_between, words
from gateway.contracts.lumetry.violations import ChildFilters
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.alerts.v1 import alert_pb2, alert_service_pb2

STATUS_OF_STATE = words(alert_pb2.AlertState.items(), "ALERT_STATE_")


class AlertFilters(msgspec.Struct, rename="camel"):
    """Which alerts."""

    metric_id: str | None = None
    rule_id: Id | None = None
    severity: Severity | None = None
    status: Literal["Open", "Acknowledged", "Closed"] | None = None
    incident_id: Id | None = None
    from_: Timestamp | None = msgspec.field(default=None, name="from")
    to: Timestamp | None = None
    source_kind: Literal["MetricRule", "FleetDetector", "External", "Monitor"] | None = None
    dimension_key: str | None = None
    limit: Limit = 500


class DecisionFilters(msgspec.Struct, rename="camel"):
    """Which transition."""

    transition: Literal["open", "escalate", "close"] = "open"


class NoteBody(msgspec.Struct, rename="camel"):
    """What a person leaves with an action."""

    note: str | None = None


class Monitor(msgspec.Struct):
    """The monitor behind an alert."""

    kind: str
    id: str
    name: str


class Alert(msgspec.Struct, rename="camel"):
    """An operational alert."""

    id: int
    rule_id: int | None
    metric_id: str | None
    event_start_time: Time
    event_end_time: Time | None
    status: str
    operational_status: str
    severity: str
    trigger_reason: str
    violation_count: int
    alert_name: str
    metric_display_name: str | None
    related_service_id: int | None
    related_service_name: str | None
    related_ci_id: int | None
    related_ci_name: str | None
    dimension_key: str | None
    incident_id: int | None
    acknowledged_at: Time | None
    alert_level_id: int | None
    duration_seconds: int | None
    incident_eligibility: str | None
    post_resolution_watch_since: Time | None
    last_resolved_incident_id: int | None
    source_kind: str
    external_alert_source_id: int | None = None
    external_alert_source_name: str | None = None
    external_alert_definition_id: int | None = None
    external_definition_key: str | None = None
    external_instance_key: str | None = None
    external_occurrence_key: str | None = None
    topology_node_id: int | None = None
    title: str | None = None
    description: str | None = None
    monitor: Monitor | None = None


class DecisionRecord(msgspec.Struct):
    """The record that decided."""

    type: str
    id: str
    name: str


class Gate(msgspec.Struct):
    """What one gate decided."""

    order: int
    gate: str
    verdict: str
    reason: str
    record: DecisionRecord | None
    at: Time | None
    details: dict[str, Any]


class Decisions(msgspec.Struct, rename="camel"):
    """Why people were (not) told of a transition."""

    alert_id: int
    transition: str
    outcome: str
    summary: str
    gates: list[Gate]


def decode_list_alerts(request: Request) -> alert_service_pb2.ListAlertsRequest:
    """10.2 `GET /api/alerts`."""
    filters = request.query(AlertFilters, ordered=("from_", "to"))
    return alert_service_pb2.ListAlertsRequest(
        metric_key=filters.metric_id or "",
        rule_id=filters.rule_id,
        severity=filters.severity or "",
        status=filters.status or "",
        incident_id=filters.incident_id,
        start_time=filters.from_,
        end_time=filters.to,
        source_kind=filters.source_kind or "",
        dimension_key=filters.dimension_key,
        limit=filters.limit,
    )


def encode_list_alerts(reply: alert_service_pb2.ListAlertsResponse, _asked: object) -> list[Alert]:
    """10.2 the list; replies about incidents have the same field."""
    return [encode_alert(alert) for alert in reply.alerts]


def encode_alert(alert: alert_pb2.Alert) -> Alert:
    """10.2 one alert."""
    has = alert.HasField
    status = STATUS_OF_STATE[alert.state]
    ended = has("end_time")
    encoded = Alert(
        id=alert.id,
        rule_id=alert.rule_id if has("rule_id") else None,
        metric_id=alert.metric_key if has("metric_key") else None,
        event_start_time=format_time(alert.start_time),
        event_end_time=format_time(alert.end_time) if ended else None,
        status=status,
        operational_status=status,
        severity=alert.severity,
        trigger_reason=alert.trigger_reason,
        violation_count=alert.violation_count,
        alert_name=alert.alert_name,
        metric_display_name=alert.metric_display_name if has("metric_display_name") else None,
        related_service_id=alert.related_service_id if has("related_service_id") else None,
        related_service_name=alert.related_service_name if has("related_service_name") else None,
        related_ci_id=alert.related_ci_id if has("related_ci_id") else None,
        related_ci_name=alert.related_ci_name if has("related_ci_name") else None,
        dimension_key=alert.dimension_key if has("dimension_key") else None,
        incident_id=alert.incident_id if has("incident_id") else None,
        acknowledged_at=format_time(alert.acknowledge_time) if has("acknowledge_time") else None,
        alert_level_id=alert.alert_level_id if has("alert_level_id") else None,
        duration_seconds=seconds_between(alert.start_time, alert.end_time) if ended else None,
        incident_eligibility=alert.incident_eligibility if has("incident_eligibility") else None,
        post_resolution_watch_since=format_time(alert.watch_start_time) if has("watch_start_time") else None,
        last_resolved_incident_id=alert.last_resolved_incident_id if has("last_resolved_incident_id") else None,
        source_kind=alert.source_kind,
    )
    if alert.source_kind in {"External", "Monitor"}:
        add_origin(encoded, alert)
    return encoded


def add_origin(encoded: Alert, alert: alert_pb2.Alert) -> None:
    """10.2 and 19.10: what only alerts of external sources and monitors have."""
    encoded.external_alert_source_id = optional_value(alert, "external_source_id")
    encoded.external_alert_source_name = optional_value(alert, "external_source_name")
    encoded.external_alert_definition_id = optional_value(alert, "external_definition_id")
    encoded.external_definition_key = optional_value(alert, "external_definition_key")
    encoded.external_instance_key = optional_value(alert, "external_instance_key")
    encoded.external_occurrence_key = optional_value(alert, "external_occurrence_key")
    encoded.topology_node_id = optional_value(alert, "topology_node_id")
    encoded.title = optional_value(alert, "title")
    encoded.description = optional_value(alert, "description")
    if alert.HasField("monitor"):
        encoded.monitor = Monitor(alert.monitor.kind, alert.monitor.id, alert.monitor.name)


def decode_get_alert(request: Request) -> alert_service_pb2.GetAlertRequest:
    """19.1 `GET /api/alerts/{id}`."""
    return alert_service_pb2.GetAlertRequest(id=request.number("id"))


def encode_alert_reply(
    reply: alert_service_pb2.GetAlertResponse | alert_service_pb2.AcknowledgeAlertResponse | alert_service_pb2.CloseAlertResponse,
    _asked: object,
) -> Alert:
    """10.2 the alert of an answer."""
    return encode_alert(reply.alert)


def decode_list_alert_violations(request: Request) -> alert_service_pb2.ListAlertViolationsRequest:
    """10.3 `GET /api/alerts/{id}/violations`."""
    return alert_service_pb2.ListAlertViolationsRequest(id=request.number("id"), limit=request.query(ChildFilters).limit)


def decode_explain_alert(request: Request) -> alert_service_pb2.ExplainAlertRequest:
    """19.2 `GET /api/alerts/{id}/decisions`."""
    return alert_service_pb2.ExplainAlertRequest(id=request.number("id"), transition=request.query(DecisionFilters).transition)


def encode_explain_alert(reply: alert_service_pb2.ExplainAlertResponse, _asked: object) -> Decisions:
    """19.2 the trace."""
    return Decisions(
        alert_id=reply.alert_id,
        transition=reply.transition,
        outcome=reply.outcome,
        summary=reply.summary,
        gates=[encode_gate(gate) for gate in reply.gates],
    )


def encode_gate(decision: alert_pb2.Decision) -> Gate:
    """19.2 one gate."""
    decided = decision.record_type or decision.record_id
    return Gate(
        order=decision.order,
        gate=decision.gate,
        verdict=decision.verdict,
        reason=decision.reason,
        record=DecisionRecord(decision.record_type, decision.record_id, decision.record_name) if decided else None,
        at=optional_time(decision, "time"),
        details=msgspec.json.decode(decision.details_json or "{}"),
    )


def decode_acknowledge_alert(request: Request) -> alert_service_pb2.AcknowledgeAlertRequest:
    """10.3 `POST /api/alerts/{id}/acknowledge`."""
    return alert_service_pb2.AcknowledgeAlertRequest(id=request.number("id"), note=request.body(NoteBody, optional=True).note or "")


def decode_close_alert(request: Request) -> alert_service_pb2.CloseAlertRequest:
    """10.3 `POST /api/alerts/{id}/close`."""
    return alert_service_pb2.CloseAlertRequest(id=request.number("id"), note=request.body(NoteBody, optional=True).note or "")
