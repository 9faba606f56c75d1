"""The live feed over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from lumetry.alerts.v1 import alert_pb2
from lumetry.incidents.v1 import event_service_pb2 as pb
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.failures import CODE_OF, to_status
from lumetry_core.runtime.interceptors import STARTED

HEADERS = {"Authorization": "Bearer lmt_1"}


def system_alert(number: int, message: str = "x") -> pb.WatchEventsResponse:
    subject = AnyMessage()
    subject.Pack(alert_pb2.SystemAlert(id=number, code="CollectorOffline", is_open=True, message=message))
    return pb.WatchEventsResponse(id=number, event="systemAlert.opened", subject=subject)


async def abort(context: Any, error: LumetryError) -> None:
    await context.abort(CODE_OF[error.reason], error.message, (("grpc-status-details-bin", to_status(error).SerializeToString()),))


async def test_stream_events(client: Any, core: Any) -> None:
    """Events carry id, name and one line of data; a reset has no id."""

    async def watch(_request: Any, _context: Any) -> AsyncIterator[pb.WatchEventsResponse]:
        yield pb.WatchEventsResponse(event="reset")
        yield system_alert(7, "a\r\nb")

    core.answers["WatchEvents"] = watch
    async with client.get("/api/stream?topics=SystemAlerts,alerts", headers={**HEADERS, "Last-Event-ID": "5"}) as response:
        assert (response.status, response.headers["Content-Type"], response.headers["Cache-Control"]) == (
            200,
            "text/event-stream",
            "no-store",
        )
        text = (await response.read()).decode()
    data = (
        '{"id":7,"code":"CollectorOffline","severity":"","status":"Open","message":"a\\r\\nb","subjectType":"","subjectId":"",'
        '"firstSeenAt":"1970-01-01T00:00:00Z","lastSeenAt":"1970-01-01T00:00:00Z","closedAt":null,"occurrenceCount":0}'
    )
    assert text == (f'retry: 2000\n\nevent: reset\ndata: {{"reason":"gap"}}\n\nid: 7\nevent: systemAlert.opened\ndata: {data}\n\n')
    assert core.requests("WatchEvents") == [pb.WatchEventsRequest(topics=["systemAlerts", "alerts"], after_id=5)]


async def test_reset_on_unknown_last_id(client: Any, core: Any) -> None:
    """What cannot be an event id is an unknown one: the client loads its lists again."""

    async def watch(_request: Any, context: Any) -> AsyncIterator[pb.WatchEventsResponse]:
        await context.send_initial_metadata(STARTED)
        for event in ():
            yield event

    core.answers["WatchEvents"] = watch
    async with client.get("/api/stream", headers={**HEADERS, "Last-Event-ID": "x"}) as response:
        assert (await response.read()).decode() == 'retry: 2000\n\nevent: reset\ndata: {"reason":"gap"}\n\n'
    assert core.requests("WatchEvents") == [pb.WatchEventsRequest()]


async def test_end_with_credential(client: Any, core: Any) -> None:
    """When the credential ends, the stream says so and ends."""

    async def watch(_request: Any, context: Any) -> AsyncIterator[pb.WatchEventsResponse]:
        yield system_alert(1)
        await abort(context, LumetryError(Reason.UNAUTHENTICATED, "gone"))

    core.answers["WatchEvents"] = watch
    async with client.get("/api/stream", headers=HEADERS) as response:
        text = (await response.read()).decode()
    assert text.endswith('event: end\ndata: {"reason":"credential"}\n\n')


@pytest.mark.parametrize("reason", [Reason.RATE_LIMITED, Reason.STORE_UNAVAILABLE])
async def test_disconnect_when_core_ends(client: Any, core: Any, reason: Reason) -> None:
    """A client that fell behind, or whose core went away, is disconnected and comes back with its last id."""

    async def watch(_request: Any, context: Any) -> AsyncIterator[pb.WatchEventsResponse]:
        await context.send_initial_metadata(STARTED)
        await abort(context, LumetryError(reason, "x"))
        yield system_alert(1)

    core.answers["WatchEvents"] = watch
    async with client.get("/api/stream", headers=HEADERS) as response:
        assert (await response.read()).decode() == "retry: 2000\n\n"


@pytest.mark.parametrize(("reason", "status"), [(Reason.UNAUTHENTICATED, 401), (Reason.PERMISSION_DENIED, 403)])
async def test_refuse_before_the_stream_begins(client: Any, core: Any, reason: Reason, status: int) -> None:
    """Who may not watch gets a problem document."""
    core.answers["CheckAccess"] = LumetryError(reason, "no")
    async with client.get("/api/stream", headers=HEADERS) as response:
        assert (response.status, response.headers["Content-Type"]) == (status, "application/problem+json")


async def test_refuse_while_the_stream_begins(client: Any, core: Any) -> None:
    """Who lost its right just now gets a problem document as well, and no stream that ends at once."""
    core.answers["WatchEvents"] = LumetryError(Reason.UNAUTHENTICATED, "gone")
    async with client.get("/api/stream", headers=HEADERS) as response:
        assert (response.status, response.headers["Content-Type"]) == (401, "application/problem+json")


async def test_refuse_unknown_topics(client: Any) -> None:
    """An unknown topic is a fault of the query."""
    async with client.get("/api/stream?topics=alerts,x", headers=HEADERS) as response:
        body = await response.json(content_type="application/problem+json")
        assert (response.status, body["errors"]) == (
            400,
            [{"path": "topics", "message": "must be a list of alerts, incidents, systemAlerts"}],
        )


async def test_keep_alive_while_nothing_happens(client: Any, core: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is broken by a comment, without losing what comes next."""
    monkeypatch.setattr("gateway.transcode.relaying.KEEP_ALIVE_SECONDS", 0.01)
    heard = asyncio.Event()

    async def watch(_request: Any, context: Any) -> AsyncIterator[pb.WatchEventsResponse]:
        await context.send_initial_metadata(STARTED)
        await heard.wait()
        yield system_alert(1)

    core.answers["WatchEvents"] = watch
    async with client.get("/api/stream", headers=HEADERS) as response:
        assert await response.content.readuntil(b": keep-alive\n\n") == b"retry: 2000\n\n: keep-alive\n\n"
        heard.set()
        assert b"id: 1\nevent: systemAlert.opened\n" in await response.read()


async def test_end_streams_when_gateway_closes(core: Any) -> None:
    """Endless answers do not delay the shutdown."""
    import aiohttp  # noqa: PLC0415 -- this test runs a gateway of its own

    from gateway.app import running  # noqa: PLC0415
    from gateway.config import Config  # noqa: PLC0415

    async def watch(_request: Any, context: Any) -> AsyncIterator[pb.WatchEventsResponse]:
        await context.send_initial_metadata(STARTED)
        await asyncio.Event().wait()
        yield system_alert(1)

    core.answers["WatchEvents"] = watch
    async with aiohttp.ClientSession() as session:
        async with asyncio.timeout(5), running(Config(http="127.0.0.1:0", core=core.address)) as address:
            response = await session.get(f"http://{address}/api/stream", headers=HEADERS)
            assert await response.content.readuntil(b"\n\n") == b"retry: 2000\n\n"
        assert await response.read() == b""
