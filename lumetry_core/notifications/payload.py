"""Alerts and incidents as the contract spells them in JSON (lumetry 10.2, 14.4), for receivers."""

from datetime import datetime
from typing import Any

from lumetry_core.alerts.model import Alert
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
    if alert.monitor_kind is None:
        return None
    return {"kind": alert.monitor_kind, "id": alert.monitor_id or "", "name": alert.monitor_name or ""}


def spell_incident(incident: Incident) -> dict[str, Any]:
    """What a notification tells of the incident that an alert belongs to."""
    return {
        "id": incident.id,
        "incidentKey": incident.incident_key,
        "status": incident.state.value,
        "severity": incident.severity.value,
    }
