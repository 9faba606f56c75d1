"""The guard against machine differences: how fast one core decodes the very bodies that are sent."""

import time
from datetime import datetime

import msgspec

from lumetry_core.bench.payload import JsonEncoder, Lane, Layout, Series, ValuePool


class Point(msgspec.Struct):
    """One point as a plain typed decoder sees it."""

    metricName: str  # noqa: N815 -- the name on the wire
    timestamp: datetime
    value: float
    labels: dict[str, str]


class Body(msgspec.Struct):
    """A body of `POST /v1/metrics`."""

    metrics: list[Point]


def sample_body(series: list[Series], batch_size: int, pool: ValuePool, start_ms: int) -> bytes:
    """One body of the kind that the run sends."""
    layout = Layout(len(series), batch_size)
    lane = Lane(layout, JsonEncoder(series, layout, pool, lambda _length: b""), pool, start_ms)
    return bytes(lane.next())


def measure_decoding(body: bytes, seconds: float) -> float:
    """Points per second that this process decodes with one core."""
    decoder = msgspec.json.Decoder(Body)
    points = 0
    begin = time.perf_counter()
    while (now := time.perf_counter()) < begin + seconds:
        for _ in range(20):
            points += len(decoder.decode(body).metrics)
    return points / (now - begin) if points else 0.0
