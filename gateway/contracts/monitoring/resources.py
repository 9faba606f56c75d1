"""What containers use, and the thresholds at which they alert (contract monitoring 8)."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from gateway.contracts.monitoring.values import Time, format_or_none, read_count
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure, Fault, Reason
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.resources.v1 import resource_service_pb2 as pb

GET_CURRENT = find_rpc(pb.DESCRIPTOR, "ResourceService", "GetCurrentResources")
LIST_HISTORY = find_rpc(pb.DESCRIPTOR, "ResourceService", "ListResourceHistory")
GET_THRESHOLDS = find_rpc(pb.DESCRIPTOR, "ResourceService", "GetResourceThresholds")
UPDATE_THRESHOLDS = find_rpc(pb.DESCRIPTOR, "ResourceService", "UpdateResourceThresholds")
GET_SUMMARY = find_rpc(pb.DESCRIPTOR, "ResourceService", "GetResourceSummary")
LIST_TOP = find_rpc(pb.DESCRIPTOR, "ResourceService", "ListTopConsumers")

RangeWord = Literal["1h", "6h", "24h", "7d", "30d", "90d"]
PeriodWord = Literal["1h", "24h", "7d", "30d"]
MetricWord = Literal["cpu", "memory"]
GranularityWord = Literal["raw", "1m", "5m", "1h", "1d"]
StateWord = Literal["normal", "cpu_alert", "mem_alert", "both_alert"]

RANGES: Mapping[str, pb.ResourceRange.ValueType] = {
    "1h": pb.RESOURCE_RANGE_1H,
    "6h": pb.RESOURCE_RANGE_6H,
    "24h": pb.RESOURCE_RANGE_24H,
    "7d": pb.RESOURCE_RANGE_7D,
    "30d": pb.RESOURCE_RANGE_30D,
    "90d": pb.RESOURCE_RANGE_90D,
}
RANGE_WORDS: Mapping[int, RangeWord] = {
    pb.RESOURCE_RANGE_1H: "1h",
    pb.RESOURCE_RANGE_6H: "6h",
    pb.RESOURCE_RANGE_24H: "24h",
    pb.RESOURCE_RANGE_7D: "7d",
    pb.RESOURCE_RANGE_30D: "30d",
    pb.RESOURCE_RANGE_90D: "90d",
}
PERIODS: Mapping[str, PeriodWord] = {"1h": "1h", "24h": "24h", "7d": "7d", "30d": "30d"}
METRICS: Mapping[str, pb.ConsumerMetric.ValueType] = {"cpu": pb.CONSUMER_METRIC_CPU, "memory": pb.CONSUMER_METRIC_MEMORY}
GRANULARITIES: Mapping[int, GranularityWord] = {0: "raw", 60: "1m", 300: "5m", 3600: "1h", 86_400: "1d"}
DEFAULT_TOP, LARGEST_TOP = 5, 20


class HistoryQuery(msgspec.Struct):
    """How far back a history goes."""

    range: str | None = None
    """`1h` (default), `6h`, `24h`, `7d`, `30d` or `90d`."""


class TopQuery(msgspec.Struct):
    """What containers are compared by."""

    sort: str | None = None
    """`cpu` (default) or `memory`."""
    metric: str | None = None
    """Another name of `sort`."""
    limit: str | None = None
    """How many at most: 5, at most 20."""
    period: str | None = None
    """Over how long the mean is taken: `1h`, `24h`, `7d` or `30d`; absent: the newest sample."""


class ThresholdBody(msgspec.Struct):
    """What to change; what is absent stays."""

    cpu_threshold: float | None = None
    """Percent of one processor, 1 to 1000."""
    mem_threshold: float | None = None
    """Percent of the container's memory, 1 to 100."""
    memory_threshold: float | None = None
    """Another name of `mem_threshold`."""
    enabled: bool | None = None


class CurrentResources(msgspec.Struct):
    """The newest sample of a container."""

    container_id: int
    cpu_percent: float
    """Of one processor: two in full use are 200."""
    mem_used: int
    mem_limit: int
    mem_percent: float
    net_rx_bytes: int
    """Counters start with the container."""
    net_tx_bytes: int
    block_read_bytes: int
    block_write_bytes: int
    timestamp: Time


class ResourcePoint(msgspec.Struct):
    """A sample, or what samples come to over a span that starts then: means, and the last value of counters."""

    timestamp: Time
    cpu_percent: float
    mem_used: int
    mem_limit: int
    net_rx_bytes: int
    net_tx_bytes: int
    block_read_bytes: int
    block_write_bytes: int


class ResourceHistory(msgspec.Struct):
    """What a container used, oldest first."""

    container_id: int
    range: RangeWord
    granularity: GranularityWord
    points: list[ResourcePoint]


class ResourceAlertConfig(msgspec.Struct):
    """The thresholds of a container, and which it is over."""

    container_id: int
    cpu_threshold: float
    mem_threshold: float
    enabled: bool
    alert_state: StateWord
    last_alerted_at: Time | None


class ResourceSummary(msgspec.Struct):
    """Sums over running containers; rates are bytes per second, disk figures those of the file system that holds Lumetry's data."""

    total_cpu_percent: float
    cpu_count: int
    total_mem_used: int
    total_mem_limit: int
    total_mem_percent: float
    total_net_rx_rate: float
    total_net_tx_rate: float
    container_count: int
    disk_total: int
    disk_used: int
    disk_percent: float
    timestamp: Time


class Consumer(msgspec.Struct):
    """A container that uses much: `value` is percent or bytes, `percent` of one processor or of its memory limit."""

    container_id: int
    container_name: str
    value: float
    percent: float
    rank: int


class TopConsumers(msgspec.Struct):
    """The containers that use most."""

    metric: MetricWord
    period: PeriodWord | None
    consumers: list[Consumer]


def decode_current(request: Request) -> pb.GetCurrentResourcesRequest:
    """8 `GET /containers/{id}/resources/current`."""
    return pb.GetCurrentResourcesRequest(container_id=request.number("id"))


def encode_current(reply: pb.GetCurrentResourcesResponse, _asked: object) -> CurrentResources:
    """8 the newest sample."""
    sample = reply.sample
    return CurrentResources(
        container_id=reply.container_id,
        cpu_percent=sample.cpu_percent,
        mem_used=sample.memory_used,
        mem_limit=sample.memory_limit,
        mem_percent=share(sample.memory_used, sample.memory_limit),
        net_rx_bytes=sample.net_rx_bytes,
        net_tx_bytes=sample.net_tx_bytes,
        block_read_bytes=sample.block_read_bytes,
        block_write_bytes=sample.block_write_bytes,
        timestamp=format_time(sample.time),
    )


def decode_history(request: Request) -> pb.ListResourceHistoryRequest:
    """8 `GET /containers/{id}/resources/history`."""
    container_id = request.number("id")
    word = request.query(HistoryQuery).range or "1h"
    if word not in RANGES:
        raise coded_failure("invalid_range", "range", f"must be one of {', '.join(RANGES)}")
    return pb.ListResourceHistoryRequest(container_id=container_id, range=RANGES[word])


def encode_history(reply: pb.ListResourceHistoryResponse, asked: pb.ListResourceHistoryRequest) -> ResourceHistory:
    """8 the history."""
    return ResourceHistory(
        container_id=reply.container_id,
        range=RANGE_WORDS[asked.range],
        granularity=GRANULARITIES[reply.span_seconds],
        points=[encode_point(point) for point in reply.points],
    )


def encode_point(point: pb.ResourceSample) -> ResourcePoint:
    """A point of a history."""
    return ResourcePoint(
        timestamp=format_time(point.time),
        cpu_percent=point.cpu_percent,
        mem_used=point.memory_used,
        mem_limit=point.memory_limit,
        net_rx_bytes=point.net_rx_bytes,
        net_tx_bytes=point.net_tx_bytes,
        block_read_bytes=point.block_read_bytes,
        block_write_bytes=point.block_write_bytes,
    )


def decode_thresholds(request: Request) -> pb.GetResourceThresholdsRequest:
    """8 `GET /containers/{id}/resources/alerts`."""
    return pb.GetResourceThresholdsRequest(container_id=request.number("id"))


def decode_update(request: Request) -> pb.UpdateResourceThresholdsRequest:
    """8 `PUT /containers/{id}/resources/alerts`."""
    container_id = request.number("id")
    body = request.body(ThresholdBody, check=check_alias)
    return pb.UpdateResourceThresholdsRequest(
        container_id=container_id,
        cpu_threshold=body.cpu_threshold,
        memory_threshold=body.memory_threshold if body.mem_threshold is None else body.mem_threshold,
        enabled=body.enabled,
    )


def check_alias(body: ThresholdBody, faults: list[Fault]) -> None:
    """Two names of one thing must not say two things."""
    if None not in (body.mem_threshold, body.memory_threshold) and body.mem_threshold != body.memory_threshold:
        faults.append(Fault("memory_threshold", "must not differ from mem_threshold"))


def encode_thresholds(reply: pb.GetResourceThresholdsResponse | pb.UpdateResourceThresholdsResponse, _asked: object) -> ResourceAlertConfig:
    """8 the thresholds, with the state that follows from both metrics."""
    found = reply.thresholds
    states: Mapping[tuple[bool, bool], StateWord] = {
        (False, False): "normal",
        (True, False): "cpu_alert",
        (False, True): "mem_alert",
        (True, True): "both_alert",
    }
    return ResourceAlertConfig(
        container_id=reply.container_id,
        cpu_threshold=plain(found.cpu_threshold),
        mem_threshold=plain(found.memory_threshold),
        enabled=found.enabled,
        alert_state=states[found.cpu_alerting, found.memory_alerting],
        last_alerted_at=format_or_none(found, "last_alert_time"),
    )


def decode_summary(_request: Request) -> pb.GetResourceSummaryRequest:
    """8 `GET /resources/summary`."""
    return pb.GetResourceSummaryRequest()


def encode_summary(reply: pb.GetResourceSummaryResponse, _asked: object) -> ResourceSummary:
    """8 the sums."""
    return ResourceSummary(
        total_cpu_percent=reply.cpu_percent,
        cpu_count=reply.cpu_count,
        total_mem_used=reply.memory_used,
        total_mem_limit=reply.memory_limit,
        total_mem_percent=share(reply.memory_used, reply.memory_limit),
        total_net_rx_rate=reply.net_rx_rate,
        total_net_tx_rate=reply.net_tx_rate,
        container_count=reply.container_count,
        disk_total=reply.disk_total,
        disk_used=reply.disk_used,
        disk_percent=share(reply.disk_used, reply.disk_total),
        timestamp=format_time(reply.time),
    )


def decode_top(request: Request) -> pb.ListTopConsumersRequest:
    """8 `GET /resources/top`."""
    query = request.query(TopQuery)
    for name, word in (("sort", query.sort), ("metric", query.metric)):
        if word and word not in METRICS:
            raise coded_failure("invalid_metric", name, f"must be one of {', '.join(METRICS)}")
    if query.sort and query.metric and query.sort != query.metric:
        raise coded_failure("invalid_metric", "metric", "must not differ from sort")
    if query.period and query.period not in PERIODS:
        raise coded_failure("invalid_range", "period", f"must be one of {', '.join(PERIODS)}")
    return pb.ListTopConsumersRequest(
        metric=METRICS[query.sort or query.metric or "cpu"],
        limit=read_count(query.limit, "limit", DEFAULT_TOP, LARGEST_TOP),
        period=RANGES[query.period] if query.period else pb.RESOURCE_RANGE_UNSPECIFIED,
    )


def encode_top(reply: pb.ListTopConsumersResponse, asked: pb.ListTopConsumersRequest) -> TopConsumers:
    """8 the containers that use most."""
    word = RANGE_WORDS.get(asked.period)
    return TopConsumers(
        metric="memory" if asked.metric == pb.CONSUMER_METRIC_MEMORY else "cpu",
        period=PERIODS[word] if word else None,
        consumers=[
            Consumer(each.container_id, each.container_name, plain(each.value), each.percent, rank)
            for rank, each in enumerate(reply.consumers, start=1)
        ],
    )


def coded_failure(code: str, name: str, message: str) -> Failure:
    """The failure of a query parameter that has a code of its own."""
    return Failure(Reason.VALIDATION_FAILED, "The request is not valid.", faults=(Fault(name, message),), metadata={"code": code})


def share(part: int, whole: int) -> float:
    """Percent, to two decimals; 0 of nothing."""
    return round(100 * part / whole, 2) if whole else 0.0


def plain(number: float) -> float:
    """A number without a fraction that is zero."""
    return int(number) if number.is_integer() else number
