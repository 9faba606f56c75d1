"""The live tail (contract logs 6), in the frame of contract monitoring 17.1."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from aiohttp import web

from gateway.contracts.logs.search import METADATA_PREFIX, Entry, encode_entry, metadata_filters, split_list
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Fault, validation_failure
from gateway.transcode.handling import encoder
from gateway.transcode.relaying import OpenStreams, owner_of, relay
from gateway.transcode.request import UUID, Request
from gateway.transcode.routes import Route
from gateway.transcode.streams import EventStream, Framing
from lumetry.logs.v1 import log_service_pb2
from lumetry.logs.v1 import log_tail_service_pb2 as pb

TAIL_LOGS = find_rpc(pb.DESCRIPTOR, "LogTailService", "TailLogs")

STREAMS_PER_CREDENTIAL = 10
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


open_streams = OpenStreams()


async def stream_logs(request: Request) -> web.StreamResponse:
    """6 `GET /v1/logs/stream`."""
    asked = decode_stream(request)
    await request.core.check_access(TAIL_LOGS, request.metadata, rates=request.rates)
    with open_streams.taken(owner_of(request), STREAMS_PER_CREDENTIAL):
        return await relay(request, TAIL_LOGS, asked, send, framing=frame_for(request))


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
