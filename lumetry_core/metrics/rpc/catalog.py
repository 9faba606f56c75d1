"""MetricService."""

from typing import Any

import grpc

from lumetry.metrics.v1 import metric_pb2, metric_service_pb2, metric_service_pb2_grpc
from lumetry_core.metrics.model import MetricInfo
from lumetry_core.metrics.rpc.times import read_time
from lumetry_core.metrics.service.catalog import list_metrics
from lumetry_core.metrics.service.queries import query_series
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


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


def write_metric(metric: MetricInfo) -> metric_pb2.Metric:
    """A catalog entry as its message, as lists carry it."""
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
        create_time=encode_time(metric.create_time),
        update_time=encode_time(metric.update_time),
        last_sync_time=encode_time(metric.last_sync_time),
        last_ingest_time=encode_time(metric.last_ingest_time),
        entity_type=metric.entity_type,
        entity_identifier=metric.entity_identifier,
    )
