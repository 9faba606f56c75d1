"""Incidents and what belongs to them as protobuf, and times in both directions."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from lumetry.incidents.v1 import incident_pb2, problem_candidate_service_pb2
from lumetry_core.incidents.candidates import ProblemCandidate
from lumetry_core.incidents.model import Incident, IncidentMetric, IncidentState, TimelineEntry
from lumetry_core.incidents.service.explaining import ExplainedMember
from lumetry_core.runtime.timestamps import encode_time

STATE_OF: Mapping[IncidentState, incident_pb2.IncidentState.ValueType] = {
    IncidentState.OPEN: incident_pb2.INCIDENT_STATE_OPEN,
    IncidentState.ACKNOWLEDGED: incident_pb2.INCIDENT_STATE_ACKNOWLEDGED,
    IncidentState.RESOLVED: incident_pb2.INCIDENT_STATE_RESOLVED,
}


def encode_incident(incident: Incident, now: datetime) -> incident_pb2.Incident:
    """An incident, whose duration runs to now while it has no end."""
    return incident_pb2.Incident(
        id=incident.id,
        incident_key=incident.incident_key,
        primary_service_node_id=incident.primary_service_node_id,
        primary_service_name=incident.primary_service_name,
        primary_ci_node_id=incident.primary_ci_node_id,
        primary_ci_name=incident.primary_ci_name,
        primary_metric_key=incident.primary_metric_key,
        severity=incident.severity,
        state=STATE_OF[incident.state],
        start_time=encode_time(incident.start_time),
        end_time=encode_time(incident.resolve_time),
        duration_seconds=incident.duration_at(now) // timedelta(seconds=1),
        alert_count=incident.alert_count,
        active_alert_count=incident.active_alert_count,
        violation_count=incident.violation_count,
        acknowledge_time=encode_time(incident.acknowledge_time),
        acknowledged_by_user_name=incident.acknowledged_by_user_name,
        acknowledge_note=incident.acknowledge_note,
        resolve_time=encode_time(incident.resolve_time),
        resolved_by_user_name=incident.resolved_by_user_name,
        resolve_note=incident.resolve_note,
        resolution_classification=incident.resolution_classification,
        active_alert_count_at_resolution=incident.active_alert_count_at_resolution,
        reopen_count=incident.reopen_count,
        last_reopen_time=encode_time(incident.last_reopen_time),
        reopen_reason=incident.reopen_reason,
        follow_up_of_incident_id=incident.follow_up_of_incident_id,
    )


def encode_entry(recorded: TimelineEntry) -> incident_pb2.TimelineEntry:
    """A timeline entry."""
    entry = recorded.entry
    return incident_pb2.TimelineEntry(
        id=recorded.id,
        incident_id=recorded.incident_id,
        entry_type=entry.entry_type,
        source_type=entry.source_type,
        source_id=entry.source_id,
        message=entry.message,
        create_time=encode_time(recorded.create_time),
    )


def encode_metric(metric: IncidentMetric) -> incident_pb2.IncidentMetric:
    """A metric of an incident."""
    return incident_pb2.IncidentMetric(metric_key=metric.metric_key, metric_display_name=metric.display_name, unit=metric.unit)


def encode_member(explained: ExplainedMember) -> incident_pb2.ExplainedMember:
    """Why an alert is or was a member."""
    member, joining, key = explained.member, explained.member.joining, explained.key
    return incident_pb2.ExplainedMember(
        alert_id=member.alert_id,
        alert_name=explained.alert.alert_name,
        join_time=encode_time(member.join_time),
        leave_time=encode_time(member.leave_time),
        reason=joining.reason,
        correlation_key=None if key is None else incident_pb2.CorrelationKey(kind=key.kind, value=key.value, name=key.name),
        path=[
            incident_pb2.PathStep(node_id=node.node_id, display_name=node.display_name, node_type=node.node_type, via_edge_type=node.via)
            for node in explained.path
        ],
        time_window=incident_pb2.TimeWindow(
            window_minutes=joining.window // timedelta(minutes=1),
            reference_alert_id=joining.reference_alert_id,
            reference_time=encode_time(joining.reference_time),
            gap_seconds=None if joining.gap is None else joining.gap // timedelta(seconds=1),
        ),
    )


def encode_candidate(candidate: ProblemCandidate) -> problem_candidate_service_pb2.ProblemCandidate:
    """A hint for problem management."""
    return problem_candidate_service_pb2.ProblemCandidate(
        id=candidate.id,
        type=candidate.type,
        status=candidate.status,
        incident_id=candidate.incident_id,
        alert_id=candidate.alert_id,
        service_node_id=candidate.service_node_id,
        ci_node_id=candidate.ci_node_id,
        metric_key=candidate.metric_key,
        summary=candidate.summary,
        occurrence_count=candidate.occurrence_count,
        first_seen_time=encode_time(candidate.first_seen_time),
        last_seen_time=encode_time(candidate.last_seen_time),
        dismiss_time=encode_time(candidate.dismiss_time),
        dismissed_by_user_name=candidate.dismissed_by_user_name,
        dismiss_note=candidate.dismiss_note,
    )
