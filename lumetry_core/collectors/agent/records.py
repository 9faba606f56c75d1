"""Points as they wait on disk: encoded IngestMetricsRequests, which in a row are the request with all their points."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from lumetry_core.collectors.agent.frames import Record
from lumetry_core.collectors.agent.reading import Sample
from lumetry_core.collectors.agent.timing import ServerClock

NAMESPACE = "host"
SOURCE = "collector"
MAX_RECORD_POINTS = 10_000
"""Contract lumetry 4.1."""
MAX_RECORD_BYTES = 1024 * 1024
"""Keeps the process small while it delivers the points of a long outage."""


def build_points(samples: Iterable[Sample], labels: Mapping[str, str], time: datetime) -> list[metrics_pb.Point]:
    """The points of samples of this host."""
    points = []
    for sample in samples:
        point = metrics_pb.Point(
            metric_key=sample.metric_key, value=sample.value, labels={**labels, **sample.labels}, namespace=NAMESPACE, source=SOURCE
        )
        point.time.FromDatetime(time)
        points.append(point)
    return points


def encode_records(points: Sequence[metrics_pb.Point]) -> Iterator[tuple[bytes, int]]:
    """Records of the points, in their order, with how many each holds; none is larger than one request may be."""
    part = metrics_pb.IngestMetricsRequest()
    size = 0
    for point in points:
        if part.points and (len(part.points) == MAX_RECORD_POINTS or size + point.ByteSize() > MAX_RECORD_BYTES):
            yield part.SerializeToString(), len(part.points)
            part.Clear()
            size = 0
        part.points.append(point)
        size += point.ByteSize()
    if part.points:
        yield part.SerializeToString(), len(part.points)


def encode_batch(records: Iterable[Record], clock: ServerClock) -> bytes:
    """The request that delivers the records, with the product's time on points that were made before it was known."""
    return b"".join(correct(record.payload, clock.shift(record.note)) if record.note else record.payload for record in records)


def read_time_ms(record: Record, clock: ServerClock) -> int:
    """The time that the record's first point is delivered with."""
    request = metrics_pb.IngestMetricsRequest.FromString(record.payload)
    return request.points[0].time.ToMilliseconds() + int(clock.shift(record.note) / timedelta(milliseconds=1))


def correct(payload: bytes, shift: timedelta) -> bytes:
    """The record with its times moved."""
    if not shift:
        return payload
    request = metrics_pb.IngestMetricsRequest.FromString(payload)
    for point in request.points:
        point.time.FromDatetime(point.time.ToDatetime(UTC) + shift)
    return request.SerializeToString()
