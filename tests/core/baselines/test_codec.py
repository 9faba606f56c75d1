import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.baselines.candidates import make_candidates
from lumetry_core.baselines.codec import pack_journal, pack_statistics, unpack_journal, unpack_statistics
from lumetry_core.baselines.statistics import Statistics, empty

numbers = st.floats(allow_nan=False, width=64)
points = st.lists(
    st.tuples(st.integers(1, 2**50), st.integers(0, 2**31 - 1), st.integers(-(2**60), 2**60), numbers, st.integers(0, 1)), max_size=60
)


@given(points)
def test_journal_gives_back_every_point(rows: list[tuple[int, int, int, float, int]]) -> None:
    """Any points in any order return exactly, with their types."""
    given_columns = make_candidates(*([row[place] for row in rows] for place in range(5)))
    returned = unpack_journal(pack_journal(given_columns))
    for name in ("baseline_ids", "members", "times_ms", "values", "breached"):
        before, after = getattr(given_columns, name), getattr(returned, name)
        assert (before.dtype, before.tobytes()) == (after.dtype, after.tobytes())


@given(st.integers(1, 5), st.lists(st.tuples(st.integers(0, 59), st.integers(0, 4), *[numbers] * 5), max_size=40))
def test_statistics_give_back_every_bucket(members: int, buckets: list[tuple[int, int, float, float, float, float, float]]) -> None:
    """Those that hold something, exactly, infinite deviations and fractions of counts included."""
    hour = empty((60, members))
    for minute, member, *columns in buckets:
        for column, value in zip(hour.columns, columns, strict=True):
            column[minute, member % members] = value
    hour.counts[:] = np.abs(hour.counts)
    held_members, held_minutes, statistics = unpack_statistics(pack_statistics(hour))
    assert np.array_equal(np.stack((held_minutes, held_members)).T[np.lexsort((held_members, held_minutes))], np.argwhere(hour.counts > 0))
    for before, after in zip(hour.columns, statistics.columns, strict=True):
        assert before[held_minutes, held_members].tobytes() == after.tobytes()


def make_hour(values: np.ndarray) -> Statistics:
    """An hour of members in which each minute was learned as often as there are rows of values."""
    means = values.mean(axis=0)
    return Statistics(
        np.full(means.shape, float(len(values))), means, ((values - means) ** 2).sum(axis=0), values.min(axis=0), values.max(axis=0)
    )


def test_statistics_of_four_weeks_take_few_bytes() -> None:
    """Of 40 bytes in memory, at most 30 are stored for noise, 15 for values with two decimals, 7 for whole ones, none for a constant."""
    source = np.random.default_rng(1)
    noise = source.normal(50, 5, (4, 60, 100))
    learned = (noise, np.round(noise, 2), np.round(noise), np.full(noise.shape, 42.5))
    sizes = [len(pack_statistics(make_hour(values))) / 6000 for values in learned]
    assert [size < limit for size, limit in zip(sizes, (30, 15, 7, 0.5), strict=True)] == [True] * 4


@given(st.integers(0, 4), st.lists(st.tuples(st.integers(-(10**6), 10**6), st.integers(1, 6)), min_size=1, max_size=30), st.booleans())
def test_statistics_of_decimals_return_exactly(decimals: int, rows: list[tuple[int, int]], is_spoilt: bool) -> None:
    """Whether all of them have few decimals or one has many, counts are whole or fractions."""
    values = np.array([number for number, _ in rows]) / 10.0**decimals
    counts = np.array([float(count) for _, count in rows])
    if is_spoilt:
        values[-1] += np.pi
        counts /= 5
    hour = empty((60, 1))
    places = np.arange(len(rows))
    for column, given_values in zip(
        hour.columns, (counts, values / 3 * 3 + 0.1 / 3, values * values * counts, values - 7, values + 7), strict=True
    ):
        column[places, 0] = given_values
    members, minutes, statistics = unpack_statistics(pack_statistics(hour))
    assert (members.tolist(), minutes.tolist()) == ([0] * len(rows), places.tolist())
    assert [column.tobytes() for column in statistics.columns] == [column[places, 0].tobytes() for column in hour.columns]


def test_unpack_refuses_a_newer_format() -> None:
    """Data of a version that this one cannot read is an error, not nonsense."""
    with pytest.raises(ValueError, match="format 9"):
        unpack_journal(b"\x09" + bytes(40))
    with pytest.raises(ValueError, match="format 9"):
        unpack_statistics(b"\x09" + bytes(40))
