"""The sides of a comparison: each takes the same points over its own transport."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import grpc

from lumetry_core.bench.column_stream import stream_columns
from lumetry_core.bench.connection import BenchError, Connection
from lumetry_core.bench.deployment import Peer, Server
from lumetry_core.bench.load import Sender
from lumetry_core.bench.payload import ColumnEncoder, Encoder, JsonEncoder, Lane, Layout, Series, ValuePool
from lumetry_core.bench.remote_write import RemoteWriteEncoder
from lumetry_core.bench.senders import (
    CHANNEL_OPTIONS,
    REMOTE_WRITE_HEADERS,
    ColumnSender,
    Exchange,
    HttpSender,
    call_columns,
    define_series,
)
from lumetry_core.bench.usage import ProcessTree, wait_until

DRAIN_SECONDS = 300.0
DRAIN_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Workload:
    """What every side is fed with."""

    series: Sequence[Series]
    batch_size: int
    connections: int
    pool: ValuePool

    def lanes(self) -> Iterator[tuple[int, Sequence[Series]]]:
        """The share of each connection, with the number of its first series."""
        share = len(self.series) // self.connections
        for first in range(0, share * self.connections, share):
            yield first, self.series[first : first + share]


@dataclass(frozen=True, slots=True)
class Opened:
    """The senders of one phase and their lanes."""

    senders: Sequence[Sender]
    lanes: Sequence[Lane[Any]]

    @property
    def newest_ms(self) -> int:
        """A time that no point of the phase exceeds."""
        return max(lane.newest_ms for lane in self.lanes)


class Side(Protocol):
    """A server and a way to feed it."""

    @property
    def name(self) -> str:
        """The side's name in reports."""

    @property
    def tree(self) -> ProcessTree:
        """The server's processes."""

    @property
    def timeline(self) -> str:
        """Sides of one timeline write the same series and must not repeat each other's times."""

    def open(self, start_ms: int) -> AbstractContextManager[Opened]:
        """Fresh connections whose points start at this time."""

    def drain(self) -> None:
        """Waits until the server has done what it accepted."""


@dataclass(frozen=True, slots=True)
class JsonSide:
    """`POST /v1/metrics` through the gateway."""

    server: Server
    load: Workload
    name: str = "json"
    timeline: str = "lumetry"

    @property
    def tree(self) -> ProcessTree:
        """See `Side`."""
        return self.server.tree

    @contextmanager
    def open(self, start_ms: int) -> Iterator[Opened]:
        """See `Side`."""
        with ExitStack() as stack:
            senders, lanes = [], []
            for _first, series in self.load.lanes():
                connection = stack.enter_context(self.server.connect())
                layout = Layout(len(series), self.load.batch_size)
                lane = Lane(layout, json_requests(connection, series, layout, self.load.pool), self.load.pool, start_ms)
                lanes.append(lane)
                senders.append(HttpSender(connection, lane, self.load.batch_size, 202))
            yield Opened(senders, lanes)

    def drain(self) -> None:
        """See `Side`."""
        drain(self.server)


@dataclass(frozen=True, slots=True)
class CallSide:
    """`IngestionService.IngestColumns` straight to the core; `coalesce` batches travel in one call."""

    server: Server
    load: Workload
    coalesce: int = 1
    timeline: str = "lumetry"

    @property
    def name(self) -> str:
        """See `Side`. Larger calls are no like-for-like comparison, which reports must show."""
        return "unary" if self.coalesce == 1 else f"unary, {self.coalesce} batches a call"

    @property
    def tree(self) -> ProcessTree:
        """See `Side`."""
        return self.server.tree

    @contextmanager
    def open(self, start_ms: int) -> Iterator[Opened]:
        """See `Side`."""
        senders = ColumnSenders(self.load, self.coalesce, start_ms)
        with ExitStack() as stack:
            for first, series in self.load.lanes():
                channel = stack.enter_context(grpc.insecure_channel(self.server.grpc, options=CHANNEL_OPTIONS))
                senders.add(call_columns(channel, self.server.token), first, series)
            yield senders.opened()

    def drain(self) -> None:
        """See `Side`."""
        drain(self.server)


@dataclass(frozen=True, slots=True)
class StreamSide:
    """`IngestionService.StreamColumns` straight to the core: a stream per connection, on which `in_flight` batches wait for results."""

    server: Server
    load: Workload
    in_flight: int = 1
    name: str = "grpc"
    timeline: str = "lumetry"

    @property
    def tree(self) -> ProcessTree:
        """See `Side`."""
        return self.server.tree

    @contextmanager
    def open(self, start_ms: int) -> Iterator[Opened]:
        """See `Side`."""
        senders = ColumnSenders(self.load, 1, start_ms)
        with ExitStack() as stack:
            for first, series in self.load.lanes():
                channel = stack.enter_context(grpc.insecure_channel(self.server.grpc, options=CHANNEL_OPTIONS))
                exchange = stack.enter_context(stream_columns(channel, self.server.token, 1))
                for part in split_evenly(len(series), self.in_flight):
                    senders.add(exchange, first + part.start, series[part])
            yield senders.opened()

    def drain(self) -> None:
        """See `Side`."""
        drain(self.server)


def split_evenly(count: int, parts: int) -> list[slice]:
    """Neighbouring parts that cover everything, none of them empty, the first one no larger than the others."""
    bounds = [count * part // parts for part in range(parts + 1)]
    return [slice(start, end) for start, end in pairwise(bounds) if start < end]


class ColumnSenders:
    """Makes the senders of a phase, which share a dictionary."""

    def __init__(self, load: Workload, coalesce: int, start_ms: int) -> None:
        self._load = load
        self._coalesce = coalesce
        self._start_ms = start_ms
        self._dictionary_id = os.urandom(16)
        self._senders: list[Sender] = []
        self._lanes: list[Lane[Any]] = []

    def add(self, exchange: Exchange, first: int, series: Sequence[Series]) -> None:
        """Adds a sender of neighbouring series."""
        layout = Layout(len(series), self._load.batch_size * self._coalesce)
        lane = Lane(layout, ColumnEncoder(layout, self._load.pool, first), self._load.pool, self._start_ms)
        self._lanes.append(lane)
        self._senders.append(
            ColumnSender(
                exchange,
                lane,
                dictionary_id=self._dictionary_id,
                definitions=define_series(series, first),
                batch_sizes=[self._load.batch_size] * self._coalesce,
            )
        )

    def opened(self) -> Opened:
        """All that were added."""
        return Opened(self._senders, self._lanes)


@dataclass(frozen=True, slots=True)
class PrometheusSide:
    """Remote-write into Prometheus, which has nothing to drain: it answers after appending to its log, without a sync."""

    peer: Peer
    load: Workload
    name: str = "prometheus"
    timeline: str = "prometheus"

    @property
    def tree(self) -> ProcessTree:
        """See `Side`."""
        return self.peer.tree

    @contextmanager
    def open(self, start_ms: int) -> Iterator[Opened]:
        """See `Side`."""
        with ExitStack() as stack:
            senders, lanes = [], []
            for _first, series in self.load.lanes():
                connection = stack.enter_context(Connection(self.peer.address))
                layout = Layout(len(series), self.load.batch_size)
                lane = Lane(layout, remote_write(connection, series, layout, self.load.pool), self.load.pool, start_ms)
                lanes.append(lane)
                senders.append(HttpSender(connection, lane, self.load.batch_size, 204))
            yield Opened(senders, lanes)

    def drain(self) -> None:
        """See `Side`."""


def json_requests(connection: Connection, series: Sequence[Series], layout: Layout, pool: ValuePool) -> Encoder[bytearray]:
    """The encoder of ingestion requests on a connection."""

    def head(length: int) -> bytes:
        return connection.head("POST", "/v1/metrics", length)

    return JsonEncoder(series, layout, pool, head)


def remote_write(connection: Connection, series: Sequence[Series], layout: Layout, pool: ValuePool) -> Encoder[bytearray]:
    """The encoder of remote-write requests on a connection."""

    def head(length: int) -> bytes:
        return connection.head("POST", "/api/v1/write", length, "application/x-protobuf", REMOTE_WRITE_HEADERS)

    return RemoteWriteEncoder(series, layout, pool, head)


def drain(server: Server) -> None:
    """Waits until every accepted batch is evaluated.

    Raises:
        BenchError: It took too long, or a batch failed.
    """
    with server.connect() as connection:

        def summary() -> Any:  # noqa: ANN401 -- JSON
            return connection.request("GET", "/api/evaluation-jobs/summary").json(200)

        def is_empty() -> bool:
            counts = summary()
            return (counts["queued"], counts["processing"]) == (0, 0)

        if not wait_until(is_empty, longest_seconds=DRAIN_SECONDS, poll_seconds=DRAIN_POLL_SECONDS):
            raise BenchError(f"the evaluation queue did not drain in {DRAIN_SECONDS:.0f} s: {summary()}")
        if failed := summary()["failed"]:
            raise BenchError(f"{failed} evaluation jobs failed")
