from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.alerts.v1 import alert_pb2
from lumetry.alerts.v1 import alert_service_pb2 as pb
from lumetry.alerts.v1.alert_service_pb2_grpc import AlertServiceStub, add_AlertServiceServicer_to_server
from lumetry_core.alerts.model import Alert, Closing, Opening
from lumetry_core.alerts.rpc.alerts import AlertServicer
from lumetry_core.alerts.service import system_alerts, transitions
from lumetry_core.rules.model import Direction, Severity
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from lumetry_core.violations import service as violations
from lumetry_core.violations.model import NewViolation
from lumetry_core.violations.rpc import encode_violation

Build = Callable[..., Opening]
Open = Callable[..., Awaitable[list[Alert]]]
SERVICE = "lumetry.alerts.v1.AlertService"


async def authenticate(origin: Origin) -> Caller:
    """Knows one person, who may do everything unless the secret says `viewer`."""
    permissions = frozenset({Permission.VIEW_ALERTS}) if origin.secret == "viewer" else frozenset(Permission)
    return Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin", permissions=permissions)


@pytest.fixture
async def stub(database: Database, clock: Clock) -> AsyncIterator[AlertServiceStub]:
    """A client of a running server."""
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_AlertServiceServicer_to_server, AlertServicer(database, clock, encode_violation))},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield AlertServiceStub(channel)
    await built.server.stop(None)


async def test_alert_is_listed_acknowledged_and_closed(stub: AlertServiceStub, clock: Clock, opening: Build, open_all: Open) -> None:
    """Fields without value are absent, and each action answers the alert as it then is."""
    (opened,) = await open_all(opening())
    message = alert_pb2.Alert(
        id=opened.id,
        rule_id=17,
        metric_key="db.latency",
        start_time=encode_time(opened.start_time),
        state=alert_pb2.ALERT_STATE_OPEN,
        severity="Warning",
        trigger_reason="11 violations within 10 minutes",
        violation_count=11,
        alert_name="Database is slow",
        metric_display_name="Latency",
        dimension_key="host.id=a",
        alert_level_id=3,
        source_kind="MetricRule",
    )
    assert await stub.ListAlerts(pb.ListAlertsRequest(status="open", rule_id=17, dimension_key="host.id=a")) == pb.ListAlertsResponse(
        alerts=[message]
    )
    assert await stub.ListAlerts(pb.ListAlertsRequest(end_time=encode_time(clock.now() - timedelta(hours=1)))) == pb.ListAlertsResponse()
    assert await stub.GetAlert(pb.GetAlertRequest(id=opened.id)) == pb.GetAlertResponse(alert=message)
    message.state = alert_pb2.ALERT_STATE_ACKNOWLEDGED
    message.acknowledge_time.CopyFrom(encode_time(clock.now()))
    assert (await stub.AcknowledgeAlert(pb.AcknowledgeAlertRequest(id=opened.id, note="on it"))).alert == message
    message.state = alert_pb2.ALERT_STATE_CLOSED
    message.end_time.CopyFrom(encode_time(clock.now()))
    assert (await stub.CloseAlert(pb.CloseAlertRequest(id=opened.id))).alert == message
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await stub.AcknowledgeAlert(pb.AcknowledgeAlertRequest(id=opened.id))
    assert failure.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_list_alert_violations_shows_those_of_the_alert(
    stub: AlertServiceStub, database: Database, clock: Clock, opening: Build, open_all: Open
) -> None:
    """Only what belongs to the alert, newest first, up to the limit."""
    (opened,) = await open_all(opening())
    new = [
        NewViolation(
            rule_id=17,
            metric_key="db.latency",
            time=clock.now() - timedelta(seconds=second),
            actual_value=2.0,
            direction=Direction.ABOVE,
            severity=Severity.WARNING,
            metric_display_name="Latency",
            detect_time=clock.now(),
            alert_id=alert_id,
        )
        for second, alert_id in ((3, opened.id), (2, opened.id), (1, None))
    ]
    async with database.write() as tx:
        await violations.record(tx, 7, new)
    found = await stub.ListAlertViolations(pb.ListAlertViolationsRequest(id=opened.id))
    assert [violation.time for violation in found.violations] == [encode_time(clock.now() - timedelta(seconds=n)) for n in (2, 3)]
    limited = await stub.ListAlertViolations(pb.ListAlertViolationsRequest(id=opened.id, limit=1))
    assert list(limited.violations) == list(found.violations[:1])


async def test_explain_alert_shows_nine_gates(stub: AlertServiceStub, clock: Clock, opening: Build, open_all: Open) -> None:
    """The trace names what decided; gates that are not decided yet have no time."""
    (opened,) = await open_all(opening())
    found = await stub.ExplainAlert(pb.ExplainAlertRequest(id=opened.id))
    assert (found.alert_id, found.transition, found.outcome, found.summary) == (
        opened.id,
        "open",
        "Pending",
        "The routing has not been decided yet",
    )
    assert [(gate.order, gate.gate, gate.verdict) for gate in found.gates] == [
        (1, "Rule", "Passed"),
        (2, "TriggerWindow", "Passed"),
        (3, "Hysteresis", "Passed"),
        (4, "Maintenance", "Pending"),
        (5, "Silence", "Pending"),
        (6, "Cooldown", "Pending"),
        (7, "PostResolutionWatch", "Pending"),
        (8, "Route", "Pending"),
        (9, "Delivery", "Pending"),
    ]
    assert found.gates[1] == alert_pb2.Decision(
        order=2,
        gate="TriggerWindow",
        verdict="Passed",
        reason="11 violations within 10 minutes, 5 needed",
        record_type="RuleAlertLevel",
        record_id="3",
        record_name="Warning",
        time=encode_time(clock.now()),
        details_json='{"count":11,"needed":5,"windowMinutes":10}',
    )
    assert found.gates[8] == alert_pb2.Decision(
        order=9, gate="Delivery", verdict="Pending", reason="The routing has not been decided yet", details_json="{}"
    )
    closed = await stub.ExplainAlert(pb.ExplainAlertRequest(id=opened.id, transition="close"))
    assert closed == pb.ExplainAlertResponse(
        alert_id=opened.id, transition="close", outcome="NotOccurred", summary="The alert has not closed"
    )


async def test_list_system_alerts_shows_every_field(stub: AlertServiceStub, database: Database, clock: Clock) -> None:
    """An open one has no close time."""
    async with database.write() as tx:
        raised = await system_alerts.raise_system_alert(
            tx, 7, "EvaluationBacklog", Severity.CRITICAL, "Behind", "Partition", "0", clock.now()
        )
    assert await stub.ListSystemAlerts(pb.ListSystemAlertsRequest(status="Open")) == pb.ListSystemAlertsResponse(
        system_alerts=[
            alert_pb2.SystemAlert(
                id=raised.id,
                code="EvaluationBacklog",
                severity="Critical",
                is_open=True,
                message="Behind",
                subject_type="Partition",
                subject_id="0",
                first_seen_time=encode_time(clock.now()),
                last_seen_time=encode_time(clock.now()),
                occurrence_count=1,
            )
        ]
    )


async def test_faults_and_permissions_become_statuses(stub: AlertServiceStub, opening: Build, open_all: Open) -> None:
    """What is wrong with a call is told by its status."""
    (opened,) = await open_all(opening())
    viewer = (("authorization", "Bearer viewer"),)
    for call, code in (
        (stub.ListAlerts(pb.ListAlertsRequest(start_time=Timestamp(seconds=10**12))), grpc.StatusCode.INVALID_ARGUMENT),
        (stub.ListAlerts(pb.ListAlertsRequest(limit=5001)), grpc.StatusCode.INVALID_ARGUMENT),
        (stub.GetAlert(pb.GetAlertRequest(id=opened.id + 1)), grpc.StatusCode.NOT_FOUND),
        (stub.AcknowledgeAlert(pb.AcknowledgeAlertRequest(id=opened.id), metadata=viewer), grpc.StatusCode.PERMISSION_DENIED),
        (stub.CloseAlert(pb.CloseAlertRequest(id=opened.id), metadata=viewer), grpc.StatusCode.PERMISSION_DENIED),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call
        assert failure.value.code() is code


async def test_recovered_alert_shows_its_end(
    stub: AlertServiceStub, database: Database, clock: Clock, opening: Build, open_all: Open
) -> None:
    """The end is the time of the clear point, exact to the millisecond."""
    (opened,) = await open_all(opening())
    end_time = opened.start_time + timedelta(minutes=6, milliseconds=7)
    async with database.write() as tx:
        await transitions.close_by_recovery(tx, 7, [Closing(opened.id, 17, "x", end_time, opened.start_time, 5)], clock.now())
    found = (await stub.GetAlert(pb.GetAlertRequest(id=opened.id))).alert
    assert (found.state, found.end_time.nanos) == (alert_pb2.ALERT_STATE_CLOSED, 7_000_000)
