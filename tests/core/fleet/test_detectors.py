import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.fleet.detectors import judge_past, judge_peers
from lumetry_core.fleet.model import Judged
from lumetry_core.metrics.fleet_contract import DeviationConfig, FleetDirection

LARGEST = 1.7976931348623157e308
PEER = DeviationConfig(3.5)


def peers(values: list[float], config: DeviationConfig = PEER, groups: list[int] | None = None, least: int = 3) -> tuple[Judged, Any]:
    of_group = np.array(groups or [0] * len(values), np.int64)
    return judge_peers(np.array(values), of_group, int(of_group.max(initial=-1)) + 1, least, config)


def past(value: float, mean: float, sigma: float, config: DeviationConfig, count: float = 10) -> Judged:
    return judge_past(np.array([value]), np.array([count]), np.array([mean]), np.array([sigma]), 4, config)


def rows(judged: Judged) -> list[tuple[Any, ...]]:
    columns = (judged.expected, judged.lower, judged.upper, judged.scores, judged.deviations)
    numbers = [[None if np.isnan(number) else round(float(number), 6) for number in column] for column in columns]
    return list(zip(judged.is_judged.tolist(), judged.is_outlier.tolist(), judged.is_critical.tolist(), *numbers, strict=True))


def test_judge_peers_compares_with_the_median() -> None:
    """The host at 89 in a farm at about 42 is the only outlier; limits, score and deviation follow the formulas."""
    judged, groups = peers([40.0, 42.0, 44.0, 43.0, 89.0])
    width = 3.5 * 1 / 0.6745
    lower, upper = 43 - max(width, 8.6), 43 + max(width, 8.6)
    assert rows(judged) == [
        (True, False, False, 43.0, lower, upper, round(0.6745 * -3 / 1, 6), round(-3 / 43 * 100, 6)),
        (True, False, False, 43.0, lower, upper, round(0.6745 * -1 / 1, 6), round(-1 / 43 * 100, 6)),
        (True, False, False, 43.0, lower, upper, round(0.6745 * 1 / 1, 6), round(1 / 43 * 100, 6)),
        (True, False, False, 43.0, lower, upper, 0.0, 0.0),
        (True, True, False, 43.0, lower, upper, round(0.6745 * 46 / 1, 6), round(46 / 43 * 100, 6)),
    ]
    assert (groups.counts.tolist(), groups.medians.tolist(), groups.mads.tolist()) == ([5], [43.0], [1.0])
    assert (groups.lower.tolist(), groups.upper.tolist()) == ([lower], [upper])


def test_judge_peers_takes_the_mean_of_two_middle_values() -> None:
    """Even counts have their median between the two middle values."""
    _, groups = peers([1.0, 2.0, 4.0, 10.0])
    assert (groups.medians.tolist(), groups.mads.tolist()) == ([3.0], [1.5])


def test_judge_peers_keeps_groups_apart() -> None:
    """Members are compared within their own group; one that is too small is not judged and has no limits."""
    judged, groups = peers([10.0, 100.0, 10.0, 100.0, 10.0, 100.0, 7.0, 9.0], groups=[0, 1, 0, 1, 0, 1, 2, 2])
    assert judged.is_judged.tolist() == [True] * 6 + [False] * 2
    assert not judged.is_outlier.any()
    assert groups.counts.tolist() == [3, 3, 2]
    assert groups.medians.tolist() == [10.0, 100.0, 8.0]
    assert np.isnan(groups.upper).tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("config", "value", "expected"),
    [
        (DeviationConfig(3.5, min_deviation_percent=20.0), 120.0, False),
        (DeviationConfig(3.5, min_deviation_percent=20.0), 120.01, True),
        (DeviationConfig(3.5, min_deviation_percent=0.0, min_absolute_deviation=30.0), 130.0, False),
        (DeviationConfig(3.5, min_deviation_percent=0.0, min_absolute_deviation=30.0), 130.01, True),
        (DeviationConfig(3.5, direction=FleetDirection.BELOW), 1000.0, False),
        (DeviationConfig(3.5, direction=FleetDirection.BELOW), 70.0, True),
        (DeviationConfig(3.5, direction=FleetDirection.ABOVE), 70.0, False),
    ],
)
def test_judge_peers_minds_least_deviation_and_direction(config: DeviationConfig, value: float, expected: bool) -> None:
    """On a limit is not beyond it, and only the configured side counts."""
    judged, _ = peers([100.0, 100.0, 100.0, value], config)
    assert judged.is_outlier.tolist() == [False, False, False, expected]


def test_judge_peers_is_critical_beyond_the_critical_threshold_only() -> None:
    """The critical threshold counts scaled deviations; where these are zero there is no score, and nothing is critical."""
    config = DeviationConfig(3.5, critical_threshold=10.0)
    judged, _ = peers([40.0, 42.0, 44.0, 43.0, 55.0, 89.0, 44.0], config)
    assert judged.is_outlier.tolist() == [False] * 4 + [True, True, False]
    assert judged.is_critical.tolist() == [False] * 5 + [True, False]
    judged, _ = peers([42.0, 42.0, 42.0, 89.0], config)
    assert rows(judged)[3] == (True, True, False, 42.0, 42 - 8.4, 50.4, None, round(47 / 42 * 100, 6))


def test_judge_peers_finds_nothing_among_equals() -> None:
    """All-equal peers, zeros among them, are never outliers."""
    for value in (0.0, 1.0, -3.5, 5e-324, LARGEST, -LARGEST):
        judged, groups = peers([value] * 7, DeviationConfig(3.5, min_deviation_percent=0.0))
        assert not judged.is_outlier.any()
        assert groups.medians.tolist() == [value]
        assert groups.mads.tolist() == [0.0]


def test_judge_peers_takes_the_largest_numbers() -> None:
    """A member at the largest number stands out as any other does, and what cannot be written as a number is left out."""
    judged, groups = peers([1e308, 1e308, 1.1e308, -1.7e308])
    assert judged.is_outlier.tolist() == [False, False, False, True]
    assert judged.expected.tolist() == [1e308] * 4
    assert judged.deviations[3] == pytest.approx(-270)
    assert np.isfinite(groups.lower).all()
    assert np.isnan(peers([LARGEST] * 3)[1].upper).all()


def test_judge_peers_takes_nobody() -> None:
    """Without members there are neither answers nor warnings; a single member is never compared, whatever the least number says."""
    judged, groups = peers([])
    assert (len(judged.expected), len(groups.counts)) == (0, 0)
    assert not peers([5.0], least=1)[0].is_outlier.any()


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, 5e-324, -5e-324, LARGEST, -LARGEST, 1e308, 1.0])
configs = st.builds(
    DeviationConfig,
    st.floats(0.01, 1e6),
    critical_threshold=st.none() | st.floats(0.01, 1e6),
    min_deviation_percent=st.floats(0, 1e6),
    min_absolute_deviation=st.floats(0, 1e308),
    direction=st.sampled_from(FleetDirection),
)


def check(judged: Judged) -> None:
    """Numbers are finite or left out, an outlier was judged, a critical one is an outlier."""
    for column in (judged.expected, judged.lower, judged.upper, judged.scores, judged.deviations):
        assert not np.isinf(column).any()
    assert not (judged.is_outlier & ~judged.is_judged).any()
    assert not (judged.is_critical & ~judged.is_outlier).any()


@given(st.lists(st.tuples(numbers, st.integers(0, 2)), max_size=12), configs)
def test_judge_peers_gives_no_infinity(members: list[tuple[float, int]], config: DeviationConfig) -> None:
    """Whatever the values, there is no infinity in an answer and no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        judged, groups = peers([value for value, _ in members], config, [group for _, group in members])
    check(judged)
    for column in (groups.medians, groups.mads, groups.lower, groups.upper):
        assert not np.isinf(column).any()


@given(st.lists(st.integers(-1000, 1000), min_size=3, max_size=30), st.floats(0.1, 10), st.floats(0, 100))
def test_judge_peers_never_calls_half_of_a_group_outliers(values: list[int], threshold: float, percent: float) -> None:
    """More than half of the members are within one MAD of the median, so no threshold of that or more makes a storm."""
    config = DeviationConfig(max(threshold, 0.7), min_deviation_percent=percent)
    judged, _ = peers([float(value) for value in values], config)
    assert judged.is_outlier.sum() * 2 <= len(values)


@given(st.lists(st.integers(-1000, 1000), min_size=3, max_size=30), configs)
def test_judge_peers_does_not_mind_scaling(values: list[int], config: DeviationConfig) -> None:
    """Numbers so large that they must be scaled are judged like small ones."""
    plain = DeviationConfig(config.threshold, config.critical_threshold, config.min_deviation_percent, 0.0, config.direction)
    small, _ = peers([float(value) for value in values], plain)
    large, _ = peers([value * 2.0**1010 for value in values], plain)
    assert small.is_outlier.tolist() == large.is_outlier.tolist()
    assert small.is_critical.tolist() == large.is_critical.tolist()


def test_judge_past_compares_with_what_was_learned() -> None:
    """A member at twice its own norm is an outlier; the least known points decide whether it is judged at all."""
    config = DeviationConfig(3.0, critical_threshold=10.0)
    assert rows(past(89.0, 42.0, 2.0, config)) == [(True, True, True, 42.0, 33.6, 50.4, 23.5, round(47 / 42 * 100, 6))]
    assert rows(past(89.0, 42.0, 2.0, config, count=3)) == [(False, False, False, None, None, None, None, None)]
    assert rows(past(50.0, 42.0, 4.0, config)) == [(True, False, False, 42.0, 30.0, 54.0, 2.0, round(8 / 42 * 100, 6))]
    assert rows(past(1.0, 0.0, 0.0, config)) == [(True, True, False, 0.0, 0.0, 0.0, None, None)]


@given(numbers, numbers, st.floats(0, allow_nan=False), configs)
def test_judge_past_gives_no_infinity(value: float, mean: float, sigma: float, config: DeviationConfig) -> None:
    """Whatever was learned, there is no infinity in an answer and no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(past(value, mean, sigma, config))
