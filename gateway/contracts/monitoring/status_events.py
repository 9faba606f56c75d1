"""The public event stream (contract monitoring 17.1, 17.3)."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from aiohttp import web

from gateway.contracts.monitoring.status_admin import STATUS_WORDS
from gateway.contracts.monitoring.stream import FRAMING, StreamQuery, find_last_id
from gateway.transcode.failures import Failure, Reason
from gateway.transcode.fanout import Frame, Hub, Reader, Reset, match_all
from gateway.transcode.handling import encoder
from gateway.transcode.request import Request
from gateway.transcode.streams import KEEP_ALIVE_SECONDS, EventStream, close_stream, open_stream
from gateway.transcode.times import format_ms, format_time
from lumetry.statuspages.v1 import status_page_service_pb2 as pb

STREAMS_PER_ADDRESS = 10
ANY_ORIGIN: Mapping[str, str] = {"Access-Control-Allow-Origin": "*"}
PUBLIC_FRAMING = replace(FRAMING, headers={**FRAMING.headers, **ANY_ORIGIN})
KEEP_ALIVE = f": {FRAMING.comment}\n\n".encode()

SeverityWord = Literal["minor", "major", "critical"]
ProgressWord = Literal["investigating", "identified", "resolved"]
SEVERITY_WORDS: Mapping[int, SeverityWord] = {
    pb.PUBLIC_SEVERITY_MINOR: "minor",
    pb.PUBLIC_SEVERITY_MAJOR: "major",
    pb.PUBLIC_SEVERITY_CRITICAL: "critical",
}
PROGRESS_WORDS: Mapping[int, ProgressWord] = {
    pb.PUBLIC_INCIDENT_STATUS_INVESTIGATING: "investigating",
    pb.PUBLIC_INCIDENT_STATUS_IDENTIFIED: "identified",
    pb.PUBLIC_INCIDENT_STATUS_RESOLVED: "resolved",
}


def spell_component(event: pb.ComponentChanged) -> dict[str, object]:
    """`status.component_changed`."""
    return {"component_id": event.component_id, "name": event.name, "status": STATUS_WORDS[event.status], "group": event.group}


def spell_global(event: pb.GlobalChanged) -> dict[str, object]:
    """`status.global_changed`."""
    return {"status": STATUS_WORDS[event.status], "message": event.message}


def spell_created(event: pb.IncidentCreated) -> dict[str, object]:
    """`status.incident_created`."""
    return {
        "id": event.id,
        "title": event.title,
        "severity": SEVERITY_WORDS[event.severity],
        "status": PROGRESS_WORDS[event.status],
        "components": list(event.components),
    }


def spell_updated(event: pb.IncidentUpdated) -> dict[str, object]:
    """`status.incident_updated`."""
    return {"id": event.id, "status": PROGRESS_WORDS[event.status], "message": event.message}


def spell_resolved(event: pb.IncidentResolved) -> dict[str, object]:
    """`status.incident_resolved`."""
    return {"id": event.id, "title": event.title}


def spell_maintenance(event: pb.MaintenanceStarted | pb.MaintenanceEnded) -> dict[str, object]:
    """`status.maintenance_started` and `status.maintenance_ended`."""
    return {"id": event.id, "title": event.title, "components": list(event.components)}


SPELLERS: Mapping[str, Callable[[Any], dict[str, object]]] = {
    "component_changed": spell_component,
    "global_changed": spell_global,
    "incident_created": spell_created,
    "incident_updated": spell_updated,
    "incident_resolved": spell_resolved,
    "maintenance_started": spell_maintenance,
    "maintenance_ended": spell_maintenance,
}


def read_event(message: pb.WatchStatusPageResponse) -> Frame:
    """An event of the core, ready for all readers."""
    field = message.WhichOneof("event") or ""
    kind = f"status.{field}"
    data = {"type": kind, **SPELLERS[field](getattr(message, field)), "timestamp": format_time(message.create_time)}
    return Frame(message.id, kind, frame(message.id, kind, data), message.create_time.ToDatetime(tzinfo=UTC))


def frame(number: int, kind: str, data: Mapping[str, object]) -> bytes:
    """17.1 an event as it is sent."""
    return f"id: {number}\nevent: {kind}\ndata: ".encode() + encoder.encode(data) + b"\n\n"


def frame_reset(reset: Reset, moment: datetime) -> bytes:
    """17.1 the order to load everything again. Its number is where the stream goes on, so that it is given once."""
    data = {
        "type": "stream.reset",
        "reason": reset.reason,
        "oldest_id": reset.oldest_id,
        "latest_id": reset.latest_id,
        "timestamp": format_ms(int(moment.timestamp() * 1000)),
    }
    return frame(reset.latest_id, "stream.reset", data)


def read_types(text: str | None) -> Callable[[str], bool]:
    """17.1 which types a reader wants: a list whose entries may end in `*`."""
    wanted = [part.strip() for part in (text or "").split(",") if part.strip()]
    if not wanted:
        return match_all
    names = frozenset(wanted)
    beginnings = tuple(part.removesuffix("*") for part in wanted if part.endswith("*"))
    return lambda kind: kind in names or kind.startswith(beginnings)


async def stream_status(request: Request) -> web.StreamResponse:
    """17.3 `GET /status/events`."""
    page = request.services.status_page
    if request.services.closing.is_set():
        raise Failure(Reason.STORE_UNAVAILABLE, "The gateway is shutting down.")
    address = request.address or ""
    page.limits.take(address)
    query = request.query(StreamQuery)
    last_id = find_last_id(request, query.last_event_id)
    with page.streams.taken(address, STREAMS_PER_ADDRESS):
        reader = await page.hub.join(last_id, read_types(query.types))
        try:
            stream = await open_stream(request.http, request.request_id, PUBLIC_FRAMING)
            reader.abort = lambda: abort(request.http)
            with suppress(ConnectionError, TimeoutError):
                await forward(reader, stream, page.hub)
            if not reader.is_overrun:
                await close_stream(stream)
            return stream.response
        finally:
            page.hub.leave(reader)


def abort(http: web.BaseRequest) -> None:
    """Ends the connection of a client that takes nothing; it comes again and is given what it missed."""
    if http.transport is not None:
        http.transport.abort()


async def forward(reader: Reader, stream: EventStream, hub: Hub) -> None:
    """Sends what comes until the client leaves, is too slow, or the gateway closes."""
    while (taken := await reader.take(KEEP_ALIVE_SECONDS)) is not None:
        parts = [item.data if isinstance(item, Frame) else frame_reset(item, hub.now()) for item in taken]
        await stream.response.write(b"".join(parts) or KEEP_ALIVE)
