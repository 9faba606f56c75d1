"""IngestionService and MetricService."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import grpc
import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.metrics.v1 import (
    ingestion_service_pb2,
    ingestion_service_pb2_grpc,
    metric_pb2,
    metric_service_pb2,
    metric_service_pb2_grpc,
)
from lumetry_core.metrics.columns import Columns, PointFault
from lumetry_core.metrics.definition import Definition, define
from lumetry_core.metrics.dictionary import Dictionaries, UnreadDefinition
from lumetry_core.metrics.model import AcceptedBatch, MetricInfo
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.metrics.service.catalog import list_metrics
from lumetry_core.metrics.service.ingestion import BatchResult, PointInput, ingest_columns, ingest_points
from lumetry_core.metrics.service.queries import query_series
from lumetry_core.runtime.clock import Clock, from_ms, to_ms
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults, LumetryError, Reason
from lumetry_core.runtime.interceptors import current_caller

DICTIONARY_ID_BYTES = 16
NS_PER_MS = 1_000_000
Context = grpc.aio.ServicerContext[Any, Any]
FARTHEST_MS = 2**62


class IngestionServicer(ingestion_service_pb2_grpc.IngestionServiceServicer):
    """See `lumetry.metrics.v1.IngestionService`. Holds the dictionaries of its senders."""

    def __init__(self, appender: Appender, clock: Clock) -> None:
        self._append = appender.append
        self._clock = clock
        self._dictionaries = Dictionaries()

    async def IngestMetrics(
        self,
        request: ingestion_service_pb2.IngestMetricsRequest,
        context: Context,
    ) -> ingestion_service_pb2.IngestMetricsResponse:
        """Accepts one batch of messages."""
        batch = await ingest_points(self._append, self._clock, current_caller(), read_points(request.points))
        return ingestion_service_pb2.IngestMetricsResponse(batch=write_batch(batch))

    async def StreamMetrics(
        self,
        request_iterator: AsyncIterator[ingestion_service_pb2.StreamMetricsRequest],
        context: Context,
    ) -> ingestion_service_pb2.StreamMetricsResponse:
        """Accepts batches until the first bad one."""
        batches = points = 0
        async for request in request_iterator:
            prefix = f"[{batches}]."
            batch = await ingest_points(self._append, self._clock, current_caller(), read_points(request.points), prefix)
            batches += 1
            points += batch.accepted_count
        return ingestion_service_pb2.StreamMetricsResponse(batch_count=batches, point_count=points)

    async def IngestColumns(
        self,
        request: ingestion_service_pb2.IngestColumnsRequest,
        context: Context,
    ) -> ingestion_service_pb2.IngestColumnsResponse:
        """Accepts batches of columns."""
        columns = read_columns(request)
        dictionary = self._dictionaries.update(request.dictionary_id, read_definitions(request.series))
        if len(columns.indexes) and int(columns.indexes.max()) >= len(dictionary.definitions):
            raise LumetryError(
                Reason.UNKNOWN_DICTIONARY,
                "The request uses a series number that was never defined. Send all definitions again under a new id.",
                dictionary_id=request.dictionary_id.hex(),
            )
        results = await ingest_columns(
            self._append, self._clock, current_caller(), dictionary, columns, validate_only=request.validate_only
        )
        return ingestion_service_pb2.IngestColumnsResponse(results=[write_result(result) for result in results])


class MetricServicer(metric_service_pb2_grpc.MetricServiceServicer):
    """See `lumetry.metrics.v1.MetricService`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ListMetrics(
        self,
        request: metric_service_pb2.ListMetricsRequest,
        context: Context,
    ) -> metric_service_pb2.ListMetricsResponse:
        """Lists the catalog."""
        async with self._database.read() as tx:
            found, total = await list_metrics(
                tx,
                current_caller(),
                request.query,
                is_evaluable=request.is_evaluable if request.HasField("is_evaluable") else None,
                page=request.page,
                page_size=request.page_size,
            )
        return metric_service_pb2.ListMetricsResponse(metrics=[write_metric(metric) for metric in found], total_count=total)

    async def QuerySeries(
        self,
        request: metric_service_pb2.QuerySeriesRequest,
        context: Context,
    ) -> metric_service_pb2.QuerySeriesResponse:
        """Reads stored points."""
        step = request.step.ToTimedelta() if request.HasField("step") else None
        async with self._database.read() as tx:
            found = await query_series(
                tx,
                current_caller(),
                request.metric_key,
                read_time(request.start_time) if request.HasField("start_time") else None,
                read_time(request.end_time) if request.HasField("end_time") else None,
                dimension_key=request.dimension_key if request.HasField("dimension_key") else None,
                step=step,
                now=self._clock.now(),
            )
        return metric_service_pb2.QuerySeriesResponse(
            multidimensional=found.multidimensional,
            times=found.times_ms.astype("<i8").tobytes(),
            values=found.values.astype("<f8").tobytes(),
            member_indexes=found.members.astype("<u4").tobytes() if found.multidimensional else b"",
            dimension_keys=found.dimension_keys if found.multidimensional else (),
        )


def read_points(points: Iterable[ingestion_service_pb2.Point]) -> list[PointInput]:
    """Points from their messages; equal series share a definition."""
    known: dict[tuple[object, ...], Definition] = {}
    read = []
    for point in points:
        labels = tuple(sorted(point.labels.items()))
        key = (point.metric_key, labels, point.namespace, point.source)
        definition = known.get(key)
        if definition is None:
            definition = known[key] = define(point.metric_key, labels, point.namespace, point.source)
        read.append(PointInput(definition, read_ms(point.time) if point.HasField("time") else None, point.value))
    return read


def read_ms(time: Timestamp) -> int:
    """Whole milliseconds of a timestamp, however absurd."""
    return min(max(time.seconds * 1000 + time.nanos // NS_PER_MS, -FARTHEST_MS), FARTHEST_MS)


def read_time(time: Timestamp) -> datetime:
    """A time of a query, within what the calendar can name."""
    return from_ms(min(max(read_ms(time), FIRST_MS), LAST_MS))


FIRST_MS = to_ms(datetime(1, 1, 1, tzinfo=UTC))
LAST_MS = to_ms(datetime(9999, 12, 31, tzinfo=UTC) + timedelta(hours=23))


def read_columns(request: ingestion_service_pb2.IngestColumnsRequest) -> Columns:
    """Columns from their bytes. Fails with VALIDATION_FAILED when they do not fit together."""
    faults = Faults()
    count = len(request.values) // 8
    faults.check(len(request.dictionary_id) == DICTIONARY_ID_BYTES, "dictionaryId", f"must have {DICTIONARY_ID_BYTES} bytes")
    faults.check(len(request.values) == count * 8, "values", "must have 8 bytes per point")
    faults.check(len(request.times) == count * 8, "times", "must have 8 bytes for each value")
    faults.check(len(request.series_indexes) == count * 4, "seriesIndexes", "must have 4 bytes for each value")
    sizes = np.array(request.batch_sizes or [count], np.int64)
    faults.check(int(sizes.sum()) == count, "batchSizes", "must sum up to the number of points")
    faults.check(count > 0, "metrics", "must hold at least one point")
    faults.raise_if_any("The columns are not usable.")
    return Columns(
        np.frombuffer(request.series_indexes, "<u4"),
        np.frombuffer(request.times, "<i8") // NS_PER_MS,
        np.frombuffer(request.values, "<f8"),
        sizes,
    )


def read_definitions(definitions: Iterable[ingestion_service_pb2.SeriesDefinition]) -> Iterable[UnreadDefinition]:
    """Definitions with their numbers, read only when needed."""
    for definition in definitions:
        yield definition.index, partial(read_definition, definition)


def read_definition(definition: ingestion_service_pb2.SeriesDefinition) -> Definition:
    """A definition from its message; unpaired label names make it faulty."""
    pairs = list(zip(definition.label_names, definition.label_values, strict=False))
    defined = define(definition.metric_key, pairs, definition.namespace, definition.source)
    if len(definition.label_names) == len(definition.label_values):
        return defined
    faults = (*defined.faults, ("labels", "label names and values must come in pairs"))
    return Definition(defined.metric_key, defined.labels, defined.namespace, defined.source, faults)


def write_result(result: BatchResult) -> ingestion_service_pb2.ColumnBatchResult:
    """A result as its message."""
    batch = None if result.batch is None else write_batch(result.batch)
    return ingestion_service_pb2.ColumnBatchResult(batch=batch, faults=write_faults(result.faults))


def write_faults(faults: Sequence[PointFault]) -> list[ingestion_service_pb2.PointFault]:
    """Faults as their messages."""
    return [ingestion_service_pb2.PointFault(point_index=fault.point_index, field=fault.field, message=fault.message) for fault in faults]


def write_batch(batch: AcceptedBatch) -> ingestion_service_pb2.AcceptedBatch:
    """A receipt as its message."""
    return ingestion_service_pb2.AcceptedBatch(batch_id=batch.batch_id, accepted_count=batch.accepted_count, job_ids=batch.job_ids)


def write_metric(metric: MetricInfo) -> metric_pb2.Metric:
    """A catalog entry as its message."""
    return metric_pb2.Metric(
        id=metric.id,
        metric_key=metric.metric_key,
        display_name=metric.display_name,
        description=metric.description,
        unit=metric.unit,
        metric_type=metric.metric_type,
        namespace=metric.namespace,
        management_mode=metric.management_mode,
        catalog_source=metric.catalog_source,
        multidimensional=metric.multidimensional,
        dimension_keys=metric.dimension_keys,
        is_active=metric.is_active,
        data_status=metric_pb2.DataStatus.Value(f"DATA_STATUS_{metric.data_status}"),
        sync_status=metric.sync_status,
        is_evaluable=metric.is_evaluable,
        create_time=write_time(metric.create_time),
        update_time=write_time(metric.update_time),
        last_sync_time=write_time(metric.last_sync_time),
        last_ingest_time=write_time(metric.last_ingest_time),
    )


def write_time(moment: datetime | None) -> Timestamp | None:
    """A time as its message."""
    if moment is None:
        return None
    seconds, rest = divmod(to_ms(moment), 1000)
    return Timestamp(seconds=seconds, nanos=rest * NS_PER_MS)
