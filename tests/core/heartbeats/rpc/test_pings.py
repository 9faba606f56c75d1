import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc
import pytest

from lumetry.heartbeats.v1 import heartbeat_pb2
from lumetry.heartbeats.v1 import heartbeat_service_pb2 as pb
from lumetry.heartbeats.v1 import ping_service_pb2 as ping_pb
from lumetry.heartbeats.v1.heartbeat_service_pb2_grpc import HeartbeatServiceStub, add_HeartbeatServiceServicer_to_server
from lumetry.heartbeats.v1.ping_service_pb2_grpc import PingServiceStub, add_PingServiceServicer_to_server
from lumetry_core.heartbeats.rpc.heartbeats import HeartbeatServicer
from lumetry_core.heartbeats.rpc.pings import PingServicer
from lumetry_core.heartbeats.service.appender import PingAppender
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from tests.core.heartbeats.world import CALLER

PACKAGE = "lumetry.heartbeats.v1"
GATEWAY = (("x-lumetry-family", "monitoring"),)


@pytest.fixture
async def channel(database: Database, clock: Clock) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a running server on which everybody is the administrator."""

    async def authenticate(_origin: Origin) -> Caller:
        return CALLER

    appender = PingAppender(database, clock)
    heartbeats = HeartbeatServicer(database, clock, "https://lumetry.example/")
    services = {
        f"{PACKAGE}.HeartbeatService": (add_HeartbeatServiceServicer_to_server, heartbeats),
        f"{PACKAGE}.PingService": (add_PingServiceServicer_to_server, PingServicer(appender)),
    }
    server = build_server("127.0.0.1:0", services, read_accesses(services), authenticate, reflect=False)
    await server.server.start()
    running = asyncio.create_task(appender.run())
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened
    await server.server.stop(None)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def create(channel: grpc.aio.Channel) -> heartbeat_pb2.Heartbeat:
    draft = heartbeat_pb2.HeartbeatDraft(name="backup", interval_seconds=600)
    reply: Any = await HeartbeatServiceStub(channel).CreateHeartbeat(pb.CreateHeartbeatRequest(heartbeat=draft))
    made: heartbeat_pb2.Heartbeat = reply.heartbeat
    return made


async def test_record_pings(channel: grpc.aio.Channel) -> None:
    """Each ping gets its own verdict; what came in is listed with the address that a gateway on this host saw."""
    made = await create(channel)
    pings = [
        ping_pb.PingDraft(uuid=made.uuid.upper(), kind=ping_pb.PING_KIND_START, address="192.0.2.1", http_method="GET"),
        ping_pb.PingDraft(uuid="nobody", kind=ping_pb.PING_KIND_SUCCESS, address="192.0.2.1"),
        ping_pb.PingDraft(uuid=made.uuid, kind=ping_pb.PING_KIND_EXIT_CODE, exit_code=3, address="192.0.2.1", payload=b"no space"),
    ]
    reply = await PingServiceStub(channel).RecordPings(ping_pb.RecordPingsRequest(pings=pings), metadata=GATEWAY)
    assert [result.verdict for result in reply.results] == [
        ping_pb.PING_VERDICT_ACCEPTED,
        ping_pb.PING_VERDICT_NOT_FOUND,
        ping_pb.PING_VERDICT_ACCEPTED,
    ]
    stub = HeartbeatServiceStub(channel)
    listed = await stub.ListPings(pb.ListPingsRequest(heartbeat_id=made.id, limit=10))
    assert [(ping.kind, ping.exit_code, ping.HasField("exit_code"), ping.source_ip, ping.payload) for ping in listed.pings] == [
        ("exit_code", 3, True, "192.0.2.1", "no space"),
        ("start", 0, False, "192.0.2.1", ""),
    ]
    runs = await stub.ListRuns(pb.ListRunsRequest(heartbeat_id=made.id, limit=10))
    assert [(run.outcome, run.exit_code, run.payload) for run in runs.runs] == [("failure", 3, "no space")]
    days = await stub.ListHeartbeatDays(pb.ListHeartbeatDaysRequest(heartbeat_id=made.id, days=2))
    assert [(day.date, day.percent, day.HasField("percent")) for day in days.days] == [
        ("2026-06-01", 0.0, True),
        ("2026-05-31", 0.0, False),
    ]
    got = await stub.GetHeartbeat(pb.GetHeartbeatRequest(id=made.id))
    assert (got.heartbeat.alert_state, got.base_url) == ("alerting", "https://lumetry.example")


async def test_record_pings_directly(channel: grpc.aio.Channel) -> None:
    """Whoever calls without a gateway is known by its own address, whatever it says."""
    made = await create(channel)
    ping = ping_pb.PingDraft(uuid=made.uuid, kind=ping_pb.PING_KIND_LOG, address="192.0.2.1")
    await PingServiceStub(channel).RecordPings(ping_pb.RecordPingsRequest(pings=[ping]))
    listed = await HeartbeatServiceStub(channel).ListPings(pb.ListPingsRequest(heartbeat_id=made.id, limit=1))
    assert listed.pings[0].source_ip == "127.0.0.1"


@pytest.mark.parametrize(
    "ping",
    [
        ping_pb.PingDraft(kind=ping_pb.PING_KIND_UNSPECIFIED),
        ping_pb.PingDraft(kind=ping_pb.PING_KIND_EXIT_CODE, exit_code=256),
        ping_pb.PingDraft(kind=ping_pb.PING_KIND_LOG, http_method="PUT"),
    ],
)
async def test_record_pings_faulty(channel: grpc.aio.Channel, ping: ping_pb.PingDraft) -> None:
    """What cannot be a ping is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await PingServiceStub(channel).RecordPings(ping_pb.RecordPingsRequest(pings=[ping]))
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_manage_heartbeat(channel: grpc.aio.Channel) -> None:
    """A heartbeat is made, changed, paused, resumed, listed and removed."""
    made = await create(channel)
    stub = HeartbeatServiceStub(channel)
    changed = await stub.UpdateHeartbeat(
        pb.UpdateHeartbeatRequest(id=made.id, heartbeat=heartbeat_pb2.HeartbeatDraft(name="new", clears_topology_node=True))
    )
    assert (changed.heartbeat.name, changed.heartbeat.interval_seconds) == ("new", 600)
    assert (await stub.PauseHeartbeat(pb.PauseHeartbeatRequest(id=made.id))).heartbeat.status == "paused"
    assert (await stub.ResumeHeartbeat(pb.ResumeHeartbeatRequest(id=made.id))).heartbeat.status == "up"
    assert [each.id for each in (await stub.ListHeartbeats(pb.ListHeartbeatsRequest(status="up"))).heartbeats] == [made.id]
    await stub.DeleteHeartbeat(pb.DeleteHeartbeatRequest(id=made.id))
    assert not (await stub.ListHeartbeats(pb.ListHeartbeatsRequest())).heartbeats
