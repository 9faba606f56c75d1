"""Incidents (contract lumetry 11)."""

from typing import Literal

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.lumetry.alerts import NoteBody
from gateway.contracts.lumetry.values import Id, Limit, Severity, Time, optional_time, optional_value, words
from gateway.contracts.lumetry.violations import ChildFilters
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.incidents.v1 import incident_pb2, incident_service_pb2

STATUS_OF_STATE = words(incident_pb2.IncidentState.items(), "INCIDENT_STATE_")


class IncidentFilters(msgspec.Struct, rename="camel"):
    """Which incidents."""

    status: Literal["Open", "Acknowledged", "Resolved"] | None = None
    severity: Severity | None = None
    service_node_id: Id | None = None
    ci_node_id: Id | None = None
    from_: Timestamp | None = msgspec.field(default=None, name="from")
    to: Timestamp | None = None
    limit: Limit = 500


class ResolveBody(msgspec.Struct, rename="camel"):
    """How an incident ended."""

    note: str = ""
    resolution_classification: str = ""


class Incident(msgspec.Struct, rename="camel"):
    """Related alerts as one operational problem."""

    id: int
    incident_key: str
    primary_service_node_id: int | None
    primary_service_name: str | None
    primary_ci_node_id: int | None
    primary_ci_name: str | None
    primary_metric_id: str | None
    severity: str
    status: str
    start_time: Time
    end_time: Time | None
    duration_seconds: int
    alert_count: int
    active_alert_count: int
    violation_count: int
    acknowledged_at: Time | None
    acknowledged_by_user_name: str | None
    acknowledge_note: str | None
    resolved_at: Time | None
    resolved_by_user_name: str | None
    resolve_note: str | None
    resolution_classification: str | None
    active_alert_count_at_resolution: int | None
    reopen_count: int
    last_reopened_at: Time | None
    reopen_reason: str | None
    follow_up_of_incident_id: int | None


class TimelineEntry(msgspec.Struct, rename="camel"):
    """One event in the life of an incident."""

    id: int
    incident_id: int
    entry_type: str
    source_type: str
    source_id: int | None
    message: str
    created_at: Time


class IncidentMetric(msgspec.Struct, rename="camel"):
    """A metric that an incident touches."""

    metric_id: str
    metric_display_name: str
    unit: str | None


def decode_list_incidents(request: Request) -> incident_service_pb2.ListIncidentsRequest:
    """11.1 `GET /api/incidents`."""
    filters = request.query(IncidentFilters, ordered=("from_", "to"))
    return incident_service_pb2.ListIncidentsRequest(
        status=filters.status or "",
        severity=filters.severity or "",
        service_node_id=filters.service_node_id,
        ci_node_id=filters.ci_node_id,
        start_time=filters.from_,
        end_time=filters.to,
        limit=filters.limit,
    )


def encode_list_incidents(reply: incident_service_pb2.ListIncidentsResponse, _asked: object) -> list[Incident]:
    """11.1 the list."""
    return [encode_incident(incident) for incident in reply.incidents]


def encode_incident(incident: incident_pb2.Incident) -> Incident:
    """11.1 one incident."""
    return Incident(
        id=incident.id,
        incident_key=incident.incident_key,
        primary_service_node_id=optional_value(incident, "primary_service_node_id"),
        primary_service_name=optional_value(incident, "primary_service_name"),
        primary_ci_node_id=optional_value(incident, "primary_ci_node_id"),
        primary_ci_name=optional_value(incident, "primary_ci_name"),
        primary_metric_id=optional_value(incident, "primary_metric_key"),
        severity=incident.severity,
        status=STATUS_OF_STATE[incident.state],
        start_time=format_time(incident.start_time),
        end_time=optional_time(incident, "end_time"),
        duration_seconds=incident.duration_seconds,
        alert_count=incident.alert_count,
        active_alert_count=incident.active_alert_count,
        violation_count=incident.violation_count,
        acknowledged_at=optional_time(incident, "acknowledge_time"),
        acknowledged_by_user_name=optional_value(incident, "acknowledged_by_user_name"),
        acknowledge_note=optional_value(incident, "acknowledge_note"),
        resolved_at=optional_time(incident, "resolve_time"),
        resolved_by_user_name=optional_value(incident, "resolved_by_user_name"),
        resolve_note=optional_value(incident, "resolve_note"),
        resolution_classification=optional_value(incident, "resolution_classification"),
        active_alert_count_at_resolution=optional_value(incident, "active_alert_count_at_resolution"),
        reopen_count=incident.reopen_count,
        last_reopened_at=optional_time(incident, "last_reopen_time"),
        reopen_reason=optional_value(incident, "reopen_reason"),
        follow_up_of_incident_id=optional_value(incident, "follow_up_of_incident_id"),
    )


def decode_get_incident(request: Request) -> incident_service_pb2.GetIncidentRequest:
    """11.2 `GET /api/incidents/{id}`."""
    return incident_service_pb2.GetIncidentRequest(id=request.number("id"))


def encode_incident_reply(
    reply: incident_service_pb2.GetIncidentResponse
    | incident_service_pb2.AcknowledgeIncidentResponse
    | incident_service_pb2.ResolveIncidentResponse,
    _asked: object,
) -> Incident:
    """11.1 the incident of an answer."""
    return encode_incident(reply.incident)


def decode_list_incident_alerts(request: Request) -> incident_service_pb2.ListIncidentAlertsRequest:
    """11.2 `GET /api/incidents/{id}/alerts`."""
    return incident_service_pb2.ListIncidentAlertsRequest(id=request.number("id"), limit=request.query(ChildFilters).limit)


def decode_list_incident_violations(request: Request) -> incident_service_pb2.ListIncidentViolationsRequest:
    """11.2 `GET /api/incidents/{id}/violations`."""
    return incident_service_pb2.ListIncidentViolationsRequest(id=request.number("id"), limit=request.query(ChildFilters).limit)


def decode_list_incident_metrics(request: Request) -> incident_service_pb2.ListIncidentMetricsRequest:
    """11.2 `GET /api/incidents/{id}/metrics`."""
    return incident_service_pb2.ListIncidentMetricsRequest(id=request.number("id"))


def encode_list_incident_metrics(reply: incident_service_pb2.ListIncidentMetricsResponse, _asked: object) -> list[IncidentMetric]:
    """11.2 the metrics."""
    return [IncidentMetric(metric.metric_key, metric.metric_display_name, metric.unit or None) for metric in reply.metrics]


def decode_list_incident_timeline(request: Request) -> incident_service_pb2.ListIncidentTimelineRequest:
    """11.2 `GET /api/incidents/{id}/timeline`."""
    return incident_service_pb2.ListIncidentTimelineRequest(id=request.number("id"), limit=request.query(ChildFilters).limit)


def encode_list_incident_timeline(reply: incident_service_pb2.ListIncidentTimelineResponse, _asked: object) -> list[TimelineEntry]:
    """11.2 the timeline."""
    return [
        TimelineEntry(
            id=entry.id,
            incident_id=entry.incident_id,
            entry_type=entry.entry_type,
            source_type=entry.source_type,
            source_id=optional_value(entry, "source_id"),
            message=entry.message,
            created_at=format_time(entry.create_time),
        )
        for entry in reply.entries
    ]


def decode_acknowledge_incident(request: Request) -> incident_service_pb2.AcknowledgeIncidentRequest:
    """11.3 `POST /api/incidents/{id}/acknowledge`."""
    return incident_service_pb2.AcknowledgeIncidentRequest(id=request.number("id"), note=request.body(NoteBody, optional=True).note)


def decode_resolve_incident(request: Request) -> incident_service_pb2.ResolveIncidentRequest:
    """11.3 `POST /api/incidents/{id}/resolve`."""
    body = request.body(ResolveBody)
    return incident_service_pb2.ResolveIncidentRequest(
        id=request.number("id"), note=body.note, resolution_classification=body.resolution_classification
    )


class CorrelationKey(msgspec.Struct, rename="camel"):
    """What alerts share that belong together."""

    kind: str
    value: str
    name: str | None


class PathNode(msgspec.Struct, rename="camel"):
    """A node on the way from a configuration item to its service."""

    node_id: int
    display_name: str
    node_type: str
    via_edge_type: str | None


class TimeWindow(msgspec.Struct, rename="camel"):
    """How an alert was compared with the newest member."""

    window_minutes: int
    reference_alert_id: int | None
    reference_time: Time | None
    gap_seconds: int | None


class ExplainedMember(msgspec.Struct, rename="camel"):
    """Why an alert is or was a member."""

    alert_id: int
    alert_name: str
    joined_at: Time
    left_at: Time | None
    reason: str
    correlation_key: CorrelationKey | None
    topology_path: list[PathNode]
    time_window: TimeWindow


class IncidentExplanation(msgspec.Struct, rename="camel"):
    """Why an incident has its members."""

    incident_id: int
    incident_key: str
    follow_up_of_incident_id: int | None
    members: list[ExplainedMember]


def decode_explain_incident(request: Request) -> incident_service_pb2.ExplainIncidentRequest:
    """19.4 `GET /api/incidents/{id}/explanation`."""
    return incident_service_pb2.ExplainIncidentRequest(id=request.number("id"))


def encode_explain_incident(reply: incident_service_pb2.ExplainIncidentResponse, _asked: object) -> IncidentExplanation:
    """19.4 the explanation."""
    return IncidentExplanation(
        incident_id=reply.incident_id,
        incident_key=reply.incident_key,
        follow_up_of_incident_id=optional_value(reply, "follow_up_of_incident_id"),
        members=[encode_member(member) for member in reply.members],
    )


def encode_member(member: incident_pb2.ExplainedMember) -> ExplainedMember:
    """19.4 a member."""
    key, window = member.correlation_key, member.time_window
    return ExplainedMember(
        alert_id=member.alert_id,
        alert_name=member.alert_name,
        joined_at=format_time(member.join_time),
        left_at=optional_time(member, "leave_time"),
        reason=member.reason,
        correlation_key=CorrelationKey(key.kind, key.value, optional_value(key, "name")) if member.HasField("correlation_key") else None,
        topology_path=[
            PathNode(step.node_id, step.display_name, step.node_type, optional_value(step, "via_edge_type")) for step in member.path
        ],
        time_window=TimeWindow(
            window_minutes=window.window_minutes,
            reference_alert_id=optional_value(window, "reference_alert_id"),
            reference_time=optional_time(window, "reference_time"),
            gap_seconds=optional_value(window, "gap_seconds"),
        ),
    )
