"""AlertService on the wire."""

from collections.abc import Callable, Mapping
from typing import Any

import grpc
import msgspec

from lumetry.alerts.v1 import alert_pb2
from lumetry.alerts.v1 import alert_service_pb2 as pb
from lumetry.alerts.v1.alert_service_pb2_grpc import AlertServiceServicer
from lumetry.violations.v1 import violation_pb2
from lumetry_core.alerts.decisions import Decision
from lumetry_core.alerts.model import Alert, AlertState, SourceKind, SystemAlert, SystemAlertState
from lumetry_core.alerts.monitors import find_monitor_kind
from lumetry_core.alerts.service import handling, reading
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time, encode_time
from lumetry_core.violations.model import Violation

Context = grpc.aio.ServicerContext[Any, Any]

STATE_OF: Mapping[AlertState, "alert_pb2.AlertState.ValueType"] = {
    AlertState.OPEN: alert_pb2.ALERT_STATE_OPEN,
    AlertState.ACKNOWLEDGED: alert_pb2.ALERT_STATE_ACKNOWLEDGED,
    AlertState.CLOSED: alert_pb2.ALERT_STATE_CLOSED,
}


class AlertServicer(AlertServiceServicer):
    """Reads alerts and moves them through their lifecycle."""

    def __init__(self, database: Database, clock: Clock, encode_violation: Callable[[Violation], violation_pb2.Violation]) -> None:
        """Builds the servicer; violations are encoded as their own area does it."""
        self._database = database
        self._clock = clock
        self._encode_violation = encode_violation

    async def ListAlerts(self, request: pb.ListAlertsRequest, context: Context) -> pb.ListAlertsResponse:
        """See the proto."""
        query = decode_query(request)
        async with self._database.read() as tx:
            found = await reading.search_alerts(tx, current_caller(), query)
        return pb.ListAlertsResponse(alerts=[encode_alert(alert) for alert in found])

    async def GetAlert(self, request: pb.GetAlertRequest, context: Context) -> pb.GetAlertResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await reading.get_listed_alert(tx, current_caller().organization_id, request.id)
        return pb.GetAlertResponse(alert=encode_alert(found))

    async def ListAlertViolations(self, request: pb.ListAlertViolationsRequest, context: Context) -> pb.ListAlertViolationsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await reading.list_violations_of(tx, current_caller(), request.id, request.limit)
        return pb.ListAlertViolationsResponse(violations=[self._encode_violation(violation) for violation in found])

    async def ExplainAlert(self, request: pb.ExplainAlertRequest, context: Context) -> pb.ExplainAlertResponse:
        """See the proto."""
        async with self._database.read() as tx:
            explanation = await reading.explain(tx, current_caller(), request.id, request.transition)
        return pb.ExplainAlertResponse(
            alert_id=explanation.alert_id,
            transition=explanation.transition,
            outcome=explanation.outcome,
            summary=explanation.summary,
            gates=[encode_decision(decision) for decision in explanation.gates],
        )

    async def AcknowledgeAlert(self, request: pb.AcknowledgeAlertRequest, context: Context) -> pb.AcknowledgeAlertResponse:
        """See the proto."""
        async with self._database.write() as tx:
            alert = await handling.acknowledge(tx, current_caller(), request.id, request.note, self._clock.now(), is_listed=True)
        return pb.AcknowledgeAlertResponse(alert=encode_alert(alert))

    async def CloseAlert(self, request: pb.CloseAlertRequest, context: Context) -> pb.CloseAlertResponse:
        """See the proto."""
        async with self._database.write() as tx:
            alert = await handling.close(tx, current_caller(), request.id, request.note, self._clock.now())
        return pb.CloseAlertResponse(alert=encode_alert(alert))

    async def ListSystemAlerts(self, request: pb.ListSystemAlertsRequest, context: Context) -> pb.ListSystemAlertsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await reading.search_system_alerts(tx, current_caller(), request.status, request.limit)
        return pb.ListSystemAlertsResponse(system_alerts=[encode_system_alert(alert) for alert in found])


def decode_query(request: pb.ListAlertsRequest) -> reading.AlertQuery:
    """The filters of a request. Fails with VALIDATION_FAILED when a time is outside the calendar."""
    faults = Faults()
    start_time = decode_time(request.start_time, "from", faults) if request.HasField("start_time") else None
    end_time = decode_time(request.end_time, "to", faults) if request.HasField("end_time") else None
    faults.raise_if_any()
    return reading.AlertQuery(
        metric_key=request.metric_key,
        rule_id=request.rule_id if request.HasField("rule_id") else None,
        severity=request.severity,
        status=request.status,
        incident_id=request.incident_id if request.HasField("incident_id") else None,
        start_time=start_time,
        end_time=end_time,
        source_kind=request.source_kind,
        dimension_key=request.dimension_key if request.HasField("dimension_key") else None,
        limit=request.limit,
    )


def encode_alert(alert: Alert) -> alert_pb2.Alert:
    """An alert."""
    return alert_pb2.Alert(
        id=alert.id,
        rule_id=alert.rule_id,
        metric_key=alert.metric_key,
        start_time=encode_time(alert.start_time),
        end_time=encode_time(alert.end_time),
        state=STATE_OF[alert.state],
        severity=alert.severity,
        trigger_reason=alert.trigger_reason,
        violation_count=alert.violation_count,
        alert_name=alert.alert_name,
        metric_display_name=alert.metric_display_name,
        related_service_id=alert.related_service_id,
        related_service_name=alert.related_service_name,
        related_ci_id=alert.related_ci_id,
        related_ci_name=alert.related_ci_name,
        dimension_key=alert.dimension_key,
        incident_id=alert.incident_id,
        acknowledge_time=encode_time(alert.acknowledge_time),
        alert_level_id=alert.alert_level_id,
        incident_eligibility=alert.incident_eligibility,
        watch_start_time=encode_time(alert.watch_start_time),
        last_resolved_incident_id=alert.last_resolved_incident_id,
        source_kind=alert.source_kind,
        external_source_id=alert.external_source_id,
        external_source_name=alert.external_source_name,
        external_definition_id=alert.external_definition_id,
        external_definition_key=alert.external_definition_key,
        external_instance_key=alert.external_instance_key,
        external_occurrence_key=alert.external_occurrence_key,
        topology_node_id=alert.topology_node_id,
        title=alert.title,
        description=alert.description,
        monitor=encode_monitor(alert),
        maintenance_window_id=alert.maintenance_window_id,
    )


def encode_monitor(alert: Alert) -> alert_pb2.Monitor | None:
    """The monitor behind an alert; None when none is."""
    if alert.source_kind is not SourceKind.MONITOR:
        return None
    return alert_pb2.Monitor(kind=find_monitor_kind(alert), id=str(alert.entity_id), name=alert.entity_name or "")


def encode_system_alert(alert: SystemAlert) -> alert_pb2.SystemAlert:
    """A system alert."""
    return alert_pb2.SystemAlert(
        id=alert.id,
        code=alert.code,
        severity=alert.severity,
        is_open=alert.state is SystemAlertState.OPEN,
        message=alert.message,
        subject_type=alert.subject_type,
        subject_id=alert.subject_id,
        first_seen_time=encode_time(alert.first_seen_time),
        last_seen_time=encode_time(alert.last_seen_time),
        close_time=encode_time(alert.close_time),
        occurrence_count=alert.occurrence_count,
    )


def encode_decision(decision: Decision) -> alert_pb2.Decision:
    """What a gate decided."""
    record = decision.record
    return alert_pb2.Decision(
        order=decision.order,
        gate=decision.gate,
        verdict=decision.verdict,
        reason=decision.reason,
        record_type=record.type if record else "",
        record_id=record.id if record else "",
        record_name=record.name if record else "",
        time=encode_time(decision.time),
        details_json=msgspec.json.encode(decision.details).decode(),
    )
