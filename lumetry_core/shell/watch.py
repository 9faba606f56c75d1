"""What happens, as it happens."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import grpc
from google.protobuf.message import Message

from lumetry.alerts.v1.alert_pb2 import Alert, SystemAlert
from lumetry.incidents.v1.event_service_pb2 import WatchEventsRequest, WatchEventsResponse
from lumetry.incidents.v1.event_service_pb2_grpc import EventServiceStub
from lumetry.incidents.v1.incident_pb2 import Incident
from lumetry_core.runtime.clock import SystemClock
from lumetry_core.shell import alert_views, incident_views
from lumetry_core.shell.documents import document_of_alert, document_of_incident, document_of_system_alert, state_of
from lumetry_core.shell.failures import UnreachableError, meaning_of
from lumetry_core.shell.screen import Screen, note, show, write, write_json
from lumetry_core.shell.session import CALL_SECONDS, Session
from lumetry_core.shell.text import clip, pad, width_of

FIRST_PAUSE_SECONDS = 0.5
LAST_PAUSE_SECONDS = 10.0
SETTLE_SECONDS = 0.1
"""A stream that is refused has first metadata as well; its status comes with them."""
FINAL_CODES = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
"""Asking again would not help."""
RESET = "reset"
MISSED = "some events were missed; list again"
EVENT_WIDTH = len("systemAlert.opened")
SEVERITY_WIDTH = len("Critical")


class Break(Exception):  # noqa: N818 -- not a failure of the command
    """The stream ended; it can be taken up again."""


async def watch(session: Session, topics: Sequence[str]) -> None:
    """Writes events until cancelled. A stream that breaks is taken up again after the last event that came.

    Raises:
        RefusedError: The server does not let the caller watch, or not any more.
        UnreachableError: It cannot be reached at the start.
    """
    request = WatchEventsRequest(topics=topics)
    watched, pause = False, FIRST_PAUSE_SECONDS
    while True:
        try:
            call = await begin(session, request)
            if not watched:
                note(f"watching {', '.join(topics)}; Ctrl-C ends it")
            else:
                note("watching again" if request.HasField("after_id") else f"watching again; {MISSED}")
            watched, pause = True, FIRST_PAUSE_SECONDS
            await tell_all(session, call, request)
        except grpc.aio.AioRpcError as error:
            failure = meaning_of(error, session.place)
            if not watched or error.code() in FINAL_CODES:
                raise failure from None
            reason = failure.message
        except TimeoutError:
            reason = f"the server at {session.place} did not answer in time"
            if not watched:
                raise UnreachableError(reason) from None
        except Break:
            reason = f"the server at {session.place} ended the stream"
        note(f"{reason}; trying again in {pause:g} s")
        await asyncio.sleep(pause)
        pause = min(pause * 2, LAST_PAUSE_SECONDS)


async def begin(session: Session, request: WatchEventsRequest) -> grpc.aio.UnaryStreamCall[WatchEventsRequest, WatchEventsResponse]:
    """A stream that misses nothing from now on, which its first metadata tell. Raises TimeoutError, AioRpcError."""
    call = EventServiceStub(session.channel).WatchEvents(request, metadata=session.metadata)
    try:
        async with asyncio.timeout(CALL_SECONDS):
            await call.initial_metadata()
    except TimeoutError:
        call.cancel()
        raise
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_SECONDS):
            await call.code()
    if call.done():
        await call.read()  # fails as the call did
    return call


async def tell_all(
    session: Session, call: grpc.aio.UnaryStreamCall[WatchEventsRequest, WatchEventsResponse], request: WatchEventsRequest
) -> None:
    """Writes the events of a stream, and notes in the request where to take it up. Raises Break, AioRpcError."""
    async for event in call:
        if session.is_json:
            write_json(document_of_event(event), is_line=True)
        else:
            write([draw_event(event, session.screen)])
        if event.id:
            request.after_id = event.id
        else:
            request.ClearField("after_id")  # what came before the reset is not kept any more
    raise Break


def subject_of(event: WatchEventsResponse) -> Message | None:
    """What an event is about; None when it is nothing, or nothing that this version knows."""
    for kind in (Alert, Incident, SystemAlert):
        subject = kind()
        if event.subject.Unpack(subject):
            return subject
    return None


def document_of_event(event: WatchEventsResponse) -> dict[str, Any]:
    """An event with the fields of a server-sent one (19.9)."""
    if event.event == RESET:
        return {"id": None, "event": RESET, "data": {"reason": "gap"}}
    data = None
    match subject_of(event):
        case Alert() as alert:
            data = document_of_alert(alert)
        case Incident() as incident:
            data = document_of_incident(incident)
        case SystemAlert() as fault:
            data = document_of_system_alert(fault)
    return {"id": event.id, "event": event.event, "data": data}


def draw_event(event: WatchEventsResponse, screen: Screen) -> str:
    """The line of an event."""
    lead = f"{screen.time_of_day(SystemClock().now())}  "
    if event.event == RESET:
        return f"{lead}{MISSED}"
    severity, words = words_of(event, screen)
    text = "  ".join(words)
    begin = f"{lead}{pad(show(event.event), EVENT_WIDTH)}  "
    if screen.width is not None:
        text = clip(text, max(screen.width - width_of(begin) - SEVERITY_WIDTH - 2, 0), screen.ellipsis)
    return f"{begin}{screen.colour(severity, pad(severity, SEVERITY_WIDTH))}  {text}".rstrip()


def words_of(event: WatchEventsResponse, screen: Screen) -> tuple[str, list[str]]:
    """Severity of an event's subject, and what else there is to say."""
    match subject_of(event):
        case Alert() as alert:
            words = [f"Alert {alert.id}", state_of(alert), show(alert.alert_name)]
            return show(alert.severity), [*words, alert_views.text_of(alert, *alert_views.SUBJECTS), show(alert.trigger_reason)]
        case Incident() as incident:
            words = [show(incident.incident_key), state_of(incident)]
            centre = alert_views.text_of(incident, *incident_views.CENTRES)
            return show(incident.severity), [*words, centre, f"{incident.active_alert_count}/{incident.alert_count} alerts active"]
        case SystemAlert() as fault:
            return show(fault.severity), [show(fault.code), show(fault.message)]
    return "", []
