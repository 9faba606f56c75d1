# ruff: noqa: N802 -- methods are named by the proto
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import pytest
import structlog
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lumetry.access.v1 import permission_pb2
from lumetry.incidents.v1 import event_service_pb2, event_service_pb2_grpc
from lumetry.metrics.v1 import ingestion_service_pb2, ingestion_service_pb2_grpc
from lumetry.runtime.v1 import status_service_pb2, status_service_pb2_grpc
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.runtime.failures import to_bad_request, to_status
from lumetry_core.runtime.interceptors import (
    NUMBER_OF,
    PERMISSION_OF,
    USER_CREDENTIALS,
    Access,
    Authenticate,
    Limiter,
    Origin,
    check_access,
    current_caller,
    current_origin,
    peer_address,
    read_access,
)
from lumetry_core.runtime.server import build_server, read_accesses

STATUS, EVENTS, INGESTION = "lumetry.runtime.v1.StatusService", "lumetry.incidents.v1.EventService", "lumetry.metrics.v1.IngestionService"
VIEWERS = Access(frozenset({Permission.VIEW_ALERTS}), USER_CREDENTIALS, public=False)
OPEN = Access(frozenset(), USER_CREDENTIALS, public=True)
VIEWER = Caller(7, CredentialKind.API_TOKEN, credential_id=5, user_id=3, permissions=frozenset({Permission.VIEW_ALERTS}))

Metadata = Sequence[tuple[str, str]]


@dataclass
class Stage:
    """Servicers of every shape of call, which do what the test says and remember who asked."""

    act: Callable[[], None] = lambda: None
    seen: list[tuple[Caller | None, Origin]] = field(default_factory=list)
    public: bool = False
    work: Callable[[], Awaitable[None]] | None = None

    async def enter(self) -> None:
        self.seen.append((None if self.public else current_caller(), current_origin()))
        self.act()
        if self.work is not None:
            await self.work()


class Status(status_service_pb2_grpc.StatusServiceServicer):
    """One message each way."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def GetReadiness(self, request: Any, context: Any) -> status_service_pb2.GetReadinessResponse:
        await self.stage.enter()
        return status_service_pb2.GetReadinessResponse(ready=True)


class Events(event_service_pb2_grpc.EventServiceServicer):
    """Many answers; fails, if told to, after the first."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def WatchEvents(self, request: Any, context: Any) -> AsyncIterator[event_service_pb2.WatchEventsResponse]:
        yield event_service_pb2.WatchEventsResponse(id=1)
        await self.stage.enter()
        yield event_service_pb2.WatchEventsResponse(id=2)


class Ingestion(ingestion_service_pb2_grpc.IngestionServiceServicer):
    """Many requests."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def StreamMetrics(self, requests: Any, context: Any) -> ingestion_service_pb2.StreamMetricsResponse:
        await self.stage.enter()
        return ingestion_service_pb2.StreamMetricsResponse(batch_count=len([each async for each in requests]))


async def authenticate(origin: Origin) -> Caller:
    """Knows one secret."""
    if origin.secret != "good":
        raise LumetryError(Reason.UNAUTHENTICATED, "Who?")
    return replace(VIEWER, request_id=origin.request_id)


@asynccontextmanager
async def serving(
    stage: Stage,
    accesses: dict[str, Access],
    *,
    limiter: Limiter | None = None,
    by: Authenticate = authenticate,
    recheck_seconds: float = 60.0,
) -> AsyncIterator[grpc.aio.Channel]:
    services = {
        STATUS: (status_service_pb2_grpc.add_StatusServiceServicer_to_server, Status(stage)),
        EVENTS: (event_service_pb2_grpc.add_EventServiceServicer_to_server, Events(stage)),
        INGESTION: (ingestion_service_pb2_grpc.add_IngestionServiceServicer_to_server, Ingestion(stage)),
    }
    server = build_server("127.0.0.1:0", services, accesses, by, reflect=False, limiter=limiter, recheck_seconds=recheck_seconds)
    await server.server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield channel
    finally:
        await server.server.stop(None)


async def get_readiness(channel: grpc.aio.Channel, metadata: Metadata = ()) -> Any:
    return await status_service_pb2_grpc.StatusServiceStub(channel).GetReadiness(
        status_service_pb2.GetReadinessRequest(), metadata=metadata, timeout=10
    )


async def watch_events(channel: grpc.aio.Channel, metadata: Metadata = ()) -> list[int]:
    call = event_service_pb2_grpc.EventServiceStub(channel).WatchEvents(
        event_service_pb2.WatchEventsRequest(), metadata=metadata, timeout=10
    )
    return [response.id async for response in call]


async def stream_metrics(channel: grpc.aio.Channel, metadata: Metadata = (), count: int = 0) -> int:
    # Without messages: a client that still writes when its call is refused may not learn why.
    requests = iter([ingestion_service_pb2.StreamMetricsRequest()] * count)
    call = ingestion_service_pb2_grpc.IngestionServiceStub(channel).StreamMetrics(requests, metadata=metadata, timeout=10)
    return (await call).batch_count


CALLS = {f"/{STATUS}/GetReadiness": get_readiness, f"/{EVENTS}/WatchEvents": watch_events, f"/{INGESTION}/StreamMetrics": stream_metrics}
GOOD = (("authorization", "Bearer good"),)


@dataclass(frozen=True)
class Failed:
    """What a client sees of a failure."""

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: dict[str, str]


async def failure_of(call: Any) -> Failed:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await call
    status = status_pb2.Status()
    status.ParseFromString(dict(failure.value.trailing_metadata())["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.domain, status.message) == ("lumetry", failure.value.details())
    return Failed(failure.value.code(), status.message, info.reason, dict(info.metadata))


async def test_call_reaches_its_servicer_with_caller_and_origin() -> None:
    """Calls of every shape run with who calls and from where."""
    stage = Stage()
    metadata = (("authorization", "bearer good"), ("x-request-id", "r-1"), ("x-client-address", "192.0.2.9"), ("x-client-agent", "curl"))
    origin = Origin("r-1", "192.0.2.9", "curl", "good")
    async with serving(stage, dict.fromkeys(CALLS, VIEWERS)) as channel:
        answers = [
            await get_readiness(channel, metadata),
            await watch_events(channel, metadata),
            await stream_metrics(channel, metadata, 3),
        ]
    assert answers == [status_service_pb2.GetReadinessResponse(ready=True), [1, 2], 3]
    assert stage.seen == [(replace(VIEWER, request_id="r-1"), origin)] * 3


async def test_call_of_a_gateway_whose_client_names_no_agent() -> None:
    """The gateway's own name is not its client's."""
    stage = Stage()
    async with serving(stage, dict.fromkeys(CALLS, VIEWERS)) as channel:
        await get_readiness(channel, (*GOOD, ("x-lumetry-family", "lumetry")))
    [(_caller, origin)] = stage.seen
    assert (origin.family, origin.user_agent) == ("lumetry", None)


async def test_call_without_gateway_has_an_origin_of_its_own() -> None:
    """A direct client is known by its address and gets a request id."""
    stage = Stage()
    async with serving(stage, dict.fromkeys(CALLS, VIEWERS)) as channel:
        await get_readiness(channel, GOOD)
        await get_readiness(channel, GOOD)
    first, second = (origin for _caller, origin in stage.seen)
    assert (first.address, first.secret) == ("127.0.0.1", "good")
    assert (first.user_agent or "").startswith("grpc-python-asyncio")
    assert len(first.request_id) == 36
    assert first.request_id != second.request_id


@pytest.mark.parametrize("method", CALLS)
async def test_call_without_option_is_refused(method: str) -> None:
    """An RPC that states no access is closed to everybody, whatever they bring."""
    stage = Stage()
    async with serving(stage, {}) as channel:
        failure = await failure_of(CALLS[method](channel, GOOD))
    assert failure == Failed(grpc.StatusCode.PERMISSION_DENIED, "Nobody may do this.", "PERMISSION_DENIED", {"permission": ""})
    assert stage.seen == []


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Bearer bad", "Basic good", "good"])
async def test_call_without_good_credential_is_refused(method: str, authorization: str | None) -> None:
    """Only a Bearer secret that is known gets through."""
    stage = Stage()
    async with serving(stage, dict.fromkeys(CALLS, VIEWERS)) as channel:
        failure = await failure_of(CALLS[method](channel, () if authorization is None else (("authorization", authorization),)))
    assert failure == Failed(grpc.StatusCode.UNAUTHENTICATED, "Who?", "UNAUTHENTICATED", {})
    assert stage.seen == []


async def test_call_that_is_public_asks_nobody() -> None:
    """A credential that is sent to a public RPC is ignored."""
    stage = Stage(public=True)
    async with serving(stage, dict.fromkeys(CALLS, OPEN)) as channel:
        await get_readiness(channel)
        await get_readiness(channel, (("authorization", "Bearer bad"),))
    assert [(caller, origin.secret) for caller, origin in stage.seen] == [(None, None), (None, "bad")]


async def test_call_of_the_infrastructure_is_open() -> None:
    """Health needs no option and no credential."""
    async with serving(Stage(), {}) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("method", CALLS)
async def test_abort_hides_what_nobody_foresaw(method: str) -> None:
    """An unexpected failure shows its request id only; the log has the rest."""

    def act() -> None:
        raise ZeroDivisionError("the secret is 42")

    with structlog.testing.capture_logs() as logged:
        async with serving(Stage(act), dict.fromkeys(CALLS, VIEWERS)) as channel:
            failure = await failure_of(CALLS[method](channel, (*GOOD, ("x-request-id", "r-2"))))
    assert failure == Failed(grpc.StatusCode.INTERNAL, "Something went wrong on our side.", "INTERNAL", {"request_id": "r-2"})
    [entry] = logged
    error = entry.pop("exc_info")
    assert entry == {"event": "unexpected failure", "log_level": "error", "method": method, "request_id": "r-2"}
    assert str(error) == "the secret is 42"


@pytest.mark.parametrize("method", CALLS)
async def test_abort_tells_what_was_foreseen(method: str) -> None:
    """A failure with a reason reaches the client whole."""

    def act() -> None:
        raise LumetryError(Reason.OVERLOADED, "Too much waits.", retry_after_seconds="5")

    async with serving(Stage(act), dict.fromkeys(CALLS, VIEWERS)) as channel:
        failure = await failure_of(CALLS[method](channel, GOOD))
    assert failure == Failed(grpc.StatusCode.UNAVAILABLE, "Too much waits.", "OVERLOADED", {"retry_after_seconds": "5"})


@pytest.mark.parametrize("reason", Reason)
def test_to_status_carries_every_reason(reason: Reason) -> None:
    """Each reason becomes a status with one ErrorInfo, and faults a BadRequest."""
    status = to_status(LumetryError(reason, "No.", faults=(Fault("edges[0]", "must be known"),), id="7"))
    assert [detail.TypeName() for detail in status.details] == ["google.rpc.ErrorInfo", "google.rpc.BadRequest"]
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad_request)
    assert info == error_details_pb2.ErrorInfo(reason=reason.value, domain="lumetry", metadata={"id": "7"})
    assert [(fault.field, fault.description) for fault in bad_request.field_violations] == [("edges[0]", "must be known")]
    assert (status.message, status.code > 0) == ("No.", True)


def test_to_status_without_faults_has_no_bad_request() -> None:
    """Only faults make a BadRequest."""
    assert len(to_status(LumetryError(Reason.CONFLICT, "No.")).details) == 1


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:443", "192.0.2.1"),
        ("ipv6:[2001:db8::1]:443", "2001:db8::1"),
        ("ipv6:%5B2001:db8::1%5D:443", "2001:db8::1"),
        ("ipv6:[fe80::1%eth0]:443", "fe80::1"),
        ("unix:/run/lumetry.sock", None),
        ("unknown", None),
    ],
)
def test_peer_address_reads_what_grpc_writes(peer: str, address: str | None) -> None:
    """IPv4, IPv6 in both spellings, and sockets."""
    assert peer_address(peer) == address


def caller(kind: CredentialKind, *permissions: Permission) -> Caller:
    return Caller(7, kind, permissions=frozenset(permissions))


INGESTERS = Access(frozenset({Permission.INGEST_METRICS}), USER_CREDENTIALS | {CredentialKind.COLLECTOR}, public=False)
PEOPLE = Access(frozenset(), frozenset({CredentialKind.INTERACTIVE}), public=False)
EITHER = Access(frozenset({Permission.MANAGE_RULES, Permission.CLOSE_ALERTS}), USER_CREDENTIALS, public=False)


@pytest.mark.parametrize(
    ("access", "who"),
    [
        (VIEWERS, caller(CredentialKind.INTERACTIVE, Permission.VIEW_ALERTS)),
        (EITHER, caller(CredentialKind.API_TOKEN, Permission.CLOSE_ALERTS)),
        (INGESTERS, caller(CredentialKind.COLLECTOR)),
        (PEOPLE, caller(CredentialKind.INTERACTIVE)),
        (Access(frozenset(), USER_CREDENTIALS, public=False), caller(CredentialKind.API_TOKEN)),
    ],
)
def test_check_access_admits(access: Access, who: Caller) -> None:
    """One of the permissions is enough; machine credentials need none."""
    check_access(access, who)


@pytest.mark.parametrize(
    ("access", "who", "reason", "metadata"),
    [
        (VIEWERS, caller(CredentialKind.INTERACTIVE, Permission.CLOSE_ALERTS), "PERMISSION_DENIED", {"permission": "CanViewAlerts"}),
        (EITHER, caller(CredentialKind.API_TOKEN), "PERMISSION_DENIED", {"permission": "CanCloseAlerts or CanManageRules"}),
        (VIEWERS, caller(CredentialKind.COLLECTOR, Permission.VIEW_ALERTS), "PERMISSION_DENIED", {"permission": ""}),
        (INGESTERS, caller(CredentialKind.COLLECTOR_ENROLLMENT), "PERMISSION_DENIED", {"permission": ""}),
        (PEOPLE, caller(CredentialKind.API_TOKEN, *Permission), "INTERACTIVE_ONLY", {}),
        (PEOPLE, caller(CredentialKind.COLLECTOR), "PERMISSION_DENIED", {"permission": ""}),
    ],
)
def test_check_access_refuses(access: Access, who: Caller, reason: str, metadata: dict[str, str]) -> None:
    """A missing permission is named; a wrong kind of credential is told apart."""
    with pytest.raises(LumetryError) as failure:
        check_access(access, who)
    assert (failure.value.reason, failure.value.metadata) == (reason, metadata)


def test_read_access_without_kinds_means_users() -> None:
    """Permissions and kinds come from the option; no kinds stand for those of users."""
    option = permission_pb2.AccessRule(any_of=[permission_pb2.PERMISSION_CAN_VIEW_ALERTS])
    assert read_access(option) == VIEWERS
    option.credentials.append(permission_pb2.CREDENTIAL_KIND_COLLECTOR_ENROLLMENT)
    assert read_access(option) == Access(VIEWERS.any_of, frozenset({CredentialKind.COLLECTOR_ENROLLMENT}), public=False)
    assert read_access(permission_pb2.AccessRule(public=True)) == OPEN


def test_read_accesses_leaves_out_what_states_none() -> None:
    """Every RPC of the services with its option, by full method name; the infrastructure's carry none."""
    found = read_accesses([STATUS, "grpc.health.v1.Health"])
    assert found == {f"/{STATUS}/GetReadiness": OPEN, f"/{STATUS}/ReadMetrics": OPEN}


def test_permissions_and_kinds_mirror_the_proto() -> None:
    """The core knows exactly the published permissions, in order, and kinds of credentials."""
    numbers = [number for number in permission_pb2.Permission.values() if number]
    assert [PERMISSION_OF[number] for number in numbers] == list(Permission)
    assert [NUMBER_OF[permission] for permission in Permission] == numbers
    kinds = [name.removeprefix("CREDENTIAL_KIND_") for name, number in permission_pb2.CredentialKind.items() if number]
    assert [kind.value for kind in CredentialKind] == kinds


async def test_abort_tells_as_many_faults_as_a_client_can_receive() -> None:
    """A client with the usual limits reads the failure of a request with thousands of faults; the last one tells of the rest."""
    faults = tuple(Fault(f"metrics[{number}].labels", "must be short") for number in range(5000))

    def act() -> None:
        raise LumetryError(Reason.VALIDATION_FAILED, "No.", faults=faults)

    async with serving(Stage(act), dict.fromkeys(CALLS, VIEWERS)) as channel:
        assert await failure_of(get_readiness(channel, GOOD)) == Failed(grpc.StatusCode.INVALID_ARGUMENT, "No.", "VALIDATION_FAILED", {})
    told = [Fault(violation.field, violation.description) for violation in to_bad_request(faults).field_violations]
    assert told == [*faults[: len(told) - 1], Fault("", f"{5001 - len(told)} more faults")]
    assert len(told) > 100
