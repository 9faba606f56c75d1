"""One stream of columns, shared by senders that each wait for the results of their own requests."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue

import grpc

from lumetry.metrics.v1 import ingestion_service_pb2 as pb
from lumetry_core.bench.senders import Exchange, bearer

COLUMNS_TAG = b"\x0a"
"""Field 1 of `StreamColumnsRequest`, of a length that follows."""
Outcome = Sequence[pb.ColumnBatchResult] | grpc.RpcError


@contextmanager
def stream_columns(channel: grpc.Channel, token: str, batches_per_request: int) -> Iterator[Exchange]:
    """Opens a stream, again after it failed; any number of threads may exchange requests for results over it."""
    stream = ColumnStream(channel, token, batches_per_request)
    try:
        yield stream.exchange
    finally:
        stream.close()


class ColumnStream:
    """Requests go out in the order in which their senders are queued, so each result finds its sender."""

    def __init__(self, channel: grpc.Channel, token: str, batches_per_request: int) -> None:
        self._rpc = channel.stream_stream(
            "/lumetry.metrics.v1.IngestionService/StreamColumns",
            request_serializer=bytes,
            response_deserializer=pb.StreamColumnsResponse.FromString,
        )
        self._metadata = bearer(token)
        self._batches_per_request = batches_per_request
        self._lock = threading.Lock()
        self._outgoing: SimpleQueue[bytes | None] | None = None
        self._senders: deque[SimpleQueue[Outcome]] = deque()
        self._reader: threading.Thread | None = None

    def exchange(self, request: bytes) -> Sequence[pb.ColumnBatchResult]:
        """See `senders.Exchange`."""
        outcome: SimpleQueue[Outcome] = SimpleQueue()
        with self._lock:
            outgoing = self._outgoing or self._open()
            self._senders.append(outcome)
            outgoing.put(COLUMNS_TAG + encode_varint(len(request)) + request)
        results = outcome.get()
        if isinstance(results, grpc.RpcError):
            raise results
        return results

    def close(self) -> None:
        """Ends the stream."""
        with self._lock:
            if self._outgoing:
                self._outgoing.put(None)
        if self._reader:
            self._reader.join()

    def _open(self) -> "SimpleQueue[bytes | None]":
        outgoing: SimpleQueue[bytes | None] = SimpleQueue()
        call = self._rpc(iter(outgoing.get, None), metadata=self._metadata)
        self._outgoing = outgoing
        self._reader = threading.Thread(target=self._read, args=(call,), daemon=True)
        self._reader.start()
        return outgoing

    def _read(self, call: Iterable[pb.StreamColumnsResponse]) -> None:
        try:
            for response in call:
                results = response.results
                for start in range(0, len(results), self._batches_per_request):
                    self._senders.popleft().put(results[start : start + self._batches_per_request])
        except grpc.RpcError as error:
            with self._lock:
                if self._outgoing:
                    self._outgoing.put(None)
                self._outgoing = None
                failed, self._senders = self._senders, deque()
            for sender in failed:
                sender.put(error)


def encode_varint(number: int) -> bytes:
    """A length as protobuf writes it."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
