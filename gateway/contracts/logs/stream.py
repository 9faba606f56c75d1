"""The live tail (contract logs 6), in the frame of contract monitoring 17.1."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import grpc
import msgspec
from aiohttp import web

from gateway.contracts.logs.search import METADATA_PREFIX, Entry, encode_entry, metadata_filters, split_list
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure, Fault, Reason, from_rpc, validation_failure
from gateway.transcode.handling import encoder
from gateway.transcode.request import UUID, Request
from gateway.transcode.routes import Route
from gateway.transcode.streams import KEEP_ALIVE_SECONDS, EventStream, Framing, close_stream, open_stream
from lumetry.logs.v1 import log_service_pb2
from lumetry.logs.v1 import log_tail_service_pb2 as pb

TAIL_LOGS = find_rpc(pb.DESCRIPTOR, "LogTailService", "TailLogs")

GONE_SECONDS = 1.0
"""So often a stream on which nothing happens looks whether its client is still there."""
START_SECONDS = 10.0
STARTED = "x-lumetry-started"
"""In the first metadata of a stream that the core did not refuse."""
STREAMS_PER_CREDENTIAL = 10
RETRY_AFTER_SECONDS = "5"
FRAMING = Framing(
    content_type="text/event-stream; charset=utf-8",
    cache_control="no-cache, no-transform",
    retry_ms=3000,
    greeting="connected",
    comment="keepalive",
    headers={"Connection": "keep-alive"},
)


class StreamParameters(msgspec.Struct, rename={"last_event_id": "lastEventId"}):
    """Which entries; besides these, `metadata.<key>` filters values."""

    q: str | None = None
    level: str | None = None
    min_level: str | None = None
    environment: str | None = None
    project_id: str | None = None
    trace_id: str | None = None
    group_id: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)] | None = None
    last_event_id: str | None = None


class LogEvent(Entry):
    """An entry as an event."""

    type: str


class DroppedEvent(msgspec.Struct):
    """Entries that were left out."""

    type: str
    count: int
    timestamp: str


class ResetEvent(msgspec.Struct):
    """The stream goes on from now; what was missed cannot be made up for."""

    type: str
    reason: str
    oldest_id: str | None
    latest_id: str | None
    timestamp: str


open_streams: Counter[str] = Counter()
"""Of each credential."""


@contextmanager
def taken(credential: str) -> Iterator[None]:
    """Holds a place among the streams of a credential.

    Raises:
        Failure: RATE_LIMITED when none is free.
    """
    if open_streams[credential] >= STREAMS_PER_CREDENTIAL:
        message = f"At most {STREAMS_PER_CREDENTIAL} streams may be open at a time."
        raise Failure(Reason.RATE_LIMITED, message, metadata={"retry_after_seconds": RETRY_AFTER_SECONDS})
    open_streams[credential] += 1
    try:
        yield
    finally:
        open_streams[credential] -= 1
        if not open_streams[credential]:
            del open_streams[credential]


async def stream_logs(request: Request) -> web.StreamResponse:
    """6 `GET /v1/logs/stream`."""
    asked = decode_stream(request)
    await request.core.check_access(TAIL_LOGS, request.metadata, rates=request.rates)
    with taken(credential_of(request)):
        watching = request.core.watch(TAIL_LOGS, asked, request.metadata)
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


def decode_stream(request: Request) -> pb.TailLogsRequest:
    """6 the parameters; what is no entry id is ignored."""
    given = request.query(StreamParameters)
    filters = metadata_filters(request.http.rel_url.raw_query_string)
    faults = [Fault(f"{METADATA_PREFIX}{path}", "must not contain NUL characters") for path, value in filters if "\0" in path + value]
    if faults:
        raise validation_failure(tuple(faults), part="query")
    header = request.http.headers.get("Last-Event-ID", "").strip().lower()
    return pb.TailLogsRequest(
        q=given.q or "",
        levels=split_list(given.level),
        min_level=given.min_level or "",
        environments=split_list(given.environment),
        project_id=given.project_id,
        trace_id=given.trace_id,
        group_id=given.group_id,
        metadata=[log_service_pb2.MetadataFilter(path=path, value=value) for path, value in filters],
        after_id=next((text for text in (header, (given.last_event_id or "").strip().lower()) if UUID.fullmatch(text)), ""),
    )


def frame_for(request: Request) -> Framing:
    """The frame for a client, with the headers that every answer of the family has."""
    family: Any = request.family
    return replace(FRAMING, headers={**FRAMING.headers, **family.cross_origin.find_headers(request.http), **family.headers(request.rates)})


def credential_of(request: Request) -> str:
    """What tells credentials apart; it never leaves the process."""
    return next((value for name, value in request.metadata if name == "authorization"), request.address or "")


async def await_start(watching: grpc.aio.UnaryStreamCall[Any, Any]) -> asyncio.Future[Any]:
    """Waits until the core misses nothing any more, which its first metadata tell, and answers the reading of the first event.

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
        if failure.reason in (Reason.VALIDATION_FAILED, Reason.OUT_OF_RANGE):
            failure.metadata = {**failure.metadata, "part": "query"}
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
            await send(stream, event)
            reading = asyncio.ensure_future(watching.read())
    except grpc.aio.AioRpcError:
        return  # the client comes again and is told what it missed, or why it may not
    finally:
        closed.cancel()
        reading.cancel()


async def send(stream: EventStream, event: pb.TailLogsResponse) -> None:
    """Writes one event."""
    match event.WhichOneof("event"):
        case "entry":
            entry = encode_entry(event.entry)
            shown = LogEvent(**{name: getattr(entry, name) for name in Entry.__struct_fields__}, type="log")
            await stream.send("log", encoder.encode(shown).decode(), event_id=entry.id)
        case "dropped":
            dropped = DroppedEvent("log.dropped", event.dropped.count, spell_now())
            await stream.send(dropped.type, encoder.encode(dropped).decode())
        case "reset":
            reset = event.reset
            told = ResetEvent("stream.reset", reset.reason, reset.oldest_id or None, reset.latest_id or None, spell_now())
            await stream.send(told.type, encoder.encode(told).decode(), event_id=told.latest_id)


def spell_now() -> str:
    """The present time."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


ROUTES = (
    Route(
        method="GET",
        path="/v1/logs/stream",
        heading="Live tail",
        rpc=TAIL_LOGS,
        handle=stream_logs,
        query=StreamParameters,
        media_type="text/event-stream",
    ),
)
