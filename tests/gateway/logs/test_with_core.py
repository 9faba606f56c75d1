"""The gateway in front of the real services of logs: what arrives is what is found."""

import gzip
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from gateway.app import running
from gateway.config import Config
from lumetry.access.v1 import access_service_pb2_grpc
from lumetry.logs.v1 import log_ingestion_service_pb2_grpc, log_key_service_pb2_grpc, log_service_pb2_grpc
from lumetry_core.access.keys import LogKey
from lumetry_core.access.model import RateSettings
from lumetry_core.access.model import Settings as LoginSettings
from lumetry_core.access.rpc.access import AccessServicer
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.log_keys import revoke_log_key
from lumetry_core.access.service.login import LoginDesk
from lumetry_core.access.service.organizations import create_organization
from lumetry_core.logs.model import Settings
from lumetry_core.logs.rpc.ingestion import LogIngestionServicer
from lumetry_core.logs.rpc.keys import LogKeyServicer
from lumetry_core.logs.rpc.logs import LogServicer
from lumetry_core.logs.service.keys import create_key
from lumetry_core.migrations.tables import metadata
from lumetry_core.projects.service import default_project
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.database import Database, open_database
from lumetry_core.runtime.queue import Wakeups
from lumetry_core.runtime.server import build_server, read_accesses
from tests.conftest import FakeClock
from tests.core.logs.building import running_appender

CARD = "4111 1111 1111 1111"
SECRET = "Bearer " + "abcdefgh" * 4
TIME = "2026-06-01T07:59:00Z"


@dataclass
class Place:
    """A gateway with a core behind it."""

    session: aiohttp.ClientSession
    database: Database
    clock: FakeClock
    organization_id: int
    authenticator: Authenticator

    async def make_key(self, name: str, access: str = "full") -> tuple[LogKey, str]:
        async with self.database.write() as tx:
            return await create_key(
                tx,
                system_caller(self.organization_id),
                name=name,
                project="default",
                environment="staging",
                access=access,
                expire_time=None,
                now=self.clock.now(),
            )

    async def push(self, key: str | None, *entries: Any, **headers: str) -> tuple[int, Any]:
        if key:
            headers["x-api-key"] = key
        data = io.BytesIO(json.dumps({"logs": entries}).encode())
        async with self.session.post("/v1/logs", data=data, headers={"Content-Type": "application/json", **headers}) as response:
            return response.status, await response.json()

    async def find(self, key: str, query: str = "") -> list[Any]:
        async with self.session.get(f"/v1/logs?{query}", headers={"x-api-key": key}) as response:
            assert response.status == 200, await response.text()
            return list((await response.json())["logs"])


@pytest.fixture
async def place(database_url: str, wakeups: Wakeups, clock: FakeClock) -> AsyncIterator[Place]:
    database = open_database(database_url, wakeups.wake)
    async with database.write() as tx:
        await tx.connection.run_sync(metadata.drop_all)
        await tx.connection.run_sync(metadata.create_all)
        organization_id = (await create_organization(tx, "Acme", clock.now())).id
        await default_project(tx, organization_id, clock.now())
    authenticator = Authenticator(database, clock)
    async with running_appender(database, clock) as appender:
        services: dict[str, Any] = {
            "lumetry.logs.v1.LogIngestionService": (
                log_ingestion_service_pb2_grpc.add_LogIngestionServiceServicer_to_server,
                LogIngestionServicer(database, clock, appender, Settings()),
            ),
            "lumetry.logs.v1.LogService": (log_service_pb2_grpc.add_LogServiceServicer_to_server, LogServicer(database)),
            "lumetry.logs.v1.LogKeyService": (
                log_key_service_pb2_grpc.add_LogKeyServiceServicer_to_server,
                LogKeyServicer(database, clock),
            ),
        }
        accesses = read_accesses(("lumetry.access.v1.AccessService", *services))
        desk = LoginDesk(database, clock, LoginSettings(), RateSettings())
        access = AccessServicer(database, clock, desk, authenticator, accesses)
        services["lumetry.access.v1.AccessService"] = (access_service_pb2_grpc.add_AccessServiceServicer_to_server, access)
        server = build_server("127.0.0.1:0", services, accesses, authenticator, reflect=False)
        await server.server.start()
        config = Config(http="127.0.0.1:0", core=f"127.0.0.1:{server.port}")
        async with running(config) as address, aiohttp.ClientSession(f"http://{address}") as session:
            yield Place(session, database, clock, organization_id, authenticator)
        await server.server.stop(None)
    await database.close()


def entry(**fields: Any) -> dict[str, Any]:
    return {"timestamp": TIME, "level": "info", "message": "m", **fields}


async def test_find_what_was_pushed(place: Place) -> None:
    """Every field comes back; the key gives what the entry leaves out."""
    key, secret = await place.make_key("a")
    error = {"type": "T", "message": "M", "stack_trace": ["x", "y"], "context": {"a": [1, 2.5]}, "fingerprint": "F"}
    full = entry(
        timestamp="2026-06-01T07:59:00.123456789Z",
        level="panic",
        message="héllo",
        environment="live",
        metadata={"user": {"id": 7}, "u.v": "w"},
        error=error,
        project_id="shop",
        privacy_mode=True,
        trace_id="t",
        span_id="s",
        parent_span_id="p",
        extra=[None],
    )
    old = entry(timestamp="1969-12-31T23:59:59Z", message="a\0b")
    answer = {"message": "Logs ingested successfully", "processed": 2, "bytes_used": size(full) + size(old)}
    assert await place.push(secret, full, old) == (200, answer)
    first, second = await place.find(secret, "order=asc")
    assert {**first, "id": ""} == {
        "id": "",
        "timestamp": "2026-06-01T07:59:00.123456789Z",
        "received_at": "2026-06-01T08:00:00Z",
        "original_timestamp": None,
        "level": "panic",
        "level_rank": 6,
        "message": "héllo",
        "environment": "live",
        "key_environment": "staging",
        "project_id": "shop",
        "key_project_id": key.project_id,
        "metadata": {"user": {"id": 7}, "u.v": "w", "extra": [None]},
        "error": error,
        "trace_id": "t",
        "span_id": "s",
        "parent_span_id": "p",
        "group_id": None,
        "privacy_mode": True,
        "redactions": {},
        "truncated": [],
    }
    assert (second["message"], second["timestamp"], second["original_timestamp"], second["environment"], second["project_id"]) == (
        "a\ufffdb",
        "2026-06-01T08:00:00Z",
        "1969-12-31T23:59:59Z",
        "staging",
        key.project_id,
    )
    async with place.session.get(f"/v1/logs/{first['id']}", headers={"x-api-key": secret}) as response:
        assert (response.status, await response.json()) == (200, first)
    exactly = "from=2026-06-01T07:59:00.123456789Z&to=2026-06-01T07:59:01Z"
    for query in ("q=h%C3%A9llo", "trace_id=t", "metadata.user.id=7", "metadata.u.v=w", "level=panic", "min_level=fatal", exactly):
        assert [found["id"] for found in await place.find(secret, query)] == [first["id"]], query


def size(given: Any) -> int:
    return len(json.dumps(given, ensure_ascii=False, separators=(",", ":")).encode())


async def test_find_traces_of_both_forms(place: Place) -> None:
    """A trace is found as field and in metadata (check 15)."""
    _, secret = await place.make_key("a")
    entries = [entry(trace_id="t-1"), entry(metadata={"trace_id": "t-1"}), entry(metadata={"traceId": "t-1"}), entry(trace_id="t-2")]
    assert (await place.push(secret, *entries))[0] == 200
    assert len(await place.find(secret, "trace_id=t-1")) == 3


async def test_keep_no_secret(place: Place) -> None:
    """Planted secrets are in no answer, whatever the entry claims, and copied fields are scrubbed like metadata (checks 13, 14)."""
    _, secret = await place.make_key("a")
    planted = entry(message=f"card {CARD}", privacy_mode=True, metadata={"password": "hunter2"}, token="x1y2z3", note=f"{SECRET}")
    status, answer = await place.push(secret, planted)
    assert (status, answer["bytes_used"]) == (200, size(planted))
    [found] = await place.find(secret)
    text = json.dumps(found)
    assert not [part for part in (CARD, "4111", "hunter2", "x1y2z3", "abcdefgh") if part in text]
    assert found["redactions"] == {"card": 1, "key": 2, "auth": 1}


async def test_cut_what_has_no_documented_length(place: Place) -> None:
    """Long fields never reject; the entry tells what was cut."""
    _, secret = await place.make_key("a")
    large = "é" * 600_000
    error = {"type": large, "message": large, "stack_trace": [large] * 3, "context": {"k": large}, "fingerprint": large}
    assert (await place.push(secret, entry(environment=large, error=error)))[0] == 200
    [found] = await place.find(secret)
    assert sorted(found["truncated"]) == [
        "environment",
        "error.context",
        "error.fingerprint",
        "error.message",
        "error.stack_trace",
        "error.type",
    ]
    assert (len(found["environment"]), len(found["error"]["type"]), found["error"]["context"]) == (128, 512, {})
    assert [len(line.encode()) for line in found["error"]["stack_trace"]] == [8192] * 3


async def test_store_nothing_of_a_bad_batch(place: Place) -> None:
    """One fault rejects the whole batch (check 9)."""
    _, secret = await place.make_key("a")
    status, answer = await place.push(secret, entry(), entry(level="x"), entry(message=None, timestamp=1))
    assert (status, len(answer["error"]["details"])) == (400, 3)
    assert await place.find(secret) == []


async def test_store_a_repeated_batch_once(place: Place) -> None:
    """The idempotency key makes sending again safe."""
    _, secret = await place.make_key("a")
    first = await place.push(secret, entry(), **{"Idempotency-Key": "k"})
    assert await place.push(secret, entry(message="other than before"), **{"Idempotency-Key": "k"}) == first
    assert len(await place.find(secret)) == 1


async def test_bind_keys_to_their_routes(place: Place) -> None:
    """An ingesting key cannot read, a revoked one can nothing, at once."""
    key, secret = await place.make_key("a", access="ingest")
    assert (await place.push(secret, entry()))[0] == 200
    async with place.session.get("/v1/logs", headers={"x-api-key": secret}) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (403, "forbidden")
    async with place.session.get("/v1/log-keys", headers={"x-api-key": secret}) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (403, "forbidden")
    async with place.database.write() as tx:
        await revoke_log_key(tx, system_caller(place.organization_id), key.id, place.clock.now())
    place.authenticator.forget()
    assert (await place.push(secret, entry()))[0] == 401
    place.clock.moment += timedelta(minutes=1)
    assert (await place.push(None, entry(), Authorization=f"Bearer {secret}"))[0] == 401


async def test_answer_the_uuid_of_the_key_in_the_body(place: Place) -> None:
    """A body with its own key, packed or not, learns the key's UUID."""
    key, secret = await place.make_key("a")
    body = json.dumps({"api_key": secret, "logs": [entry()]}).encode()
    for data, encoding in ((body, "identity"), (gzip.compress(body), "gzip")):
        headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
        async with place.session.post("/v1/logs", data=data, headers=headers) as response:
            assert (response.status, (await response.json())["debug_user_id"]) == (200, key.id)


async def test_page_through_entries(place: Place) -> None:
    """Pages neither repeat nor skip; a cursor belongs to its filters."""
    _, secret = await place.make_key("a")
    assert (await place.push(secret, *[entry(message=str(number)) for number in range(7)]))[0] == 200
    messages: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        async with place.session.get(f"/v1/logs?limit=3&cursor={cursor}", headers={"x-api-key": secret}) as response:
            page = await response.json()
        messages += [found["message"] for found in page["logs"]]
        assert page["has_more"] == (page["next_cursor"] is not None)
        last, cursor = cursor, page["next_cursor"]
    assert messages == [str(number) for number in reversed(range(7))]
    async with place.session.get(f"/v1/logs?limit=3&level=info&cursor={last}", headers={"x-api-key": secret}) as response:
        answer = await response.json()
    assert (response.status, answer["error"]["code"], answer["error"]["details"][0]["path"]) == (400, "invalid_parameter", "cursor")


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("level=loud", "level"),
        ("min_level=loud", "min_level"),
        ("order=up", "order"),
        ("q=" + "x" * 513, "q"),
        ("&".join(f"metadata.k{number}=1" for number in range(11)), "metadata"),
        ("limit=1001", "limit"),
    ],
)
async def test_refuse_wrong_parameters(place: Place, query: str, path: str) -> None:
    """What the core finds wrong is a parameter as well."""
    _, secret = await place.make_key("a")
    async with place.session.get(f"/v1/logs?{query}", headers={"x-api-key": secret}) as response:
        answer = await response.json()
    assert (response.status, answer["error"]["code"], [detail["path"] for detail in answer["error"]["details"]]) == (
        400,
        "invalid_parameter",
        [path],
    )
