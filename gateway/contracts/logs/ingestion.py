"""`POST /v1/logs` in the order of contract logs 2.3."""

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from gateway.config import Config
from gateway.contracts.logs.bodies import Inflight, Lease, check_head, read_body
from gateway.contracts.logs.content import Content, read_content, read_object
from gateway.contracts.logs.credentials import header_key, present_key, with_credential
from gateway.contracts.logs.entries import Parts, build_parts
from gateway.contracts.logs.inspection import read_entries
from gateway.transcode.channel import find_rpc, serialize
from gateway.transcode.failures import Failure, Fault, Reason, from_rpc, internal_failure, validation_failure
from gateway.transcode.handling import fail, json_response
from gateway.transcode.lanes import credential_of
from gateway.transcode.request import Request
from lumetry.logs.v1 import log_ingestion_service_pb2

PUSH_LOGS = find_rpc(log_ingestion_service_pb2.DESCRIPTOR, "LogIngestionService", "PushLogs")
PUSH_LOG_PARTS = find_rpc(log_ingestion_service_pb2.DESCRIPTOR, "LogIngestionService", "PushLogParts")

ANSWER_SECONDS = 8.0
"""Client libraries give up at ten."""
ADMISSION_SECONDS = 30.0
"""How long a credential that the core let in may send bodies before the core is asked first again; it judges each batch all the same."""
MAX_ADMITTED = 4096
LOST = frozenset({Reason.UNAUTHENTICATED, Reason.PERMISSION_DENIED, Reason.RATE_LIMITED, Reason.QUOTA_EXHAUSTED})
SUCCESS = "Logs ingested successfully"
IDEMPOTENCY_HEADER = "Idempotency-Key"
IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,128}")


class Accepted(msgspec.Struct):
    """A batch that is durable; `debug_user_id` answers the body field `api_key` alone."""

    message: str
    processed: int
    bytes_used: int
    debug_user_id: str | UnsetType = UNSET


@dataclass(slots=True)
class Intake:
    """Takes batches of all clients."""

    max_batch: int
    max_body_bytes: int
    inflight: Inflight
    _admitted: OrderedDict[str, float] = field(default_factory=OrderedDict)
    """Until when each credential may send bodies unasked."""

    @classmethod
    def configured(cls, config: Config) -> "Intake":
        """The intake of a gateway."""
        return cls(config.logs_max_batch, config.logs_max_body_bytes, Inflight(config.logs_inflight_bytes))

    async def push(self, request: Request) -> web.Response:
        """2 `POST /v1/logs`."""
        try:
            return await self._push(request)
        except Failure as failure:  # here, because the kernel would ask for the credential before it told of a body that nobody can read
            if failure.reason in LOST:
                self._admitted.pop(credential_of(request.metadata), None)
            if failure.reason is Reason.QUOTA_EXHAUSTED:
                request.rates.remaining = 0
            return fail(request.family, failure, request.request_id)

    async def _push(self, request: Request) -> web.Response:
        http = request.http
        check_head(http, self.max_body_bytes)
        by_header = bool(header_key(http.headers))
        if by_header:
            await self._admit(request)
        with self.inflight.open(is_stranger=not by_header) as lease:
            body = await self._receive(request, lease, by_header=by_header)
            deadline = asyncio.get_running_loop().time() + ANSWER_SECONDS
            content = await self._parse(body, request, by_header=by_header)
            if not by_header:
                await self._admit_by_body(content, request, lease)
            parts = await self._read(content, request)
            first = parts.messages[0]
            first.idempotency_key = http.headers.get(IDEMPOTENCY_HEADER, "").strip()
            first.body_digest = hashlib.sha256(body).digest()
            first.return_faults = True
            reply = await send(parts.messages, request, deadline)
        return json_response(confirm(reply, with_key=isinstance(content.api_key, str)))

    async def _admit(self, request: Request) -> None:
        """Lets the request's credential send a body, asking the core from time to time.

        Raises:
            Failure: The credential may not push.
        """
        now = asyncio.get_running_loop().time()
        credential = credential_of(request.metadata)
        if self._admitted.get(credential, now) <= now:
            await request.core.check_access(PUSH_LOGS, request.metadata, charged=False, rates=request.rates)
            self._admitted[credential] = now + ADMISSION_SECONDS
            while len(self._admitted) > MAX_ADMITTED:
                self._admitted.popitem(last=False)

    async def _admit_by_body(self, content: Content, request: Request, lease: Lease) -> None:
        """The same for the key in the body, else for the credential of a user."""
        if content.api_key is not None and content.api_key != "":
            key = content.api_key if isinstance(content.api_key, str) else ""
            request.metadata = with_credential(request.metadata, present_key(key.strip()))
        await self._admit(request)
        lease.authenticate()

    async def _receive(self, request: Request, lease: Lease, *, by_header: bool) -> bytes:
        try:
            return await read_body(request.http, self.max_body_bytes, lease)
        except Failure as failure:
            if by_header and failure.reason is not Reason.OVERLOADED:
                await self._charge(request)
            raise

    async def _parse(self, body: bytes, request: Request, *, by_header: bool) -> Content:
        try:
            return read_content(body)
        except Failure:
            if by_header:
                await self._charge(request)
            raise

    async def _read(self, content: Content, request: Request) -> Parts:
        """Reads the entries.

        Raises:
            Failure: VALIDATION_FAILED with all faults, or what comes before them: the credential, its buckets.
        """
        faults: list[Fault] = []
        key = request.http.headers.get(IDEMPOTENCY_HEADER, "").strip()
        if key and not IDEMPOTENCY_KEY.fullmatch(key):
            faults.append(Fault(IDEMPOTENCY_HEADER, "must have 1 to 128 printable ASCII characters"))
        parts = None
        if not faults and content.batch is not None and len(content.batch.logs) <= self.max_batch:
            parts = build_parts(content.batch.logs, len(content.body))
        try:
            if parts is None:
                parts = read_entries(content.data or read_object(content.body), self.max_batch, faults)
            if parts is None or faults:
                raise validation_failure(tuple(faults))
        except Failure:
            await self._charge(request)
            raise
        return parts

    async def _charge(self, request: Request) -> None:
        """Counts a request of which the core gets no entry as a rejected one and against its buckets, and fails when one is empty."""
        asked = log_ingestion_service_pb2.PushLogsRequest(validate_only=True)
        await request.core.call(PUSH_LOGS, asked, request.metadata, rates=request.rates)


async def send(messages: Sequence[log_ingestion_service_pb2.PushLogsRequest], request: Request, deadline: float) -> Any:  # noqa: ANN401 -- a message whose class the RPC knows
    """Sends a batch and waits until it is durable.

    Raises:
        Failure: Nothing of it was stored.
    """
    timeout = max(0.0, deadline - asyncio.get_running_loop().time())
    if len(messages) == 1:
        reply: Any = await request.core.call(PUSH_LOGS, messages[0], request.metadata, timeout=timeout, rates=request.rates)
    else:
        reply = await send_parts(messages, request, timeout)
    if reply.faults:
        raise validation_failure(tuple(Fault(fault.path, fault.message) for fault in reply.faults))
    if not reply.processed_count:
        raise internal_failure()
    return reply


async def send_parts(
    messages: Sequence[log_ingestion_service_pb2.PushLogsRequest],
    request: Request,
    timeout: float,  # noqa: ASYNC109 -- gRPC keeps it
) -> Any:  # noqa: ANN401 -- a message whose class the RPC knows
    """Sends a batch that is too large for one message."""

    async def stream() -> AsyncIterator[log_ingestion_service_pb2.PushLogPartsRequest]:
        for message in messages:
            yield log_ingestion_service_pb2.PushLogPartsRequest(part=message)

    call = request.core.channel.stream_unary(
        PUSH_LOG_PARTS.path, request_serializer=serialize, response_deserializer=PUSH_LOG_PARTS.response.FromString
    )(stream(), metadata=request.metadata, timeout=timeout)
    try:
        reply: Any = await call
        request.rates.read(await call.trailing_metadata())
    except grpc.aio.AioRpcError as error:
        request.rates.read(error.trailing_metadata())
        raise from_rpc(error) from None
    return reply.result


def confirm(reply: log_ingestion_service_pb2.PushLogsResponse, *, with_key: bool) -> Accepted:
    """2.4 the answer."""
    key_id = reply.log_key_id if with_key and reply.log_key_id else UNSET
    return Accepted(SUCCESS, reply.processed_count, reply.bytes_used, key_id)
