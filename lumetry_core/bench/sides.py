"""The sides of a comparison: each takes the same points over its own transport."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import grpc

from lumetry_core.bench.connection import BenchError, Connection
from lumetry_core.bench.deployment import Peer, Server
from lumetry_core.bench.load import Sender
from lumetry_core.bench.payload import ColumnEncoder, Encoder, JsonEncoder, Lane, Layout, Series, ValuePool
from lumetry_core.bench.remote_write import RemoteWriteEncoder
from lumetry_core.bench.senders import CHANNEL_OPTIONS, REMOTE_WRITE_HEADERS, ColumnSender, HttpSender, define_series, ingest_columns
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
class ColumnSide:
    """`IngestionService.IngestColumns` straight to the core; `coalesce` batches travel in one call."""

    server: Server
    load: Workload
    coalesce: int = 1
    name: str = "grpc"
    timeline: str = "lumetry"

    @property
    def tree(self) -> ProcessTree:
        """See `Side`."""
        return self.server.tree

    @contextmanager
    def open(self, start_ms: int) -> Iterator[Opened]:
        """See `Side`."""
        dictionary_id = os.urandom(16)
        sizes = [self.load.batch_size] * self.coalesce
        with ExitStack() as stack:
            senders, lanes = [], []
            for first, series in self.load.lanes():
                channel = stack.enter_context(grpc.insecure_channel(self.server.grpc, options=CHANNEL_OPTIONS))
                layout = Layout(len(series), self.load.batch_size * self.coalesce)
                lane = Lane(layout, ColumnEncoder(layout, self.load.pool, first), self.load.pool, start_ms)
                lanes.append(lane)
                senders.append(
                    ColumnSender(
                        ingest_columns(channel),
                        self.server.token,
                        lane,
                        dictionary_id=dictionary_id,
                        definitions=define_series(series, first),
                        batch_sizes=sizes,
                    )
                )
            yield Opened(senders, lanes)

    def drain(self) -> None:
        """See `Side`."""
        drain(self.server)


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
