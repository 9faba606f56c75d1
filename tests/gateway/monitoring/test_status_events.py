import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.monitoring import status_events
from gateway.contracts.monitoring.status_events import STREAMS_PER_ADDRESS, read_types
from gateway.transcode.fanout import MAX_WAITING
from lumetry.statuspages.v1 import status_component_pb2 as component_pb
from lumetry.statuspages.v1 import status_page_service_pb2 as pb
from tests.gateway.fake_core import FakeCore

NOW = Timestamp(seconds=int(datetime.now(UTC).timestamp()))
"""Older events are not kept."""
SPELLED = NOW.ToJsonString()
HELLO = "retry: 3000\n: connected\n\n"
OUT = component_pb.COMPONENT_STATUS_MAJOR_OUTAGE


class Stream:
    """What the core streams, as a test writes it."""

    def __init__(self, core: FakeCore) -> None:
        self.calls = 0
        self.items: asyncio.Queue[pb.WatchStatusPageResponse] = asyncio.Queue()
        self.kept = [pb.WatchStatusPageResponse(start=pb.StreamStart(floor_id=10, latest_id=12, kept_count=2)), changed(11), changed(12)]
        core.answers["WatchStatusPage"] = self.watch

    async def watch(self, _request: Any, _context: Any) -> AsyncIterator[pb.WatchStatusPageResponse]:
        self.calls += 1
        for item in self.kept:
            yield item
        while True:
            yield await self.items.get()


def changed(number: int, name: str = "Shop") -> pb.WatchStatusPageResponse:
    event = pb.ComponentChanged(component_id=5, name=name, status=OUT, group="Website")
    return pb.WatchStatusPageResponse(id=number, create_time=NOW, component_changed=event)


def spelled(number: int, name: str = "Shop") -> str:
    data = f'{{"type":"status.component_changed","component_id":5,"name":"{name}","status":"major_outage","group":"Website",'
    return f'id: {number}\nevent: status.component_changed\ndata: {data}"timestamp":"{SPELLED}"}}\n\n'


@pytest.fixture
def stream(core: FakeCore) -> Stream:
    return Stream(core)


async def read(response: aiohttp.ClientResponse, text: str) -> None:
    """Expects the stream to go on exactly so."""
    async with asyncio.timeout(20):
        assert (await response.content.readexactly(len(text.encode()))).decode() == text


async def test_stream_every_event(client: aiohttp.ClientSession, stream: Stream) -> None:
    """The stream opens at once with its headers, and each event has its documented keys, type first and time last."""
    async with client.get("/status/events") as response:
        names = ("Content-Type", "Cache-Control", "Connection", "X-Accel-Buffering", "Access-Control-Allow-Origin")
        assert (response.status, [response.headers[name] for name in names]) == (
            200,
            ["text/event-stream; charset=utf-8", "no-cache, no-transform", "keep-alive", "no", "*"],
        )
        await read(response, HELLO)
        incident = {"id": 9, "title": "Issue affecting Shop"}
        window = {"id": 4, "title": "Scheduled maintenance", "components": ["Shop"]}
        for event in (
            pb.WatchStatusPageResponse(global_changed=pb.GlobalChanged(status=OUT, message="Major System Outage")),
            pb.WatchStatusPageResponse(
                incident_created=pb.IncidentCreated(
                    **incident,
                    severity=pb.PUBLIC_SEVERITY_CRITICAL,
                    status=pb.PUBLIC_INCIDENT_STATUS_INVESTIGATING,
                    components=["Shop"],
                )
            ),
            pb.WatchStatusPageResponse(
                incident_updated=pb.IncidentUpdated(id=9, status=pb.PUBLIC_INCIDENT_STATUS_IDENTIFIED, message="Known.")
            ),
            pb.WatchStatusPageResponse(incident_resolved=pb.IncidentResolved(**incident)),
            pb.WatchStatusPageResponse(maintenance_started=pb.MaintenanceStarted(**window)),
            pb.WatchStatusPageResponse(maintenance_ended=pb.MaintenanceEnded(**window)),
        ):
            event.id = 13 + stream.items.qsize()
            event.create_time.CopyFrom(NOW)
            stream.items.put_nowait(event)
        title = '"id":9,"title":"Issue affecting Shop"'
        work = '"id":4,"title":"Scheduled maintenance","components":["Shop"]'
        for number, (kind, data) in enumerate(
            (
                ("global_changed", '"status":"major_outage","message":"Major System Outage"'),
                ("incident_created", f'{title},"severity":"critical","status":"investigating","components":["Shop"]'),
                ("incident_updated", '"id":9,"status":"identified","message":"Known."'),
                ("incident_resolved", title),
                ("maintenance_started", work),
                ("maintenance_ended", work),
            ),
            13,
        ):
            line = f'{{"type":"status.{kind}",{data},"timestamp":"{SPELLED}"}}'
            await read(response, f"id: {number}\nevent: status.{kind}\ndata: {line}\n\n")


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ({"Last-Event-ID": "11"}, "", [12, 13]),
        ({}, "?lastEventId=10", [11, 12, 13]),
        ({"Last-Event-ID": "12"}, "?lastEventId=10", [13]),
        ({"Last-Event-ID": "x"}, "", [13]),
        ({}, "", [13]),
        ({"Last-Event-ID": "10"}, "?types=incident.*", []),
        ({"Last-Event-ID": "11"}, "?types=status.component_changed,x", [12, 13]),
        ({"Last-Event-ID": "11"}, "?types=status.*", [12, 13]),
    ],
)
async def test_resume_stream(
    client: aiohttp.ClientSession, stream: Stream, headers: dict[str, str], query: str, expected: list[int]
) -> None:
    """What was missed comes first; the header outranks the parameter; what is no number counts as nothing; types narrow it."""
    async with client.get("/status/events" + query, headers=headers) as response:
        await read(response, HELLO)
        stream.items.put_nowait(changed(13))
        for number in expected:
            await read(response, spelled(number))


@pytest.mark.parametrize(("last_id", "reason"), [("9", "replay_window_exceeded"), ("99", "unknown_id")])
async def test_reset_stream(client: aiohttp.ClientSession, stream: Stream, last_id: str, reason: str) -> None:
    """A number that is too old, or was never given, leads to the order to load everything again; then the stream goes on."""
    async with client.get("/status/events", headers={"Last-Event-ID": last_id}) as response:
        await read(response, HELLO)
        await read(response, "id: 12\nevent: stream.reset\n")
        async with asyncio.timeout(20):
            line = (await response.content.readuntil(b"\n\n")).decode()
        assert line.startswith(f'data: {{"type":"stream.reset","reason":"{reason}","oldest_id":11,"latest_id":12,"timestamp":"')
        stream.items.put_nowait(changed(100))
        await read(response, spelled(100))


async def test_keep_alive(client: aiohttp.ClientSession, stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing happens a comment tells that the stream is alive."""
    monkeypatch.setattr(status_events, "KEEP_ALIVE_SECONDS", 0.01)
    async with client.get("/status/events") as response:
        await read(response, HELLO + ": keepalive\n\n: keepalive\n\n")


async def test_neutralise_line_ends(client: aiohttp.ClientSession, stream: Stream) -> None:
    """A name cannot forge another event."""
    async with client.get("/status/events") as response:
        await read(response, HELLO)
        stream.items.put_nowait(changed(13, "a\r\n\nevent: x"))
        await read(response, spelled(13, "a\\r\\n\\nevent: x"))


async def test_limit_streams_of_address(client: aiohttp.ClientSession, stream: Stream) -> None:
    """An address may have ten streams open; one that closes makes room. All of them share one stream of the core."""
    opened = [await client.get("/status/events") for _ in range(STREAMS_PER_ADDRESS)]
    assert [response.status for response in opened] == [200] * STREAMS_PER_ADDRESS
    async with client.get("/status/events") as refused:
        assert (refused.status, refused.headers["Retry-After"], refused.headers["Access-Control-Allow-Origin"]) == (429, "5", "*")
    opened[0].close()
    async with asyncio.timeout(20):
        while True:
            async with client.get("/status/events") as response:
                if response.status == 200:
                    break
            await asyncio.sleep(0.2)
    for each in opened:
        each.close()
    assert stream.calls == 1


async def test_end_slow_client(url: str, stream: Stream) -> None:
    """A client that takes nothing is disconnected once too much waits for it; others are not disturbed."""
    host, port = url.removeprefix("http://").split(":")
    slow_reader, slow_writer = await asyncio.open_connection(host, int(port), limit=1024)
    slow_writer.write(b"GET /status/events HTTP/1.1\r\nHost: x\r\n\r\n")
    async with aiohttp.ClientSession(url) as client, client.get("/status/events") as response:
        await read(response, HELLO)
        name = "x" * 20_000
        async with asyncio.timeout(60):
            # The network itself takes in some megabytes first.
            for number in range(13, 13 + 6 * MAX_WAITING):
                stream.items.put_nowait(changed(number, name))
                await read(response, spelled(number, name))
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await slow_reader.readexactly(6 * MAX_WAITING * len(name))
    slow_writer.close()


def test_read_types() -> None:
    """Types are whole names, or beginnings with a star; a star alone is everything."""
    kinds = ("status.global_changed", "status.incident_created", "stream.reset")
    wanted = {
        text: [kind for kind in kinds if read_types(text)(kind)] for text in (None, " , ", "*", "status.*", "status.global_changed,x", "x")
    }
    assert wanted == {
        None: list(kinds),
        " , ": list(kinds),
        "*": list(kinds),
        "status.*": list(kinds[:2]),
        "status.global_changed,x": [kinds[0]],
        "x": [],
    }
