"""The live feed (contract lumetry 19.9)."""

import asyncio
import re
from collections.abc import Callable
from typing import Any, Literal, get_args

import grpc
import msgspec
from aiohttp import web

from gateway.contracts.lumetry.alerts import encode_alert
from gateway.contracts.lumetry.incidents import encode_incident
from gateway.contracts.lumetry.system_alerts import encode_system_alert
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure, Fault, Reason, from_rpc, validation_failure
from gateway.transcode.handling import encoder
from gateway.transcode.request import Request
from gateway.transcode.streams import KEEP_ALIVE_SECONDS, EventStream, close_stream, open_stream
from lumetry.alerts.v1 import alert_pb2
from lumetry.incidents.v1 import event_service_pb2, incident_pb2

WATCH_EVENTS = find_rpc(event_service_pb2.DESCRIPTOR, "EventService", "WatchEvents")

Topic = Literal["alerts", "incidents", "systemAlerts"]
TOPIC_OF_NAME = {topic.lower(): topic for topic in get_args(Topic)}
EVENT_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
ENDS: frozenset[Reason] = frozenset({Reason.UNAUTHENTICATED, Reason.PERMISSION_DENIED})
RESET = '{"reason":"gap"}'
START_SECONDS = 5.0

ENCODERS: dict[type[Any], Callable[[Any], object]] = {
    alert_pb2.Alert: encode_alert,
    incident_pb2.Incident: encode_incident,
    alert_pb2.SystemAlert: encode_system_alert,
}


class StreamFilters(msgspec.Struct, rename="camel"):
    """Which topics, separated by commas."""

    topics: str | None = None


async def stream_events(request: Request) -> web.StreamResponse:
    """19.9 `GET /api/stream`."""
    topics = read_topics(request.query(StreamFilters).topics or "")
    last_id = request.http.headers.get("Last-Event-ID", "").strip()
    known = EVENT_ID.fullmatch(last_id) is not None
    await request.core.check_access(WATCH_EVENTS, request.metadata, charged=False)
    watching = request.core.watch(
        WATCH_EVENTS, event_service_pb2.WatchEventsRequest(topics=topics, after_id=int(last_id) if known else None), request.metadata
    )
    try:
        await await_start(watching)
        stream = await open_stream(request.http, request.request_id)
        if last_id and not known:
            await stream.send("reset", RESET)
        closing: asyncio.Event = request.services.closing
        try:
            await forward(watching, stream, closing)
        except (ConnectionError, TimeoutError):
            return stream.response
        await close_stream(stream)
        return stream.response
    finally:
        watching.cancel()


def read_topics(text: str) -> list[str]:
    """The topics of the query.

    Raises:
        Failure: VALIDATION_FAILED for an unknown one.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if any(name.lower() not in TOPIC_OF_NAME for name in names):
        raise validation_failure((Fault("topics", f"must be a list of {', '.join(TOPIC_OF_NAME.values())}"),))
    return [TOPIC_OF_NAME[name.lower()] for name in names]


async def await_start(watching: grpc.aio.UnaryStreamCall[Any, Any]) -> None:
    """Waits until the core misses nothing any more, which its first metadata tell.

    Raises:
        Failure: It refused, or did not begin in time.
    """
    try:
        async with asyncio.timeout(START_SECONDS):
            await watching.initial_metadata()
    except grpc.aio.AioRpcError as error:
        raise from_rpc(error) from None
    except TimeoutError:
        raise Failure(Reason.DEADLINE_EXCEEDED, "The stream did not begin in time; try again.", from_core=True) from None


async def forward(watching: grpc.aio.UnaryStreamCall[Any, Any], stream: EventStream, closing: asyncio.Event) -> None:
    """Passes events on until the core ends the stream, the client leaves or the gateway closes."""
    closed = asyncio.ensure_future(closing.wait())
    reading = asyncio.ensure_future(watching.read())
    try:
        while True:
            await asyncio.wait({reading, closed}, timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if closed.done():
                return
            if not reading.done():
                await stream.keep_alive()
                continue
            event: Any = reading.result()
            if event is grpc.aio.EOF:
                return
            await send_event(event, stream)
            reading = asyncio.ensure_future(watching.read())
    except grpc.aio.AioRpcError as error:
        if from_rpc(error).reason in ENDS:
            await stream.send("end", '{"reason":"credential"}')
    finally:
        closed.cancel()
        reading.cancel()


async def send_event(event: event_service_pb2.WatchEventsResponse, stream: EventStream) -> None:
    """Passes one event on."""
    if event.event == "reset":
        await stream.send("reset", RESET)
        return
    for kind, encode in ENCODERS.items():
        if event.subject.Is(kind.DESCRIPTOR):
            subject = kind()
            event.subject.Unpack(subject)
            await stream.send(event.event, encoder.encode(encode(subject)).decode(), event_id=event.id)
            return
