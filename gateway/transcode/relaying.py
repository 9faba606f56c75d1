"""Passing a stream of the core on as server-sent events."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from aiohttp import web
from google.protobuf.message import Message

from gateway.transcode.channel import Rpc
from gateway.transcode.failures import Failure, Reason, from_rpc
from gateway.transcode.request import Request
from gateway.transcode.streams import DEFAULT_FRAMING, KEEP_ALIVE_SECONDS, EventStream, Framing, close_stream, open_stream

STARTED = "x-lumetry-started"
"""In the first metadata of a stream that the core did not refuse."""
START_SECONDS = 10.0
GONE_SECONDS = 1.0
"""So often a stream on which nothing happens looks whether its client is still there: others may be waiting for its place."""
RETRY_AFTER_SECONDS = "5"

Watching = grpc.aio.UnaryStreamCall[Any, Any]
Send = Callable[[EventStream, Any], Awaitable[None]]
"""Writes what a message of the core tells."""


class OpenStreams:
    """How many streams each client has open."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    @contextmanager
    def taken(self, key: str, limit: int) -> Iterator[None]:
        """Holds a place.

        Raises:
            Failure: RATE_LIMITED when none is free.
        """
        if self._open[key] >= limit:
            message = f"At most {limit} event streams may be open at a time."
            raise Failure(Reason.RATE_LIMITED, message, metadata={"retry_after_seconds": RETRY_AFTER_SECONDS})
        self._open[key] += 1
        try:
            yield
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]


def owner_of(request: Request) -> str:
    """Whose streams they are: what tells credentials apart; it never leaves the process."""
    return next((value for name, value in request.metadata if name == "authorization"), request.address or "")


async def relay(
    request: Request,
    rpc: Rpc,
    asked: Message,
    send: Send,
    *,
    framing: Framing = DEFAULT_FRAMING,
    tell_start: Callable[[EventStream], Awaitable[None]] | None = None,
    tell_failure: Callable[[EventStream, Failure], Awaitable[None]] | None = None,
) -> web.StreamResponse:
    """Answers with what an RPC streams until the core ends it, the client leaves or the gateway closes.

    Args:
        tell_start: Writes what comes before everything else.
        tell_failure: Writes why the core ended the stream; None: the client is just disconnected, comes again and is told then.

    Raises:
        Failure: The core refused, or did not begin in time.
    """
    watching = request.core.watch(rpc, asked, request.metadata)
    try:
        reading = await await_start(watching)
        stream = await open_stream(request.http, request.request_id, framing)
        try:
            if tell_start is not None:
                await tell_start(stream)
            failure = await forward(request, watching, reading, stream, send)
            if failure is not None and tell_failure is not None:
                await tell_failure(stream, failure)
        except (ConnectionError, TimeoutError):  # the client is gone, or takes nothing any more
            return stream.response
        await close_stream(stream)
        return stream.response
    finally:
        watching.cancel()


async def await_start(watching: Watching) -> asyncio.Future[Any]:
    """Waits until the core misses nothing any more, which its first metadata tell, and answers the reading of the first message.

    A refusal has first metadata as well, which say nothing; its reason comes instead of a message.

    Raises:
        Failure: It refused, or did not begin in time.
    """
    try:
        async with asyncio.timeout(START_SECONDS):
            reading = asyncio.ensure_future(watching.read())
            if STARTED not in dict(await watching.initial_metadata()):
                await reading
            return reading
    except grpc.aio.AioRpcError as error:
        failure = from_rpc(error)
        if failure.reason in (Reason.VALIDATION_FAILED, Reason.OUT_OF_RANGE):  # nothing but the query can be wrong
            failure.metadata = {**failure.metadata, "part": "query"}
        raise failure from None
    except TimeoutError:
        raise Failure(Reason.DEADLINE_EXCEEDED, "The stream did not begin in time; try again.", from_core=True) from None


async def forward(request: Request, watching: Watching, reading: asyncio.Future[Any], stream: EventStream, send: Send) -> Failure | None:
    """Passes messages on until the end, and answers the failure with which the core ended the stream, if it did.

    Raises:
        ConnectionError: The client left.
        TimeoutError: It takes nothing.
    """
    closed = asyncio.ensure_future(request.services.closing.wait())
    read_clock = asyncio.get_running_loop().time
    next_comment = read_clock() + KEEP_ALIVE_SECONDS
    try:
        while True:
            pause = min(GONE_SECONDS, max(0.0, next_comment - read_clock()))
            await asyncio.wait({reading, closed}, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            if closed.done() or request.http.transport is None:
                return None
            if read_clock() >= next_comment:
                await stream.keep_alive()
                next_comment = read_clock() + KEEP_ALIVE_SECONDS
            if not reading.done():
                continue
            message: Any = reading.result()
            if message is grpc.aio.EOF:
                return None
            await send(stream, message)
            reading = asyncio.ensure_future(watching.read())
    except grpc.aio.AioRpcError as error:
        return from_rpc(error)
    finally:
        closed.cancel()
        reading.cancel()
