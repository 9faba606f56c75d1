from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from lumetry.logs.v1 import (
    log_ingestion_service_pb2,
    log_ingestion_service_pb2_grpc,
    log_key_service_pb2,
    log_key_service_pb2_grpc,
    log_pb2,
    log_service_pb2,
    log_service_pb2_grpc,
)
from lumetry_core.access.keys import LOG_KEY_PERMISSIONS, LogKeyAccess
from lumetry_core.logs.rpc.ingestion import LogIngestionServicer
from lumetry_core.logs.rpc.keys import LogKeyServicer
from lumetry_core.logs.rpc.logs import LogServicer
from lumetry_core.logs.service.appender import Appender
from lumetry_core.projects.model import Project
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from tests.conftest import FakeClock
from tests.core.logs.building import NOW_MS, SETTINGS

SERVICES = ("lumetry.logs.v1.LogIngestionService", "lumetry.logs.v1.LogService", "lumetry.logs.v1.LogKeyService")
EVERYTHING = frozenset({Permission.INGEST_LOGS, Permission.VIEW_LOGS, Permission.MANAGE_INTEGRATIONS})


@pytest.fixture
async def channel(database: Database, clock: FakeClock, appender: Appender, project: Project) -> AsyncIterator[grpc.aio.Channel]:
    """The services; the secret names the credential: `full`, `ingest`, `token`, `workspace`, `collector`, anything else a login."""

    async def authenticate(origin: Origin) -> Caller:
        of = project.organization_id
        if origin.secret in ("full", "ingest"):
            permissions = LOG_KEY_PERMISSIONS[LogKeyAccess(origin.secret)]
            return Caller(of, CredentialKind.LOG_KEY, 1, permissions=permissions, project_id=project.id, environment="staging")
        if origin.secret == "workspace":
            scopes = frozenset({"logs:read"})
            return Caller(of, CredentialKind.WORKSPACE_KEY, 2, permissions=EVERYTHING, scopes=scopes)
        if origin.secret == "collector":
            return Caller(of, CredentialKind.COLLECTOR, 3)
        kind = CredentialKind.API_TOKEN if origin.secret == "token" else CredentialKind.INTERACTIVE
        return Caller(of, kind, 4, user_id=1, user_name="ann", permissions=EVERYTHING)

    services = {
        SERVICES[0]: (
            log_ingestion_service_pb2_grpc.add_LogIngestionServiceServicer_to_server,
            LogIngestionServicer(database, clock, appender, SETTINGS),
        ),
        SERVICES[1]: (log_service_pb2_grpc.add_LogServiceServicer_to_server, LogServicer(database)),
        SERVICES[2]: (log_key_service_pb2_grpc.add_LogKeyServiceServicer_to_server, LogKeyServicer(database, clock)),
    }
    server = build_server("127.0.0.1:0", services, read_accesses(services), authenticate, reflect=False)
    await server.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened
    await server.server.stop(None)


def by(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


def read_failure(error: grpc.aio.AioRpcError) -> tuple[str, list[str]]:
    """Reason and fields of a failure."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in rpc_status.from_call(error).details:
        detail.Unpack(info) or detail.Unpack(bad)
    return info.reason, [violation.field for violation in bad.field_violations]


def make_message(message: str = "hello", **fields: object) -> log_ingestion_service_pb2.LogEntry:
    time = Timestamp(seconds=NOW_MS // 1000, nanos=123_456_789)
    return log_ingestion_service_pb2.LogEntry(**{"time": time, "level": log_pb2.LOG_LEVEL_INFO, "message": message, **fields})  # type: ignore[arg-type]


def push(*entries: log_ingestion_service_pb2.LogEntry, **fields: object) -> log_ingestion_service_pb2.PushLogsRequest:
    return log_ingestion_service_pb2.PushLogsRequest(entries=entries, **fields)  # type: ignore[arg-type]


async def test_push_and_read_back(channel: grpc.aio.Channel, project: Project, clock: FakeClock) -> None:
    """What a log key pushed is found and read with all its fields."""
    error = log_pb2.LogError(type="E", message="m", stack_trace=["s"], context_json=b'{"c": 1}')
    entry = make_message("password=x", metadata_json=b'{"trace_id": "t"}', error=error, size_bytes=500, privacy_mode=True)
    answer = await log_ingestion_service_pb2_grpc.LogIngestionServiceStub(channel).PushLogs(push(entry), metadata=by("full"))
    stub = log_service_pb2_grpc.LogServiceStub(channel)
    page = await stub.SearchLogs(log_service_pb2.SearchLogsRequest(q="level:info", environments=["staging"]), metadata=by("full"))
    (found,) = page.entries
    assert (answer.processed_count, answer.bytes_used, page.has_more, page.next_cursor) == (1, 500, False, "")
    assert found == log_pb2.StoredLogEntry(
        id=found.id,
        time=Timestamp(seconds=NOW_MS // 1000, nanos=123_456_789),
        receive_time=Timestamp(seconds=NOW_MS // 1000),
        level=log_pb2.LOG_LEVEL_INFO,
        message="password=[REDACTED:password]",
        environment="staging",
        key_environment="staging",
        project_id=project.id,
        key_project_id=project.id,
        metadata_json=b'{"trace_id":"t"}',
        error=log_pb2.LogError(type="E", message="m", stack_trace=["s"], context_json=b'{"c":1}'),
        trace_id="t",
        privacy_mode=True,
        redactions={"password": 1},
    )
    assert (await stub.GetLog(log_service_pb2.GetLogRequest(id=found.id), metadata=by("token"))).entry == found


async def test_push_charges_at_least_the_message(channel: grpc.aio.Channel) -> None:
    """A sender cannot claim less than it sends."""
    entry = make_message("x" * 1000, size_bytes=1)
    answer = await log_ingestion_service_pb2_grpc.LogIngestionServiceStub(channel).PushLogs(push(entry), metadata=by("token"))
    assert (answer.bytes_used, answer.log_key_id) == (entry.ByteSize(), "")


async def test_push_with_faults(channel: grpc.aio.Channel) -> None:
    """As a failure or, where asked for, in the answer."""
    stub = log_ingestion_service_pb2_grpc.LogIngestionServiceStub(channel)
    bad = log_ingestion_service_pb2.LogEntry(message="no time, no level")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.PushLogs(push(make_message(), bad), metadata=by("token"))
    assert read_failure(caught.value) == ("VALIDATION_FAILED", ["logs[1].timestamp", "logs[1].level"])
    answer = await stub.PushLogs(push(make_message(), bad, bad, return_faults=True), metadata=by("token"))
    assert [(fault.path, fault.message, fault.entry_index) for fault in answer.faults] == [
        (f"logs[{index}].{field}", "required", index) for index in (1, 2) for field in ("timestamp", "level")
    ]
    answer = await stub.PushLogs(push(make_message(), idempotency_key="ä", return_faults=True), metadata=by("token"))
    assert [(fault.path, fault.HasField("entry_index")) for fault in answer.faults] == [("Idempotency-Key", False)]


async def test_push_parts(channel: grpc.aio.Channel) -> None:
    """One batch in several messages; the first says how to take it."""
    stub = log_ingestion_service_pb2_grpc.LogIngestionServiceStub(channel)
    parts = [
        log_ingestion_service_pb2.PushLogPartsRequest(part=push(make_message(f"{number}"), idempotency_key="k" if number == 0 else ""))
        for number in range(3)
    ]
    results = [(await stub.PushLogParts(iter(parts), metadata=by("token"))).result for _ in range(2)]
    assert [(result.processed_count, result.is_repeat) for result in results] == [(3, False), (3, True)]
    page = await log_service_pb2_grpc.LogServiceStub(channel).SearchLogs(log_service_pb2.SearchLogsRequest(), metadata=by("token"))
    assert sorted(entry.message for entry in page.entries) == ["0", "1", "2"]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.PushLogParts(iter(()), metadata=by("token"))
    assert read_failure(caught.value) == ("VALIDATION_FAILED", ["logs"])


@pytest.mark.parametrize(
    ("secret", "may_push", "may_read"),
    [
        ("full", True, True),
        ("ingest", True, False),
        ("token", True, True),
        ("login", True, True),
        ("workspace", False, True),
        ("collector", False, False),
    ],
)
async def test_access(channel: grpc.aio.Channel, secret: str, may_push: bool, may_read: bool) -> None:
    """Kinds, permissions and scopes decide."""

    async def may(call: grpc.aio.UnaryUnaryCall) -> bool:
        code = await call.code()
        assert code in (grpc.StatusCode.OK, grpc.StatusCode.PERMISSION_DENIED)
        return code is grpc.StatusCode.OK

    ingestion, reading = log_ingestion_service_pb2_grpc.LogIngestionServiceStub(channel), log_service_pb2_grpc.LogServiceStub(channel)
    assert await may(ingestion.PushLogs(push(make_message()), metadata=by(secret))) is may_push
    assert await may(reading.SearchLogs(log_service_pb2.SearchLogsRequest(), metadata=by(secret))) is may_read


async def test_search_with_wrong_parameters(channel: grpc.aio.Channel) -> None:
    """Each wrong one is named as the parameter."""
    request = log_service_pb2.SearchLogsRequest(levels=["loud"], order="up", limit=0, cursor="x")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await log_service_pb2_grpc.LogServiceStub(channel).SearchLogs(request, metadata=by("token"))
    assert read_failure(caught.value) == ("VALIDATION_FAILED", ["level", "order", "cursor", "limit"])


async def test_search_between_times(channel: grpc.aio.Channel) -> None:
    """The start is included, the end is not; times beyond what is stored are no fault."""
    await log_ingestion_service_pb2_grpc.LogIngestionServiceStub(channel).PushLogs(push(make_message()), metadata=by("token"))
    stub = log_service_pb2_grpc.LogServiceStub(channel)
    at, far = Timestamp(seconds=NOW_MS // 1000, nanos=123_456_789), Timestamp(seconds=250_000_000_000)
    counts = []
    for bounds in ({"start_time": at}, {"end_time": at}, {"end_time": far}, {"start_time": far}):
        page = await stub.SearchLogs(log_service_pb2.SearchLogsRequest(**bounds), metadata=by("token"))
        counts.append(len(page.entries))
    assert counts == [1, 0, 1, 0]


async def test_log_keys(channel: grpc.aio.Channel, project: Project, clock: FakeClock) -> None:
    """A key is made for a project, listed and revoked once; programs may only list."""
    stub = log_key_service_pb2_grpc.LogKeyServiceStub(channel)
    request = log_key_service_pb2.CreateLogKeyRequest(name="web", project_id="default", access="ingest")
    made = await stub.CreateLogKey(request, metadata=by("login"))
    expected = log_key_service_pb2.LogKey(
        id=made.key.id,
        name="web",
        prefix=made.secret[:12],
        project_id=project.id,
        environment="production",
        access="ingest",
        create_time=Timestamp(seconds=NOW_MS // 1000),
        created_by="ann",
    )
    assert (made.key, len(made.secret)) == (expected, 51)
    for of, keys in (("", [expected]), (project.id, [expected]), ("unknown", [])):
        listed = await stub.ListLogKeys(log_key_service_pb2.ListLogKeysRequest(project_id=of), metadata=by("token"))
        assert list(listed.keys) == keys
    for call in (
        stub.CreateLogKey(request, metadata=by("token")),
        stub.RevokeLogKey(log_key_service_pb2.RevokeLogKeyRequest(id=made.key.id), metadata=by("token")),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert read_failure(caught.value)[0] == "INTERACTIVE_ONLY"
    await stub.RevokeLogKey(log_key_service_pb2.RevokeLogKeyRequest(id=made.key.id), metadata=by("login"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.RevokeLogKey(log_key_service_pb2.RevokeLogKeyRequest(id=made.key.id), metadata=by("login"))
    assert read_failure(caught.value)[0] == "CONFLICT"


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        ({}, ["name", "project_id"]),
        ({"name": "a", "project_id": "none"}, ["project_id"]),
        ({"name": "a", "project_id": "default", "environment": "x", "access": "x"}, ["environment", "access"]),
    ],
)
async def test_create_a_wrong_log_key(channel: grpc.aio.Channel, fields: dict[str, str], faults: list[str]) -> None:
    """Every fault is named, that of the project too, and nothing is made."""
    stub = log_key_service_pb2_grpc.LogKeyServiceStub(channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.CreateLogKey(log_key_service_pb2.CreateLogKeyRequest(**fields), metadata=by("login"))
    assert read_failure(caught.value) == ("VALIDATION_FAILED", faults)
    assert not (await stub.ListLogKeys(log_key_service_pb2.ListLogKeysRequest(), metadata=by("login"))).keys
