"""The relay for agents, of both kinds, in front of a product that is a real server."""

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import grpc
import pytest
from aiohttp import web
from google.rpc import error_details_pb2, status_pb2

from lumetry_core.collectors.agent import relay_grpc, relay_http
from lumetry_core.collectors.agent.address import Target
from lumetry_core.collectors.agent.passing import REFUSAL
from lumetry_core.collectors.agent.relay import Relay
from lumetry_core.collectors.agent.wanted import ConfigError

COLLECTOR = "d97e2b99-81bd-43aa-823d-dc5f78cd5429"
AGENT = "Bearer lmta_agent"
TOKEN = "Bearer lmtae_profile"
STRANGERS = ("", "Bearer lmt_user", "Bearer lmtc_collector", "Bearer lmtae_profile", "Basic lmta_agent", "lmta_agent", "Bearer xlmta_agent")
"""What no call of an enrolled agent carries."""
HEARTBEAT = "/lumetry.hostagents.v1.HostAgentChannelService/SendHostAgentHeartbeat"
ENROLL = "/lumetry.hostagents.v1.HostAgentChannelService/EnrollHostAgent"
INGEST = "/lumetry.metrics.v1.IngestionService/IngestMetrics"
LIST_ALERTS = "/lumetry.alerts.v1.AlertService/ListAlerts"


@dataclass
class StubLink:
    """What a relay needs to know of its collector's link."""

    target: Target
    identity: str = COLLECTOR


@dataclass
class GrpcProduct(grpc.GenericRpcHandler):
    """A product that answers every call with what it was sent, or as it is told."""

    calls: list[tuple[str, bytes, dict[str, Any]]] = field(default_factory=list)
    refusal: Callable[[Any], Any] | None = None
    server: Any = None
    port: int = 0

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        async def answer(request: bytes, context: Any) -> bytes:
            self.calls.append((handler_call_details.method, request, dict(context.invocation_metadata())))
            if self.refusal is not None:
                await self.refusal(context)
            context.set_trailing_metadata((("x-ratelimit-remaining", "7"),))
            return b"answer to " + request

        return grpc.unary_unary_rpc_method_handler(answer)

    async def start(self) -> None:
        self.server = grpc.aio.server(handlers=(self,), options=[("grpc.so_reuseport", 0)])
        self.port = self.server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self.server.start()

    async def go_away(self) -> None:
        await self.server.stop(None)


@dataclass
class HttpProduct:
    """The same over HTTP."""

    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answer: Callable[[], web.Response] = lambda: web.json_response({"accepted": 1}, status=202, headers={"X-RateLimit-Remaining": "7"})
    runner: Any = None
    port: int = 0

    async def start(self) -> None:
        async def take(request: web.BaseRequest) -> web.Response:
            self.requests.append((request.raw_path, {name.lower(): value for name, value in request.headers.items()}, await request.read()))
            return self.answer()

        self.runner = web.ServerRunner(web.Server(take, auto_decompress=False, access_log=None))
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port).start()
        self.port = self.runner.addresses[0][1]

    async def go_away(self) -> None:
        await self.runner.cleanup()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def start_relay(stack: AsyncExitStack, target: Target, port: int = 0) -> Relay:
    relay = Relay(StubLink(target), port)  # type: ignore[arg-type]
    await relay.start()
    stack.push_async_callback(relay.close)
    return relay


@pytest.fixture
async def grpc_product(stack: AsyncExitStack) -> GrpcProduct:
    product = GrpcProduct()
    await product.start()
    stack.push_async_callback(product.go_away)
    return product


@pytest.fixture
async def grpc_relay(stack: AsyncExitStack, grpc_product: GrpcProduct) -> Relay:
    return await start_relay(stack, Target(f"127.0.0.1:{grpc_product.port}", secure=False))


@pytest.fixture
async def http_product(stack: AsyncExitStack) -> HttpProduct:
    product = HttpProduct()
    await product.start()
    stack.push_async_callback(product.go_away)
    return product


@pytest.fixture
async def http_relay(stack: AsyncExitStack, http_product: HttpProduct) -> Relay:
    return await start_relay(stack, Target(f"127.0.0.1:{http_product.port}", secure=False, is_http=True))


async def call(
    relay: Relay, method: str, request: bytes = b"heartbeat", metadata: tuple[tuple[str, str], ...] = (), authorization: str = AGENT
) -> tuple[bytes, Any]:
    """An agent's call through a relay: the answer and its trailing metadata."""
    if authorization:
        metadata = (("authorization", authorization), *metadata)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{relay.port}") as channel:
        calling: Any = channel.unary_unary(method)(request, metadata=metadata, timeout=20)
        return await calling, dict(await calling.trailing_metadata())


async def post(relay: Relay, path: str, body: bytes = b"{}", method: str = "POST", **headers: str) -> tuple[int, Any, bytes]:
    """An agent's request through a relay: status, headers and body as they came."""
    given = {"Authorization": AGENT, "Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.request(method, f"http://127.0.0.1:{relay.port}{path}", data=body, headers=given) as answer,
    ):
        return answer.status, answer.headers, await answer.read()


async def test_relay_of_a_grpc_call(grpc_product: GrpcProduct, grpc_relay: Relay) -> None:
    """Bytes and credential pass as they are; the relay names itself whatever the agent claimed, and nothing else of the agent's passes."""
    answer, told = await call(grpc_relay, HEARTBEAT, b"\x0a\x03any", (("x-lumetry-relay", "somebody else"), ("x-other", "kept back")))
    assert (answer, told) == (b"answer to \x0a\x03any", {"x-ratelimit-remaining": "7"})
    (method, request, metadata) = grpc_product.calls[0]
    assert (method, request) == (HEARTBEAT, b"\x0a\x03any")
    del metadata["user-agent"]
    assert metadata == {"authorization": AGENT, "x-lumetry-relay": COLLECTOR}


async def test_relay_of_a_refused_grpc_call(grpc_product: GrpcProduct, grpc_relay: Relay) -> None:
    """The product's refusal passes with its code, its words and its reason."""
    reason = status_pb2.Status(code=7, message="The agent is disabled.")
    reason.details.add().Pack(error_details_pb2.ErrorInfo(reason="AGENT_DISABLED", domain="lumetry"))

    async def refuse(context: Any) -> None:
        details = (("grpc-status-details-bin", reason.SerializeToString()),)
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "The agent is disabled.", details)

    grpc_product.refusal = refuse
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(grpc_relay, INGEST)
    assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.PERMISSION_DENIED, "The agent is disabled.")
    assert dict(refused.value.trailing_metadata()) == {"grpc-status-details-bin": reason.SerializeToString()}


async def test_relay_of_another_grpc_method(grpc_product: GrpcProduct, grpc_relay: Relay) -> None:
    """What is no agent's call does not reach the product."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(grpc_relay, LIST_ALERTS)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert grpc_product.calls == []


@pytest.mark.parametrize(
    ("method", "authorization"),
    [*((INGEST, stranger) for stranger in STRANGERS), (HEARTBEAT, TOKEN), (ENROLL, AGENT), (ENROLL, "Bearer lmte_collector")],
)
async def test_relay_of_a_stranger_over_grpc(grpc_product: GrpcProduct, grpc_relay: Relay, method: str, authorization: str) -> None:
    """Who is no agent, or enrolls with anything but a profile's token, does not reach the product."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(grpc_relay, method, authorization=authorization)
    assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.PERMISSION_DENIED, REFUSAL)
    assert grpc_product.calls == []


async def test_relay_of_two_grpc_credentials(grpc_product: GrpcProduct, grpc_relay: Relay) -> None:
    """An agent's credential does not carry another one along."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(grpc_relay, INGEST, metadata=(("authorization", "Bearer lmt_user"),))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert grpc_product.calls == []


async def test_relay_of_an_enrollment_over_grpc(grpc_product: GrpcProduct, grpc_relay: Relay) -> None:
    """A profile's token enrolls, however the scheme is written."""
    await call(grpc_relay, ENROLL, authorization=TOKEN)
    await call(grpc_relay, ENROLL, authorization=TOKEN.replace("Bearer", "bearer"))
    assert [method for method, _, _ in grpc_product.calls] == [ENROLL] * 2


async def test_relay_of_a_large_grpc_call(grpc_product: GrpcProduct, grpc_relay: Relay) -> None:
    """A message above the limit is refused before the product sees it."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(grpc_relay, INGEST, b"x" * (relay_grpc.MAX_MESSAGE_BYTES + 1))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert grpc_product.calls == []


async def test_relay_while_the_grpc_product_is_away(grpc_product: GrpcProduct, grpc_relay: Relay) -> None:
    """An agent learns at once that the product is away, and passes again as soon as it is back."""
    await grpc_product.go_away()
    async with asyncio.timeout(3):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(grpc_relay, HEARTBEAT)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    await grpc_product.start()
    async with asyncio.timeout(20):
        while True:
            try:
                answer, _ = await call(grpc_relay, HEARTBEAT)
            except grpc.aio.AioRpcError:
                continue
            break
    assert answer == b"answer to heartbeat"


async def test_relay_of_more_grpc_calls_than_it_takes(
    grpc_product: GrpcProduct, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call beyond the limit is refused; it waits nowhere."""
    monkeypatch.setattr(relay_grpc, "MAX_CALLS", 1)
    relay = await start_relay(stack, Target(f"127.0.0.1:{grpc_product.port}", secure=False))
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def hold(_context: Any) -> None:
        entered.set()
        await go_on.wait()

    grpc_product.refusal = hold
    first = asyncio.create_task(call(relay, HEARTBEAT))
    await entered.wait()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(relay, HEARTBEAT)
    go_on.set()
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await first)[0] == b"answer to heartbeat"


@pytest.mark.parametrize("is_http", [False, True])
async def test_start_on_a_taken_port(stack: AsyncExitStack, *, is_http: bool) -> None:
    """A port that something else uses makes the configuration one that cannot be applied, and says which port."""
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"^relay.port: port {port} cannot be listened on"):
            await start_relay(stack, Target("127.0.0.1:1", secure=False, is_http=is_http), port)


@pytest.mark.parametrize("is_http", [False, True])
async def test_start_again_on_the_same_port(stack: AsyncExitStack, *, is_http: bool) -> None:
    """A relay that was closed leaves its port free for the next one."""
    target = Target("127.0.0.1:1", secure=False, is_http=is_http)
    first = await start_relay(stack, target)
    await first.close()
    second = await start_relay(stack, target, first.port)
    assert second.port == first.port


async def test_relay_of_an_http_request(http_product: HttpProduct, http_relay: Relay) -> None:
    """Body, encoding and credential pass as they are; the relay names itself whatever the agent claimed."""
    body = gzip.compress(b'{"metrics": []}')
    status, headers, content = await post(
        http_relay, "/v1/metrics", body, Content_Encoding="gzip", X_Lumetry_Relay="somebody else", X_Request_Id="r-1", Cookie="a=b"
    )
    assert (status, json.loads(content), headers["X-RateLimit-Remaining"]) == (202, {"accepted": 1}, "7")
    path, sent, received = http_product.requests[0]
    assert (path, received) == ("/v1/metrics", body)
    kept = {name: sent.get(name) for name in ("authorization", "content-encoding", "x-lumetry-relay", "x-request-id", "cookie")}
    assert kept == {
        "authorization": AGENT,
        "content-encoding": "gzip",
        "x-lumetry-relay": COLLECTOR,
        "x-request-id": "r-1",
        "cookie": None,
    }


async def test_relay_of_a_refused_http_request(http_product: HttpProduct, http_relay: Relay) -> None:
    """The product's refusal passes with its status, its headers and its document."""
    problem = b'{"status": 401}'
    http_product.answer = lambda: web.Response(
        status=401, body=problem, headers={"Content-Type": "application/problem+json", "WWW-Authenticate": "Bearer"}
    )
    status, headers, content = await post(http_relay, "/v1/agents/heartbeat")
    assert (status, headers["WWW-Authenticate"], headers["Content-Type"], content) == (401, "Bearer", "application/problem+json", problem)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/rules", 404),
        ("POST", "/v1/collectors/heartbeat", 404),
        ("POST", "/v1/metrics/", 404),
        ("GET", "/v1/metrics", 405),
    ],
)
async def test_relay_of_another_http_request(http_product: HttpProduct, http_relay: Relay, method: str, path: str, status: int) -> None:
    """What is no agent's request does not reach the product."""
    answered, headers, content = await post(http_relay, path, method=method)
    assert (answered, headers["Content-Type"], json.loads(content)["status"]) == (status, "application/problem+json", status)
    assert http_product.requests == []


@pytest.mark.parametrize(
    ("path", "authorization"),
    [
        *(("/v1/metrics", stranger) for stranger in STRANGERS),
        ("/v1/agents/heartbeat", TOKEN),
        ("/v1/agents/enroll", AGENT),
        ("/v1/agents/enroll", "Bearer lmte_collector"),
    ],
)
async def test_relay_of_a_stranger_over_http(http_product: HttpProduct, http_relay: Relay, path: str, authorization: str) -> None:
    """Who is no agent, or enrolls with anything but a profile's token, does not reach the product."""
    status, headers, content = await post(http_relay, path, Authorization=authorization, X_Request_Id="r-1")
    assert (status, headers["Content-Type"], json.loads(content)) == (
        403,
        "application/problem+json",
        {"type": "/problems/forbidden", "status": 403, "title": "Forbidden", "detail": REFUSAL, "instance": "r-1"},
    )
    assert http_product.requests == []


async def test_relay_of_an_enrollment_over_http(http_product: HttpProduct, http_relay: Relay) -> None:
    """A profile's token enrolls, however the scheme is written."""
    assert (await post(http_relay, "/v1/agents/enroll", Authorization=TOKEN))[0] == 202
    assert (await post(http_relay, "/v1/agents/enroll", Authorization=TOKEN.replace("Bearer", "bearer")))[0] == 202
    assert [path for path, _, _ in http_product.requests] == ["/v1/agents/enroll"] * 2


async def test_relay_of_a_large_http_request(http_product: HttpProduct, http_relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body above the limit is refused before the product sees it."""
    monkeypatch.setattr(relay_http, "MAX_BODY_BYTES", 1000)
    status, _, content = await post(http_relay, "/v1/metrics", b"x" * 1001)
    assert (status, json.loads(content)["type"]) == (413, "/problems/payload-too-large")
    assert http_product.requests == []


async def test_relay_while_the_http_product_is_away(http_product: HttpProduct, http_relay: Relay) -> None:
    """An agent learns at once that the product is away, and passes again as soon as it is back."""
    await http_product.go_away()
    async with asyncio.timeout(3):
        status, headers, content = await post(http_relay, "/v1/agents/heartbeat")
    assert (status, headers["Retry-After"], json.loads(content)["type"]) == (503, "5", "/problems/unavailable")
    await http_product.start()
    assert (await post(http_relay, "/v1/agents/heartbeat"))[0] == 202


async def test_relay_of_more_http_requests_than_it_takes(http_relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request beyond the limit is refused; it waits nowhere."""
    monkeypatch.setattr(relay_http, "MAX_CALLS", 0)
    status, headers, _ = await post(http_relay, "/v1/metrics")
    assert (status, headers["Retry-After"]) == (503, "5")
