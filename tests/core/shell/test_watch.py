import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from lumetry.alerts.v1.alert_pb2 import SystemAlert
from lumetry.incidents.v1 import event_service_pb2_grpc
from lumetry.incidents.v1.event_service_pb2 import WatchEventsRequest, WatchEventsResponse
from lumetry_core.collectors.agent.address import Target
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.shell import watch as module
from lumetry_core.shell.documents import document_of_alert, document_of_incident, document_of_system_alert
from lumetry_core.shell.failures import RefusedError, UnreachableError
from lumetry_core.shell.place import Place
from lumetry_core.shell.screen import Screen
from lumetry_core.shell.session import Session
from lumetry_core.shell.watch import draw_event, watch
from tests.conftest import FakeClock
from tests.core.shell.building import an_alert, an_incident
from tests.core.shell.conftest import at

FAULT = SystemAlert(
    id=4, code="EvaluationBacklog", severity="Critical", is_open=True, message="Points wait\n", first_seen_time=at(), last_seen_time=at()
)


def event(number: int, name: str, subject: Message | None = None) -> WatchEventsResponse:
    packed = AnyMessage()
    if subject is not None:
        packed.Pack(subject)
    return WatchEventsResponse(id=number, event=name, subject=packed if subject is not None else None)


EVENTS = (
    event(5, "alert.opened", an_alert()),
    event(6, "incident.opened", an_incident()),
    event(7, "systemAlert.opened", FAULT),
)
RESET = WatchEventsResponse(event="reset")


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is eight o'clock, and breaks are short."""
    monkeypatch.setattr(module, "SystemClock", FakeClock)
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.001)


def test_draw_event_tells_each_subject(screen: Screen) -> None:
    """Time, what happened, severity, and what it is about; nothing wider than the terminal."""
    narrow = replace(screen, width=60)
    assert [draw_event(one, screen) for one in (*EVENTS, RESET, event(8, "weather.changed"))] == [
        "08:00:00Z  alert.opened        Critical  Alert 12  Open  Slow shop  host.id=web-1  3 violations within 5 minutes",
        "08:00:00Z  incident.opened     Critical  INC-000001  Open  Mobile Banking  2/3 alerts active",
        "08:00:00Z  systemAlert.opened  Critical  EvaluationBacklog  Points wait",
        "08:00:00Z  some events were missed; list again",
        "08:00:00Z  weather.changed",
    ]
    assert draw_event(EVENTS[0], narrow) == "08:00:00Z  alert.opened        Critical  Alert 12  Open  Sl…"


Stream = Callable[[WatchEventsRequest, Any], AsyncIterator[WatchEventsResponse]]


class FakeFeed(event_service_pb2_grpc.EventServiceServicer):
    """Serves one stream after the other, the last one for ever."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.asked: list[WatchEventsRequest] = []

    async def WatchEvents(self, request: Any, context: Any) -> AsyncIterator[WatchEventsResponse]:  # noqa: N802 -- generated name
        self.asked.append(request)
        stream = self.streams[min(len(self.asked), len(self.streams)) - 1]
        async for one in stream(request, context):
            yield one


def playing(*events: WatchEventsResponse, end: grpc.StatusCode | LumetryError | None = None, lasts: bool = False) -> Stream:
    """A stream of these events, and how it ends."""

    async def play(_request: WatchEventsRequest, context: Any) -> AsyncIterator[WatchEventsResponse]:
        await context.send_initial_metadata(())
        for one in events:
            yield one
        if lasts:
            await asyncio.Event().wait()
        if end is not None:
            await context.abort(end, "It ends.")

    return play


@pytest.fixture
async def feed() -> FakeFeed:
    return FakeFeed()


@pytest.fixture
async def session(feed: FakeFeed, screen: Screen) -> AsyncIterator[Session]:
    """A session with the feed."""
    server = grpc.aio.server()
    event_service_pb2_grpc.add_EventServiceServicer_to_server(feed, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        place = Place(Target("core:1", secure=False), "a test")
        yield Session(channel, place, (("authorization", "Bearer secret"),), screen, is_json=True)
    await server.stop(None)


async def watch_until(session: Session, lines: int, capsys: pytest.CaptureFixture[str], *topics: str) -> tuple[list[Any], list[str]]:
    """Watches until so many lines came; the documents, and what was noted besides."""
    out, notes = "", ""
    watching = asyncio.create_task(watch(session, topics or ("alerts",)))
    async with asyncio.timeout(30):
        while out.count("\n") < lines and not watching.done():
            await asyncio.sleep(0.005)
            captured = capsys.readouterr()
            out, notes = out + captured.out, notes + captured.err
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    return [json.loads(line) for line in out.splitlines()], notes.splitlines()


async def test_watch_writes_a_document_per_line(session: Session, feed: FakeFeed, capsys: pytest.CaptureFixture[str]) -> None:
    """Each event as the HTTP contract spells its subject."""
    feed.streams = [playing(*EVENTS, RESET, lasts=True)]
    documents, notes = await watch_until(session, 4, capsys, "alerts", "incidents")
    assert documents == [
        {"id": 5, "event": "alert.opened", "data": document_of_alert(an_alert())},
        {"id": 6, "event": "incident.opened", "data": document_of_incident(an_incident())},
        {"id": 7, "event": "systemAlert.opened", "data": document_of_system_alert(FAULT)},
        {"id": None, "event": "reset", "data": {"reason": "gap"}},
    ]
    assert notes == ["watching alerts, incidents; Ctrl-C ends it"]
    assert feed.asked == [WatchEventsRequest(topics=["alerts", "incidents"])]


async def test_watch_resumes_after_the_last_event(session: Session, feed: FakeFeed, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether the stream broke or the server ended it; each break and return is noted."""
    feed.streams = [playing(EVENTS[0], end=grpc.StatusCode.UNAVAILABLE), playing(EVENTS[1]), playing(EVENTS[2], lasts=True)]
    documents, notes = await watch_until(session, 3, capsys)
    assert [document["id"] for document in documents] == [5, 6, 7]
    assert [request.after_id for request in feed.asked] == [0, 5, 6]
    assert notes == [
        "watching alerts; Ctrl-C ends it",
        "cannot reach the server at core:1 (a test): It ends.; trying again in 0.001 s",
        "watching again",
        "the server at core:1 (a test) ended the stream; trying again in 0.001 s",
        "watching again",
    ]


async def test_watch_says_when_it_may_have_missed_events(session: Session, feed: FakeFeed, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the first event, and after a reset, there is nothing to resume from."""
    feed.streams = [playing(), playing(EVENTS[0], RESET), playing(EVENTS[1], lasts=True)]
    _, notes = await watch_until(session, 3, capsys)
    assert [request.HasField("after_id") for request in feed.asked] == [False, False, False]
    assert [note for note in notes if "again;" in note] == ["watching again; some events were missed; list again"] * 2


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED])
async def test_watch_ends_with_its_credential(session: Session, feed: FakeFeed, code: grpc.StatusCode) -> None:
    """Coming again would not help."""
    feed.streams = [playing(EVENTS[0], end=code)]
    with pytest.raises(RefusedError):
        await watch(session, ["alerts"])
    assert len(feed.asked) == 1


async def test_watch_that_never_began_fails(session: Session, feed: FakeFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is not there, or does not begin, is told of at once."""

    async def refuse(_request: WatchEventsRequest, context: Any) -> AsyncIterator[WatchEventsResponse]:
        await context.abort(grpc.StatusCode.UNAVAILABLE, "Not now.")
        yield RESET

    async def hang(_request: WatchEventsRequest, _context: Any) -> AsyncIterator[WatchEventsResponse]:
        await asyncio.Event().wait()
        yield RESET

    feed.streams = [refuse, hang]
    with pytest.raises(UnreachableError, match=r"cannot reach the server at core:1 \(a test\): Not now\."):
        await watch(session, ["alerts"])
    monkeypatch.setattr(module, "CALL_SECONDS", 0.05)
    with pytest.raises(UnreachableError, match="did not answer in time"):
        await watch(session, ["alerts"])
