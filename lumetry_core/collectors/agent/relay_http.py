"""The relay for agents of a product that is reached over HTTP: passes bodies on without reading them."""

import re
import uuid
from collections.abc import Mapping

import aiohttp
import msgspec
from aiohttp import web
from multidict import CIMultiDict

from lumetry_core.collectors.agent.passing import REFUSAL, may_pass
from lumetry_core.collectors.agent.wanted import ConfigError

ENROLL = "/v1/agents/enroll"
PATHS = frozenset({ENROLL, "/v1/agents/heartbeat", "/v1/agents/process-inventory", "/v1/metrics"})
"""All that passes, with POST."""
RELAY_HEADER = "X-Lumetry-Relay"
PASSED_HEADERS = ("Authorization", "Content-Type", "Content-Encoding", "Accept", "Accept-Encoding", "User-Agent", "X-Request-Id")
"""What of an agent's headers travels on."""
OWN_HEADERS = frozenset(
    {"connection", "content-length", "date", "keep-alive", "proxy-authenticate", "server", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""What each connection says by itself."""
MAX_BODY_BYTES = 8 * 1024 * 1024
"""Contract lumetry 20, the largest body."""
MAX_CALLS = 32
"""At once."""
CALL_SECONDS = 15.0
CONNECT_SECONDS = 3.0
STOP_SECONDS = 1.0
RETRY_SECONDS = "5"
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
TITLES: Mapping[int, str] = {
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    503: "Service Unavailable",
}
TYPES: Mapping[int, str] = {403: "/problems/forbidden", 413: "/problems/payload-too-large", 503: "/problems/unavailable"}


class HttpRelay:
    """A server for agents that calls the product for them."""

    def __init__(self, base_url: str, collector_id: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._collector_id = collector_id
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.ServerRunner | None = None
        self._calls = 0

    async def start(self, port: int) -> int:
        """Listens on all addresses; 0 picks a free port. Answers the port.

        Raises:
            ConfigError: It cannot.
        """
        runner = web.ServerRunner(web.Server(self._answer, auto_decompress=False, access_log=None), shutdown_timeout=STOP_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, None if port else "127.0.0.1", port).start()
        except OSError as error:
            await runner.cleanup()
            raise ConfigError(f"relay.port: port {port} cannot be listened on: {error.strerror or error}") from error
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=CALL_SECONDS, sock_connect=CONNECT_SECONDS),
            connector=aiohttp.TCPConnector(limit=MAX_CALLS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._runner = runner
        return int(runner.addresses[0][1])

    async def close(self) -> None:
        """Stops listening and ends the calls under way."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.rel_url.raw_path not in PATHS:
            return refuse(request, 404, "This collector relays nothing but the calls of agents.")
        if request.method != "POST":
            return refuse(request, 405, "This route answers POST.", {"Allow": "POST"})
        if not may_pass(request.headers.get("Authorization", ""), is_enrollment=request.rel_url.raw_path == ENROLL):
            return refuse(request, 403, REFUSAL)
        if self._calls >= MAX_CALLS or self._session is None:
            return refuse(request, 503, "This collector relays as many calls as it can.", {"Retry-After": RETRY_SECONDS})
        self._calls += 1
        try:
            return await self._pass(request, self._session)
        finally:
            self._calls -= 1

    async def _pass(self, request: web.BaseRequest, session: aiohttp.ClientSession) -> web.StreamResponse:
        body = await read_body(request)
        if body is None:
            return refuse(request, 413, f"A body has at most {MAX_BODY_BYTES} bytes.")
        headers = CIMultiDict((name, request.headers[name]) for name in PASSED_HEADERS if name in request.headers)
        headers[RELAY_HEADER] = self._collector_id
        try:
            async with session.post(self._base_url + request.rel_url.raw_path, data=body, headers=headers, allow_redirects=False) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return refuse(request, 503, "The collector cannot reach the product at the moment.", {"Retry-After": RETRY_SECONDS})
        told = CIMultiDict((name, value) for name, value in answer.headers.items() if name.lower() not in OWN_HEADERS)
        return web.Response(status=answer.status, reason=answer.reason, body=content, headers=told)


async def read_body(request: web.BaseRequest) -> bytes | None:
    """The body as it was sent; None when it is too large."""
    if (request.content_length or 0) > MAX_BODY_BYTES:
        return None
    parts = bytearray()
    async for part in request.content.iter_chunked(64 * 1024):
        parts += part
        if len(parts) > MAX_BODY_BYTES:
            return None
    return bytes(parts)


def refuse(request: web.BaseRequest, status: int, detail: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer of the relay itself, in the shape of the product's errors (contract lumetry 1.5)."""
    given = request.headers.get("X-Request-Id", "")
    request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    kind = TYPES.get(status, "about:blank")
    problem = {"type": kind, "status": status, "title": TITLES[status], "detail": detail, "instance": request_id}
    return web.Response(
        status=status,
        body=msgspec.json.encode(problem),
        headers={"Content-Type": "application/problem+json", "X-Request-Id": request_id, **(headers or {})},
    )
