from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.baselines.statistics import Statistics, combine, empty, merge, merge_rows, of_points, of_rollup, slide

numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)
moderate = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
groups = st.lists(moderate, min_size=1, max_size=20)


def of_list(values: list[float]) -> Statistics:
    return of_points(np.array(values, np.float64), np.array([0]))


def bits(statistics: Statistics) -> list[bytes]:
    return [column.tobytes() for column in statistics.columns]


def check(statistics: Statistics, values: list[float]) -> None:
    """Compares one element with exact arithmetic over the values."""
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    deviations = sum((value - mean) ** 2 for value in exact)
    size = max(abs(value) for value in values)
    count, found_mean, found_deviations, minimum, maximum = (float(column.reshape(-1)[0]) for column in statistics.columns)
    assert count == pytest.approx(len(values), rel=1e-12)
    assert found_mean == pytest.approx(float(mean), rel=1e-12, abs=1e-12 * size)
    assert found_deviations == pytest.approx(float(deviations), rel=1e-9, abs=1e-12 * size * size)
    assert (minimum, maximum) == (min(values), max(values))


@given(st.lists(groups, min_size=1, max_size=6))
def test_of_points_gives_the_statistics_of_each_group(given_groups: list[list[float]]) -> None:
    """As exact arithmetic does, whatever the other groups are."""
    sizes = [len(group) for group in given_groups]
    values = np.array([value for group in given_groups for value in group])
    found = of_points(values, np.cumsum([0, *sizes[:-1]]))
    for place, group in enumerate(given_groups):
        check(found[place : place + 1], group)
        assert bits(found[place : place + 1]) == bits(of_list(group))


@given(groups, groups)
def test_merge_gives_the_statistics_of_the_union(one: list[float], other: list[float]) -> None:
    """As exact arithmetic does."""
    check(merge(of_list(one), of_list(other)), one + other)


@given(groups)
def test_merge_with_nothing_changes_nothing(values: list[float]) -> None:
    """Empty sets are neutral on both sides, and among themselves."""
    known, nothing = of_list(values), empty(1)
    for found in (merge(known, nothing), merge(nothing, known)):
        assert [column.tolist() for column in found.columns] == [column.tolist() for column in known.columns]
    assert bits(merge(nothing, nothing)) == bits(nothing)


@given(st.lists(st.lists(numbers, min_size=1, max_size=4), min_size=1, max_size=6))
def test_merge_of_any_numbers_gives_no_nan(given_groups: list[list[float]]) -> None:
    """Means stay between minimum and maximum, deviations may be infinite; nothing warns."""
    found = empty(1)
    for group in given_groups:
        found = merge(found, of_list(group))
    count, mean, deviations, minimum, maximum = (float(column[0]) for column in found.columns)
    values = [value for group in given_groups for value in group]
    assert (count, minimum, maximum) == (len(values), min(values), max(values))
    assert minimum <= mean <= maximum
    assert deviations >= 0
    assert found.sigmas[0] >= 0


@given(numbers, st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_merge_of_a_constant_has_no_deviation(value: float, sizes: list[int]) -> None:
    """However often it is merged."""
    found = empty(1)
    for size in sizes:
        found = merge(found, of_list([value] * size))
    assert [column.tolist() for column in found.columns] == [[sum(sizes)], [value], [0.0], [value], [value]]


def test_extremes_of_both_signs() -> None:
    """The mean of the largest numbers is a number."""
    found = of_list([1.7e308, 1.7e308, -1.7e308, -1.7e308])
    assert (found.means[0], found.deviations[0]) == (0.0, np.inf)
    merged = merge(of_list([1.7e308]), of_list([-1.7e308]))
    assert (merged.means[0], merged.deviations[0], merged.sigmas[0]) == (0.0, np.inf, np.inf)


def test_sigmas_are_of_the_population() -> None:
    """The root of the mean squared deviation; 0 for a single value and for none."""
    sigmas = [float(statistics.sigmas[0]) for statistics in (of_list([1, 3]), of_list([5]), empty(1))]
    assert sigmas == [1.0, 0.0, 0.0]


@given(st.integers(1, 40), st.integers(0, 30), st.integers(1, 4), st.integers(0, 2**32))
def test_slide_gives_the_bits_of_each_window_alone(width: int, more: int, columns: int, seed: int) -> None:
    """A window's union depends neither on its neighbours nor on other columns."""
    source = np.random.default_rng(seed)
    shape = (width + more, columns)
    values = source.normal(size=shape)
    counts = source.integers(0, 4, shape).astype(np.float64)
    means = np.where(counts > 0, values, 0.0)
    filled = np.where(counts > 0, 1.0, np.inf)
    rows = Statistics(counts, means, counts * values**2, means - 1 + filled - 1, means + 1 - filled + 1)
    windows = slide(rows, width)
    assert windows.counts.shape == (more + 1, columns)
    for start in range(more + 1):
        for column in range(columns):
            alone = merge_rows(rows[start : start + width, column : column + 1])
            assert bits(windows[start, column : column + 1]) == bits(alone)


@given(st.lists(groups, min_size=1, max_size=9), st.sampled_from([0, 1]))
def test_combine_unites_an_axis(given_groups: list[list[float]], axis: int) -> None:
    """All of them, in two dimensions or one."""
    parts = [of_list(group) for group in given_groups]
    line = Statistics(*(np.concatenate(columns) for columns in zip(*(part.columns for part in parts), strict=True)))
    plane = Statistics(*(np.expand_dims(column, 1 - axis) for column in line.columns))
    values = [value for group in given_groups for value in group]
    check(combine(plane, axis), values)
    assert bits(combine(line, 0)) == bits(combine(plane, axis))
    assert combine(plane, axis).counts.shape == (1,)


def test_combine_of_nothing_is_empty() -> None:
    """An axis without elements leaves empty sets."""
    assert bits(combine(empty((0, 2)), 0)) == bits(empty(2))


@given(st.lists(groups, min_size=1, max_size=6))
def test_of_rollup_gives_what_sums_tell(given_groups: list[list[float]]) -> None:
    """Within what the differences of sums lose; never more than minimum and maximum allow."""
    columns = [np.array(group) for group in given_groups]
    found = of_rollup(
        np.array([len(column) for column in columns], np.float64),
        np.array([column.sum() for column in columns]),
        np.array([(column * column).sum() for column in columns]),
        np.array([column.min() for column in columns]),
        np.array([column.max() for column in columns]),
    )
    for place, column in enumerate(columns):
        size = float(np.abs(column).max())
        assert found.means[place] == pytest.approx(column.mean(), rel=1e-12, abs=1e-12 * size)
        assert found.deviations[place] == pytest.approx(((column - column.mean()) ** 2).sum(), abs=1e-10 * size * size + 1e-12)
        if column.min() == column.max():
            assert (found.means[place], found.deviations[place]) == (column[0], 0.0)


def test_of_rollup_with_overflown_sums() -> None:
    """Means lie between minimum and maximum, deviations within what these allow; an empty bucket stays empty."""
    found = of_rollup(
        np.array([2.0, 2.0, 2.0, 2.0, 0.0]),
        np.array([np.inf, -np.inf, np.nan, 2e200, 0.0]),
        np.array([np.inf, np.inf, np.inf, np.inf, 0.0]),
        np.array([1e308, -1.7e308, -1e308, 0.5e200, 0.0]),
        np.array([1.7e308, -1e308, 1.7e308, 1.5e200, 0.0]),
    )
    assert found.means.tolist() == [1.7e308, -1.7e308, pytest.approx(3.5e307), 1e200, 0.0]
    assert found.deviations.tolist() == [0.0, 0.0, np.inf, np.inf, 0.0]
    assert (found.minima[-1], found.maxima[-1]) == (np.inf, -np.inf)


def test_of_rollup_of_a_constant_does_not_deviate() -> None:
    """Though the sums of its squares round."""
    value = np.array([0.1])
    found = of_rollup(np.array([7.0]), 7 * value, 7 * value * value, value, value)
    assert [column.tolist() for column in found.columns] == [[7.0], [0.1], [0.0], [0.1], [0.1]]
