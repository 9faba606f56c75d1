from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from lumetry.incidents.v1 import incident_pb2
from lumetry.incidents.v1 import incident_service_pb2 as pb
from lumetry.incidents.v1.incident_service_pb2_grpc import IncidentServiceStub, add_IncidentServiceServicer_to_server
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.rpc.alerts import encode_alert
from lumetry_core.alerts.service.reading import find_alerts
from lumetry_core.incidents.rpc.incidents import IncidentServicer
from lumetry_core.rules.model import Direction, Severity
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.violations import service as violations
from lumetry_core.violations.model import NewViolation
from lumetry_core.violations.rpc import encode_violation
from tests.conftest import FakeClock
from tests.core.incidents.building import NOW, ORGANIZATION, an_opening, correlate_all, open_some

SERVICE = "lumetry.incidents.v1.IncidentService"
PERMISSIONS = {
    "viewer": {Permission.VIEW_ALERTS},
    "operator": {Permission.VIEW_ALERTS, Permission.ACKNOWLEDGE_ALERTS, Permission.CLOSE_ALERTS},
}


async def authenticate(origin: Origin) -> Caller:
    """Knows the secrets of PERMISSIONS, all of user 3."""
    return Caller(
        organization_id=ORGANIZATION,
        kind=CredentialKind.API_TOKEN,
        user_id=3,
        user_name="anna",
        permissions=frozenset(PERMISSIONS[origin.secret or ""]),
    )


def bearer(secret: str = "operator") -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


@pytest.fixture
async def stub(database: Database, clock: FakeClock) -> AsyncIterator[IncidentServiceStub]:
    """A client of a running server."""
    servicer = IncidentServicer(database, clock, encode_alert, encode_violation)
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_IncidentServiceServicer_to_server, servicer)},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as opened:
        yield IncidentServiceStub(opened)
    await built.server.stop(None)


@pytest.fixture
async def alerts(database: Database) -> list[Alert]:
    """The two members of the first incident, and the one of the second."""
    opened = await open_some(
        database,
        an_opening(1, "srv-1"),
        an_opening(2, "srv-1", metric_key="disk.used", start_time=NOW + timedelta(milliseconds=1500)),
        an_opening(3, "srv-2", severity=Severity.CRITICAL, start_time=NOW + timedelta(hours=1)),
    )
    await correlate_all(database)
    return opened


def at(**span: float) -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(NOW + timedelta(**span))
    return moment


def first_incident(**changes: Any) -> incident_pb2.Incident:
    incident = incident_pb2.Incident(
        id=1,
        incident_key="INC-000001",
        primary_ci_node_id=1,
        primary_ci_name="srv-1",
        severity="Warning",
        state=incident_pb2.INCIDENT_STATE_OPEN,
        start_time=at(),
        duration_seconds=47460,
        alert_count=2,
        active_alert_count=2,
        violation_count=4,
    )
    incident.MergeFrom(incident_pb2.Incident(**changes))
    return incident


async def faults_of(call: Any) -> tuple[grpc.StatusCode, list[tuple[str, str]]]:
    """Code and field violations with which a call fails."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = rpc_status.from_call(caught.value)
    bad_request = error_details_pb2.BadRequest()
    for detail in status.details:
        if detail.Is(bad_request.DESCRIPTOR):
            detail.Unpack(bad_request)
    return caught.value.code(), [(fault.field, fault.description) for fault in bad_request.field_violations]


async def test_get_incident_tells_everything(stub: IncidentServiceStub, alerts: list[Alert], clock: FakeClock) -> None:
    """Absent values are absent; the duration runs to now."""
    clock.moment = NOW + timedelta(seconds=47460, milliseconds=999)
    response = await stub.GetIncident(pb.GetIncidentRequest(id=1), metadata=bearer("viewer"))
    assert response.incident == first_incident()
    assert not response.incident.HasField("end_time")


async def test_list_incidents_takes_filters(stub: IncidentServiceStub, alerts: list[Alert]) -> None:
    """Every filter of the request is used."""

    async def keys(**filters: Any) -> list[str]:
        response = await stub.ListIncidents(pb.ListIncidentsRequest(**filters), metadata=bearer("viewer"))
        return [incident.incident_key for incident in response.incidents]

    assert await keys() == ["INC-000002", "INC-000001"]
    assert await keys(limit=1) == ["INC-000002"]
    assert await keys(status="open", severity="warning") == ["INC-000001"]
    assert await keys(start_time=at(hours=1)) == ["INC-000002"]
    assert await keys(end_time=at(minutes=59)) == ["INC-000001"]
    assert await keys(start_time=at(microseconds=999), end_time=at(minutes=1)) == ["INC-000001"]
    assert await keys(service_node_id=0) == []
    assert await keys(ci_node_id=0) == []


async def test_list_incidents_refuses_wrong_filters(stub: IncidentServiceStub) -> None:
    """Faults name the parameters of the contract."""
    wrong = pb.ListIncidentsRequest(status="Closed", severity="Info", start_time=at(hours=1), end_time=at(), limit=-1)
    assert await faults_of(stub.ListIncidents(wrong, metadata=bearer())) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        [
            ("status", "must be one of Open, Acknowledged, Resolved"),
            ("severity", "must be one of Warning, Critical"),
            ("limit", "must be between 1 and 5000"),
            ("from", "must not be after to"),
        ],
    )
    far = pb.ListIncidentsRequest(start_time=Timestamp(seconds=-(2**62)), end_time=Timestamp(seconds=2**62))
    message = "must be a time between the years 1 and 9999"
    assert await faults_of(stub.ListIncidents(far, metadata=bearer())) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        [("from", message), ("to", message)],
    )


async def test_children_are_told(stub: IncidentServiceStub, database: Database, alerts: list[Alert]) -> None:
    """Alerts, violations, metrics and timeline of an incident."""
    evidence = NewViolation(
        rule_id=1,
        metric_key="cpu.usage",
        time=NOW,
        actual_value=95.0,
        direction=Direction.ABOVE,
        severity=Severity.WARNING,
        metric_display_name="CPU usage",
        detect_time=NOW,
        dimension_key="host.id=srv-1",
        alert_id=alerts[0].id,
    )
    async with database.write() as tx:
        await violations.record(tx, ORGANIZATION, [evidence])
    async with database.read() as tx:
        members = await find_alerts(tx, ORGANIZATION, [alert.id for alert in alerts[:2]])
    listed = await stub.ListIncidentAlerts(pb.ListIncidentAlertsRequest(id=1), metadata=bearer("viewer"))
    assert list(listed.alerts) == [encode_alert(members[1]), encode_alert(members[0])]
    shown = await stub.ListIncidentViolations(pb.ListIncidentViolationsRequest(id=1), metadata=bearer("viewer"))
    assert [(violation.alert_id, violation.actual_value) for violation in shown.violations] == [(alerts[0].id, 95.0)]
    metrics = await stub.ListIncidentMetrics(pb.ListIncidentMetricsRequest(id=1), metadata=bearer("viewer"))
    assert list(metrics.metrics) == [
        incident_pb2.IncidentMetric(metric_key="cpu.usage", metric_display_name="cpu.usage"),
        incident_pb2.IncidentMetric(metric_key="disk.used", metric_display_name="disk.used"),
    ]
    timeline = await stub.ListIncidentTimeline(pb.ListIncidentTimelineRequest(id=2), metadata=bearer("viewer"))
    number = alerts[2].id
    assert list(timeline.entries) == [
        incident_pb2.TimelineEntry(
            id=entry.id,
            incident_id=2,
            entry_type=entry_type,
            source_type="Alert",
            source_id=number,
            message=message,
            create_time=at(),
        )
        for entry, (entry_type, message) in zip(
            timeline.entries,
            [
                ("IncidentOpened", f"Incident INC-000002 opened by alert {number}"),
                ("AlertCorrelated", f"Alert {number} correlated into incident"),
            ],
            strict=True,
        )
    ]


async def test_explain_incident_tells_of_each_member(stub: IncidentServiceStub, alerts: list[Alert]) -> None:
    """Why it joined, what it shares, the way to its service and how far it was from the newest member before."""
    response = await stub.ExplainIncident(pb.ExplainIncidentRequest(id=1), metadata=bearer("viewer"))
    key = incident_pb2.CorrelationKey(kind="Ci", value="1", name="srv-1")
    path = [incident_pb2.PathStep(node_id=1, display_name="srv-1", node_type="Host")]
    window = incident_pb2.TimeWindow(window_minutes=30)
    compared = incident_pb2.TimeWindow(window_minutes=30, reference_alert_id=alerts[0].id, reference_time=at(), gap_seconds=1)
    assert response == pb.ExplainIncidentResponse(
        incident_id=1,
        incident_key="INC-000001",
        members=[
            incident_pb2.ExplainedMember(
                alert_id=alert.id,
                alert_name=alert.alert_name,
                join_time=at(),
                reason=reason,
                correlation_key=key,
                path=path,
                time_window=given,
            )
            for alert, reason, given in ((alerts[0], "Opened", window), (alerts[1], "WindowMatch", compared))
        ],
    )


async def test_incident_lives_from_acknowledgement_to_resolution(stub: IncidentServiceStub, alerts: list[Alert], clock: FakeClock) -> None:
    """Both answers are the incident as it is then; afterwards neither is possible."""
    clock.moment = NOW + timedelta(minutes=10)
    acknowledged = await stub.AcknowledgeIncident(pb.AcknowledgeIncidentRequest(id=1, note="on it"), metadata=bearer())
    ownership = {"acknowledge_time": at(minutes=10), "acknowledged_by_user_name": "anna", "acknowledge_note": "on it"}
    assert acknowledged.incident == first_incident(state=incident_pb2.INCIDENT_STATE_ACKNOWLEDGED, duration_seconds=600, **ownership)
    again = await stub.AcknowledgeIncident(pb.AcknowledgeIncidentRequest(id=1), metadata=bearer())
    assert again.incident == acknowledged.incident
    clock.moment = NOW + timedelta(minutes=20)
    request = pb.ResolveIncidentRequest(id=1, note="fan replaced", resolution_classification="NoImpact")
    resolved = await stub.ResolveIncident(request, metadata=bearer())
    expected = first_incident(
        state=incident_pb2.INCIDENT_STATE_RESOLVED,
        end_time=at(minutes=20),
        duration_seconds=1200,
        resolve_time=at(minutes=20),
        resolved_by_user_name="anna",
        resolve_note="fan replaced",
        resolution_classification="NoImpact",
        active_alert_count_at_resolution=2,
        **ownership,
    )
    assert resolved.incident == expected
    clock.moment = NOW + timedelta(hours=5)
    read = await stub.GetIncident(pb.GetIncidentRequest(id=1), metadata=bearer())
    assert read.incident == expected
    assert (await faults_of(stub.ResolveIncident(request, metadata=bearer())))[0] is grpc.StatusCode.FAILED_PRECONDITION
    acknowledge = stub.AcknowledgeIncident(pb.AcknowledgeIncidentRequest(id=1), metadata=bearer())
    assert (await faults_of(acknowledge))[0] is grpc.StatusCode.FAILED_PRECONDITION


async def test_resolve_incident_collects_both_faults(stub: IncidentServiceStub, alerts: list[Alert]) -> None:
    """A request without anything names note and classification."""
    code, faults = await faults_of(stub.ResolveIncident(pb.ResolveIncidentRequest(id=1), metadata=bearer()))
    assert (code, [field for field, _ in faults]) == (grpc.StatusCode.INVALID_ARGUMENT, ["note", "resolutionClassification"])


async def test_unknown_incidents_are_not_found(stub: IncidentServiceStub) -> None:
    """Every RPC on one incident answers alike."""
    for method, request in (
        (stub.GetIncident, pb.GetIncidentRequest(id=9)),
        (stub.ListIncidentAlerts, pb.ListIncidentAlertsRequest(id=9)),
        (stub.ListIncidentViolations, pb.ListIncidentViolationsRequest(id=9)),
        (stub.ListIncidentMetrics, pb.ListIncidentMetricsRequest(id=9)),
        (stub.ListIncidentTimeline, pb.ListIncidentTimelineRequest(id=9)),
        (stub.ExplainIncident, pb.ExplainIncidentRequest(id=9)),
        (stub.AcknowledgeIncident, pb.AcknowledgeIncidentRequest(id=9)),
        (stub.ResolveIncident, pb.ResolveIncidentRequest(id=-9)),
    ):
        assert await faults_of(method(request, metadata=bearer())) == (grpc.StatusCode.NOT_FOUND, [])


async def test_deeds_need_their_permissions(stub: IncidentServiceStub, alerts: list[Alert]) -> None:
    """Viewing is not enough to acknowledge or to resolve."""
    for method, request in (
        (stub.AcknowledgeIncident, pb.AcknowledgeIncidentRequest(id=1)),
        (stub.ResolveIncident, pb.ResolveIncidentRequest(id=1, note="done", resolution_classification="Resolved")),
    ):
        assert (await faults_of(method(request, metadata=bearer("viewer"))))[0] is grpc.StatusCode.PERMISSION_DENIED
