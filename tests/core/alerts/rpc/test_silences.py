from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from lumetry.alerts.v1 import silence_pb2
from lumetry.alerts.v1 import silence_service_pb2 as pb
from lumetry.alerts.v1.silence_service_pb2_grpc import SilenceServiceStub, add_SilenceServiceServicer_to_server
from lumetry_core.alerts.rpc.silences import SilenceServicer
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.core.alerts.planning import NOW, VIEWER, authenticate

SERVICE = "lumetry.alerts.v1.SilenceService"
START, END = encode_time(NOW), encode_time(NOW + timedelta(hours=1))


@pytest.fixture
async def stub(database: Database, clock: Clock) -> AsyncIterator[SilenceServiceStub]:
    """A client of a running server."""
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_SilenceServiceServicer_to_server, SilenceServicer(database, clock))},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield SilenceServiceStub(channel)
    await built.server.stop(None)


async def test_silence_is_created_listed_and_deleted(stub: SilenceServiceStub) -> None:
    """Matchers come back as they were given, absent ones absent; filters reach the list."""
    matchers = silence_pb2.Matchers(
        metric_key="cpu", rule_id=1, severity="Warning", source_kind="External", service_node_id=2, ci_node_id=3, labels={"a": "b"}
    )
    created = (await stub.CreateSilence(pb.CreateSilenceRequest(matchers=matchers, start_time=START, end_time=END, reason="Known"))).silence
    assert created == silence_pb2.Silence(
        id=created.id,
        matchers=matchers,
        start_time=START,
        end_time=END,
        reason="Known",
        is_active=True,
        created_by=42,
        create_time=START,
    )
    later = pb.CreateSilenceRequest(
        matchers=silence_pb2.Matchers(rule_id=1), start_time=END, end_time=encode_time(NOW + timedelta(days=1)), reason="Later"
    )
    coming = (await stub.CreateSilence(later)).silence
    assert coming.matchers == silence_pb2.Matchers(rule_id=1)
    assert (await stub.ListSilences(pb.ListSilencesRequest(), metadata=VIEWER)).silences == [coming, created]
    assert (await stub.ListSilences(pb.ListSilencesRequest(active=True))).silences == [created]
    assert (await stub.ListSilences(pb.ListSilencesRequest(active=False, limit=1))).silences == [coming]
    await stub.DeleteSilence(pb.DeleteSilenceRequest(id=created.id))
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await stub.DeleteSilence(pb.DeleteSilenceRequest(id=created.id))
    assert failure.value.code() is grpc.StatusCode.NOT_FOUND
    assert (await stub.ListSilences(pb.ListSilencesRequest())).silences == [coming]


async def test_faults_travel_by_path(stub: SilenceServiceStub) -> None:
    """Every fault is named, times outside the calendar as well."""
    beyond = Timestamp(seconds=10**15)
    for request, fields in (
        (pb.CreateSilenceRequest(), ["matchers", "reason", "startTime", "endTime"]),
        (pb.CreateSilenceRequest(start_time=beyond, end_time=beyond), ["startTime", "endTime"]),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await stub.CreateSilence(request)
        details = error_details_pb2.BadRequest()
        assert rpc_status.from_call(failure.value).details[1].Unpack(details)
        assert [violation.field for violation in details.field_violations] == fields


async def test_writes_need_their_permission(stub: SilenceServiceStub) -> None:
    """Who may only look cannot mute."""
    for call in (
        stub.CreateSilence(pb.CreateSilenceRequest(), metadata=VIEWER),
        stub.DeleteSilence(pb.DeleteSilenceRequest(), metadata=VIEWER),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call
        assert failure.value.code() is grpc.StatusCode.PERMISSION_DENIED
