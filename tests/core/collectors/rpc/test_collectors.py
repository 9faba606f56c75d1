import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import grpc
import pytest

from lumetry.collectors.v1 import collector_service_pb2 as pb
from lumetry.collectors.v1 import config_pb2
from lumetry.collectors.v1.collector_service_pb2_grpc import CollectorServiceStub, add_CollectorServiceServicer_to_server
from lumetry_core.collectors.rpc.collectors import CollectorServicer
from lumetry_core.collectors.rpc.work import WorkDesk
from lumetry_core.collectors.service.appender import BeatAppender
from lumetry_core.collectors.streams import Streams
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.queue import Wakeups
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time

SERVICE = "lumetry.collectors.v1.CollectorService"
ADMIN = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=3, permissions=frozenset({Permission.MANAGE_INFRASTRUCTURE}))


async def authenticate(origin: Origin) -> Caller:
    """Knows `admin`, `viewer`, and machine credentials of the form `KIND:collector`."""
    if origin.secret == "admin":
        return ADMIN
    if origin.secret == "viewer":
        return Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, permissions=frozenset({Permission.VIEW_ALERTS}))
    if origin.secret is None:
        raise LumetryError(Reason.UNAUTHENTICATED, "No.")
    kind, _, collector_id = origin.secret.partition(":")
    return Caller(organization_id=7, kind=CredentialKind(kind), collector_id=collector_id)


@pytest.fixture
async def stub(database: Database, clock: Clock, wakeups: Wakeups) -> AsyncIterator[CollectorServiceStub]:
    """A client of a running server."""
    beats = BeatAppender(database, clock)
    servicer = CollectorServicer(database, clock, wakeups, beats, WorkDesk(database, clock, {}), Streams())
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_CollectorServiceServicer_to_server, servicer)},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    running = asyncio.create_task(beats.run())
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield CollectorServiceStub(channel)
    await built.server.stop(None)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def bearer(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


def installation() -> pb.EnrollCollectorRequest:
    return pb.EnrollCollectorRequest(installation_id=str(UUID(int=9)), hostname="web-1", version="0.1.0", capabilities=["host_metrics"])


async def test_collector_lives_from_registration_to_heartbeat(stub: CollectorServiceStub, clock: Clock) -> None:
    """Register, enroll, send a heartbeat; the list shows it all, and goes offline after three intervals."""
    created = await stub.CreateCollector(pb.CreateCollectorRequest(name="Web"), metadata=bearer("admin"))
    assert created.name == "Web"
    assert created.enrollment_expire_time == encode_time(clock.now() + timedelta(hours=24))
    create_time = enroll_time = clock.now()

    enrolled = await stub.EnrollCollector(installation(), metadata=bearer(f"COLLECTOR_ENROLLMENT:{created.id}"))
    assert enrolled == pb.EnrollCollectorResponse(
        collector_id=created.id, credential=enrolled.credential, config_revision=1, heartbeat_interval_seconds=30
    )

    clock.advance(seconds=5)
    beat = pb.SendHeartbeatRequest(
        instance_id=str(UUID(int=1)),
        version="0.1.1",
        queue_depth=4,
        dropped_count=2,
        send_time=encode_time(clock.now() + timedelta(milliseconds=250)),
        config_revision_applied=1,
        capabilities=["host_metrics"],
    )
    answer = await stub.SendHeartbeat(beat, metadata=bearer(f"COLLECTOR:{created.id}"))
    assert answer == pb.SendHeartbeatResponse(server_time=encode_time(clock.now()), config_revision=1, status="active")

    expected = pb.Collector(
        id=created.id,
        name="Web",
        status="active",
        enroll_time=encode_time(enroll_time),
        last_seen_time=encode_time(clock.now()),
        version="0.1.1",
        hostname="web-1",
        capabilities=["host_metrics"],
        queue_depth=4,
        dropped_count=2,
        clock_skew_ms=250,
        is_online=True,
        create_time=encode_time(create_time),
        config_revision=1,
        config_revision_applied=1,
        config_apply_status="applied",
        created_by=3,
    )
    assert list((await stub.ListCollectors(pb.ListCollectorsRequest(), metadata=bearer("admin"))).collectors) == [expected]
    clock.advance(seconds=90, milliseconds=1)
    expected.is_online = False
    assert list((await stub.ListCollectors(pb.ListCollectorsRequest(), metadata=bearer("admin"))).collectors) == [expected]


async def test_list_collectors_shows_a_pending_one_without_what_has_not_happened(stub: CollectorServiceStub, clock: Clock) -> None:
    """Absent is absent, never a zero."""
    created = await stub.CreateCollector(pb.CreateCollectorRequest(name="Web"), metadata=bearer("admin"))
    assert list((await stub.ListCollectors(pb.ListCollectorsRequest(), metadata=bearer("admin"))).collectors) == [
        pb.Collector(id=created.id, name="Web", status="pending", create_time=encode_time(clock.now()), config_revision=1, created_by=3)
    ]


@pytest.mark.parametrize("seconds", [None, 10**15])
async def test_send_heartbeat_without_a_time_of_the_calendar_fails(stub: CollectorServiceStub, seconds: int | None) -> None:
    """A clock that cannot be read is a fault of the request."""
    request = pb.SendHeartbeatRequest(instance_id=str(UUID(int=1)))
    if seconds is not None:
        request.send_time.seconds = seconds
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.SendHeartbeat(request, metadata=bearer("COLLECTOR:x"))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_calls_are_bound_to_kinds_of_credential(stub: CollectorServiceStub) -> None:
    """People do not enroll, collectors do not list, and listing needs a permission."""
    for call in (
        stub.EnrollCollector(installation(), metadata=bearer("admin")),
        stub.SendHeartbeat(pb.SendHeartbeatRequest(), metadata=bearer("COLLECTOR_ENROLLMENT:x")),
        stub.ListCollectors(pb.ListCollectorsRequest(), metadata=bearer("COLLECTOR:x")),
        stub.ListCollectors(pb.ListCollectorsRequest(), metadata=bearer("viewer")),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


WANTED = config_pb2.CollectorConfig(
    heartbeat_interval_seconds=10,
    host_metrics=config_pb2.HostMetricsConfig(enabled=True, interval_seconds=60),
    relay=config_pb2.RelayConfig(enabled=False, port=4319),
    buffer=config_pb2.BufferConfig(max_bytes=524_288_000),
    polling=config_pb2.PollingConfig(enabled=True, max_concurrency=4),
    notifications=config_pb2.NotificationsConfig(enabled=False),
)


async def settle(stub: CollectorServiceStub) -> str:
    """A collector that has enrolled."""
    created = await stub.CreateCollector(pb.CreateCollectorRequest(name="Web"), metadata=bearer("admin"))
    await stub.EnrollCollector(installation(), metadata=bearer(f"COLLECTOR_ENROLLMENT:{created.id}"))
    return created.id


async def configure(stub: CollectorServiceStub, collector_id: str) -> pb.Collector:
    request = pb.UpdateCollectorConfigRequest(id=collector_id, config=config_pb2.CollectorConfig(heartbeat_interval_seconds=10))
    return (await stub.UpdateCollectorConfig(request, metadata=bearer("admin"))).collector


async def test_collector_fetches_what_it_is_wanted_to_do(stub: CollectorServiceStub) -> None:
    """What a request leaves out has its default; who knows the revision is not told it again."""
    collector_id = await settle(stub)
    own = bearer(f"COLLECTOR:{collector_id}")
    assert (await configure(stub, collector_id)).config_revision == 2
    shown = await stub.GetCollector(pb.GetCollectorRequest(id=collector_id), metadata=bearer("admin"))
    assert (shown.collector.id, shown.config) == (collector_id, WANTED)
    fetched = await stub.FetchCollectorConfig(pb.FetchCollectorConfigRequest(known_revision=1), metadata=own)
    assert fetched == pb.FetchCollectorConfigResponse(revision=2, config=WANTED)
    known = await stub.FetchCollectorConfig(pb.FetchCollectorConfigRequest(known_revision=2), metadata=own)
    assert known == pb.FetchCollectorConfigResponse(revision=2)


async def test_watch_collector_tells_of_each_configuration(stub: CollectorServiceStub) -> None:
    """The stream begins with the configuration that the collector lacks and goes on with every change, until the collector is revoked."""
    collector_id = await settle(stub)
    call = stub.WatchCollector(pb.WatchCollectorRequest(), metadata=bearer(f"COLLECTOR:{collector_id}"))
    first = await call.read()
    assert first.config.revision == 1
    await configure(stub, collector_id)
    assert await call.read() == pb.WatchCollectorResponse(config=pb.ConfigDirective(revision=2, config=WANTED))
    await stub.RevokeCollector(pb.RevokeCollectorRequest(id=collector_id), metadata=bearer("admin"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_watch_collector_of_a_known_configuration_says_nothing(stub: CollectorServiceStub) -> None:
    """The first thing that is told is the next revision."""
    collector_id = await settle(stub)
    call = stub.WatchCollector(pb.WatchCollectorRequest(known_revision=1), metadata=bearer(f"COLLECTOR:{collector_id}"))
    await call.initial_metadata()
    await configure(stub, collector_id)
    assert (await call.read()).config.revision == 2
    call.cancel()


async def test_watch_collector_more_often_than_allowed_ends_the_oldest(stub: CollectorServiceStub) -> None:
    """A collector that reconnects over a dead network is not kept out by its own dead streams."""
    collector_id = await settle(stub)
    calls = []
    for _ in range(5):
        calls.append(stub.WatchCollector(pb.WatchCollectorRequest(), metadata=bearer(f"COLLECTOR:{collector_id}")))
        assert (await calls[-1].read()).config.revision == 1
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await calls[0].read()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    for call in calls:
        call.cancel()


@pytest.mark.parametrize("method", ["SendHeartbeat", "FetchCollectorConfig", "RotateCollectorCredential", "WatchCollector"])
async def test_calls_of_a_revoked_collector_fail(stub: CollectorServiceStub, clock: Clock, method: str) -> None:
    """Also of one whose credential is still taken for good."""
    collector_id = await settle(stub)
    await stub.RevokeCollector(pb.RevokeCollectorRequest(id=collector_id), metadata=bearer("admin"))
    request = getattr(pb, f"{method}Request")()
    if method == "SendHeartbeat":
        request = pb.SendHeartbeatRequest(instance_id=str(UUID(int=1)), send_time=encode_time(clock.now()))
    call = getattr(stub, method)(request, metadata=bearer(f"COLLECTOR:{collector_id}"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (call.read() if method == "WatchCollector" else call)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
