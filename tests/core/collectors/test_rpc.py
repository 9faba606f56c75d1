from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import grpc
import pytest

from lumetry.collectors.v1 import collector_service_pb2 as pb
from lumetry.collectors.v1.collector_service_pb2_grpc import CollectorServiceStub, add_CollectorServiceServicer_to_server
from lumetry_core.collectors.rpc import CollectorServicer
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time

SERVICE = "lumetry.collectors.v1.CollectorService"
ADMIN = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, permissions=frozenset({Permission.MANAGE_INFRASTRUCTURE}))


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
async def stub(database: Database, clock: Clock) -> AsyncIterator[CollectorServiceStub]:
    """A client of a running server."""
    servicer = CollectorServicer(database, clock)
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_CollectorServiceServicer_to_server, servicer)},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield CollectorServiceStub(channel)
    await built.server.stop(None)


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
    )
    assert list((await stub.ListCollectors(pb.ListCollectorsRequest(), metadata=bearer("admin"))).collectors) == [expected]
    clock.advance(seconds=90, milliseconds=1)
    expected.is_online = False
    assert list((await stub.ListCollectors(pb.ListCollectorsRequest(), metadata=bearer("admin"))).collectors) == [expected]


async def test_list_collectors_shows_a_pending_one_without_what_has_not_happened(stub: CollectorServiceStub, clock: Clock) -> None:
    """Absent is absent, never a zero."""
    created = await stub.CreateCollector(pb.CreateCollectorRequest(name="Web"), metadata=bearer("admin"))
    assert list((await stub.ListCollectors(pb.ListCollectorsRequest(), metadata=bearer("admin"))).collectors) == [
        pb.Collector(id=created.id, name="Web", status="pending", create_time=encode_time(clock.now()))
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
