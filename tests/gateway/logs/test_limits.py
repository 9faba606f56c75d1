"""The gateway in front of a core that limits pushes (contract logs 1.7): headers, buckets, quotas, usage."""

import gzip
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from gateway.app import running
from gateway.config import Config
from lumetry.access.v1 import access_service_pb2_grpc
from lumetry.logs.v1 import log_ingestion_service_pb2_grpc, log_service_pb2_grpc, log_usage_service_pb2_grpc
from lumetry_core.access.model import RateSettings
from lumetry_core.access.model import Settings as LoginSettings
from lumetry_core.access.rates import build_limits
from lumetry_core.access.rpc.access import AccessServicer
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.login import LoginDesk
from lumetry_core.access.service.organizations import create_organization
from lumetry_core.access.service.rates import RateLimiter
from lumetry_core.billing.model import Meter
from lumetry_core.logs.model import Settings
from lumetry_core.logs.rpc.ingestion import LogIngestionServicer
from lumetry_core.logs.rpc.logs import LogServicer
from lumetry_core.logs.rpc.usage import LogUsageServicer
from lumetry_core.logs.service.keys import create_key
from lumetry_core.logs.service.usage import RefusedPushes
from lumetry_core.projects.service import default_project
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.server import build_server, read_accesses
from tests.conftest import FakeClock
from tests.core.billing.counting import draft, put
from tests.core.logs.building import running_appender

ENTRY = {"timestamp": "2026-06-01T07:59:00Z", "level": "info", "message": "m"}
NAMES = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
Answer = tuple[int, Mapping[str, str], Any]


@dataclass
class Place:
    """A gateway with a core behind it that lets five pushes a minute through for each key, and seven for all."""

    session: aiohttp.ClientSession
    database: Database
    clock: FakeClock
    organization_id: int
    refused: RefusedPushes
    keys: list[str]

    async def ask(self, method: str, path: str, key: str | None, body: bytes | None = None) -> Answer:
        headers = {"Content-Type": "application/json"} if key is None else {"Content-Type": "application/json", "x-api-key": key}
        async with self.session.request(method, path, data=body, headers=headers) as response:
            return response.status, response.headers, await response.json()

    async def push(self, key: str, count: int = 1) -> Answer:
        return await self.ask("POST", "/v1/logs", key, json.dumps({"logs": [ENTRY] * count}).encode())

    async def usage(self) -> Any:
        await self.refused.flush()
        _, _, usage = await self.ask("GET", "/v1/logs/usage", self.keys[2])
        return usage

    def told(self, headers: Mapping[str, str]) -> tuple[int, int, int]:
        """Limit, remaining, and in how many seconds all is there again."""
        limit, remaining, reset = (int(headers[name]) for name in NAMES)
        return limit, remaining, reset - to_ms(self.clock.now()) // 1000


@pytest.fixture
async def place(database: Database, clock: FakeClock) -> AsyncIterator[Place]:
    async with database.write() as tx:
        organization_id = (await create_organization(tx, "Acme", clock.now())).id
        await default_project(tx, organization_id, clock.now())
        keys = []
        for name in ("a", "b", "c"):
            made = await create_key(
                tx,
                system_caller(organization_id),
                name=name,
                project="default",
                environment="staging",
                access="full",
                expire_time=None,
                now=clock.now(),
            )
            keys.append(made[1])
    authenticator = Authenticator(database, clock)
    refused = RefusedPushes(database, clock)
    async with running_appender(database, clock) as appender:
        services: dict[str, Any] = {
            "lumetry.logs.v1.LogIngestionService": (
                log_ingestion_service_pb2_grpc.add_LogIngestionServiceServicer_to_server,
                LogIngestionServicer(database, clock, appender, Settings(), refused),
            ),
            "lumetry.logs.v1.LogService": (log_service_pb2_grpc.add_LogServiceServicer_to_server, LogServicer(database)),
            "lumetry.logs.v1.LogUsageService": (
                log_usage_service_pb2_grpc.add_LogUsageServiceServicer_to_server,
                LogUsageServicer(database, clock, 5, 7),
            ),
        }
        accesses = read_accesses(("lumetry.access.v1.AccessService", *services))
        desk = LoginDesk(database, clock, LoginSettings(), RateSettings())
        access = AccessServicer(database, clock, desk, authenticator, accesses)
        services["lumetry.access.v1.AccessService"] = (access_service_pb2_grpc.add_AccessServiceServicer_to_server, access)
        limits = build_limits(RateSettings(), logs_key_rpm=5, logs_organization_rpm=7, limits_workspace=True)
        limiter = RateLimiter(limits, clock, on_refusal=refused.note_limited)
        server = build_server("127.0.0.1:0", services, accesses, authenticator, reflect=False, limiter=limiter)
        await server.server.start()
        config = Config(http="127.0.0.1:0", core=f"127.0.0.1:{server.port}", logs_max_body_bytes=65_536)
        async with running(config) as address, aiohttp.ClientSession(f"http://{address}") as session:
            yield Place(session, database, clock, organization_id, refused, keys)
        await server.server.stop(None)


async def test_buckets_are_hierarchical(place: Place) -> None:
    """A push costs its key and its organization a token each; the emptier bucket is told; nothing is taken for a 429."""
    first, second, _ = place.keys
    told = [place.told((await place.push(first))[1]) for _ in range(5)]
    assert told == [(5, 4, 12), (5, 3, 24), (5, 2, 36), (5, 1, 48), (5, 0, 60)]
    for _ in range(2):
        status, headers, body = await place.push(first)
        assert (status, body["error"]["code"], headers["Retry-After"]) == (429, "rate_limited", "12")
        assert place.told(headers) == (5, 0, 60)
    assert [place.told((await place.push(second))[1])[:2] for _ in range(2)] == [(7, 1), (7, 0)]
    status, headers, _ = await place.push(second)
    assert (status, headers["Retry-After"], place.told(headers)[:2]) == (429, "9", (7, 0))
    place.clock.advance(seconds=60)
    usage = await place.usage()
    assert usage["totals"] == {
        "requests": 10,
        "rejected_requests": 0,
        "rate_limited_requests": 3,
        "quota_refused_requests": 0,
        "entries": 7,
        "bytes_used": 7 * len(json.dumps(ENTRY, separators=(",", ":"))),
    }
    assert usage["rate_limits"] == {"key_per_minute": 5, "organization_per_minute": 7}


async def test_every_answer_tells_the_rate(place: Place) -> None:
    """10: whatever the status, the three headers are there; faulty pushes cost a token as well."""
    key, other, _ = place.keys
    asked = [
        (200, await place.push(key)),
        (400, await place.ask("POST", "/v1/logs", key, b"{")),
        (400, await place.ask("POST", "/v1/logs", key, b'{"logs": [{}]}')),
        (401, await place.ask("POST", "/v1/logs", f"ll_{'0' * 48}", b"{}")),
        (401, await place.ask("POST", "/v1/logs", None, b'{"logs": []}')),
        (404, await place.ask("GET", "/v1/logs/none/such", key)),
        (404, await place.ask("GET", "/v1/logs/5d1f5a52-7c0c-4f7a-8a36-2d1d0f6c9e21", other)),
        (405, await place.ask("DELETE", "/v1/logs", key)),
        (413, await place.ask("POST", "/v1/logs", key, b" " * 65_537)),
        (200, await place.push(key)),
    ]
    assert [status for status, _ in asked] == [answer[0] for _, answer in asked]
    for _, (_, headers, _) in asked:
        assert all(headers[name].isdigit() for name in NAMES)
        assert "Location" not in headers
    assert place.told(asked[-1][1][1])[:2] == (5, 1)


async def test_faulty_pushes_are_counted(place: Place) -> None:
    """Whoever finds the fault, gateway or core, the push is counted once, and nothing is charged."""
    key = place.keys[0]
    for body in (b"{", b'{"logs": []}', b'{"logs": [{"timestamp": 5}]}', json.dumps({"logs": [ENTRY] * 1001}).encode()):
        assert (await place.ask("POST", "/v1/logs", key, body))[0] in (400, 413)
    totals = (await place.usage())["totals"]
    assert (totals["requests"], totals["rejected_requests"], totals["entries"], totals["bytes_used"]) == (3, 3, 0, 0)


async def test_bodies_that_do_not_unpack_cost_a_token(place: Place) -> None:
    """2.3: the bucket stands before unpacking, so broken gzip and bombs are rejected pushes, and a 429 once it is empty."""
    key = place.keys[0]
    assert (await place.push(key))[0] == 200
    broken, bomb = gzip.compress(b'{"logs": []}')[:-3], gzip.compress(b" " * 100_000)
    asked = []
    for body in (broken, bomb, broken, bomb, bomb):
        request = {"x-api-key": key, "Content-Type": "application/json", "Content-Encoding": "gzip"}
        async with place.session.post("/v1/logs", data=body, headers=request) as response:
            asked.append((response.status, place.told(response.headers)[:2]))
    assert asked == [(400, (5, 3)), (413, (5, 2)), (400, (5, 1)), (413, (5, 0)), (429, (5, 0))]
    totals = (await place.usage())["totals"]
    assert (totals["requests"], totals["rejected_requests"], totals["rate_limited_requests"], totals["entries"]) == (6, 4, 1, 1)


async def test_quota_refuses_whole_pushes(place: Place) -> None:
    """A push that a hard budget has no room for is a 429 without rate left; a smaller one goes through."""
    key = place.keys[0]
    await put(place.database, place.organization_id, place.clock.now(), draft(Meter.LOG_ENTRIES, 3, mode="hard", period="day"))
    assert (await place.push(key, 2))[0] == 200
    status, headers, body = await place.push(key, 2)
    assert (status, body) == (
        429,
        {
            "message": "The budget for log_entries is used up",
            "error": {"code": "quota_exhausted", "message": "The budget for log_entries is used up", "details": []},
        },
    )
    assert (headers["X-RateLimit-Remaining"], headers["Retry-After"]) == ("0", "3600")
    assert (await place.push(key, 1))[0] == 200
    usage = await place.usage()
    assert (usage["totals"]["requests"], usage["totals"]["quota_refused_requests"], usage["totals"]["entries"]) == (3, 1, 3)
    assert usage["quota"] == [
        {
            "meter": "log_entries",
            "scope": "organization",
            "mode": "hard",
            "limit": 3,
            "used": 3,
            "remaining": 0,
            "resets_at": "2026-06-02T00:00:00Z",
        }
    ]
    place.clock.advance(hours=15, minutes=59, seconds=30)
    assert (await place.push(key))[1]["Retry-After"] == "30"
    place.clock.advance(seconds=30)
    assert (await place.push(key))[0] == 200


async def test_answers_without_a_core_tell_no_limit(place: Place, unused_tcp_port: int) -> None:
    """503 has the headers too, and is never a 429."""
    config = Config(http="127.0.0.1:0", core=f"127.0.0.1:{unused_tcp_port}")
    async with running(config) as address, aiohttp.ClientSession(f"http://{address}") as session:
        lonely = Place(session, place.database, place.clock, place.organization_id, place.refused, place.keys)
        status, headers, body = await lonely.push(place.keys[0])
    assert (status, headers["Retry-After"], headers["X-RateLimit-Remaining"]) == (503, "2", "1000000")
    assert not any(character.isdigit() for character in json.dumps(body))
