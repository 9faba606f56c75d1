"""Pushing batches through the gateway, in the order of contract logs 2.3."""

import asyncio
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from gateway.app import running
from gateway.config import Config
from lumetry.access.v1 import access_service_pb2
from lumetry.logs.v1 import log_ingestion_service_pb2 as pb
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.failures import CODE_OF, to_status

KEY = "ll_2010ecf83382641e48b090e7fb82396eb130113a51e363da"
OTHER = "ll_" + "a" * 48
KEY_ID = "5b0c7d4e-8a55-4d4c-9d5f-1a2b3c4d5e6f"
ENTRY = {"timestamp": "2026-01-26T14:30:00Z", "level": "info", "message": "héllo", "metadata": {"user_id": "u1"}}
RATES = {"x-ratelimit-limit": "1800", "x-ratelimit-remaining": "1799", "x-ratelimit-reset": "1769437801"}
UNAUTHORIZED = {
    "message": "Invalid or missing API key",
    "error": {"code": "unauthorized", "message": "Invalid or missing API key", "details": []},
}


class Store:
    """Answers like the core: knows two log keys and a token, keeps what it took."""

    def __init__(self) -> None:
        self.batches: list[pb.PushLogsRequest] = []
        self.failure: LumetryError | None = None

    async def judge(self, context: Any) -> None:
        """Refuses unknown credentials; tells the rates."""
        credential = dict(context.invocation_metadata()).get("authorization", "")
        failure = self.failure
        if credential not in (f"Bearer {KEY}", f"Bearer {OTHER}", "Bearer lmt_1"):
            failure = LumetryError(Reason.UNAUTHENTICATED, "No usable credential.")
        if failure:
            details = ("grpc-status-details-bin", to_status(failure).SerializeToString())
            await context.abort(CODE_OF[failure.reason], failure.message, (details, *RATES.items()))
        context.set_trailing_metadata(tuple(RATES.items()))

    async def check(self, _request: Any, context: Any) -> Any:
        await self.judge(context)
        return access_service_pb2.CheckAccessResponse()

    async def push(self, request: pb.PushLogsRequest, context: Any) -> Any:
        await self.judge(context)
        if request.validate_only:
            return pb.PushLogsResponse()
        self.batches.append(request)
        used = sum(entry.size_bytes for entry in request.entries) + request.columns.size_bytes
        by_key = dict(context.invocation_metadata())["authorization"].startswith("Bearer ll_")
        return pb.PushLogsResponse(
            processed_count=len(request.entries) + len(request.columns.messages), bytes_used=used, log_key_id=KEY_ID if by_key else ""
        )

    async def push_parts(self, parts: AsyncIterator[pb.PushLogPartsRequest], context: Any) -> Any:
        whole = pb.PushLogsRequest()
        async for part in parts:
            whole.MergeFrom(part.part)
        return pb.PushLogPartsResponse(result=await self.push(whole, context))


@pytest.fixture
def store(core: Any) -> Store:
    made = Store()
    core.answers |= {"CheckAccess": made.check, "PushLogs": made.push, "PushLogParts": made.push_parts}
    return made


@pytest.fixture
async def narrow(core: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """A gateway that takes batches of three, bodies of 64 KiB and 256 KiB in work."""
    config = Config(http="127.0.0.1:0", core=core.address, logs_max_batch=3, logs_max_body_bytes=65_536, logs_inflight_bytes=262_144)
    async with running(config) as address, aiohttp.ClientSession(f"http://{address}") as session:
        yield session


async def push(client: aiohttp.ClientSession, body: Any, **headers: str) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with client.post("/v1/logs", data=io.BytesIO(data), headers={"Content-Type": "application/json", **headers}) as response:
        assert response.headers["X-RateLimit-Limit"]
        assert response.headers["X-Request-ID"]
        return response.status, json.loads(await response.read())


def code_of(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["error"]["code"]


async def test_answer_three_fields_for_the_header_alone(client: Any, store: Store) -> None:
    """A key in the header is answered with exactly the documented fields."""
    assert await push(client, {"logs": [ENTRY]}, **{"x-api-key": KEY}) == (
        200,
        {"message": "Logs ingested successfully", "processed": 1, "bytes_used": 98},
    )


async def test_answer_four_fields_for_the_body_field(client: Any, store: Store) -> None:
    """A key in the body is answered with the key's UUID besides."""
    assert await push(client, {"api_key": KEY, "logs": [ENTRY]}) == (
        200,
        {"message": "Logs ingested successfully", "processed": 1, "bytes_used": 98, "debug_user_id": KEY_ID},
    )


async def test_answer_users_without_key(client: Any, store: Store) -> None:
    """A user's credential has no key to show."""
    answer = {"message": "Logs ingested successfully", "processed": 1, "bytes_used": 98}
    assert await push(client, {"logs": [ENTRY], "api_key": None}, Authorization="Bearer lmt_1") == (200, answer)
    assert await push(client, {"logs": [ENTRY], "api_key": ""}, Authorization="Bearer lmt_1") == (200, answer)


@pytest.mark.parametrize(
    ("headers", "body_key", "presented"),
    [
        ({"x-api-key": KEY}, OTHER, f"Bearer {KEY}"),
        ({"x-api-key": KEY, "Authorization": "Bearer lmt_1"}, None, f"Bearer {KEY}"),
        ({"x-api-key": "", "Authorization": f"Bearer {KEY}"}, OTHER, f"Bearer {OTHER}"),
        ({"Authorization": "bearer lmt_1"}, KEY, f"Bearer {KEY}"),
    ],
)
async def test_decide_by_the_first_place(client: Any, core: Any, store: Store, headers: Any, body_key: Any, presented: str) -> None:
    """Header, body field, Bearer: the first that holds a value is what the core judges."""
    status, _ = await push(client, {"api_key": body_key, "logs": [ENTRY]}, **headers)
    assert status == 200
    assert {call.metadata["authorization"] for call in core.calls} == {presented}


@pytest.mark.parametrize(
    ("headers", "body_key"),
    [
        ({}, None),
        ({"x-api-key": "ll_" + "0" * 48}, KEY),
        ({"x-api-key": "lmt_1"}, KEY),
        ({"x-api-key": "LL_" + KEY[3:]}, None),
        ({"x-api-key": KEY + "0"}, KEY),
        ({}, "ll_" + "0" * 48),
        ({}, "lmt_1"),
        ({"Authorization": "Bearer lmt_1"}, "nonsense"),
        ({"Authorization": "Bearer lmt_1"}, 7),
        ({"Authorization": f"Bearer {KEY}"}, None),
        ({"Authorization": f"bearer   {KEY}"}, None),
        ({"Authorization": "Basic x"}, None),
    ],
)
async def test_refuse_any_wrong_credential_alike(client: Any, store: Store, headers: Any, body_key: Any) -> None:
    """A wrong value decides as well, whatever later places hold, and is told nothing."""
    assert await push(client, {"api_key": body_key, "logs": [ENTRY]}, **headers) == (401, UNAUTHORIZED)
    assert store.batches == []


async def test_call_once_per_batch(client: Any, core: Any, store: Store) -> None:
    """The core is asked for a credential once; afterwards each batch is one call, which it judges."""
    for _ in range(3):
        assert (await push(client, {"logs": [ENTRY]}, **{"x-api-key": KEY}))[0] == 200
    assert [call.method for call in core.calls] == ["CheckAccess", "PushLogs", "PushLogs", "PushLogs"]
    assert core.calls[0].metadata["x-lumetry-charge"] == "0"
    assert core.calls[1].metadata["x-lumetry-family"] == "logs"


@pytest.mark.parametrize("reason", [Reason.UNAUTHENTICATED, Reason.RATE_LIMITED])
async def test_ask_again_after_a_refusal(client: Any, core: Any, store: Store, reason: Reason) -> None:
    """A credential that was refused is judged before its next body is read."""
    assert (await push(client, {"logs": [ENTRY]}, **{"x-api-key": KEY}))[0] == 200
    store.failure = LumetryError(reason, "x")
    core.calls.clear()
    for _ in range(2):
        assert (await push(client, {"logs": [ENTRY]}, **{"x-api-key": KEY}))[0] in (401, 429)
    assert [call.method for call in core.calls] == ["PushLogs", "CheckAccess"]


async def test_tell_the_core_what_repeats(client: Any, store: Store) -> None:
    """The idempotency key and the digest of the unpacked body go along."""
    body = json.dumps({"logs": [ENTRY]}).encode()
    assert (await push(client, gzip.compress(body), **{"x-api-key": KEY, "Content-Encoding": "gzip", "Idempotency-Key": " a b "}))[0] == 200
    [batch] = store.batches
    assert (batch.idempotency_key, batch.body_digest, batch.return_faults) == ("a b", hashlib.sha256(body).digest(), True)


async def test_refuse_unusable_idempotency_key(client: Any, store: Store) -> None:
    """A key that is too long is named with the other faults."""
    status, answer = await push(client, {"logs": [{}]}, **{"x-api-key": KEY, "Idempotency-Key": "x" * 129})
    assert (status, [detail["path"] for detail in answer["error"]["details"]]) == (
        400,
        ["Idempotency-Key", "logs[0].timestamp", "logs[0].level", "logs[0].message"],
    )


async def test_take_precisions_levels_and_nulls(client: Any, store: Store) -> None:
    """Four precisions, `panic`, null metadata, null context and unknown fields are all taken."""
    times = [f"2026-01-26T14:30:00{fraction}Z" for fraction in ("", ".123", ".123456", ".123456789")]
    entries = [{**ENTRY, "timestamp": time, "level": "panic", "metadata": None, "error": {"context": None}, "x": 1} for time in times]
    assert (await push(client, {"logs": entries}, **{"x-api-key": KEY}))[0] == 200
    assert [entry.time.nanos for entry in store.batches[0].entries] == [0, 123_000_000, 123_456_000, 123_456_789]


async def test_limit_entries(client: Any, core: Any, store: Store) -> None:
    """1,000 entries are taken, 1,001 are not."""
    assert (await push(client, {"logs": [ENTRY] * 1000}, **{"x-api-key": KEY}))[1]["processed"] == 1000
    assert code_of(await push(client, {"logs": [ENTRY] * 1001}, **{"x-api-key": KEY})) == (400, "batch_too_large")
    assert len(store.batches) == 1


async def test_limit_entries_as_configured(narrow: Any, store: Store) -> None:
    """The operator sets the limit."""
    assert (await push(narrow, {"logs": [ENTRY] * 3}, **{"x-api-key": KEY}))[0] == 200
    assert code_of(await push(narrow, {"logs": [ENTRY] * 4}, **{"x-api-key": KEY})) == (400, "batch_too_large")


async def test_refuse_a_batch_with_faults_whole(client: Any, core: Any, store: Store) -> None:
    """Three faults in two entries are three details; the core stores nothing and counts the request."""
    bad = {"logs": [ENTRY, {**ENTRY, "level": "x", "message": 1}, {**ENTRY, "timestamp": None}]}
    status, answer = await push(client, bad, **{"x-api-key": KEY})
    assert (status, answer["error"]["code"], answer["message"]) == (400, "invalid_payload", "Invalid payload: 3 errors")
    assert [detail["path"] for detail in answer["error"]["details"]] == ["logs[1].level", "logs[1].message", "logs[2].timestamp"]
    assert store.batches == []
    assert "x-lumetry-charge" not in core.calls[-1].metadata


async def test_show_faults_of_the_core(client: Any, core: Any, store: Store) -> None:
    """What only the core finds is named as well."""
    core.answers["PushLogs"] = pb.PushLogsResponse(faults=[pb.LogFault(path="logs[0].message", message="no", entry_index=0)])
    status, answer = await push(client, {"logs": [ENTRY]}, **{"x-api-key": KEY})
    assert (status, answer["error"]["details"]) == (400, [{"path": "logs[0].message", "message": "no"}])


async def test_check_in_the_documented_order(narrow: Any, core: Any, store: Store) -> None:
    """Each step is reached only when those before it passed."""
    key, large = {"x-api-key": KEY}, b"x" * 65_537
    text = {"Content-Type": "text/plain"}
    assert code_of(await push(narrow, large, **text)) == (415, "unsupported_media_type")
    assert code_of(await push(narrow, large, **{"Content-Encoding": "br"})) == (415, "unsupported_media_type")
    assert code_of(await push(narrow, large, **{"x-api-key": OTHER + "0"})) == (413, "payload_too_large")
    assert core.calls == []
    assert code_of(await push(narrow, b"{", **{"x-api-key": "ll_"})) == (401, "unauthorized")
    assert code_of(await push(narrow, b"{", **key)) == (400, "invalid_json")
    assert code_of(await push(narrow, b"{")) == (400, "invalid_json")
    assert code_of(await push(narrow, {"logs": 7})) == (401, "unauthorized")
    assert code_of(await push(narrow, {"logs": 7, "api_key": KEY})) == (400, "invalid_payload")
    store.failure = LumetryError(Reason.RATE_LIMITED, "x", retry_after_seconds="3")
    assert code_of(await push(narrow, b"{", **key)) == (429, "rate_limited")
    assert code_of(await push(narrow, {"logs": 7, "api_key": OTHER})) == (429, "rate_limited")
    assert code_of(await push(narrow, b"{")) == (400, "invalid_json")


@pytest.mark.parametrize("media", ["application/json", "application/json; charset=utf-8", "application/x+json", "APPLICATION/JSON"])
async def test_take_json_by_any_name(client: Any, store: Store, media: str) -> None:
    """Any dialect of JSON is read."""
    assert (await push(client, {"logs": [ENTRY]}, **{"x-api-key": KEY, "Content-Type": media}))[0] == 200


async def test_take_json_without_name(client: Any, store: Store) -> None:
    """A body without media type is read; query parameters and a slash at the end do not matter."""
    headers, skipped = {"x-api-key": KEY}, ["Content-Type"]
    data = json.dumps({"logs": [ENTRY]}).encode()
    async with client.post("/v1/logs/?limit=x", data=data, headers=headers, skip_auto_headers=skipped) as response:
        assert (response.status, "Content-Type" in response.request_info.headers) == (200, False)


async def test_take_chunked_and_packed_bodies(client: Any, store: Store) -> None:
    """Several gzip members, cut anywhere, are one body."""
    body = json.dumps({"logs": [ENTRY] * 50}).encode()
    packed = gzip.compress(body[:700]) + gzip.compress(body[700:])

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(packed), 7):
            yield packed[start : start + 7]

    headers = {"x-api-key": KEY, "Content-Encoding": "gzip", "Content-Type": "application/json"}
    async with client.post("/v1/logs", data=chunks(), headers=headers) as response:
        assert (response.status, (await response.json())["processed"]) == (200, 50)


@pytest.mark.parametrize(
    "packed",
    [b"", b"plain", gzip.compress(b'{"logs":[]}')[:-3], gzip.compress(b"{}") + b"rest", gzip.compress(b"") * 65],
    ids=["nothing", "plain", "cut", "followed", "too many members"],
)
async def test_refuse_broken_gzip(client: Any, store: Store, packed: bytes) -> None:
    """Broken gzip is no JSON."""
    assert code_of(await push(client, packed, **{"x-api-key": KEY, "Content-Encoding": "gzip"})) == (400, "invalid_json")


async def test_stop_unpacking_at_the_limit(narrow: Any, store: Store) -> None:
    """A gzip bomb is a body that is too large; packed bytes count as well."""
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(b" " * 2**20) for _ in range(64)) + packer.flush()
    headers = {"x-api-key": KEY, "Content-Encoding": "gzip"}
    assert len(bomb) < 70_000
    assert code_of(await push(narrow, bomb[:65_536], **headers)) == (413, "payload_too_large")


async def test_limit_bodies_in_work(narrow: Any, core: Any, store: Store) -> None:
    """A quarter of the room is for strangers; who finds no room is told to come again, and the room is given back."""
    held, going = asyncio.Event(), asyncio.Event()

    async def slow(size: int) -> AsyncIterator[bytes]:
        yield b" " * size
        held.set()
        await going.wait()
        yield json.dumps({"api_key": KEY, "logs": [ENTRY]}).encode()

    stranger = asyncio.create_task(push_stream(narrow, slow(40_000)))
    await held.wait()
    body = b" " * 40_000 + json.dumps({"logs": [ENTRY]}).encode()
    assert code_of(await push(narrow, body)) == (503, "overloaded")
    assert (await push(narrow, body, **{"x-api-key": KEY}))[0] == 200
    going.set()
    assert await stranger == 200
    assert code_of(await push(narrow, body)) == (401, "unauthorized")


async def push_stream(client: aiohttp.ClientSession, data: AsyncIterator[bytes], **headers: str) -> int:
    async with client.post("/v1/logs", data=data, headers={"Content-Type": "application/json", **headers}) as response:
        return response.status


async def test_send_a_large_batch_in_parts(client: Any, core: Any, store: Store) -> None:
    """A batch that one message cannot hold is stored as one all the same."""
    entries = [{**ENTRY, "metadata": {"k": "x" * 100_000, "n": number}} for number in range(180)]
    status, answer = await push(client, {"api_key": KEY, "logs": entries})
    assert (status, answer["processed"], answer["debug_user_id"]) == (200, 180, KEY_ID)
    assert [call.method for call in core.calls] == ["CheckAccess", "PushLogParts"]
    [batch] = store.batches
    assert [json.loads(entry.metadata_json)["n"] for entry in batch.entries] == list(range(180))
    assert (batch.return_faults, len(batch.body_digest)) == (True, 32)
    store.failure = LumetryError(Reason.QUOTA_EXHAUSTED, "x", retry_after_seconds="60")
    assert code_of(await push(client, {"api_key": KEY, "logs": entries})) == (429, "quota_exhausted")


async def test_give_up_before_clients_do(client: Any, core: Any, store: Store) -> None:
    """The core gets at most eight seconds, and a batch that was not durable by then is answered 503."""
    left: list[float] = []

    def push_slowly(_request: Any, context: Any) -> Any:
        left.append(context.time_remaining())
        return LumetryError(Reason.DEADLINE_EXCEEDED, "too late")

    core.answers["PushLogs"] = push_slowly
    assert code_of(await push(client, {"logs": [ENTRY]}, **{"x-api-key": KEY})) == (503, "overloaded")
    assert 6 < left[0] < 8.1


async def test_tell_rates_of_the_core(client: Any, store: Store) -> None:
    """What the core says of rates is in the headers of every answer; an exhausted quota leaves nothing."""
    for body, failure, remaining in (
        ({"logs": [ENTRY]}, None, "1799"),
        ({"logs": 1}, None, "1799"),
        ({"logs": [ENTRY]}, LumetryError(Reason.UNAUTHENTICATED, "x"), "1799"),
        ({"logs": [ENTRY]}, LumetryError(Reason.STORE_UNAVAILABLE, "x"), "1799"),
        ({"logs": [ENTRY]}, LumetryError(Reason.QUOTA_EXHAUSTED, "x"), "0"),
    ):
        store.failure = failure
        async with client.post("/v1/logs", json=body, headers={"x-api-key": KEY}) as response:
            told = [response.headers[f"X-RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")]
            assert told == ["1800", remaining, "1769437801"]
            assert ("Retry-After" in response.headers) == (response.status in (429, 503))
