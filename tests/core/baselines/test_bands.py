import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.baselines.bands import CONFIDENCES, ThresholdLike, band, confidence, deviation_percent
from lumetry_core.baselines.statistics import Statistics, empty, of_points

numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)


def of_groups(*groups: list[float]) -> Statistics:
    sizes = [len(group) for group in groups]
    return of_points(np.array([value for group in groups for value in group], np.float64), np.cumsum([0, *sizes[:-1]]))


@pytest.mark.parametrize(
    ("mode", "parameter", "lower", "upper"),
    [
        ("Percentage", 10.0, [90.0, -55.0, 0.0], [110.0, -45.0, 0.0]),
        ("Percentage", 250.0, [-150.0, -175.0, 0.0], [350.0, 75.0, 0.0]),
        ("Stddev", 3.0, [70.0, -50.0, -3.0], [130.0, -50.0, 3.0]),
        ("Envelope", 0.0, [90.0, -50.0, -1.0], [110.0, -50.0, 1.0]),
        ("Envelope", 10.0, [81.0, -55.0, -1.1], [121.0, -45.0, 1.1]),
    ],
)
def test_band_follows_the_contract(mode: ThresholdLike, parameter: float, lower: list[float], upper: list[float]) -> None:
    """Around the mean or the extremes, by absolute values, so that negative means have a band too."""
    found = band(mode, of_groups([90, 110], [-50, -50], [-1, 1]), parameter)
    assert [limits.tolist() for limits in found] == [pytest.approx(lower), pytest.approx(upper)]


def test_band_with_a_parameter_for_each() -> None:
    """Levels of many rules at once."""
    lower, upper = band("Percentage", of_groups([100], [100]), np.array([7.0, 14.0]))
    assert (lower.tolist(), upper.tolist()) == ([93.0, 86.0], [107.0, 114.0])


@pytest.mark.parametrize("mode", ["Percentage", "Stddev", "Envelope"])
def test_band_without_points_holds_everything(mode: ThresholdLike) -> None:
    """No value breaches what nobody knows."""
    lower, upper = band(mode, empty(1), 0.0)
    assert (lower[0], upper[0]) == (-np.inf, np.inf)


@given(st.lists(numbers, min_size=1, max_size=5), st.sampled_from(["Percentage", "Stddev", "Envelope"]), st.floats(0, 1e4))
def test_band_of_any_numbers_is_in_order(values: list[float], mode: ThresholdLike, parameter: float) -> None:
    """Lower is not above upper, infinite perhaps, never NaN; nothing warns."""
    lower, upper = band(mode, of_groups(values), parameter)
    assert lower[0] <= upper[0]


def test_band_of_the_largest_numbers() -> None:
    """What is a number does not become infinite on the way."""
    lower, upper = band("Percentage", of_groups([1e308]), 50.0)
    assert (lower[0], upper[0]) == (0.5e308, 1.5e308)
    lower, upper = band("Stddev", of_groups([-1.7e308, 1.7e308]), 3.0)
    assert (lower[0], upper[0]) == (-np.inf, np.inf)


def test_confidence_by_counts() -> None:
    """None below the minimum, Low from it on, Medium from twice, High from four times; fractions that round are whole."""
    counts = np.array([0.0, 3.9, 4.0, 7.9, 8.0, 15.9, 16.0, 1e9, 3.9999999999])
    found = confidence(counts, 4)
    assert found.dtype == np.int8
    assert [CONFIDENCES[place] for place in found.tolist()] == [None, None, "Low", "Low", "Medium", "Medium", "High", "High", "Low"]


def test_confidence_needs_a_finite_mean() -> None:
    """However many points there are."""
    assert confidence(np.array([9.0, 9.0]), 1, np.array([np.inf, 1.0])).tolist() == [0, 3]


@pytest.mark.parametrize(
    ("actual", "expected", "percent"),
    [
        (0.0, 1.0, -100.0),
        (89.0, 42.0, 111.9),
        (1.0, -2.0, 150.0),
        (1.0, 3.0, -66.67),
        (5.0, 0.0, None),
        (1e308, 1e-300, None),
        (1e308, -1e308, None),
        (math.inf, 1.0, None),
        (1.0, math.inf, None),
        (-0.0, 1e300, -100.0),
    ],
)
def test_deviation_percent_is_relative_to_the_expected_size(actual: float, expected: float, percent: float | None) -> None:
    """To two decimals; None where there is no such number."""
    assert deviation_percent(actual, expected) == percent
    assert deviation_percent(np.float64(actual), np.float64(expected)) == percent


def test_deviation_percent_of_nothing_is_a_plain_zero() -> None:
    """Not a negative one."""
    assert math.copysign(1, deviation_percent(-1e-9 + 1, 1.0) or 0.0) == 1
