"""Messages as documents: JSON values in the spelling of contract lumetry 5.9, 10.2, 11.1, 11.2, 19.2 and 19.4."""

import json
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.alerts.v1.alert_pb2 import Alert, AlertState, Decision, SystemAlert
from lumetry.alerts.v1.alert_service_pb2 import ExplainAlertResponse
from lumetry.incidents.v1.incident_pb2 import ExplainedMember, Incident, IncidentMetric, IncidentState, TimelineEntry
from lumetry.incidents.v1.incident_service_pb2 import ExplainIncidentResponse
from lumetry_core.runtime.clock import spell_time
from lumetry_core.shell.screen import as_datetime

Fields = Sequence[tuple[str, str]]
"""Names in the contract and in the message."""
Document = dict[str, Any]

ALERT_STATES = {number: name.removeprefix("ALERT_STATE_").capitalize() for name, number in AlertState.items()}
INCIDENT_STATES = {number: name.removeprefix("INCIDENT_STATE_").capitalize() for name, number in IncidentState.items()}
ALERT_START: Fields = (
    ("id", "id"),
    ("ruleId", "rule_id"),
    ("metricId", "metric_key"),
    ("eventStartTime", "start_time"),
    ("eventEndTime", "end_time"),
    ("status", "state"),
    ("operationalStatus", "state"),
    ("severity", "severity"),
    ("triggerReason", "trigger_reason"),
    ("violationCount", "violation_count"),
    ("alertName", "alert_name"),
    ("metricDisplayName", "metric_display_name"),
    ("relatedServiceId", "related_service_id"),
    ("relatedServiceName", "related_service_name"),
    ("relatedCiId", "related_ci_id"),
    ("relatedCiName", "related_ci_name"),
    ("dimensionKey", "dimension_key"),
    ("incidentId", "incident_id"),
    ("acknowledgedAt", "acknowledge_time"),
    ("alertLevelId", "alert_level_id"),
)
ALERT_REST: Fields = (
    ("incidentEligibility", "incident_eligibility"),
    ("postResolutionWatchSince", "watch_start_time"),
    ("lastResolvedIncidentId", "last_resolved_incident_id"),
    ("sourceKind", "source_kind"),
    ("externalAlertSourceId", "external_source_id"),
    ("externalAlertSourceName", "external_source_name"),
    ("externalAlertDefinitionId", "external_definition_id"),
    ("externalDefinitionKey", "external_definition_key"),
    ("externalInstanceKey", "external_instance_key"),
    ("externalOccurrenceKey", "external_occurrence_key"),
    ("topologyNodeId", "topology_node_id"),
    ("title", "title"),
    ("description", "description"),
)
MONITOR: Fields = (("kind", "kind"), ("id", "id"), ("name", "name"))
INCIDENT: Fields = (
    ("id", "id"),
    ("incidentKey", "incident_key"),
    ("primaryServiceNodeId", "primary_service_node_id"),
    ("primaryServiceName", "primary_service_name"),
    ("primaryCiNodeId", "primary_ci_node_id"),
    ("primaryCiName", "primary_ci_name"),
    ("primaryMetricId", "primary_metric_key"),
    ("severity", "severity"),
    ("status", "state"),
    ("startTime", "start_time"),
    ("endTime", "end_time"),
    ("durationSeconds", "duration_seconds"),
    ("alertCount", "alert_count"),
    ("activeAlertCount", "active_alert_count"),
    ("violationCount", "violation_count"),
    ("acknowledgedAt", "acknowledge_time"),
    ("acknowledgedByUserName", "acknowledged_by_user_name"),
    ("acknowledgeNote", "acknowledge_note"),
    ("resolvedAt", "resolve_time"),
    ("resolvedByUserName", "resolved_by_user_name"),
    ("resolveNote", "resolve_note"),
    ("resolutionClassification", "resolution_classification"),
    ("activeAlertCountAtResolution", "active_alert_count_at_resolution"),
    ("reopenCount", "reopen_count"),
    ("lastReopenedAt", "last_reopen_time"),
    ("reopenReason", "reopen_reason"),
    ("followUpOfIncidentId", "follow_up_of_incident_id"),
)
TIMELINE_ENTRY: Fields = (
    ("id", "id"),
    ("incidentId", "incident_id"),
    ("entryType", "entry_type"),
    ("sourceType", "source_type"),
    ("sourceId", "source_id"),
    ("message", "message"),
    ("createdAt", "create_time"),
)
EXPLANATION: Fields = (("incidentId", "incident_id"), ("incidentKey", "incident_key"), ("followUpOfIncidentId", "follow_up_of_incident_id"))
MEMBER: Fields = (
    ("alertId", "alert_id"),
    ("alertName", "alert_name"),
    ("joinedAt", "join_time"),
    ("leftAt", "leave_time"),
    ("reason", "reason"),
)
CORRELATION_KEY: Fields = (("kind", "kind"), ("value", "value"), ("name", "name"))
PATH_STEP: Fields = (("nodeId", "node_id"), ("displayName", "display_name"), ("nodeType", "node_type"), ("viaEdgeType", "via_edge_type"))
TIME_WINDOW: Fields = (
    ("windowMinutes", "window_minutes"),
    ("referenceAlertId", "reference_alert_id"),
    ("referenceTime", "reference_time"),
    ("gapSeconds", "gap_seconds"),
)
SYSTEM_ALERT_START: Fields = (("id", "id"), ("code", "code"), ("severity", "severity"))
SYSTEM_ALERT_REST: Fields = (
    ("message", "message"),
    ("subjectType", "subject_type"),
    ("subjectId", "subject_id"),
    ("firstSeenAt", "first_seen_time"),
    ("lastSeenAt", "last_seen_time"),
    ("closedAt", "close_time"),
    ("occurrenceCount", "occurrence_count"),
)


def document_of_alert(alert: Alert) -> Document:
    """10.2 an alert."""
    ended = alert.HasField("end_time")
    seconds = int((as_datetime(alert.end_time) - as_datetime(alert.start_time)).total_seconds()) if ended else None
    return {
        **pick(alert, ALERT_START),
        "durationSeconds": seconds,
        **pick(alert, ALERT_REST),
        "monitor": pick(alert.monitor, MONITOR) if alert.HasField("monitor") else None,
    }


def document_of_decisions(answer: ExplainAlertResponse) -> Document:
    """19.2 the trace of a transition."""
    return {
        "alertId": answer.alert_id,
        "transition": answer.transition,
        "outcome": answer.outcome,
        "summary": answer.summary,
        "gates": [document_of_decision(gate) for gate in answer.gates],
    }


def document_of_decision(decision: Decision) -> Document:
    """19.2 a gate."""
    has_record = decision.record_type or decision.record_id
    return {
        "order": decision.order,
        "gate": decision.gate,
        "verdict": decision.verdict,
        "reason": decision.reason,
        "record": {"type": decision.record_type, "id": decision.record_id, "name": decision.record_name} if has_record else None,
        "at": read(decision, "time"),
        "details": json.loads(decision.details_json or "{}"),
    }


def document_of_incident(incident: Incident) -> Document:
    """11.1 an incident."""
    return pick(incident, INCIDENT)


def document_of_explanation(answer: ExplainIncidentResponse) -> Document:
    """19.4 why an incident has its members."""
    return {**pick(answer, EXPLANATION), "members": [document_of_member(member) for member in answer.members]}


def document_of_member(member: ExplainedMember) -> Document:
    """19.4 a member."""
    return {
        **pick(member, MEMBER),
        "correlationKey": pick(member.correlation_key, CORRELATION_KEY) if member.HasField("correlation_key") else None,
        "topologyPath": [pick(step, PATH_STEP) for step in member.path],
        "timeWindow": pick(member.time_window, TIME_WINDOW),
    }


def document_of_entry(entry: TimelineEntry) -> Document:
    """11.2 an entry of a timeline."""
    return pick(entry, TIMELINE_ENTRY)


def document_of_metric(metric: IncidentMetric) -> Document:
    """11.2 a metric of an incident."""
    return {"metricId": metric.metric_key, "metricDisplayName": metric.metric_display_name, "unit": metric.unit or None}


def document_of_system_alert(alert: SystemAlert) -> Document:
    """5.9 a system alert."""
    status = "Open" if alert.is_open else "Closed"
    return {**pick(alert, SYSTEM_ALERT_START), "status": status, **pick(alert, SYSTEM_ALERT_REST)}


def pick(message: Message, fields: Fields) -> Document:
    """Fields of a message under their names in the contract."""
    return {name: read(message, field) for name, field in fields}


def read(message: Message, name: str) -> Any:  # noqa: ANN401 -- any field of any message
    """A field as JSON's value; None when absent."""
    if name == "state":
        return state_of(message)
    field = message.DESCRIPTOR.fields_by_name[name]
    if field.has_presence and not message.HasField(name):
        return None
    value = getattr(message, name)
    if isinstance(value, Timestamp):
        return spell_time(as_datetime(value))
    return value


def state_of(message: Message) -> str:
    """A lifecycle state as the contract spells it: `ALERT_STATE_OPEN` is `Open`. One of a newer server is its number."""
    if isinstance(message, Alert):
        return ALERT_STATES.get(message.state, str(message.state))
    assert isinstance(message, Incident)  # noqa: S101 -- nothing else has states
    return INCIDENT_STATES.get(message.state, str(message.state))
