"""Alerts and incidents as a server answers them."""

from typing import Any

from lumetry.alerts.v1.alert_pb2 import ALERT_STATE_OPEN, Alert
from lumetry.incidents.v1.incident_pb2 import INCIDENT_STATE_OPEN, Incident
from tests.core.shell.conftest import at


def an_alert(number: int = 12, **changes: Any) -> Alert:
    """An open alert of a rule."""
    values: dict[str, Any] = {
        "id": number,
        "rule_id": 17,
        "metric_key": "shop.latency",
        "start_time": at(),
        "state": ALERT_STATE_OPEN,
        "severity": "Critical",
        "trigger_reason": "3 violations within 5 minutes",
        "violation_count": 3,
        "alert_name": "Slow shop",
        "metric_display_name": "Latency",
        "dimension_key": "host.id=web-1",
        "alert_level_id": 3,
        "source_kind": "MetricRule",
    }
    return Alert(**(values | changes))


def an_incident(number: int = 1, **changes: Any) -> Incident:
    """An open incident about a service."""
    values: dict[str, Any] = {
        "id": number,
        "incident_key": f"INC-{number:06}",
        "primary_service_node_id": 42,
        "primary_service_name": "Mobile Banking",
        "severity": "Critical",
        "state": INCIDENT_STATE_OPEN,
        "start_time": at(),
        "duration_seconds": 300,
        "alert_count": 3,
        "active_alert_count": 2,
        "violation_count": 11,
    }
    return Incident(**(values | changes))
