from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from lumetry.metrics.v1 import ingestion_service_pb2 as pb
from lumetry_core.bench.column_stream import encode_varint, stream_columns
from lumetry_core.bench.senders import Exchange


class Core:
    """Accepts columns, answering two requests at a time, and fails the stream at a batch of 13 points."""

    def __init__(self) -> None:
        self.streams = 0

    def stream(self, requests: Iterator[pb.StreamColumnsRequest], context: grpc.ServicerContext) -> Iterator[pb.StreamColumnsResponse]:
        self.streams += 1
        held: list[pb.ColumnBatchResult] = []
        for request in requests:
            if request.columns.batch_sizes[0] == 13:
                context.abort(grpc.StatusCode.UNAVAILABLE, "as told")
            held += [pb.ColumnBatchResult(batch=pb.AcceptedBatch(accepted_count=size)) for size in request.columns.batch_sizes]
            if len(held) >= 2:
                yield pb.StreamColumnsResponse(results=held)
                held = []


@contextmanager
def exchanging_with(core: Core, batches: int) -> Iterator[Exchange]:
    server = grpc.server(ThreadPoolExecutor(2))
    handler = grpc.stream_stream_rpc_method_handler(
        core.stream,
        request_deserializer=pb.StreamColumnsRequest.FromString,
        response_serializer=pb.StreamColumnsResponse.SerializeToString,
    )
    service = grpc.method_handlers_generic_handler("lumetry.metrics.v1.IngestionService", {"StreamColumns": handler})
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, stream_columns(channel, "secret", batches) as exchange:
        yield exchange
    server.stop(None).wait()


def encode(*sizes: int) -> bytes:
    return pb.IngestColumnsRequest(dictionary_id=b"d" * 200, batch_sizes=sizes).SerializeToString()


def test_each_sender_gets_its_own_results() -> None:
    """Two senders share a stream whose answers cover both of their requests."""
    with exchanging_with(Core(), 1) as exchange, ThreadPoolExecutor(2) as threads:
        for _ in range(20):
            found = [threads.submit(exchange, encode(size)) for size in (5, 6)]
            assert [[result.batch.accepted_count for result in one.result(10)] for one in found] == [[5], [6]]


def test_a_stream_that_failed_is_opened_again() -> None:
    """Whoever waits is told; the next request finds a new stream."""
    core = Core()
    with exchanging_with(core, 2) as exchange:
        assert [result.batch.accepted_count for result in exchange(encode(1, 2))] == [1, 2]
        with pytest.raises(grpc.RpcError):
            exchange(encode(13))
        assert [result.batch.accepted_count for result in exchange(encode(3, 4))] == [3, 4]
    assert core.streams == 2


@pytest.mark.parametrize(("number", "encoded"), [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (2**21, "80808001")])
def test_encode_varint(number: int, encoded: str) -> None:
    """Seven bits at a time, lowest first."""
    assert encode_varint(number).hex() == encoded
