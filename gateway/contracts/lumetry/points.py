"""Points of contract lumetry 4.1 as columns: fast when everything has its type, slowly and with every fault when not.

The gateway judges JSON types only; limits, key syntax and ranges are the core's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp
from msgspec import inspect

from gateway.transcode.bodies import parse_json
from gateway.transcode.failures import Fault
from gateway.transcode.reading import Reader
from gateway.transcode.series import Columns, Definition, SeriesBook, labels_decoder
from gateway.transcode.times import parse_column, to_ns

MAX_POINTS = 10_000
NO_LABELS = msgspec.Raw(b"null")
PLACEHOLDERS: Mapping[str, Any] = {"metric_name": "_", "timestamp": Timestamp(seconds=946_684_800), "value": 0.0}
"""Always in range; the time is 2000-01-01."""


class Point(msgspec.Struct, rename="camel", gc=False):
    """A point as it is read fast; labels stay text, because a known series needs no label read."""

    metric_name: str
    timestamp: str
    value: float
    labels: msgspec.Raw = NO_LABELS
    namespace: str | None = None
    source: str | None = None


class Batch(msgspec.Struct, gc=False):
    """The body as it is read fast."""

    metrics: list[Point]


class PointBody(msgspec.Struct, rename="camel"):
    """One value of one series at one time."""

    metric_name: str
    timestamp: Timestamp
    value: float
    namespace: str | None = None
    source: str | None = None
    labels: dict[str, str] | None = None


class BatchBody(msgspec.Struct):
    """At least one and at most 10,000 points."""

    metrics: list[PointBody]


batch_decoder = msgspec.json.Decoder(Batch)
POINT = inspect.type_info(PointBody)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a body holds: points to send, where each stood, and what is wrong with their JSON.

    A point with faults takes part with placeholders, so that the core can judge the rest of it.
    """

    columns: Columns | None
    positions: Sequence[int]
    faults: Sequence[Fault]


def read_batch(body: bytes, book: SeriesBook) -> Reading:
    """Reads a body.

    Raises:
        Failure: MALFORMED_BODY.
    """
    columns = read_fast(body, book)
    if columns is not None:
        return Reading(columns, range(len(columns)), ())
    return read_slowly(parse_json(body), book)


def read_fast(body: bytes, book: SeriesBook) -> Columns | None:
    """Reads a body in which everything has its type; None when something may not."""
    try:
        if not body.isascii():
            body.decode()
        points = batch_decoder.decode(body).metrics
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not 0 < len(points) <= MAX_POINTS:
        return None
    dictionary = book.open()
    known = dictionary.numbers.get
    numbers = [known((point.metric_name, bytes(point.labels))) for point in points]
    if None in numbers:
        try:
            definitions = [read_definition(point) for point, number in zip(points, numbers, strict=True) if number is None]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if None in definitions:
            return None
        for definition in definitions:
            if definition is not None:
                dictionary.number_of(definition)
        numbers = [known((point.metric_name, bytes(point.labels))) for point in points]
    times = parse_column([point.timestamp for point in points])
    if times is None:
        return None
    return Columns(dictionary, np.array(numbers, "<u4"), times, np.array([point.value for point in points], "<f8"))


def read_definition(point: Point) -> Definition | None:
    """What a new series is; None when its texts hold NUL characters, which reading slowly refuses."""
    text = bytes(point.labels)
    labels = labels_decoder.decode(text) or {}
    namespace, source = point.namespace or "", point.source or ""
    if any("\0" in part for part in (point.metric_name, namespace, source, *labels, *labels.values())):
        return None
    return Definition((point.metric_name, text), namespace, source)


def read_slowly(data: object, book: SeriesBook) -> Reading:
    """Reads any JSON value point by point and notes every fault of type."""
    metrics = data.get("metrics") if isinstance(data, dict) else None
    if not isinstance(data, dict):
        return Reading(None, (), (Fault("", "must be a JSON object"),))
    if metrics is None:
        return Reading(None, (), (Fault("metrics", "is required"),))
    if not isinstance(metrics, list):
        return Reading(None, (), (Fault("metrics", "must be an array"),))
    if not 0 < len(metrics) <= MAX_POINTS:
        return Reading(None, (), (Fault("metrics", f"must hold between 1 and {MAX_POINTS} points"),))
    faults: list[Fault] = []
    reader = Reader(faults, text=False)
    points, positions = [], []
    for position, raw in enumerate(metrics):
        point = reader.value(POINT, raw, f"metrics[{position}]")
        if point is not None:
            given = {name: value for name, value in msgspec.structs.asdict(point).items() if value is not None}
            points.append(PointBody(**{**PLACEHOLDERS, **given}))
            positions.append(position)
    return Reading(make_columns(points, book) if points else None, positions, faults)


def make_columns(points: Sequence[PointBody], book: SeriesBook) -> Columns:
    """Columns of points that were read one by one."""
    dictionary = book.open()
    numbers, times, values = [], [], []
    for point in points:
        key = (point.metric_name, msgspec.json.encode(point.labels))
        numbers.append(dictionary.number_of(Definition(key, point.namespace or "", point.source or "")))
        times.append(point.timestamp.seconds * 1000 + point.timestamp.nanos // 1_000_000)
        values.append(point.value)
    return Columns(dictionary, np.array(numbers, "<u4"), to_ns(np.array(times, np.int64)), np.array(values, "<f8"))
