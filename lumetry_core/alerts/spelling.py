"""Alerts as contract monitoring 9.1 spells them, `details` as an object: in events, webhooks and answers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lumetry_core.alerts.model import Alert, AlertState, SourceKind
from lumetry_core.runtime.clock import spell_time

SOURCES = ("container", "endpoint", "heartbeat", "certificate", "resource", "update", "metric", "external", "log")
"""Every source, in the contract's order."""
TYPE_OF = {
    SourceKind.METRIC_RULE: ("metric", "rule_violation", "rule"),
    SourceKind.FLEET_DETECTOR: ("metric", "peer_deviation", "rule"),
    SourceKind.EXTERNAL: ("external", "external", "external_definition"),
}
"""Source, alert type and entity type of what no monitor opened."""


def spell_monitored(alert: Alert) -> dict[str, Any]:
    """An alert of any kind."""
    source, alert_type, entity_type = TYPE_OF.get(
        alert.source_kind, (alert.monitor_source or "", alert.alert_type or "", alert.entity_type or "")
    )
    return {
        "id": alert.id,
        "source": source,
        "alert_type": alert_type,
        "severity": alert.severity.value.lower(),
        "status": status_of(alert),
        "message": alert.trigger_reason,
        "entity_type": entity_type,
        "entity_id": entity_id_of(alert),
        "entity_name": entity_name_of(alert),
        "details": details_of(alert),
        "resolved_by_id": None,
        "fired_at": spell_time(alert.start_time),
        "created_at": spell_time(alert.create_time),
        "resolved_at": spell_or_none(alert.end_time),
        "acknowledged_at": spell_or_none(alert.acknowledge_time),
        "acknowledged_by": alert.acknowledged_by,
        "escalated_at": spell_or_none(alert.escalate_time),
        "incident_id": alert.incident_id,
        "source_kind": alert.source_kind.value,
    }


def source_of(alert: Alert) -> str:
    """The source of an alert."""
    return TYPE_OF[alert.source_kind][0] if alert.source_kind in TYPE_OF else alert.monitor_source or ""


def entity_type_of(alert: Alert) -> str:
    """The type of what an alert is about."""
    return TYPE_OF[alert.source_kind][2] if alert.source_kind in TYPE_OF else alert.entity_type or ""


def entity_id_of(alert: Alert) -> int | None:
    """The number of what an alert is about; a detector has none."""
    if alert.source_kind is SourceKind.MONITOR:
        return alert.entity_id
    return alert.external_definition_id if alert.source_kind is SourceKind.EXTERNAL else alert.rule_id


def entity_name_of(alert: Alert) -> str:
    """The name of what an alert is about."""
    if alert.source_kind is SourceKind.MONITOR:
        return alert.entity_name or ""
    return alert.metric_display_name or alert.alert_name


def status_of(alert: Alert) -> str:
    """9.5: `active`, `silenced` or `resolved`."""
    if alert.state is AlertState.CLOSED:
        return "resolved"
    return "silenced" if alert.is_silenced else "active"


def details_of(alert: Alert) -> Mapping[str, Any]:
    """9.3."""
    if alert.source_kind is SourceKind.MONITOR:
        return alert.details or {}
    if alert.source_kind is SourceKind.EXTERNAL:
        return {
            "external_alert_source_id": alert.external_source_id,
            "source_name": alert.external_source_name,
            "definition_key": alert.external_definition_key,
            "instance_key": alert.external_instance_key,
            "occurrence_key": alert.external_occurrence_key,
        }
    return {
        "rule_id": alert.rule_id,
        "metric_id": alert.metric_key,
        "dimension_key": alert.dimension_key,
        "violation_count": alert.violation_count,
        "trigger_reason": alert.trigger_reason,
    }


def spell_or_none(moment: datetime | None) -> str | None:
    """A time that may be absent."""
    return None if moment is None else spell_time(moment)
