from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import numpy as np
import pytest

from lumetry.metrics.v1 import ingestion_service_pb2 as pb
from lumetry_core.bench.connection import Answer, BenchError
from lumetry_core.bench.load import Receipt
from lumetry_core.bench.payload import ColumnEncoder, JsonEncoder, Lane, Layout, ValuePool, make_series
from lumetry_core.bench.senders import ColumnSender, HttpSender, call_columns, define_series

POOL = ValuePool(10_000)
START_MS = 1_780_300_800_000
SERIES = make_series(4)


class Core:
    """Answers `IngestColumns` as told, then accepts; remembers requests and credentials."""

    def __init__(self, *failures: grpc.StatusCode) -> None:
        self.failures = list(failures)
        self.requests: list[pb.IngestColumnsRequest] = []
        self.credentials: set[str] = set()

    def ingest_columns(self, request: pb.IngestColumnsRequest, context: grpc.ServicerContext) -> pb.IngestColumnsResponse:
        self.requests.append(request)
        self.credentials.add(str(dict(context.invocation_metadata())["authorization"]))
        code = self.failures.pop(0) if self.failures else grpc.StatusCode.OK
        if code is not grpc.StatusCode.OK:
            context.abort(code, "as told")
        results = [pb.ColumnBatchResult(batch=pb.AcceptedBatch(accepted_count=size)) for size in request.batch_sizes]
        return pb.IngestColumnsResponse(results=results)


@contextmanager
def sending_to(core: Core) -> Iterator[ColumnSender]:
    """A sender of two batches of four points per call, connected to a core."""
    server = grpc.server(ThreadPoolExecutor(1))
    handler = grpc.unary_unary_rpc_method_handler(
        core.ingest_columns,
        request_deserializer=pb.IngestColumnsRequest.FromString,
        response_serializer=pb.IngestColumnsResponse.SerializeToString,
    )
    service = grpc.method_handlers_generic_handler("lumetry.metrics.v1.IngestionService", {"IngestColumns": handler})
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    layout = Layout(len(SERIES), 8)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield ColumnSender(
            call_columns(channel, "secret"),
            Lane(layout, ColumnEncoder(layout, POOL, 20), POOL, START_MS),
            dictionary_id=b"d" * 16,
            definitions=define_series(SERIES, 20),
            batch_sizes=[4, 4],
        )
    server.stop(None).wait()


def test_column_sender_defines_series_once() -> None:
    """Definitions travel with the first request only; the columns number them."""
    core = Core()
    with sending_to(core) as sender:
        for _ in range(3):
            sender.prepare()
            assert sender.send() == Receipt(8)
    assert [len(request.series) for request in core.requests] == [4, 0, 0]
    first = core.requests[0]
    assert (first.dictionary_id, list(first.batch_sizes)) == (b"d" * 16, [4, 4])
    assert np.frombuffer(first.series_indexes, "<u4").tolist() == [20, 21, 22, 23] * 2
    assert first.series[3] == pb.SeriesDefinition(
        index=23, metric_key="bench_metric_00000", label_names=["host", "region"], label_values=["host-03", "eu-west-1"]
    )
    assert core.credentials == {"Bearer secret"}


def test_column_sender_defines_series_again_when_they_are_forgotten() -> None:
    """After a restart of the core the same message goes out with the definitions."""
    core = Core(grpc.StatusCode.OK, grpc.StatusCode.FAILED_PRECONDITION)
    with sending_to(core) as sender:
        sender.prepare()
        assert sender.send() == Receipt(8)
        sender.prepare()
        assert sender.send() == Receipt(0)
        assert sender.send() == Receipt(8)
    assert [len(request.series) for request in core.requests] == [4, 0, 4]
    assert core.requests[1].times == core.requests[2].times


def test_column_sender_waits_when_the_core_is_overloaded() -> None:
    """A refusal for now is no failure of the run."""
    with sending_to(Core(grpc.StatusCode.UNAVAILABLE)) as sender:
        sender.prepare()
        assert sender.send() == Receipt(0, 0.1)


def test_column_sender_fails_when_the_core_rejects() -> None:
    """A generator that sends nonsense must not measure anything."""
    with sending_to(Core(grpc.StatusCode.INVALID_ARGUMENT)) as sender:
        sender.prepare()
        with pytest.raises(BenchError, match="INVALID_ARGUMENT: as told"):
            sender.send()


class Answering:
    """Stands for a connection whose server gives the same answer to everything."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def send(self, _message: bytearray) -> Answer:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "receipt"),
    [
        (Answer(202, {}, b"{}"), Receipt(4)),
        (Answer(503, {"retry-after": "5"}, b""), Receipt(0, 5.0)),
        (Answer(429, {"retry-after": "1"}, b""), Receipt(0, 1.0)),
    ],
)
def test_http_sender_reads_the_answer(answer: Answer, receipt: Receipt) -> None:
    """Accepted, or refused for now with the server's wish."""
    layout = Layout(4, 4)
    lane = Lane(layout, JsonEncoder(SERIES, layout, POOL, lambda _length: b""), POOL, START_MS)
    sender = HttpSender(Answering(answer), lane, 4, 202)  # type: ignore[arg-type]
    sender.prepare()
    assert sender.send() == receipt


def test_http_sender_fails_on_any_other_answer() -> None:
    """A rejected batch ends the run with what the server said."""
    layout = Layout(4, 4)
    lane = Lane(layout, JsonEncoder(SERIES, layout, POOL, lambda _length: b""), POOL, START_MS)
    sender = HttpSender(Answering(Answer(400, {}, b"bad point")), lane, 4, 202)  # type: ignore[arg-type]
    sender.prepare()
    with pytest.raises(BenchError, match="400: bad point"):
        sender.send()
