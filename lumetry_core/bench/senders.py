"""The transports: one sender per connection and lane."""

from collections.abc import Callable, Sequence
from typing import cast

import grpc

from lumetry.metrics.v1 import ingestion_service_pb2 as pb
from lumetry_core.bench.connection import BenchError, Connection
from lumetry_core.bench.load import Receipt
from lumetry_core.bench.payload import Columns, Lane, Series

REFUSALS = frozenset({429, 503})
CALL_SECONDS = 60.0
REFUSAL_PAUSE_SECONDS = 0.1
REMOTE_WRITE_HEADERS = "Content-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n"
CHANNEL_OPTIONS = (("grpc.max_send_message_length", 64 << 20), ("grpc.use_local_subchannel_pool", 1))


class HttpSender:
    """Sends whole HTTP requests, each of them one batch."""

    def __init__(self, connection: Connection, lane: Lane[bytearray], points_per_message: int, status: int) -> None:
        self._connection = connection
        self._lane = lane
        self._points = points_per_message
        self._status = status
        self._message = bytearray()

    def prepare(self) -> None:
        """See `load.Sender`."""
        self._message = self._lane.next()

    def send(self) -> Receipt:
        """See `load.Sender`."""
        answer = self._connection.send(self._message)
        if answer.status == self._status:
            return Receipt(self._points)
        if answer.status in REFUSALS:
            return Receipt(0, answer.retry_after_seconds)
        raise BenchError(f"a batch was answered {answer.status}: {answer.body[:500].decode(errors='replace')}")


Exchange = Callable[[bytes], Sequence[pb.ColumnBatchResult]]
"""Sends an encoded `IngestColumnsRequest` and waits for its results. Raises `grpc.RpcError`."""


def call_columns(channel: grpc.Channel, token: str) -> Exchange:
    """A call for each request, which is already encoded, so that a call's time is the server's alone."""
    rpc = channel.unary_unary(
        "/lumetry.metrics.v1.IngestionService/IngestColumns",
        request_serializer=bytes,
        response_deserializer=pb.IngestColumnsResponse.FromString,
    )

    def exchange(request: bytes) -> Sequence[pb.ColumnBatchResult]:
        return rpc(request, metadata=bearer(token), timeout=CALL_SECONDS).results

    return exchange


def bearer(token: str) -> tuple[tuple[str, str]]:
    """The metadata that carries a token."""
    return (("authorization", f"Bearer {token}"),)


class ColumnSender:
    """Sends batches as columns over a dictionary, whose definitions travel once, and again when the core has forgotten them."""

    def __init__(
        self,
        exchange: Exchange,
        lane: Lane[Columns],
        *,
        dictionary_id: bytes,
        definitions: Sequence[pb.SeriesDefinition],
        batch_sizes: Sequence[int],
    ) -> None:
        self._exchange = exchange
        self._lane = lane
        self._frame = pb.IngestColumnsRequest(dictionary_id=dictionary_id, batch_sizes=batch_sizes).SerializeToString()
        self._definitions = pb.IngestColumnsRequest(series=definitions).SerializeToString()
        self._known = False
        self._request = b""

    def prepare(self) -> None:
        """See `load.Sender`."""
        columns = self._lane.next()
        message = pb.IngestColumnsRequest(series_indexes=columns.series_indexes, times=columns.times, values=columns.values)
        # Encoded messages one after another are their union.
        self._request = self._frame + message.SerializeToString() + (b"" if self._known else self._definitions)

    def send(self) -> Receipt:
        """See `load.Sender`."""
        try:
            results = self._exchange(self._request)
        except grpc.RpcError as error:
            call = cast("grpc.Call", error)  # which the failure of a call always is
            return self._refused(call.code(), call.details())
        self._known = True
        faults = [fault.message for result in results for fault in result.faults]
        if faults:
            raise BenchError(f"a batch of columns was rejected: {faults[0]}")
        return Receipt(sum(result.batch.accepted_count for result in results))

    def _refused(self, code: grpc.StatusCode, details: str | None) -> Receipt:
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED):
            return Receipt(0, REFUSAL_PAUSE_SECONDS)
        if code is grpc.StatusCode.FAILED_PRECONDITION and self._known:
            self._known = False
            self._request += self._definitions
            return Receipt(0)
        raise BenchError(f"a batch of columns was answered {code.name}: {details}")


def define_series(series: Sequence[Series], first_index: int) -> list[pb.SeriesDefinition]:
    """Dictionary entries of neighbouring numbers."""
    return [
        pb.SeriesDefinition(
            index=first_index + position, metric_key=one.metric_key, label_names=("host", "region"), label_values=(one.host, one.region)
        )
        for position, one in enumerate(series)
    ]
