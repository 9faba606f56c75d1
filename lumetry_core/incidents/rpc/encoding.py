"""Incidents and what belongs to them as protobuf, and times in both directions."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from lumetry.incidents.v1 import incident_pb2
from lumetry_core.incidents.model import Incident, IncidentMetric, IncidentState, TimelineEntry
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
