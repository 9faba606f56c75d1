"""The calls over HTTP/1.1, to the documented routes; for networks that pass no HTTP/2."""

import re
import zlib
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from google.protobuf.message import Message

from lumetry.collectors.v1 import collector_service_pb2 as collectors_pb
from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as agents_pb
from lumetry_core.collectors.agent import http_json
from lumetry_core.collectors.agent.address import Target
from lumetry_core.collectors.agent.failures import (
    AgentDisabledError,
    CallError,
    ConflictError,
    CredentialError,
    ForbiddenError,
    RejectedError,
    RelayRequiredError,
    UnreachableError,
    UnsupportedError,
)
from lumetry_core.collectors.agent.transport import CALL_SECONDS

PROBLEM_TYPE = "application/problem+json"
GZIP_WINDOW = 16 + zlib.MAX_WBITS
GZIP_LEVEL = 4
GZIP_FROM_BYTES = 1_000
KEPT_SECONDS = 60.0
"""How long a connection waits for the next call; less than the server keeps it."""
AGENT_PREFIX = "lmta"
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")

Answer = TypeVar("Answer", bound=Message)


class Problem(msgspec.Struct):
    """The body of the product's errors (contract lumetry 1.5); what something else on the way answers has another shape."""

    type: str
    status: int
    detail: str
    instance: str


class Reply(msgspec.Struct):
    """An answer."""

    status: int
    content_type: str
    headers: Mapping[str, str]
    content: bytes


def meaning_of(reply: Reply, secret: str) -> CallError:
    """What a refusal means. What is not known to be final is tried again: a fault of the server must not lose points."""
    problem = read_problem(reply)
    if problem is None:
        return UnreachableError(f"HTTP {reply.status}, not from the product")
    text = f"HTTP {reply.status}: {problem.detail}"
    if reply.status == 401:
        return CredentialError(text)
    if reply.status == 403:
        return meaning_of_forbidden(text, problem.detail, secret)
    if reply.status == 400:
        return ConflictError(text) if problem.type == "/problems/conflict" else RejectedError(text)
    if reply.status == 413:
        return RejectedError(text)
    if reply.status in (404, 405):
        return UnsupportedError(text)
    return UnreachableError(text, read_seconds(reply.headers.get("Retry-After", "")))


def meaning_of_forbidden(text: str, detail: str, secret: str) -> ForbiddenError:
    """What a 403 means; to an agent it names the collector that it bypassed, else it says that the agent is disabled."""
    if not secret.startswith(AGENT_PREFIX):
        return ForbiddenError(text)
    collector = UUID.search(detail)
    return AgentDisabledError(text) if collector is None else RelayRequiredError(text, collector[0])


def read_problem(reply: Reply) -> Problem | None:
    """The product's error; None when it was not the product that answered."""
    if reply.content_type != PROBLEM_TYPE:
        return None
    try:
        problem = msgspec.json.decode(reply.content, type=Problem)
    except msgspec.DecodeError:
        return None
    return problem if problem.status == reply.status else None


def read_seconds(text: str) -> float | None:
    """How long the server asks to wait; None when it does not."""
    return float(text) if text.isascii() and text.isdigit() else None


class HttpTransport:
    """See `Transport`."""

    can_watch = False

    def __init__(self, target: Target) -> None:
        self.target = target
        self._session = aiohttp.ClientSession(
            target.url,
            timeout=aiohttp.ClientTimeout(total=CALL_SECONDS),
            connector=aiohttp.TCPConnector(limit=8, keepalive_timeout=KEPT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=True,
        )
        self._tag = (0, "")
        """Revision of the configuration that was fetched last, and its tag."""

    async def enroll(self, secret: str, request: collectors_pb.EnrollCollectorRequest) -> collectors_pb.EnrollCollectorResponse:
        """See `Transport`."""
        body = await self._post("/v1/collectors/enroll", secret, http_json.write_enrollment(request))
        return fill(body, collectors_pb.EnrollCollectorResponse())

    async def send_heartbeat(self, secret: str, request: collectors_pb.SendHeartbeatRequest) -> collectors_pb.SendHeartbeatResponse:
        """See `Transport`."""
        body = await self._post("/v1/collectors/heartbeat", secret, http_json.write_heartbeat(request))
        return fill(body, collectors_pb.SendHeartbeatResponse())

    async def fetch_config(
        self, secret: str, request: collectors_pb.FetchCollectorConfigRequest
    ) -> collectors_pb.FetchCollectorConfigResponse:
        """See `Transport`."""
        revision, tag = self._tag
        headers = {"If-None-Match": tag} if tag and revision == request.known_revision else {}
        reply = await self._call("GET", "/v1/collectors/config", secret, headers=headers)
        if reply.status == 304:
            return collectors_pb.FetchCollectorConfigResponse(revision=request.known_revision)
        answer = read(reply, http_json.read_config)
        self._tag = (answer.revision, reply.headers.get("ETag", ""))
        if answer.revision == request.known_revision:
            answer.ClearField("config")
        return answer

    async def rotate_credential(
        self, secret: str, request: collectors_pb.RotateCollectorCredentialRequest
    ) -> collectors_pb.RotateCollectorCredentialResponse:
        """See `Transport`."""
        del request
        return fill(await self._post("/v1/collectors/credentials/rotate", secret, {}), collectors_pb.RotateCollectorCredentialResponse())

    async def claim_work(self, secret: str, request: collectors_pb.ClaimWorkRequest) -> collectors_pb.ClaimWorkResponse:
        """See `Transport`."""
        return read(await self._post("/v1/collectors/claims", secret, http_json.write_claim(request)), http_json.read_work)

    async def complete_work(self, secret: str, request: collectors_pb.CompleteWorkRequest) -> collectors_pb.CompleteWorkResponse:
        """See `Transport`."""
        path = f"/v1/collectors/claims/{quote(request.claim_id, safe='')}/complete"
        reply = await self._post(path, secret, http_json.write_outcome(request))
        if reply.status != 204:
            raise UnreachableError(f"HTTP {reply.status}, not from the product")
        return collectors_pb.CompleteWorkResponse()

    async def watch(
        self, secret: str, request: collectors_pb.WatchCollectorRequest
    ) -> AsyncGenerator[collectors_pb.WatchCollectorResponse, None]:
        """See `Transport`."""
        del secret, request
        if not self.can_watch:
            raise UnsupportedError("there is no stream over HTTP")
        yield collectors_pb.WatchCollectorResponse()

    async def upload(self, secret: str, payload: bytes) -> None:
        """See `Transport`."""
        reply = await self._call("POST", "/v1/metrics", secret, http_json.write_batch(payload), may_compress=True)
        if reply.status != 202 or b'"batchId"' not in reply.content:
            raise UnreachableError(f"HTTP {reply.status} with a body that is not the product's")

    async def enroll_agent(self, secret: str, request: agents_pb.EnrollHostAgentRequest) -> agents_pb.EnrollHostAgentResponse:
        """See `Transport`."""
        return fill(
            await self._post("/v1/agents/enroll", secret, http_json.write_agent_enrollment(request)), agents_pb.EnrollHostAgentResponse()
        )

    async def send_agent_heartbeat(
        self, secret: str, request: agents_pb.SendHostAgentHeartbeatRequest
    ) -> agents_pb.SendHostAgentHeartbeatResponse:
        """See `Transport`."""
        body = await self._post("/v1/agents/heartbeat", secret, http_json.write_agent_heartbeat(request))
        return fill(body, agents_pb.SendHostAgentHeartbeatResponse())

    async def report_processes(self, secret: str, request: agents_pb.ReportHostProcessesRequest) -> agents_pb.ReportHostProcessesResponse:
        """See `Transport`."""
        return read(await self._post("/v1/agents/process-inventory", secret, http_json.write_processes(request)), http_json.read_accepted)

    async def close(self) -> None:
        """See `Transport`."""
        await self._session.close()

    async def _post(self, path: str, secret: str, body: http_json.Json) -> Reply:
        return await self._call("POST", path, secret, msgspec.json.encode(body))

    async def _call(
        self,
        method: str,
        path: str,
        secret: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        may_compress: bool = False,
    ) -> Reply:
        sent = {"Authorization": f"Bearer {secret}", **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json"
            if may_compress and len(body) >= GZIP_FROM_BYTES:
                sent["Content-Encoding"] = "gzip"
                body = zlib.compress(body, GZIP_LEVEL, GZIP_WINDOW)
        try:
            try:
                reply = await self._exchange(method, path, body, sent)
            except aiohttp.ServerDisconnectedError:  # the server closed a connection that waited; repeating any call does no harm
                reply = await self._exchange(method, path, body, sent)
        except TimeoutError as error:
            raise UnreachableError(f"no answer within {CALL_SECONDS:.0f} seconds") from error
        except aiohttp.ClientError as error:
            raise UnreachableError(str(error) or type(error).__name__) from error
        if not (200 <= reply.status < 300 or reply.status == 304):
            raise meaning_of(reply, secret)
        return reply

    async def _exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        async with self._session.request(method, path, data=body, headers=headers, allow_redirects=False) as answer:
            return Reply(answer.status, answer.content_type, answer.headers, await answer.read())


def fill(reply: Reply, answer: Answer) -> Answer:
    """The message from a body that has its names."""

    def read_fields(body: http_json.Json) -> Answer:
        http_json.read_into(body, answer)
        return answer

    return read(reply, read_fields)


def read(reply: Reply, understand: Callable[[http_json.Json], Answer]) -> Answer:
    """The message from a body.

    Raises:
        UnreachableError: It is not what the product answers; a proxy may have put itself in its place.
    """
    try:
        body = msgspec.json.decode(reply.content, type=dict)
        return understand(body)
    except (ValueError, TypeError, AttributeError) as error:
        raise UnreachableError(f"HTTP {reply.status} with a body that is not the product's") from error
