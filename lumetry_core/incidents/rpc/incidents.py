"""`lumetry.incidents.v1.IncidentService`."""

from collections.abc import Callable
from typing import Any

import grpc

from lumetry.alerts.v1 import alert_pb2
from lumetry.incidents.v1 import incident_service_pb2 as pb
from lumetry.incidents.v1 import incident_service_pb2_grpc
from lumetry.violations.v1 import violation_pb2
from lumetry_core.alerts.model import Alert
from lumetry_core.incidents.rpc.encoding import encode_entry, encode_incident, encode_member, encode_metric
from lumetry_core.incidents.service import handling, reading
from lumetry_core.incidents.service.explaining import explain_incident
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time
from lumetry_core.violations.model import Violation

Context = grpc.aio.ServicerContext[Any, Any]


class IncidentServicer(incident_service_pb2_grpc.IncidentServiceServicer):
    """Reads incidents and moves them through their lifecycle."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        encode_alert: Callable[[Alert], alert_pb2.Alert],
        encode_violation: Callable[[Violation], violation_pb2.Violation],
    ) -> None:
        """Builds the servicer; alerts and violations are encoded as their own areas do it."""
        self._database = database
        self._clock = clock
        self._encode_alert = encode_alert
        self._encode_violation = encode_violation

    async def ListIncidents(self, request: pb.ListIncidentsRequest, context: Context) -> pb.ListIncidentsResponse:
        """See the proto."""
        query = decode_query(request)
        async with self._database.read() as tx:
            found = await reading.search_incidents(tx, current_caller(), query)
        now = self._clock.now()
        return pb.ListIncidentsResponse(incidents=[encode_incident(incident, now) for incident in found])

    async def GetIncident(self, request: pb.GetIncidentRequest, context: Context) -> pb.GetIncidentResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await reading.get_incident(tx, current_caller(), request.id)
        return pb.GetIncidentResponse(incident=encode_incident(found, self._clock.now()))

    async def ListIncidentAlerts(self, request: pb.ListIncidentAlertsRequest, context: Context) -> pb.ListIncidentAlertsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await reading.list_incident_alerts(tx, current_caller(), request.id, request.limit)
        return pb.ListIncidentAlertsResponse(alerts=[self._encode_alert(alert) for alert in found])

    async def ListIncidentViolations(
        self, request: pb.ListIncidentViolationsRequest, context: Context
    ) -> pb.ListIncidentViolationsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await reading.list_incident_violations(tx, current_caller(), request.id, request.limit)
        return pb.ListIncidentViolationsResponse(violations=[self._encode_violation(violation) for violation in found])

    async def ListIncidentMetrics(self, request: pb.ListIncidentMetricsRequest, context: Context) -> pb.ListIncidentMetricsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await reading.list_incident_metrics(tx, current_caller(), request.id)
        return pb.ListIncidentMetricsResponse(metrics=[encode_metric(metric) for metric in found])

    async def ListIncidentTimeline(self, request: pb.ListIncidentTimelineRequest, context: Context) -> pb.ListIncidentTimelineResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await reading.list_incident_timeline(tx, current_caller(), request.id, request.limit)
        return pb.ListIncidentTimelineResponse(entries=[encode_entry(entry) for entry in found])

    async def ExplainIncident(self, request: pb.ExplainIncidentRequest, context: Context) -> pb.ExplainIncidentResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await explain_incident(tx, current_caller(), request.id)
        return pb.ExplainIncidentResponse(
            incident_id=found.incident.id,
            incident_key=found.incident.incident_key,
            follow_up_of_incident_id=found.incident.follow_up_of_incident_id,
            members=[encode_member(member) for member in found.members],
        )

    async def AcknowledgeIncident(self, request: pb.AcknowledgeIncidentRequest, context: Context) -> pb.AcknowledgeIncidentResponse:
        """See the proto."""
        note = request.note if request.HasField("note") else None
        now = self._clock.now()
        async with self._database.write() as tx:
            incident = await handling.acknowledge(tx, current_caller(), request.id, note, now)
        return pb.AcknowledgeIncidentResponse(incident=encode_incident(incident, now))

    async def ResolveIncident(self, request: pb.ResolveIncidentRequest, context: Context) -> pb.ResolveIncidentResponse:
        """See the proto."""
        now = self._clock.now()
        async with self._database.write() as tx:
            incident = await handling.resolve(tx, current_caller(), request.id, request.note, request.resolution_classification, now)
        return pb.ResolveIncidentResponse(incident=encode_incident(incident, now))


def decode_query(request: pb.ListIncidentsRequest) -> reading.IncidentQuery:
    """The filters of a request. Fails with VALIDATION_FAILED when a time is outside the calendar."""
    faults = Faults()
    start_time = decode_time(request.start_time, "from", faults) if request.HasField("start_time") else None
    end_time = decode_time(request.end_time, "to", faults) if request.HasField("end_time") else None
    faults.raise_if_any()
    return reading.IncidentQuery(
        status=request.status,
        severity=request.severity,
        service_node_id=request.service_node_id if request.HasField("service_node_id") else None,
        ci_node_id=request.ci_node_id if request.HasField("ci_node_id") else None,
        start_time=start_time,
        end_time=end_time,
        limit=request.limit,
    )
