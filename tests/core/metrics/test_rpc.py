import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime, timedelta

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from lumetry.metrics.v1 import (
    ingestion_service_pb2,
    ingestion_service_pb2_grpc,
    metric_pb2,
    metric_service_pb2,
    metric_service_pb2_grpc,
)
from lumetry_core.metrics.rpc.catalog import MetricServicer
from lumetry_core.metrics.rpc.ingestion import IngestionServicer
from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.metrics.service.senders import SenderBook
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from tests.conftest import FakeClock

DICTIONARY = b"d" * 16
SERVICES = ("lumetry.metrics.v1.IngestionService", "lumetry.metrics.v1.MetricService")


async def authenticate(origin: Origin) -> Caller:
    """`collector` is a collector, anything else a token with the permissions of metrics."""
    if origin.secret == "collector":
        return Caller(7, CredentialKind.COLLECTOR, credential_id=9, collector_id="c-1")
    permissions = frozenset({Permission.INGEST_METRICS, Permission.VIEW_ALERTS})
    return Caller(int(origin.secret or "7"), CredentialKind.API_TOKEN, credential_id=5, permissions=permissions)


@pytest.fixture
async def channel(database: Database, clock: FakeClock, appender: Appender) -> AsyncIterator[grpc.aio.Channel]:
    services = {
        SERVICES[0]: (
            ingestion_service_pb2_grpc.add_IngestionServiceServicer_to_server,
            IngestionServicer(appender, SenderBook(database, clock), clock),
        ),
        SERVICES[1]: (metric_service_pb2_grpc.add_MetricServiceServicer_to_server, MetricServicer(database, clock)),
    }
    server = build_server("127.0.0.1:0", services, read_accesses(services), authenticate, reflect=False)
    await server.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened
    await server.server.stop(None)


def by(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


def make_columns(
    now: datetime,
    points: Sequence[tuple[int, float, float]],
    sizes: Sequence[int] = (),
    *,
    define: Iterable[tuple[int, str, dict[str, str]]] = (),
    dictionary_id: bytes = DICTIONARY,
    validate_only: bool = False,
) -> ingestion_service_pb2.IngestColumnsRequest:
    times = [(to_ms(now + timedelta(seconds=seconds))) * 1_000_000 + 999_999 for _, seconds, _ in points]
    return ingestion_service_pb2.IngestColumnsRequest(
        dictionary_id=dictionary_id,
        series=[
            ingestion_service_pb2.SeriesDefinition(index=index, metric_key=key, label_names=labels, label_values=labels.values())
            for index, key, labels in define
        ],
        series_indexes=np.array([index for index, _, _ in points], "<u4").tobytes(),
        times=np.array(times, "<i8").tobytes(),
        values=np.array([value for _, _, value in points], "<f8").tobytes(),
        batch_sizes=sizes,
        validate_only=validate_only,
    )


def make_point(now: datetime, key: str, value: float, **labels: str) -> ingestion_service_pb2.Point:
    point = ingestion_service_pb2.Point(metric_key=key, value=value, labels=labels)
    point.time.FromDatetime(now)
    return point


def read_failure(error: grpc.aio.AioRpcError) -> tuple[str, list[str]]:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(bad)
    return info.reason, [violation.field for violation in bad.field_violations]


async def query(channel: grpc.aio.Channel, key: str, now: datetime) -> list[tuple[str, int, float]]:
    request = metric_service_pb2.QuerySeriesRequest(metric_key=key)
    request.start_time.FromDatetime(now - timedelta(hours=1))
    request.end_time.FromDatetime(now + timedelta(hours=1))
    found = await metric_service_pb2_grpc.MetricServiceStub(channel).QuerySeries(request, metadata=by("7"))
    times, values = np.frombuffer(found.times, "<i8").tolist(), np.frombuffer(found.values, "<f8").tolist()
    members = np.frombuffer(found.member_indexes, "<u4").tolist() or [0] * len(times)
    keys = list(found.dimension_keys) or [""]
    return [(keys[member], time_ms - to_ms(now), value) for member, time_ms, value in zip(members, times, values, strict=True)]


async def test_ingest_columns_over_a_dictionary(channel: grpc.aio.Channel, clock: FakeClock) -> None:
    """Series are defined once; later requests use their numbers only; times are cut to milliseconds."""
    stub = ingestion_service_pb2_grpc.IngestionServiceStub(channel)
    definitions = [(0, "m", {"host.id": "a"}), (1, "m", {"host.id": "b"}), (2, "n", {})]
    first = await stub.IngestColumns(
        make_columns(clock.now(), [(0, 0, 1.0), (1, 0, 2.0), (2, 0, 3.0)], [2, 1], define=definitions), metadata=by("7")
    )
    assert [result.batch.accepted_count for result in first.results] == [2, 1]
    assert all(result.batch.job_ids and not result.faults for result in first.results)
    await stub.IngestColumns(make_columns(clock.now(), [(1, 1, 4.0)]), metadata=by("7"))
    assert await query(channel, "m", clock.now()) == [("host.id=a", 0, 1.0), ("host.id=b", 0, 2.0), ("host.id=b", 1000, 4.0)]
    assert await query(channel, "n", clock.now()) == [("", 0, 3.0)]


async def test_ingest_columns_keeps_callers_apart(channel: grpc.aio.Channel, clock: FakeClock) -> None:
    """One dictionary serves many credentials; a collector's points carry its label."""
    stub = ingestion_service_pb2_grpc.IngestionServiceStub(channel)
    await stub.IngestColumns(make_columns(clock.now(), [(0, 0, 1.0)], define=[(0, "m", {})]), metadata=by("8"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await query(channel, "m", clock.now())
    assert read_failure(caught.value)[0] == "NOT_FOUND"
    await stub.IngestColumns(make_columns(clock.now(), [(0, 0, 2.0)]), metadata=by("collector"))
    assert await query(channel, "m", clock.now()) == [("collector.id=c-1", 0, 2.0)]


async def test_ingest_columns_gives_each_batch_its_own_result(channel: grpc.aio.Channel, clock: FakeClock) -> None:
    """A bad batch is refused, the others are stored."""
    stub = ingestion_service_pb2_grpc.IngestionServiceStub(channel)
    points = [(0, 0, 1.0), (0, 1, float("nan")), (1, 2, 2.0), (0, 3, 3.0)]
    request = make_columns(clock.now(), points, [1, 2, 1], define=[(0, "m", {}), (1, "bad key", {})])
    response = await stub.IngestColumns(request, metadata=by("7"))
    assert [result.batch.accepted_count for result in response.results] == [1, 0, 1]
    assert [(fault.point_index, fault.field) for fault in response.results[1].faults] == [(0, "value"), (1, "metricName")]
    assert await query(channel, "m", clock.now()) == [("", 0, 1.0), ("", 3000, 3.0)]


async def test_ingest_columns_refuses_a_single_bad_batch(channel: grpc.aio.Channel, clock: FakeClock) -> None:
    """The only batch of a request fails the request."""
    stub = ingestion_service_pb2_grpc.IngestionServiceStub(channel)
    for validate_only in (False, True):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.IngestColumns(
                make_columns(clock.now(), [(0, 601, 1.0)], define=[(0, "m", {})], validate_only=validate_only), metadata=by("7")
            )
        assert read_failure(caught.value) == ("VALIDATION_FAILED", ["metrics[0].timestamp"])


async def test_ingest_columns_that_only_validates_stores_nothing(channel: grpc.aio.Channel, clock: FakeClock, database: Database) -> None:
    """Faults are reported, good batches have neither faults nor a receipt."""
    stub = ingestion_service_pb2_grpc.IngestionServiceStub(channel)
    request = make_columns(clock.now(), [(0, 0, 1.0), (0, 0, float("inf"))], [1, 1], define=[(0, "m", {})], validate_only=True)
    response = await stub.IngestColumns(request, metadata=by("7"))
    assert [(result.HasField("batch"), [fault.field for fault in result.faults]) for result in response.results] == [
        (False, []),
        (False, ["value"]),
    ]
    async with database.read() as tx:
        assert (await inbox.queue_depth(tx)).jobs == 0


async def test_ingest_columns_of_an_unknown_dictionary(channel: grpc.aio.Channel, clock: FakeClock) -> None:
    """Numbers without a definition make the sender start anew."""
    stub = ingestion_service_pb2_grpc.IngestionServiceStub(channel)
    await stub.IngestColumns(make_columns(clock.now(), [(0, 0, 1.0)], define=[(0, "m", {})]), metadata=by("7"))
    for request in (
        make_columns(clock.now(), [(0, 0, 1.0)], dictionary_id=b"x" * 16),
        make_columns(clock.now(), [(1, 0, 1.0)]),
        make_columns(clock.now(), [(2, 0, 1.0)], define=[(2, "m", {})]),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.IngestColumns(request, metadata=by("7"))
        assert read_failure(caught.value)[0] == "UNKNOWN_DICTIONARY"


async def test_ingest_columns_that_do_not_fit_together(channel: grpc.aio.Channel, clock: FakeClock) -> None:
    """All misfits are named."""
    request = ingestion_service_pb2.IngestColumnsRequest(
        dictionary_id=b"short", series_indexes=b"1", times=b"12345678", values=b"123", batch_sizes=[2]
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ingestion_service_pb2_grpc.IngestionServiceStub(channel).IngestColumns(request, metadata=by("7"))
    assert read_failure(caught.value) == (
        "VALIDATION_FAILED",
        ["dictionaryId", "values", "times", "seriesIndexes", "batchSizes", "metrics"],
    )


async def test_ingest_metrics_as_messages(channel: grpc.aio.Channel, clock: FakeClock) -> None:
    """One batch, one receipt; faults are named by their paths."""
    stub = ingestion_service_pb2_grpc.IngestionServiceStub(channel)
    points = [make_point(clock.now(), "m", 1.0, zone="a"), make_point(clock.now(), "m", 2.0, zone="b")]
    response = await stub.IngestMetrics(ingestion_service_pb2.IngestMetricsRequest(points=points), metadata=by("7"))
    assert (response.batch.accepted_count, len(response.batch.batch_id)) == (2, 36)
    assert await query(channel, "m", clock.now()) == [("zone=a", 0, 1.0), ("zone=b", 0, 2.0)]
    points.append(ingestion_service_pb2.Point(metric_key="m", value=1.0))
    points.append(make_point(clock.now(), "m", 1.0, **{"a=b": "1"}))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.IngestMetrics(ingestion_service_pb2.IngestMetricsRequest(points=points), metadata=by("7"))
    assert read_failure(caught.value) == ("VALIDATION_FAILED", ["metrics[3].labels.a=b", "metrics[2].timestamp"])


async def test_stream_metrics_up_to_the_first_bad_batch(channel: grpc.aio.Channel, clock: FakeClock) -> None:
    """Batches before it stay accepted; the path names the message."""
    stub = ingestion_service_pb2_grpc.IngestionServiceStub(channel)

    def make_stream(values: Sequence[float]) -> Iterable[ingestion_service_pb2.StreamMetricsRequest]:
        for value in values:
            yield ingestion_service_pb2.StreamMetricsRequest(points=[make_point(clock.now(), f"m{value:.0f}", value)])

    response = await stub.StreamMetrics(make_stream([1.0, 2.0]), metadata=by("7"))
    assert (response.batch_count, response.point_count) == (2, 2)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.StreamMetrics(make_stream([3.0, float("inf")]), metadata=by("7"))
    assert read_failure(caught.value) == ("VALIDATION_FAILED", ["[1].metrics[0].value"])
    assert await query(channel, "m3", clock.now()) == [("", 0, 3.0)]


async def test_list_metrics(channel: grpc.aio.Channel, clock: FakeClock) -> None:
    """Catalog entries carry everything that the contract shows."""
    ingestion = ingestion_service_pb2_grpc.IngestionServiceStub(channel)
    stub = metric_service_pb2_grpc.MetricServiceStub(channel)
    points = [make_point(clock.now(), "m", 1.0, zone="a")]
    await ingestion.IngestMetrics(ingestion_service_pb2.IngestMetricsRequest(points=points), metadata=by("7"))
    response = await stub.ListMetrics(metric_service_pb2.ListMetricsRequest(query="M", is_evaluable=True), metadata=by("7"))
    assert response.total_count == 1
    expected = metric_pb2.Metric(
        id=response.metrics[0].id,
        metric_key="m",
        display_name="m",
        metric_type="gauge",
        namespace="default",
        management_mode="EXTERNALLY_MANAGED",
        catalog_source="api",
        multidimensional=True,
        dimension_keys=["zone"],
        is_active=True,
        data_status=metric_pb2.DATA_STATUS_ACTIVE,
        sync_status="SYNCED",
        is_evaluable=True,
    )
    for stamp in (expected.create_time, expected.update_time, expected.last_ingest_time):
        stamp.FromDatetime(clock.now())
    assert list(response.metrics) == [expected]
    other = await stub.ListMetrics(metric_service_pb2.ListMetricsRequest(), metadata=by("8"))
    assert other.total_count == 0


async def test_query_series_with_a_step_that_is_no_whole_second(channel: grpc.aio.Channel, clock: FakeClock) -> None:
    """Absurd times and steps are faults, not failures of ours."""
    points = [make_point(clock.now(), "m", 1.0)]
    ingestion = ingestion_service_pb2_grpc.IngestionServiceStub(channel)
    await ingestion.IngestMetrics(ingestion_service_pb2.IngestMetricsRequest(points=points), metadata=by("7"))
    request = metric_service_pb2.QuerySeriesRequest(metric_key="m")
    request.step.FromMilliseconds(1500)
    request.start_time.seconds = 2**62
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await metric_service_pb2_grpc.MetricServiceStub(channel).QuerySeries(request, metadata=by("7"))
    assert read_failure(caught.value) == ("VALIDATION_FAILED", ["from", "stepSeconds"])


async def test_ingest_columns_concurrently(channel: grpc.aio.Channel, clock: FakeClock) -> None:
    """Many requests at once over one dictionary are all stored."""
    stub = ingestion_service_pb2_grpc.IngestionServiceStub(channel)
    await stub.IngestColumns(make_columns(clock.now(), [(0, -1, 0.0)], define=[(0, "m", {})]), metadata=by("7"))
    calls = [stub.IngestColumns(make_columns(clock.now(), [(0, number, 1.0)]), metadata=by("7")) for number in range(50)]
    responses = await asyncio.gather(*calls)
    assert len({response.results[0].batch.job_ids[0] for response in responses}) == 50
    assert len(await query(channel, "m", clock.now())) == 51


def stream_of(*requests: ingestion_service_pb2.IngestColumnsRequest) -> list[ingestion_service_pb2.StreamColumnsRequest]:
    return [ingestion_service_pb2.StreamColumnsRequest(columns=request) for request in requests]


async def test_stream_columns_answers_every_batch_in_order(channel: grpc.aio.Channel, clock: FakeClock) -> None:
    """Definitions of one request serve the next; a bad batch has its faults and the stream goes on."""
    stub = ingestion_service_pb2_grpc.IngestionServiceStub(channel)
    requests = stream_of(
        make_columns(clock.now(), [(0, -3, 1.0), (0, -2, 2.0)], [1, 1], define=[(0, "m", {})]),
        make_columns(clock.now(), [(0, -1, float("nan"))]),
        make_columns(clock.now(), [(0, 0, 3.0)]),
    )
    results = [result async for response in stub.StreamColumns(requests, metadata=by("7")) for result in response.results]
    assert [result.batch.accepted_count for result in results] == [1, 1, 0, 1]
    assert [(fault.point_index, fault.field) for fault in results[2].faults] == [(0, "value")]
    assert [value for _, _, value in await query(channel, "m", clock.now())] == [1.0, 2.0, 3.0]


async def test_stream_columns_ends_at_a_request_that_fails_as_a_whole(channel: grpc.aio.Channel, clock: FakeClock) -> None:
    """What came before it is answered and kept."""
    stub = ingestion_service_pb2_grpc.IngestionServiceStub(channel)
    call = stub.StreamColumns(
        stream_of(
            make_columns(clock.now(), [(0, -1, 1.0)], define=[(0, "m", {})]),
            make_columns(clock.now(), [(5, 0, 1.0)]),
        ),
        metadata=by("7"),
    )
    assert [result.batch.accepted_count for result in (await call.read()).results] == [1]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert read_failure(caught.value) == ("UNKNOWN_DICTIONARY", [])
    assert len(await query(channel, "m", clock.now())) == 1
