import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.metrics.codec import decode_payload, decode_segment, encode_payload, encode_segment

ids = st.integers(1, 2**40)
times = st.integers(-(2**60), 2**60)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)
points = st.lists(st.tuples(ids, times, numbers), max_size=200)


def columns(rows: list[tuple[int, int, float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64),
    )


@given(points)
def test_payload_gives_back_every_point(rows: list[tuple[int, int, float]]) -> None:
    """Ids, times and values of any size return exactly and in order."""
    given_columns = columns(rows)
    returned = decode_payload(encode_payload(*given_columns))
    for before, after in zip(given_columns, returned, strict=True):
        assert before.tobytes() == after.tobytes()


def test_payload_of_ordinary_points_takes_sixteen_bytes_each() -> None:
    """Ids and times of one batch fit into four bytes."""
    count = 1000
    payload = encode_payload(np.arange(count), np.arange(count) + 1_780_000_000_000, np.random.default_rng(1).random(count))
    assert len(payload) == 16 * count + 16


@given(points, st.integers(1, 5))
def test_segment_gives_back_every_point(rows: list[tuple[int, int, float]], column_count: int) -> None:
    """Sorted points return exactly, with one value column or more."""
    series_ids, times_ms, values = columns(sorted(rows))
    given_columns = [np.roll(values, number) for number in range(column_count)]
    returned_ids, returned_times, returned_columns = decode_segment(encode_segment(series_ids, times_ms, *given_columns))
    assert series_ids.tobytes() == returned_ids.tobytes()
    assert times_ms.tobytes() == returned_times.tobytes()
    assert [column.tobytes() for column in given_columns] == [column.tobytes() for column in returned_columns]


def test_segment_of_a_constant_series_is_small() -> None:
    """A day of one value every ten seconds takes next to nothing."""
    count = 8640
    segment = encode_segment(np.full(count, 5), np.arange(count) * 10_000 + 1_780_000_000_000, np.full(count, 42.5))
    assert len(segment) < 300


@pytest.mark.parametrize("decode", [decode_payload, decode_segment])
def test_decode_refuses_a_newer_format(decode: object) -> None:
    """Data of a version that this one cannot read is an error, not nonsense."""
    with pytest.raises(ValueError, match="format 9"):
        decode(b"\x09" + bytes(40))  # type: ignore[operator]
