"""The catalog and stored points (contract lumetry 5.3, 5.4)."""

from typing import Annotated

import msgspec
import numpy as np
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.lumetry.values import LARGEST_INT32, Page, PageNumber, PageSize, Time, make_page, optional_time
from gateway.transcode.request import Request
from gateway.transcode.times import format_ms
from lumetry.metrics.v1 import metric_pb2, metric_service_pb2

DEFAULT_PAGE_SIZE = 20

Step = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_INT32)]


class MetricFilters(msgspec.Struct, rename="camel"):
    """Which part of the catalog."""

    q: str | None = None
    is_evaluable: bool | None = None
    page: PageNumber = 1
    page_size: PageSize = DEFAULT_PAGE_SIZE


class MetricItem(msgspec.Struct, rename="camel"):
    """An entry of the catalog; `id` is the metric key."""

    id: str
    name: str
    unit: str | None
    management_mode: str
    catalog_source: str
    data_status: str
    last_synced_at: Time | None
    last_ingested_at: Time | None
    sync_status: str
    is_evaluable: bool


class SeriesFilters(msgspec.Struct, rename="camel"):
    """Which points."""

    from_: Timestamp | None = msgspec.field(default=None, name="from")
    to: Timestamp | None = None
    dimension_key: str | None = None
    step_seconds: Step | None = None


class SeriesPoint(msgspec.Struct, rename="camel"):
    """A stored value, or the mean of a bucket; with its member when several may occur."""

    timestamp: Time
    value: float
    dimension_key: str | msgspec.UnsetType | None = msgspec.UNSET


def decode_list_metrics(request: Request) -> metric_service_pb2.ListMetricsRequest:
    """5.3 `GET /api/metrics`."""
    filters = request.query(MetricFilters)
    return metric_service_pb2.ListMetricsRequest(
        query=filters.q or "", is_evaluable=filters.is_evaluable, page=filters.page, page_size=filters.page_size
    )


def encode_list_metrics(reply: metric_service_pb2.ListMetricsResponse, asked: metric_service_pb2.ListMetricsRequest) -> Page[MetricItem]:
    """5.3 a page of the catalog."""
    items = [encode_metric(metric) for metric in reply.metrics]
    return make_page(items, page=asked.page, page_size=asked.page_size, total_count=reply.total_count)


def encode_metric(metric: metric_pb2.Metric) -> MetricItem:
    """5.3 one entry."""
    return MetricItem(
        id=metric.metric_key,
        name=metric.display_name or metric.metric_key,
        unit=metric.unit or None,
        management_mode=metric.management_mode,
        catalog_source=metric.catalog_source,
        data_status=metric_pb2.DataStatus.Name(metric.data_status).removeprefix("DATA_STATUS_"),
        last_synced_at=optional_time(metric, "last_sync_time"),
        last_ingested_at=optional_time(metric, "last_ingest_time"),
        sync_status=metric.sync_status,
        is_evaluable=metric.is_evaluable,
    )


def decode_query_series(request: Request) -> metric_service_pb2.QuerySeriesRequest:
    """5.4 `GET /api/metrics/{id}/series`."""
    filters = request.query(SeriesFilters, ordered=("from_", "to"))
    return metric_service_pb2.QuerySeriesRequest(
        metric_key=request.key("id"),
        start_time=filters.from_,
        end_time=filters.to,
        dimension_key=filters.dimension_key,
        step=Duration(seconds=filters.step_seconds) if filters.step_seconds else None,
    )


def encode_query_series(reply: metric_service_pb2.QuerySeriesResponse, asked: metric_service_pb2.QuerySeriesRequest) -> list[SeriesPoint]:
    """5.4 points ascending in time; elements name their member when several may occur."""
    times = map(format_ms, np.frombuffer(reply.times, "<i8").tolist())
    values = np.frombuffer(reply.values, "<f8").tolist()
    if not reply.multidimensional or asked.HasField("dimension_key"):
        return [SeriesPoint(time, value) for time, value in zip(times, values, strict=True)]
    keys = [key or None for key in reply.dimension_keys]
    members = np.frombuffer(reply.member_indexes, "<u4").tolist()
    return [SeriesPoint(time, value, keys[member]) for time, value, member in zip(times, values, members, strict=True)]
