# ruff: noqa: N802 -- methods are named by the proto
"""Streams end with their caller's right to them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import pytest

from lumetry.incidents.v1 import event_service_pb2, event_service_pb2_grpc
from lumetry.metrics.v1 import ingestion_service_pb2, ingestion_service_pb2_grpc
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server
from tests.core.runtime.test_interceptors import EVENTS, GOOD, INGESTION, VIEWER, VIEWERS, failure_of


@dataclass
class Doorkeeper:
    """Knows one secret until told otherwise, and tells when it was asked."""

    failure: LumetryError | None = None
    caller: Caller = VIEWER
    asked: asyncio.Queue[None] = field(default_factory=asyncio.Queue)

    async def __call__(self, origin: Origin) -> Caller:
        self.asked.put_nowait(None)
        if self.failure is not None:
            raise self.failure
        return self.caller


class Endless(event_service_pb2_grpc.EventServiceServicer):
    """Answers once, then never; tells when it is closed."""

    def __init__(self) -> None:
        self.is_closed = asyncio.Event()

    async def WatchEvents(self, request: Any, context: Any) -> AsyncIterator[event_service_pb2.WatchEventsResponse]:
        try:
            yield event_service_pb2.WatchEventsResponse(id=1)
            await asyncio.Event().wait()
        finally:
            self.is_closed.set()


class Columns(ingestion_service_pb2_grpc.IngestionServiceServicer):
    """Answers each request of a stream."""

    async def StreamColumns(self, requests: Any, context: Any) -> AsyncIterator[ingestion_service_pb2.StreamColumnsResponse]:
        async for _request in requests:
            yield ingestion_service_pb2.StreamColumnsResponse()

    async def StreamMetrics(self, requests: Any, context: Any) -> ingestion_service_pb2.StreamMetricsResponse:
        return ingestion_service_pb2.StreamMetricsResponse(batch_count=len([each async for each in requests]))


WATCH, COLUMNS, METRICS = f"/{EVENTS}/WatchEvents", f"/{INGESTION}/StreamColumns", f"/{INGESTION}/StreamMetrics"


@asynccontextmanager
async def streaming(keeper: Doorkeeper, endless: Endless) -> AsyncIterator[grpc.aio.Channel]:
    """A server of streams that looks at their callers all the time."""
    services = {
        EVENTS: (event_service_pb2_grpc.add_EventServiceServicer_to_server, endless),
        INGESTION: (ingestion_service_pb2_grpc.add_IngestionServiceServicer_to_server, Columns()),
    }
    accesses = dict.fromkeys((WATCH, COLUMNS, METRICS), VIEWERS)
    server = build_server("127.0.0.1:0", services, accesses, keeper, reflect=False, recheck_seconds=0.005)
    await server.server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield channel
    finally:
        await server.server.stop(None)


def start_stream(channel: grpc.aio.Channel, method: str) -> Any:
    """A stream whose client says what is needed for a first answer, if any comes before the end, and then nothing."""
    if method == WATCH:
        return event_service_pb2_grpc.EventServiceStub(channel).WatchEvents(
            event_service_pb2.WatchEventsRequest(), metadata=GOOD, timeout=10
        )
    stub = ingestion_service_pb2_grpc.IngestionServiceStub(channel)
    return (stub.StreamColumns if method == COLUMNS else stub.StreamMetrics)(metadata=GOOD, timeout=10)


async def say_something(call: Any, method: str) -> None:
    if method == COLUMNS:
        await call.write(ingestion_service_pb2.StreamColumnsRequest())
    if method == METRICS:
        await call.write(ingestion_service_pb2.StreamMetricsRequest())
    if method != METRICS:
        assert await call.read() is not grpc.aio.EOF


async def read_end(call: Any, method: str) -> Any:
    return await (call if method == METRICS else call.read())


@pytest.mark.parametrize("method", [WATCH, COLUMNS, METRICS])
@pytest.mark.parametrize("reason", [Reason.UNAUTHENTICATED, Reason.INTERNAL])
async def test_stream_ends_with_its_credential(method: str, reason: Reason) -> None:
    """Also one on which nothing happens."""
    keeper, endless = Doorkeeper(), Endless()
    async with streaming(keeper, endless) as channel:
        call = start_stream(channel, method)
        await keeper.asked.get()
        await say_something(call, method)
        keeper.failure = LumetryError(reason, "Gone.")
        assert (await failure_of(read_end(call, method))).message == "Gone."
        if method == WATCH:
            await asyncio.wait_for(endless.is_closed.wait(), 5)


@pytest.mark.parametrize("method", [WATCH, COLUMNS, METRICS])
async def test_stream_ends_with_its_permission(method: str) -> None:
    """A caller that may no longer do this is told which permission is missing."""
    keeper = Doorkeeper()
    async with streaming(keeper, Endless()) as channel:
        call = start_stream(channel, method)
        await keeper.asked.get()
        await say_something(call, method)
        keeper.caller = replace(VIEWER, permissions=frozenset())
        assert (await failure_of(read_end(call, method))).metadata == {"permission": "CanViewAlerts"}


async def test_stream_survives_a_store_that_is_out() -> None:
    """Not to know is no reason to end it; it ends when the verdict comes."""
    keeper = Doorkeeper()
    async with streaming(keeper, Endless()) as channel:
        call = start_stream(channel, METRICS)
        await keeper.asked.get()
        await say_something(call, METRICS)
        keeper.failure = LumetryError(Reason.STORE_UNAVAILABLE, "Later.")
        keeper.asked = asyncio.Queue()
        for _ in range(3):
            await asyncio.wait_for(keeper.asked.get(), 5)
        keeper.failure = None
        await say_something(call, METRICS)
        await call.done_writing()
        assert (await call).batch_count == 2


async def test_stream_that_its_client_leaves_is_watched_no_longer() -> None:
    """Nobody is asked about it again."""
    keeper, endless = Doorkeeper(), Endless()
    async with streaming(keeper, endless) as channel:
        call = start_stream(channel, WATCH)
        await say_something(call, WATCH)
        [watcher] = [task for task in asyncio.all_tasks() if "watching" in repr(task.get_coro())]
        call.cancel()
        await asyncio.wait_for(endless.is_closed.wait(), 5)
        await asyncio.wait([watcher], timeout=5)
        assert watcher.cancelled()
