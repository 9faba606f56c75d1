import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as pb
from lumetry.hostagents.v1 import host_agent_service_pb2 as managing_pb
from lumetry.hostagents.v1.host_agent_channel_service_pb2_grpc import (
    HostAgentChannelServiceStub,
    add_HostAgentChannelServiceServicer_to_server,
)
from lumetry.hostagents.v1.host_agent_service_pb2_grpc import HostAgentServiceStub, add_HostAgentServiceServicer_to_server
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.agents.service.imaging import show_host_agent
from lumetry_core.hostagents.rpc.agents import HostAgentServicer
from lumetry_core.hostagents.rpc.channel import HostAgentChannelServicer
from lumetry_core.hostagents.service.beating import BeatAppender
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.conftest import FakeClock
from tests.core.hostagents.fleet import ADMIN
from tests.core.hostagents.making import SETTINGS

PACKAGE = "lumetry.hostagents.v1"
INSTALLATION = pb.EnrollHostAgentRequest(
    installation_id=str(UUID(int=1)), host_id="srv-1", hostname="web-1", os="linux", arch="x86_64", version="1.0"
)


@pytest.fixture
async def channel(database: Database, clock: FakeClock) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a running server on which whoever has no secret of an agent is the administrator."""
    real = Authenticator(database, clock)

    async def authenticate(origin: Origin) -> Caller:
        return await real(origin) if origin.secret else ADMIN

    beats = BeatAppender(database, clock, SETTINGS)
    channel_servicer = HostAgentChannelServicer(database, clock, SETTINGS, beats, show_host_agent)
    services: dict[str, Any] = {
        f"{PACKAGE}.HostAgentService": (
            add_HostAgentServiceServicer_to_server,
            HostAgentServicer(database, clock, SETTINGS, show_host_agent, lambda organization_id, agent_id: organization_id + agent_id),
        ),
        f"{PACKAGE}.HostAgentChannelService": (add_HostAgentChannelServiceServicer_to_server, channel_servicer),
    }
    server = build_server("127.0.0.1:0", services, read_accesses(services), authenticate, reflect=False)
    await server.server.start()
    running = asyncio.create_task(beats.run())
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened
    await server.server.stop(None)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def by(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


async def enroll(channel: grpc.aio.Channel) -> pb.EnrollHostAgentResponse:
    request = managing_pb.CreateEnrollmentProfileRequest(name="all")
    made: Any = await HostAgentServiceStub(channel).CreateEnrollmentProfile(request)
    enrolled: Any = await HostAgentChannelServiceStub(channel).EnrollHostAgent(INSTALLATION, metadata=by(made.enrollment_token))
    answer: pb.EnrollHostAgentResponse = enrolled
    return answer


def row_of(enrolled: pb.EnrollHostAgentResponse, **fields: Any) -> managing_pb.HostAgent:
    plain = managing_pb.HostAgent(
        id=enrolled.agent_id,
        agent_key=enrolled.agent_key,
        hostname="web-1",
        os="linux",
        version="1.0",
        state=managing_pb.HOST_AGENT_STATE_ONLINE,
        transport="Direct",
        arch="x86_64",
        series_dropped=ADMIN.organization_id + enrolled.agent_id,
    )
    plain.MergeFrom(managing_pb.HostAgent(**fields))
    return plain


async def test_an_agent_enrolls_and_beats(channel: grpc.aio.Channel, clock: FakeClock) -> None:
    """From the token to what is wanted of the agent, and what those who look after it see then."""
    enrolled = await enroll(channel)
    assert (enrolled.heartbeat_interval_seconds, enrolled.credential[:5]) == (60, "lmta_")
    managing, own = HostAgentServiceStub(channel), by(enrolled.credential)
    stub = HostAgentChannelServiceStub(channel)
    beat = pb.SendHostAgentHeartbeatRequest(
        version="1.1", queue_depth=3, packs=[pb.ActivePack(pack_id="process", version=1)], send_time=encode_time(clock.now())
    )
    told: Any = await stub.SendHostAgentHeartbeat(beat, metadata=own)
    assert (told.server_time, told.enabled, told.config_revision, dict(told.labels), told.max_series) == (
        encode_time(clock.now()),
        True,
        1,
        {},
        2000,
    )
    assert [pack.pack_id for pack in told.packs] == ["host.linux", "process"]
    expected = row_of(enrolled, queue_depth=3, packs=list(beat.packs), last_seen_time=encode_time(clock.now()))
    expected.version = "1.1"
    listed: Any = await managing.ListHostAgents(managing_pb.ListHostAgentsRequest())
    assert listed == managing_pb.ListHostAgentsResponse(agents=[expected], page=1, page_size=25, total_count=1)
    found: Any = await managing.GetHostAgent(managing_pb.GetHostAgentRequest(id=enrolled.agent_id))
    assert found == managing_pb.GetHostAgentResponse(
        agent=expected,
        identity=managing_pb.HostAgentIdentity(
            host_id="srv-1",
            installation_id=str(UUID(int=1)),
            enroll_time=encode_time(clock.now()),
            credential_prefix=enrolled.credential[:12],
        ),
        latest=managing_pb.LatestHostValues(),
    )
    asked = managing_pb.GetHostTelemetryRequest(id=enrolled.agent_id, step_seconds=60)
    telemetry: Any = await managing.GetHostTelemetry(asked)
    assert telemetry == managing_pb.GetHostTelemetryResponse()
    of_process = managing_pb.GetHostProcessTelemetryRequest(id=enrolled.agent_id, executable="nginx")
    processes: Any = await managing.GetHostProcessTelemetry(of_process)
    assert processes == managing_pb.GetHostProcessTelemetryResponse()
    profiles: Any = await managing.ListEnrollmentProfiles(managing_pb.ListEnrollmentProfilesRequest())
    assert [(each.name, each.max_enrollments, each.enrollment_count) for each in profiles.profiles] == [("all", 100, 1)]


async def test_an_agent_is_disabled_and_revoked(channel: grpc.aio.Channel, clock: FakeClock) -> None:
    """The channel stays open for a disabled agent and closes for a revoked one, on the next call."""
    enrolled = await enroll(channel)
    managing, stub = HostAgentServiceStub(channel), HostAgentChannelServiceStub(channel)
    change = managing_pb.UpdateHostAgentRequest(id=enrolled.agent_id, enabled=False)
    changed: Any = await managing.UpdateHostAgent(change)
    assert changed.agent == row_of(enrolled, state=managing_pb.HOST_AGENT_STATE_DISABLED)
    beat = pb.SendHostAgentHeartbeatRequest(send_time=encode_time(clock.now()))
    told: Any = await stub.SendHostAgentHeartbeat(beat, metadata=by(enrolled.credential))
    assert not told.enabled
    revoked: Any = await managing.RevokeHostAgent(managing_pb.RevokeHostAgentRequest(id=enrolled.agent_id))
    assert revoked.agent.state == managing_pb.HOST_AGENT_STATE_REVOKED
    clock.advance(seconds=5)
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await stub.SendHostAgentHeartbeat(beat, metadata=by(enrolled.credential))
    assert failure.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_an_expired_token_outranks_faults(channel: grpc.aio.Channel, clock: FakeClock) -> None:
    """It is no credential any more, so nobody looks at the rest."""
    request = managing_pb.CreateEnrollmentProfileRequest(name="all", expires_in_hours=1)
    made: Any = await HostAgentServiceStub(channel).CreateEnrollmentProfile(request)
    codes = []
    for minutes in (59, 1):
        clock.advance(minutes=minutes)
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await HostAgentChannelServiceStub(channel).EnrollHostAgent(pb.EnrollHostAgentRequest(), metadata=by(made.enrollment_token))
        codes.append(failure.value.code())
    assert codes == [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAUTHENTICATED]


@pytest.mark.parametrize("send_time", [None, Timestamp(seconds=10**13)])
async def test_a_heartbeat_without_a_clock(channel: grpc.aio.Channel, send_time: Timestamp | None) -> None:
    """What is no time is a fault like others, and all are named."""
    enrolled = await enroll(channel)
    beat = pb.SendHostAgentHeartbeatRequest(queue_depth=-1, send_time=send_time)
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await HostAgentChannelServiceStub(channel).SendHostAgentHeartbeat(beat, metadata=by(enrolled.credential))
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
