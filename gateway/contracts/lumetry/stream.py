"""The live feed (contract lumetry 19.9)."""

import re
from collections.abc import Callable
from typing import Any, Literal, get_args

import msgspec
from aiohttp import web

from gateway.contracts.lumetry.alerts import encode_alert
from gateway.contracts.lumetry.incidents import encode_incident
from gateway.contracts.lumetry.system_alerts import encode_system_alert
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure, Fault, Reason, validation_failure
from gateway.transcode.handling import encoder
from gateway.transcode.relaying import relay
from gateway.transcode.request import Request
from gateway.transcode.streams import EventStream
from lumetry.alerts.v1 import alert_pb2
from lumetry.incidents.v1 import event_service_pb2, incident_pb2

WATCH_EVENTS = find_rpc(event_service_pb2.DESCRIPTOR, "EventService", "WatchEvents")

Topic = Literal["alerts", "incidents", "systemAlerts"]
TOPIC_OF_NAME = {topic.lower(): topic for topic in get_args(Topic)}
EVENT_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
ENDS: frozenset[Reason] = frozenset({Reason.UNAUTHENTICATED, Reason.PERMISSION_DENIED})
RESET = '{"reason":"gap"}'

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
    asked = event_service_pb2.WatchEventsRequest(topics=topics, after_id=int(last_id) if known else None)
    starts_anew = bool(last_id) and not known
    return await relay(request, WATCH_EVENTS, asked, send_event, tell_start=tell_reset if starts_anew else None, tell_failure=tell_end)


def read_topics(text: str) -> list[str]:
    """The topics of the query.

    Raises:
        Failure: VALIDATION_FAILED for an unknown one.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if any(name.lower() not in TOPIC_OF_NAME for name in names):
        raise validation_failure((Fault("topics", f"must be a list of {', '.join(TOPIC_OF_NAME.values())}"),))
    return [TOPIC_OF_NAME[name.lower()] for name in names]


async def tell_reset(stream: EventStream) -> None:
    """Tells that events were missed."""
    await stream.send("reset", RESET)


async def tell_end(stream: EventStream, failure: Failure) -> None:
    """Tells that the credential has ended; after any other end the client comes again with its last id."""
    if failure.reason in ENDS:
        await stream.send("end", '{"reason":"credential"}')


async def send_event(stream: EventStream, event: event_service_pb2.WatchEventsResponse) -> None:
    """Passes one event on."""
    if event.event == "reset":
        await tell_reset(stream)
        return
    for kind, encode in ENCODERS.items():
        if event.subject.Is(kind.DESCRIPTOR):
            subject = kind()
            event.subject.Unpack(subject)
            await stream.send(event.event, encoder.encode(encode(subject)).decode(), event_id=event.id)
            return
