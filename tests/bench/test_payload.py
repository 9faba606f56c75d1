from collections import defaultdict
from datetime import UTC, datetime
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from lumetry_core.bench.decoding import Body, measure_decoding, sample_body
from lumetry_core.bench.payload import (
    HIGHEST_VALUE,
    LOWEST_VALUE,
    ColumnEncoder,
    JsonEncoder,
    Lane,
    Layout,
    Series,
    ValuePool,
    format_times,
    make_series,
)

POOL = ValuePool(10_000)
START_MS = 1_780_300_800_000


def no_head(_length: int) -> bytes:
    return b""


def json_lane(series: list[Series], batch_size: int) -> Lane[bytearray]:
    layout = Layout(len(series), batch_size)
    return Lane(layout, JsonEncoder(series, layout, POOL, no_head), POOL, START_MS)


def test_make_series_gives_ten_hosts_to_a_metric() -> None:
    """Names are distinct and of one length."""
    series = make_series(25)
    assert series[0] == Series("bench_metric_00000", "host-00")
    assert series[24] == Series("bench_metric_00002", "host-04")
    assert len(set(series)) == 25


@pytest.mark.parametrize(
    ("series_count", "batch_size", "cycle", "steps_per_cycle"),
    [(250, 1000, 1, 4), (250, 100, 5, 2), (1000, 1000, 1, 1), (3, 2, 3, 2), (1, 1, 1, 1)],
)
def test_layout_covers_every_series_in_order_of_time(series_count: int, batch_size: int, cycle: int, steps_per_cycle: int) -> None:
    """A cycle holds each series once per step, its steps ascending."""
    layout = Layout(series_count, batch_size)
    assert (layout.cycle, layout.steps_per_cycle) == (cycle, steps_per_cycle)
    steps_of: dict[int, list[int]] = defaultdict(list)
    for number in range(layout.cycle):
        series, steps = layout.rows(number)
        for one, step in zip(series.tolist(), steps.tolist(), strict=True):
            steps_of[one].append(step)
    assert steps_of == {one: list(range(steps_per_cycle)) for one in range(series_count)}


@pytest.mark.parametrize(("series_count", "batch_size"), [(3, 2), (4, 8), (5, 5)])
def test_json_lane_makes_valid_bodies_whose_times_grow(series_count: int, batch_size: int) -> None:
    """Every body is plain JSON of the contract; over all bodies each series advances by one step at a time."""
    series = make_series(series_count)
    lane = json_lane(series, batch_size)
    times: dict[Series, list[int]] = defaultdict(list)
    for _ in range(12):
        body = msgspec.json.decode(bytes(lane.next()), type=Body)
        assert len(body.metrics) == batch_size
        for point in body.metrics:
            assert LOWEST_VALUE <= point.value <= HIGHEST_VALUE
            moment = round(point.timestamp.timestamp() * 1000)
            times[Series(point.metricName, point.labels["host"], point.labels["region"])].append(moment)
    assert set(times) == set(series)
    for moments in times.values():
        assert moments == list(range(START_MS, START_MS + len(moments)))
    assert max(map(max, times.values())) <= lane.newest_ms


def test_json_lane_puts_the_head_before_a_body_of_the_told_length() -> None:
    """The head sees the length of the body that follows it."""
    series = make_series(4)
    layout = Layout(4, 4)
    lengths: list[int] = []

    def head(length: int) -> bytes:
        lengths.append(length)
        return b"HEAD"

    message = Lane(layout, JsonEncoder(series, layout, POOL, head), POOL, START_MS).next()
    assert message.startswith(b'HEAD{"metrics":[')
    assert lengths == [len(message) - 4]


def test_value_pool_texts_are_its_doubles() -> None:
    """Text and double of a place are the same number."""
    assert [float(bytes(text)) for text in POOL.texts[:500]] == POOL.doubles[:500].tolist()


def test_value_pool_places_stay_inside() -> None:
    """The values of any batch lie inside the pool, and neighbours differ."""
    starts = [POOL.start(batch, 1000) for batch in range(100)]
    assert max(starts) + 1000 <= len(POOL.doubles)
    assert all(one != other for one, other in pairwise(starts))


def test_column_lane_carries_the_points_of_the_json_lane() -> None:
    """The same lane in both encodings holds the same points in the same order."""
    series, layout = make_series(3), Layout(3, 4)
    lane = Lane(layout, ColumnEncoder(layout, POOL, first_index=7), POOL, START_MS)
    other = json_lane(series, 4)
    for _ in range(7):
        columns = lane.next()
        body = msgspec.json.decode(bytes(other.next()), type=Body)
        indexes = np.frombuffer(columns.series_indexes, "<u4").tolist()
        assert [series[index - 7].host for index in indexes] == [point.labels["host"] for point in body.metrics]
        nanoseconds = np.frombuffer(columns.times, "<i8").tolist()
        assert nanoseconds == [round(point.timestamp.timestamp() * 1000) * 1_000_000 for point in body.metrics]
        assert np.frombuffer(columns.values, "<f8").tolist() == [point.value for point in body.metrics]


def test_format_times_keeps_milliseconds() -> None:
    """Texts are exact and of one width."""
    texts = [bytes(text).decode() for text in format_times(np.array([0, START_MS + 7, 4_102_444_799_999], np.int64))]
    assert texts == ["1970-01-01T00:00:00.000Z", "2026-06-01T08:00:00.007Z", "2099-12-31T23:59:59.999Z"]
    assert datetime.fromisoformat(texts[1]) == datetime(2026, 6, 1, 8, 0, 0, 7000, tzinfo=UTC)


def test_measure_decoding_counts_points() -> None:
    """The guard decodes whole bodies of the run."""
    assert measure_decoding(sample_body(make_series(5), 5, POOL, START_MS), seconds=0.01) > 0
