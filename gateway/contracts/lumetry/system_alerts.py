"""System alerts (contract lumetry 5.9)."""

from typing import Literal

import msgspec

from gateway.contracts.lumetry.values import Limit, Time, optional_time
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.alerts.v1 import alert_pb2, alert_service_pb2


class SystemAlertFilters(msgspec.Struct, rename="camel"):
    """Which system alerts."""

    status: Literal["Open", "Closed"] | None = None
    limit: Limit = 500


class SystemAlert(msgspec.Struct, rename="camel"):
    """A fault of the platform itself."""

    id: int
    code: str
    severity: str
    status: str
    message: str
    subject_type: str
    subject_id: str
    first_seen_at: Time
    last_seen_at: Time
    closed_at: Time | None
    occurrence_count: int


def decode_list_system_alerts(request: Request) -> alert_service_pb2.ListSystemAlertsRequest:
    """5.9 `GET /api/system-alerts`."""
    filters = request.query(SystemAlertFilters)
    return alert_service_pb2.ListSystemAlertsRequest(status=filters.status or "", limit=filters.limit)


def encode_list_system_alerts(reply: alert_service_pb2.ListSystemAlertsResponse, _asked: object) -> list[SystemAlert]:
    """5.9 the list."""
    return [encode_system_alert(alert) for alert in reply.system_alerts]


def encode_system_alert(alert: alert_pb2.SystemAlert) -> SystemAlert:
    """5.9 one system alert."""
    return SystemAlert(
        id=alert.id,
        code=alert.code,
        severity=alert.severity,
        status="Open" if alert.is_open else "Closed",
        message=alert.message,
        subject_type=alert.subject_type,
        subject_id=alert.subject_id,
        first_seen_at=format_time(alert.first_seen_time),
        last_seen_at=format_time(alert.last_seen_time),
        closed_at=optional_time(alert, "close_time"),
        occurrence_count=alert.occurrence_count,
    )
