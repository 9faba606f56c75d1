"""Alerts and incidents as the contract spells them in JSON (lumetry 10.2, 14.4), for receivers."""

from datetime import datetime
from typing import Any

from lumetry_core.alerts.model import Alert, SourceKind
from lumetry_core.alerts.monitors import find_monitor_kind
from lumetry_core.incidents.model import Incident
from lumetry_core.runtime.clock import spell_time


def spell_optional(moment: datetime | None) -> str | None:
    """A time that may be absent."""
    return None if moment is None else spell_time(moment)


def spell_alert(alert: Alert) -> dict[str, Any]:
    """An alert as `GET /api/alerts` lists it."""
    return {
        "id": alert.id,
        "ruleId": alert.rule_id,
        "metricId": alert.metric_key,
        "eventStartTime": spell_time(alert.start_time),
        "eventEndTime": spell_optional(alert.end_time),
        "status": alert.state.value,
        "operationalStatus": alert.state.value,
        "severity": alert.severity.value,
        "triggerReason": alert.trigger_reason,
        "violationCount": alert.violation_count,
        "alertName": alert.alert_name,
        "metricDisplayName": alert.metric_display_name,
        "relatedServiceId": alert.related_service_id,
        "relatedServiceName": alert.related_service_name,
        "relatedCiId": alert.related_ci_id,
        "relatedCiName": alert.related_ci_name,
        "dimensionKey": alert.dimension_key,
        "incidentId": alert.incident_id,
        "acknowledgedAt": spell_optional(alert.acknowledge_time),
        "alertLevelId": alert.alert_level_id,
        "durationSeconds": None if alert.end_time is None else int((alert.end_time - alert.start_time).total_seconds() // 1),
        "incidentEligibility": None if alert.incident_eligibility is None else alert.incident_eligibility.value,
        "postResolutionWatchSince": spell_optional(alert.watch_start_time),
        "lastResolvedIncidentId": alert.last_resolved_incident_id,
        "sourceKind": alert.source_kind.value,
        "externalAlertSourceId": alert.external_source_id,
        "externalAlertSourceName": alert.external_source_name,
        "externalAlertDefinitionId": alert.external_definition_id,
        "externalDefinitionKey": alert.external_definition_key,
        "externalInstanceKey": alert.external_instance_key,
        "externalOccurrenceKey": alert.external_occurrence_key,
        "topologyNodeId": alert.topology_node_id,
        "title": alert.title,
        "description": alert.description,
        "monitor": spell_monitor(alert),
    }


def spell_monitor(alert: Alert) -> dict[str, str] | None:
    """The monitor behind an alert; None when none is."""
    if alert.source_kind is not SourceKind.MONITOR:
        return None
    return {"kind": find_monitor_kind(alert), "id": str(alert.entity_id), "name": alert.entity_name or ""}


def spell_whole_incident(incident: Incident, now: datetime) -> dict[str, Any]:
    """An incident as `GET /api/incidents/{id}` answers it."""
    classification = incident.resolution_classification
    return {
        **spell_incident(incident),
        "primaryServiceNodeId": incident.primary_service_node_id,
        "primaryServiceName": incident.primary_service_name,
        "primaryCiNodeId": incident.primary_ci_node_id,
        "primaryCiName": incident.primary_ci_name,
        "primaryMetricId": incident.primary_metric_key,
        "startTime": spell_time(incident.start_time),
        "endTime": spell_optional(incident.resolve_time),
        "durationSeconds": int(incident.duration_at(now).total_seconds() // 1),
        "alertCount": incident.alert_count,
        "activeAlertCount": incident.active_alert_count,
        "violationCount": incident.violation_count,
        "acknowledgedAt": spell_optional(incident.acknowledge_time),
        "acknowledgedByUserName": incident.acknowledged_by_user_name,
        "acknowledgeNote": incident.acknowledge_note,
        "resolvedAt": spell_optional(incident.resolve_time),
        "resolvedByUserName": incident.resolved_by_user_name,
        "resolveNote": incident.resolve_note,
        "resolutionClassification": None if classification is None else classification.value,
        "activeAlertCountAtResolution": incident.active_alert_count_at_resolution,
        "reopenCount": incident.reopen_count,
        "lastReopenedAt": spell_optional(incident.last_reopen_time),
        "reopenReason": incident.reopen_reason,
        "followUpOfIncidentId": incident.follow_up_of_incident_id,
    }


def spell_incident(incident: Incident) -> dict[str, Any]:
    """What a notification tells of the incident that an alert belongs to."""
    return {
        "id": incident.id,
        "incidentKey": incident.incident_key,
        "status": incident.state.value,
        "severity": incident.severity.value,
    }
