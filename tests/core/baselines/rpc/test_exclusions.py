import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from lumetry.baselines.v1 import exclusion_service_pb2 as pb
from lumetry.baselines.v1.exclusion_service_pb2_grpc import ExclusionServiceStub, add_ExclusionServiceServicer_to_server
from lumetry_core.baselines.rpc.exclusions import ExclusionServicer
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.core.baselines.building import VIEWER, add_metrics, authenticate

SERVICE = "lumetry.baselines.v1.ExclusionService"
WINDOW, HOLIDAY = pb.EXCLUSION_KIND_INCIDENT_WINDOW, pb.EXCLUSION_KIND_PUBLIC_HOLIDAY
START, END = (encode_time(datetime(2026, 5, 1, hour, tzinfo=UTC)) for hour in (22, 23))


@pytest.fixture
async def stub(database: Database, clock: Clock) -> AsyncIterator[ExclusionServiceStub]:
    """A client of a running server."""
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_ExclusionServiceServicer_to_server, ExclusionServicer(database, clock))},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield ExclusionServiceStub(channel)
    await built.server.stop(None)


def fields_of(error: grpc.aio.AioRpcError) -> list[str]:
    """The paths of a VALIDATION_FAILED."""
    details = error_details_pb2.BadRequest()
    assert rpc_status.from_call(error).details[1].Unpack(details)
    return [violation.field for violation in details.field_violations]


async def test_exclusion_is_created_listed_and_deleted(stub: ExclusionServiceStub, database: Database, clock: Clock) -> None:
    """A period is seen under its kind; a metric that was not given stays absent."""
    await add_metrics(database, clock.now(), "cpu")
    sent = pb.CreateExclusionRequest(kind=WINDOW, metric_key="cpu", start_time=START, end_time=END, reason="Move")
    created = (await stub.CreateExclusion(sent)).exclusion
    assert created == pb.Exclusion(
        id=created.id,
        kind=WINDOW,
        metric_key="cpu",
        start_time=START,
        end_time=END,
        reason="Move",
        created_by=42,
        create_time=encode_time(clock.now()),
    )
    holiday = (await stub.CreateExclusion(pb.CreateExclusionRequest(kind=HOLIDAY, start_time=START, end_time=END, reason="Off"))).exclusion
    assert not holiday.HasField("metric_key")
    assert (await stub.ListExclusions(pb.ListExclusionsRequest(kind=WINDOW), metadata=VIEWER)).exclusions == [created]
    assert (await stub.ListExclusions(pb.ListExclusionsRequest(kind=HOLIDAY, limit=1))).exclusions == [holiday]
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await stub.DeleteExclusion(pb.DeleteExclusionRequest(kind=HOLIDAY, id=created.id))
    assert failure.value.code() is grpc.StatusCode.NOT_FOUND
    await stub.DeleteExclusion(pb.DeleteExclusionRequest(kind=WINDOW, id=created.id))
    assert (await stub.ListExclusions(pb.ListExclusionsRequest(kind=WINDOW))).exclusions == []


async def test_faults_travel_by_path(stub: ExclusionServiceStub) -> None:
    """A kind is needed everywhere; times must be given and exist in the calendar."""
    beyond = Timestamp(seconds=10**15)
    for call, fields in (
        (stub.ListExclusions(pb.ListExclusionsRequest()), ["kind"]),
        (stub.DeleteExclusion(pb.DeleteExclusionRequest(id=1)), ["kind"]),
        (stub.CreateExclusion(pb.CreateExclusionRequest(reason="x")), ["kind"]),
        (stub.CreateExclusion(pb.CreateExclusionRequest(kind=WINDOW)), ["startTime", "endTime", "reason"]),
        (stub.CreateExclusion(pb.CreateExclusionRequest(kind=WINDOW, start_time=beyond, end_time=beyond)), ["startTime", "endTime"]),
        (stub.ImportPublicHolidays(pb.ImportPublicHolidaysRequest(time_zone="x")), ["year", "timeZone", "country"]),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call
        assert (failure.value.code(), fields_of(failure.value)) == (grpc.StatusCode.INVALID_ARGUMENT, fields)


async def test_import_answers_what_is_new(stub: ExclusionServiceStub) -> None:
    """Several years come at once, nothing comes twice, and the author is who asked."""
    asked = pb.ImportPublicHolidaysRequest(country="DE", subdivision="BY", years=[2026, 2027], time_zone="Europe/Berlin")
    added = (await stub.ImportPublicHolidays(asked)).exclusions
    assert len(added) == 24
    assert (added[0].kind, added[0].reason, added[0].created_by) == (HOLIDAY, "New Year's Day", 42)
    assert added[0].start_time.ToDatetime(UTC) == datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert (await stub.ImportPublicHolidays(asked)).exclusions == []


async def test_import_without_calendars_is_a_conflict(stub: ExclusionServiceStub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer says what to install."""
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await stub.ImportPublicHolidays(pb.ImportPublicHolidaysRequest(country="DE", years=[2026]))
    assert failure.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "pip install 'lumetry[holidays]'" in (failure.value.details() or "")


async def test_writes_need_their_permission(stub: ExclusionServiceStub) -> None:
    """Who may only look cannot write."""
    for call in (
        stub.CreateExclusion(pb.CreateExclusionRequest(), metadata=VIEWER),
        stub.DeleteExclusion(pb.DeleteExclusionRequest(), metadata=VIEWER),
        stub.ImportPublicHolidays(pb.ImportPublicHolidaysRequest(), metadata=VIEWER),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call
        assert failure.value.code() is grpc.StatusCode.PERMISSION_DENIED
