"""Simulated collectors: each has a connection of its own and does what a real one does, at its own moments."""

import asyncio
import itertools
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import grpc

from lumetry.collectors.v1 import collector_service_pb2 as collectors_pb
from lumetry.collectors.v1.collector_service_pb2_grpc import CollectorServiceStub
from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from lumetry.metrics.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from lumetry_core.collectors.agent.columns import ColumnEncoder
from lumetry_core.collectors.agent.grpc_transport import CHANNEL_OPTIONS

CALL_SECONDS = 30.0
ENROLL_AT_ONCE = 16
MEMBERS = 10
"""Series of each metric that one collector sends."""
CAPABILITIES = ("host_metrics", "poll:prometheus", "source_test")
OWN_CONNECTION = (*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1))


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A collector with its credential."""

    collector_id: str
    credential: str


@dataclass(slots=True)
class Tally:
    """What came of the calls of all collectors, in seconds."""

    heartbeats: list[float] = field(default_factory=list)
    uploads: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    """By how much a call began later than planned: the generator's own lag."""
    missed: int = 0
    """Calls that were not answered before the next of their kind was due."""
    failures: list[str] = field(default_factory=list)
    points: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """Of the performance counter: calls that are due in it count."""

    begin: float
    end: float


async def enroll_all(address: str, tokens: Sequence[str]) -> list[Enrolled]:
    """Exchanges enrollment tokens for credentials."""
    turn = asyncio.Semaphore(ENROLL_AT_ONCE)
    async with grpc.aio.insecure_channel(address) as channel:
        stub = CollectorServiceStub(channel)

        async def enroll(number: int, token: str) -> Enrolled:
            request = collectors_pb.EnrollCollectorRequest(
                installation_id=str(uuid.uuid4()), hostname=f"bench-{number:05d}", version="1", capabilities=CAPABILITIES
            )
            async with turn:
                answer = await stub.EnrollCollector(request, timeout=CALL_SECONDS, metadata=bearer(token))
            return Enrolled(answer.collector_id, answer.credential)

        return list(await asyncio.gather(*(enroll(number, token) for number, token in enumerate(tokens))))


async def run_fleet(
    address: str,
    fleet: Sequence[Enrolled],
    *,
    interval_seconds: float,
    points: int,
    rounds: int,
    watch: bool,
    on_begin: Callable[[], None] = lambda: None,
    on_end: Callable[[], None] = lambda: None,
) -> Tally:
    """Lets all collectors live for some intervals, spread evenly over the interval.

    The first one and a half do not count: in them everything is opened, and each collector sends its first points.

    Args:
        points: Of one upload.
        rounds: Intervals that count.
        watch: Each holds a stream for configuration and work open, as real ones do.
        on_begin: Called when they begin.
        on_end: Called when they are over, before anything is closed.
    """
    tally = Tally()
    async with AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(grpc.aio.insecure_channel(address, options=OWN_CONNECTION)) for _ in fleet]
        streams = [asyncio.create_task(follow(channel, one)) for channel, one in zip(channels, fleet, strict=True)] if watch else []
        start = time.perf_counter() + 1.0
        step = interval_seconds / len(fleet)
        steady = start + 1.5 * interval_seconds
        span = Span(steady, steady + rounds * interval_seconds)
        try:
            await asyncio.gather(
                *(
                    live(channel, one, number, start + number * step, span, tally, interval_seconds, points)
                    for number, (channel, one) in enumerate(zip(channels, fleet, strict=True))
                ),
                call_at(span.begin, on_begin),
                call_at(span.end, on_end),
            )
        finally:
            for stream in streams:
                stream.cancel()
            await asyncio.gather(*streams, return_exceptions=True)
    return tally


async def call_at(moment: float, call: Callable[[], None]) -> None:
    """Calls at a moment of the performance counter."""
    await asyncio.sleep(max(0.0, moment - time.perf_counter()))
    call()


async def live(
    channel: grpc.aio.Channel,
    one: Enrolled,
    number: int,
    start: float,
    span: Span,
    tally: Tally,
    interval_seconds: float,
    points: int,
) -> None:
    """One collector: a heartbeat and an upload per interval, half an interval apart, until the end of the span that counts."""
    collectors, ingestion, encoder = CollectorServiceStub(channel), IngestionServiceStub(channel), ColumnEncoder()
    instance_id = str(uuid.uuid4())

    async def beat() -> None:
        request = collectors_pb.SendHeartbeatRequest(
            instance_id=instance_id, version="1", config_revision_applied=1, config_apply_status="applied", capabilities=CAPABILITIES
        )
        request.send_time.FromDatetime(datetime.now(UTC))
        await collectors.SendHeartbeat(request, timeout=CALL_SECONDS, metadata=bearer(one.credential))

    async def upload() -> None:
        columns = encoder.encode(make_points(number, points))
        await ingestion.IngestColumns(columns, timeout=CALL_SECONDS, metadata=bearer(one.credential))
        encoder.confirm(columns)

    for turn in itertools.count():
        due = start + turn * interval_seconds / 2
        if due >= span.end:
            return
        counted = tally if span.begin <= due < span.end else Tally()
        call, answers = (upload, counted.uploads) if turn % 2 else (beat, counted.heartbeats)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        begin = time.perf_counter()
        counted.delays.append(max(0.0, begin - due))
        try:
            await call()
        except grpc.aio.AioRpcError as error:
            tally.failures.append(f"{error.code().name}: {error.details()}")
        answers.append(time.perf_counter() - begin)
        counted.missed += time.perf_counter() - due > interval_seconds
        counted.points += points * (turn % 2)


async def follow(channel: grpc.aio.Channel, one: Enrolled) -> None:
    """Holds the stream for configuration and work open until it is cancelled."""
    request = collectors_pb.WatchCollectorRequest(capabilities=CAPABILITIES, max_outstanding=4)
    with suppress(grpc.aio.AioRpcError):
        async for _ in CollectorServiceStub(channel).WatchCollector(request, metadata=bearer(one.credential)):
            pass


def make_points(number: int, count: int) -> metrics_pb.IngestMetricsRequest:
    """What one collector uploads: members of a few metrics with the labels of its host."""
    now = time.time_ns()
    request = metrics_pb.IngestMetricsRequest()
    host = f"bench-{number:05d}"
    for index in range(count):
        point = request.points.add(
            metric_key=metric_key(index),
            value=50.0 + (index * 7 + number) % 40,
            labels={"host.id": host, "host.name": host, "os.type": "linux", "arch": "x86_64", "device": f"d{index % MEMBERS}"},
            namespace="host",
            source="collector",
        )
        point.time.FromNanoseconds(now)
    return request


def metric_key(index: int) -> str:
    """The metric of a point."""
    return f"bench.collector.m{index // MEMBERS:02d}"


def bearer(secret: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a credential."""
    return (("authorization", f"Bearer {secret}"),)
