"""Public pings (contract monitoring 6.3): jobs tell that they began or ended, as cheaply as may be.

A call to the core costs more than a ping, so the pings that wait share the next one. Each keeps its own answer.
"""

import asyncio
import re
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import msgspec
from aiohttp import web

from gateway.transcode.bodies import invite_body
from gateway.transcode.channel import Core, find_rpc
from gateway.transcode.failures import Failure, Reason
from gateway.transcode.handling import JSON_TYPE
from gateway.transcode.request import Request
from lumetry.heartbeats.v1 import ping_service_pb2 as pb

RECORD_PINGS = find_rpc(pb.DESCRIPTOR, "PingService", "RecordPings")

PAYLOAD_BYTES = 10_240
"""What is kept of a body."""
PAYLOAD_SECONDS = 5.0
"""How long the rest of a body is waited for: what of it came by then counts, for it is the ping that matters."""
DEADLINE_SECONDS = 10.0
MAX_CALLS = 2
"""Calls under way; what arrives meanwhile shares the next one."""
MAX_CALL_PINGS = 1_000
MAX_WAITING_PINGS = 50_000
METADATA = (("x-lumetry-family", "monitoring"),)
EXIT_CODE = re.compile(r"[0-9]{1,3}", re.ASCII)
LARGEST_EXIT_CODE = 255
HEADERS = {"Content-Type": JSON_TYPE}
OK = b'{"ok":true}'


class Pong(msgspec.Struct):
    """The ping is stored."""

    ok: Literal[True]


class ExitCodePong(msgspec.Struct):
    """The ping is stored, with its exit code."""

    ok: Literal[True]
    exit_code: int


Waiting = tuple[pb.PingDraft, "asyncio.Future[pb.PingResult]"]


@dataclass(slots=True)
class PingSender:
    """Sends the pings of all clients. Those that wait go together, in the order in which they came."""

    waiting: deque[Waiting] = field(default_factory=deque)
    calls: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def submit(self, core: Core, draft: pb.PingDraft) -> pb.PingResult:
        """Sends a ping and waits until it is durable, or refused.

        Raises:
            Failure: Nothing became of it.
        """
        if len(self.waiting) >= MAX_WAITING_PINGS:
            raise Failure(Reason.OVERLOADED, "Too many pings wait; try again.")
        result: asyncio.Future[pb.PingResult] = asyncio.get_running_loop().create_future()
        self.waiting.append((draft, result))
        if self.calls < MAX_CALLS:
            self._start_call(core)
        return await result

    def _start_call(self, core: Core) -> None:
        self.calls += 1
        task = asyncio.get_running_loop().create_task(self._serve(core))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _serve(self, core: Core) -> None:
        """Makes calls until nothing waits."""
        try:
            while self.waiting:
                taken = [self.waiting.popleft() for _ in range(min(len(self.waiting), MAX_CALL_PINGS))]
                try:
                    await send(core, taken)
                except Exception as error:  # noqa: BLE001 -- each waiting request raises it and is answered by its handler
                    for _, result in taken:
                        if not result.done():
                            result.set_exception(as_own(error))
        finally:
            self.calls -= 1


async def send(core: Core, taken: list[Waiting]) -> None:
    """Makes one call and gives each its result.

    Raises:
        Failure: The call failed.
    """
    request = pb.RecordPingsRequest(pings=[draft for draft, _ in taken])
    reply: pb.RecordPingsResponse = await core.call(RECORD_PINGS, request, METADATA, timeout=DEADLINE_SECONDS)
    if len(reply.results) != len(taken):
        raise Failure(Reason.INTERNAL, "The core answered another number of pings.")
    for (_, result), told in zip(taken, reply.results, strict=True):
        if not result.done():
            result.set_result(told)


def as_own(error: Exception) -> Exception:
    """The failure for one of several that share it: an exception that is raised twice grows with each traceback."""
    if not isinstance(error, Failure):
        return error
    return Failure(error.reason, error.message, faults=error.faults, metadata=error.metadata, from_core=error.from_core)


async def answer_success(request: Request) -> web.Response:
    """6.3 `/ping/{uuid}`."""
    return await answer(request, pb.PING_KIND_SUCCESS)


async def answer_start(request: Request) -> web.Response:
    """6.3 `/ping/{uuid}/start`."""
    return await answer(request, pb.PING_KIND_START)


async def answer_fail(request: Request) -> web.Response:
    """6.3 `/ping/{uuid}/fail`."""
    return await answer(request, pb.PING_KIND_FAIL)


async def answer_log(request: Request) -> web.Response:
    """6.3 `/ping/{uuid}/log`."""
    return await answer(request, pb.PING_KIND_LOG)


async def answer_exit_code(request: Request) -> web.Response:
    """6.3 `/ping/{uuid}/{exit_code}`; the code is judged before the identity."""
    text = request.key("exit_code")
    code = int(text) if EXIT_CODE.fullmatch(text) else -1
    if not 0 <= code <= LARGEST_EXIT_CODE:
        message = f"The exit code must be a whole number from 0 to {LARGEST_EXIT_CODE}, or one of start, fail and log."
        raise Failure(Reason.VALIDATION_FAILED, message, metadata={"code": "invalid_exit_code"})
    return await answer(request, pb.PING_KIND_EXIT_CODE, code)


async def answer(request: Request, kind: pb.PingKind.ValueType, exit_code: int = 0) -> web.Response:
    """Records a ping and says that it is stored.

    Raises:
        Failure: NOT_FOUND, RATE_LIMITED, or what the call failed with.
    """
    http = request.http
    address = request.address or ""
    draft = pb.PingDraft(uuid=request.values["uuid"], kind=kind, exit_code=exit_code, address=address, http_method=http.method)
    if http.method == "POST" and http.can_read_body:
        draft.payload = await read_payload(http)
    sender: PingSender = request.services.pings
    told = await sender.submit(request.core, draft)
    if told.verdict == pb.PING_VERDICT_ACCEPTED:
        body = OK if kind != pb.PING_KIND_EXIT_CODE else b'{"ok":true,"exit_code":%d}' % exit_code
        return web.Response(body=body, headers=HEADERS)
    if told.verdict == pb.PING_VERDICT_RATE_LIMITED:
        seconds = {"retry_after_seconds": str(told.retry_after_seconds)}
        raise Failure(Reason.RATE_LIMITED, "Too many pings; try again later.", metadata=seconds)
    raise Failure(Reason.NOT_FOUND, "No such heartbeat.")


async def read_payload(http: web.BaseRequest) -> bytes:
    """The beginning of a body, whatever it is. The rest is read and forgotten, so that the client gets its answer."""
    await invite_body(http)
    kept = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(PAYLOAD_SECONDS):
            async for chunk in http.content.iter_any():
                kept += chunk[: PAYLOAD_BYTES - len(kept)]
    return kept
