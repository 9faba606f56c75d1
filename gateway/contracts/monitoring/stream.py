"""The admin event stream (contract monitoring 17.1, 17.2)."""

import re
from dataclasses import replace

import msgspec
from aiohttp import web

from gateway.transcode.channel import find_rpc
from gateway.transcode.relaying import OpenStreams, owner_of, relay
from gateway.transcode.request import Request
from gateway.transcode.streams import EventStream, Framing
from lumetry.feed.v1 import feed_service_pb2 as pb

WATCH_FEED = find_rpc(pb.DESCRIPTOR, "FeedService", "WatchFeed")

EVENT_ID = re.compile(r"[0-9]+", re.ASCII)
LONGEST_ID = 18
LARGEST_ID = 2**63 - 1
"""Stands for all that are longer: no event has such a number."""
STREAMS_PER_CREDENTIAL = 20
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


open_streams = OpenStreams()
"""Of the family (1.6)."""


async def stream_feed(request: Request) -> web.StreamResponse:
    """17.2 `GET /api/v1/containers/events`."""
    query = request.query(StreamQuery)
    types = [part.strip() for part in (query.types or "").split(",") if part.strip()]
    asked = pb.WatchFeedRequest(types=types, after_id=find_last_id(request, query.last_event_id))
    await request.core.check_access(WATCH_FEED, request.metadata)
    with open_streams.taken(owner_of(request), STREAMS_PER_CREDENTIAL):
        return await relay(request, WATCH_FEED, asked, send, framing=frame_for(request))


def frame_for(request: Request) -> Framing:
    """The frame for a client, with what pages of other origins are told."""
    headers = request.family.cross_origin.find_headers(request.http)
    return replace(FRAMING, headers={**FRAMING.headers, **headers})


def find_last_id(request: Request, parameter: str | None) -> int | None:
    """17.1: after which event to go on; what is no decimal integer is ignored."""
    given = (request.http.headers.get("Last-Event-ID", "").strip(), (parameter or "").strip())
    text = next((text for text in given if EVENT_ID.fullmatch(text)), None)
    if text is None:
        return None
    return int(text) if len(text.lstrip("0")) <= LONGEST_ID else LARGEST_ID


async def send(stream: EventStream, event: pb.WatchFeedResponse) -> None:
    """Writes one event."""
    await stream.send(event.type, frame(event.type, event.data), event_id=event.id or None)


def frame(event_type: str, data: bytes) -> str:
    """The data of an event, which begin with its type."""
    rest = data.decode().removeprefix("{")
    return f'{{"type":"{event_type}"' + ("}" if rest == "}" else f",{rest}")
