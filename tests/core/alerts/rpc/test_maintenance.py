from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from icalendar import Calendar

from lumetry.alerts.v1 import maintenance_service_pb2 as pb
from lumetry.alerts.v1 import maintenance_window_pb2
from lumetry.alerts.v1.maintenance_service_pb2_grpc import MaintenanceServiceStub, add_MaintenanceServiceServicer_to_server
from lumetry_core.alerts.rpc.maintenance import MaintenanceServicer
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.core.alerts.planning import NOW, VIEWER, add_node, authenticate

SERVICE = "lumetry.alerts.v1.MaintenanceService"
START, END = encode_time(NOW), encode_time(NOW + timedelta(hours=1))


@pytest.fixture
async def stub(database: Database, clock: Clock) -> AsyncIterator[MaintenanceServiceStub]:
    """A client of a running server."""
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_MaintenanceServiceServicer_to_server, MaintenanceServicer(database, clock))},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield MaintenanceServiceStub(channel)
    await built.server.stop(None)


async def test_window_is_created_listed_and_deleted(stub: MaintenanceServiceStub, database: Database) -> None:
    """What was not given stays absent; filters reach the list; the calendar holds what is listed."""
    host = await add_node(database, "Host", "h1")
    sent = pb.CreateMaintenanceWindowRequest(
        scope_type="ci", scope_node_id=host, start_time=START, end_time=END, reason="Move", rrule="FREQ=DAILY", time_zone="Europe/Berlin"
    )
    created = (await stub.CreateMaintenanceWindow(sent)).window
    assert created == maintenance_window_pb2.MaintenanceWindow(
        id=created.id,
        scope_type=maintenance_window_pb2.SCOPE_TYPE_CI,
        scope_node_id=host,
        scope_node_name="h1",
        start_time=START,
        end_time=END,
        reason="Move",
        is_active=True,
        rrule="FREQ=DAILY",
        time_zone="Europe/Berlin",
        next_occurrence_start=encode_time(NOW + timedelta(days=1)),
        created_by=42,
        create_time=START,
    )
    later = pb.CreateMaintenanceWindowRequest(
        scope_type="Global", start_time=END, end_time=encode_time(NOW + timedelta(hours=2)), reason="Later"
    )
    coming = (await stub.CreateMaintenanceWindow(later)).window
    assert not any(coming.HasField(name) for name in ("scope_node_id", "scope_node_name", "metric_key", "rrule", "next_occurrence_start"))
    assert (await stub.ListMaintenanceWindows(pb.ListMaintenanceWindowsRequest(), metadata=VIEWER)).windows == [coming, created]
    assert (await stub.ListMaintenanceWindows(pb.ListMaintenanceWindowsRequest(active=True))).windows == [created]
    assert (await stub.ListMaintenanceWindows(pb.ListMaintenanceWindowsRequest(active=False, limit=1))).windows == [coming]
    document = (await stub.GetMaintenanceCalendar(pb.GetMaintenanceCalendarRequest(), metadata=VIEWER)).calendar
    assert [str(event["SUMMARY"]) for event in Calendar.from_ical(document).walk("VEVENT")] == ["Later", "Move"]
    await stub.DeleteMaintenanceWindow(pb.DeleteMaintenanceWindowRequest(id=created.id))
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await stub.DeleteMaintenanceWindow(pb.DeleteMaintenanceWindowRequest(id=created.id))
    assert failure.value.code() is grpc.StatusCode.NOT_FOUND
    assert (await stub.ListMaintenanceWindows(pb.ListMaintenanceWindowsRequest())).windows == [coming]


async def test_faults_travel_by_path(stub: MaintenanceServiceStub) -> None:
    """Every fault is named, times outside the calendar as well."""
    beyond = Timestamp(seconds=10**15)
    for request, fields in (
        (pb.CreateMaintenanceWindowRequest(), ["scopeType", "reason", "startTime", "endTime"]),
        (pb.CreateMaintenanceWindowRequest(start_time=beyond, end_time=beyond), ["startTime", "endTime"]),
        (
            pb.CreateMaintenanceWindowRequest(scope_type="Global", start_time=START, end_time=END, reason="x", rrule="", time_zone=""),
            ["timeZone", "rrule"],
        ),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await stub.CreateMaintenanceWindow(request)
        details = error_details_pb2.BadRequest()
        assert rpc_status.from_call(failure.value).details[1].Unpack(details)
        assert [violation.field for violation in details.field_violations] == fields


async def test_writes_need_their_permission(stub: MaintenanceServiceStub) -> None:
    """Who may only look cannot plan."""
    for call in (
        stub.CreateMaintenanceWindow(pb.CreateMaintenanceWindowRequest(), metadata=VIEWER),
        stub.DeleteMaintenanceWindow(pb.DeleteMaintenanceWindowRequest(), metadata=VIEWER),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call
        assert failure.value.code() is grpc.StatusCode.PERMISSION_DENIED
