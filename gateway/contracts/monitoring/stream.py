"""The admin event stream (contract monitoring 17.1, 17.2)."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import grpc
import msgspec
from aiohttp import web

from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure, Reason, from_rpc, validation_failure
from gateway.transcode.request import Request
from gateway.transcode.streams import KEEP_ALIVE_SECONDS, EventStream, Framing, close_stream, open_stream
from lumetry.feed.v1 import feed_service_pb2 as pb

WATCH_FEED = find_rpc(pb.DESCRIPTOR, "FeedService", "WatchFeed")

EVENT_ID = re.compile(r"[0-9]+", re.ASCII)
LONGEST_ID = 18
LARGEST_ID = 2**63 - 1
"""Stands for all that are longer: no event has such a number."""
GONE_SECONDS = 1.0
"""So often a stream on which nothing happens looks whether its client is still there: others may be waiting for its place."""
START_SECONDS = 5.0
STARTED = "x-lumetry-started"
"""In the first metadata of a stream that the core did not refuse."""
STREAMS_PER_CREDENTIAL = 20
RETRY_AFTER_SECONDS = "5"
FRAMING = Framing(
    content_type="text/event-stream; charset=utf-8",
    cache_control="no-cache, no-transform",
    retry_ms=3000,
    greeting="connected",
    comment="keepalive",
    headers={"Connection": "keep-alive"},
)
"""17.1, of all streams of the family."""


class StreamQuery(msgspec.Struct, rename={"last_event_id": "lastEventId"}):
    """What to stream: `types` is a list, separated by commas, whose entries may end in `*`."""

    types: str | None = None
    last_event_id: str | None = None


class OpenStreams:
    """How many streams each credential has open (1.6)."""

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


open_streams = OpenStreams()


async def stream_feed(request: Request) -> web.StreamResponse:
    """17.2 `GET /api/v1/containers/events`."""
    query = request.query(StreamQuery)
    types = [part.strip() for part in (query.types or "").split(",") if part.strip()]
    last_id = find_last_id(request, query.last_event_id)
    await request.core.check_access(WATCH_FEED, request.metadata)
    with open_streams.taken(credential_of(request), STREAMS_PER_CREDENTIAL):
        watching = request.core.watch(WATCH_FEED, pb.WatchFeedRequest(types=types, after_id=last_id), request.metadata)
        try:
            reading = await await_start(watching)
            stream = await open_stream(request.http, request.request_id, frame_for(request))
            try:
                await forward(watching, reading, stream, request.http, request.services.closing)
            except (ConnectionError, TimeoutError):
                return stream.response
            await close_stream(stream)
            return stream.response
        finally:
            watching.cancel()


def frame_for(request: Request) -> Framing:
    """The frame for a client, with what pages of other origins are told."""
    headers = request.family.cross_origin.find_headers(request.http)
    return replace(FRAMING, headers={**FRAMING.headers, **headers})


def credential_of(request: Request) -> str:
    """What tells credentials apart; it never leaves the process."""
    return next((value for name, value in request.metadata if name == "authorization"), request.address or "")


def find_last_id(request: Request, parameter: str | None) -> int | None:
    """17.1: after which event to go on; what is no decimal integer is ignored."""
    given = (request.http.headers.get("Last-Event-ID", "").strip(), (parameter or "").strip())
    text = next((text for text in given if EVENT_ID.fullmatch(text)), None)
    if text is None:
        return None
    return int(text) if len(text.lstrip("0")) <= LONGEST_ID else LARGEST_ID


async def await_start(watching: grpc.aio.UnaryStreamCall[Any, Any]) -> asyncio.Future[Any]:
    """Waits until the core misses nothing any more, which its first metadata tell, and answers the reading of the first event.

    A refusal has first metadata as well, which say nothing; its reason comes instead of an event.

    Raises:
        Failure: It refused, or did not begin in time.
    """
    try:
        async with asyncio.timeout(START_SECONDS):
            reading = asyncio.ensure_future(watching.read())
            if STARTED not in dict(await watching.initial_metadata()):
                await asyncio.wait({reading})
                reading.result()
            return reading
    except grpc.aio.AioRpcError as error:
        failure = from_rpc(error)
        if failure.reason is Reason.VALIDATION_FAILED:
            raise validation_failure(failure.faults, part="query") from None
        raise failure from None
    except TimeoutError:
        raise Failure(Reason.DEADLINE_EXCEEDED, "The stream did not begin in time; try again.", from_core=True) from None


async def forward(
    watching: grpc.aio.UnaryStreamCall[Any, Any],
    reading: asyncio.Future[Any],
    stream: EventStream,
    http: web.BaseRequest,
    closing: asyncio.Event,
) -> None:
    """Passes events on until the core ends the stream, the client leaves or the gateway closes."""
    closed = asyncio.ensure_future(closing.wait())
    read_clock = asyncio.get_running_loop().time
    next_comment = read_clock() + KEEP_ALIVE_SECONDS
    try:
        while True:
            pause = min(GONE_SECONDS, max(0.0, next_comment - read_clock()))
            await asyncio.wait({reading, closed}, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            if closed.done() or http.transport is None:
                return
            if read_clock() >= next_comment:
                await stream.keep_alive()
                next_comment = read_clock() + KEEP_ALIVE_SECONDS
            if not reading.done():
                continue
            event: Any = reading.result()
            if event is grpc.aio.EOF:
                return
            await stream.send(event.type, frame(event.type, event.data), event_id=event.id or None)
            reading = asyncio.ensure_future(watching.read())
    except grpc.aio.AioRpcError:
        return  # the client comes again and is told what it missed, or why it may not
    finally:
        closed.cancel()
        reading.cancel()


def frame(event_type: str, data: bytes) -> str:
    """The data of an event, which begin with its type."""
    rest = data.decode().removeprefix("{")
    return f'{{"type":"{event_type}"' + ("}" if rest == "}" else f",{rest}")
