"""What conditions see on cycles, against the same said the naive way."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.baselines.statistics import empty, of_points
from lumetry_core.evaluation.compile import fixed_limits
from lumetry_core.evaluation.limits import UNLIMITED, Learning, Limits
from lumetry_core.evaluation.readings import (
    Condition,
    Seen,
    find_breaches,
    find_newest,
    order_members,
    read_condition,
    see,
)
from lumetry_core.rules.model import AlertLevel, Direction, RuleType, Severity, Strategy, ThresholdMode, resolve_level

LEVEL = AlertLevel(10, Severity.WARNING)
STATIC = Strategy(
    metric_key="load",
    type=RuleType.STATIC,
    threshold_mode=None,
    direction=Direction.ABOVE,
    tolerance_percent=None,
    stddev_multiplier=None,
    static_upper=10.0,
    static_lower=None,
    scope={},
)
DYNAMIC = replace(STATIC, type=RuleType.DYNAMIC, threshold_mode=ThresholdMode.PERCENTAGE, tolerance_percent=50.0, static_upper=None)


def fixed(**fields: object) -> Condition:
    strategy = replace(STATIC, **fields)  # type: ignore[arg-type]
    return Condition(strategy, fixed_limits((resolve_level(strategy, LEVEL),)))


def learned(direction: Direction = Direction.ABOVE) -> Condition:
    learning = Learning(
        profile_id=1,
        half=2,
        minimum_points=2,
        mode=ThresholdMode.PERCENTAGE,
        direction=direction,
        parameters=(50.0,),
        recovery_parameter=50.0,
    )
    return Condition(replace(DYNAMIC, direction=direction), learning)


points = st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 40)), max_size=40)


@given(points, st.lists(st.integers(-10, 50), max_size=6).map(sorted), st.integers(1, 30))
def test_find_newest_as_one_would_look(given_points: list[tuple[int, int]], cycles: list[int], window: int) -> None:
    """Of each member the newest point of (T - window, T], the first given of several at one time."""
    members = np.array([member for member, _ in given_points], np.int64)
    times = np.array([time for _, time in given_points], np.int64)
    expected = []
    for cycle in cycles:
        row = []
        for member in range(4):
            seen = [place for place, (of, time) in enumerate(given_points) if of == member and cycle - window < time <= cycle]
            newest = max((given_points[place][1] for place in seen), default=None)
            row.append(next((place for place in seen if given_points[place][1] == newest), -1))
        expected.append(row)
    found = find_newest(np.array(cycles, np.int64), window, members, times, 4)
    assert found.shape == (len(cycles), 4)
    assert found.tolist() == expected


def test_find_newest_at_the_ends_of_the_window() -> None:
    """A point at the cycle's time is seen, one that is exactly a window old is not, nor one of the future."""
    found = find_newest(np.array([100]), 10, np.array([0, 1, 2, 3]), np.array([100, 90, 91, 101]), 4)
    assert found.tolist() == [[0, -1, 2, -1]]


def test_order_members_by_dimension_key() -> None:
    """Columns ascend by dimension key, None first; series of one member share one."""
    assert order_members({5: "host=b", 6: None, 7: "host=a", 8: "host=b"}) == ([None, "host=a", "host=b"], {5: 2, 6: 0, 7: 1, 8: 2})


@pytest.mark.parametrize(
    ("fields", "breaching"),
    [
        ({}, [False, False, True, False]),
        ({"direction": Direction.BELOW, "static_upper": None, "static_lower": 10.0}, [True, False, False, False]),
        ({"direction": Direction.BOTH, "static_lower": 10.0}, [True, False, True, False]),
    ],
)
def test_find_breaches_of_fixed_limits(fields: dict[str, object], breaching: list[bool]) -> None:
    """A value beyond a limit of the direction breaches, one on it does not, and a member without a point never does."""
    reading = read_condition(fixed(**fields), ["a", "b", "c", "d"], np.array([[0, 1, 2, -1]]), np.array([9.0, 10.0, 11.0]))
    assert find_breaches(reading).tolist() == [breaching]
    assert reading.is_judged.tolist() == [[True, True, True, False]]


def test_read_condition_without_points() -> None:
    """Nothing stored at all is nothing seen."""
    reading = read_condition(fixed(), [], np.zeros((2, 0), np.int64), np.zeros(0))
    assert find_breaches(reading).shape == (2, 0)


def test_read_condition_by_what_was_learned() -> None:
    """Limits come from each member's own pool; members of which too little is known are disregarded."""
    pools = of_points(np.array([10.0, 10.0, 20.0, 20.0, 20.0, 20.0, 30.0]), np.array([0, 2, 6]))
    reading = read_condition(learned(), ["a", "b", "c", "d"], np.array([[0, 1, 2, -1]]), np.array([16.0, 16.0, 99.0]), pools)
    assert reading.is_judged.tolist() == [[True, True, False, False]]
    assert find_breaches(reading).tolist() == [[True, False, False, False]]
    assert see(reading, 0, 0) == Seen(
        "a",
        16.0,
        Limits((-UNLIMITED,), (15.0,), -UNLIMITED, 15.0, shown=((5.0, 15.0),), expected=10.0, confidence="Low"),
    )
    assert see(reading, 0, 1).limits.confidence == "Medium"


def test_read_condition_by_what_was_learned_needs_it() -> None:
    """Forgetting what was learned is a fault of the program, nothing learned is none."""
    with pytest.raises(ValueError, match="needs what was learned"):
        read_condition(learned(), ["a"], np.array([[0]]), np.array([1.0]))
    reading = read_condition(learned(Direction.BOTH), ["a"], np.array([[0]]), np.array([1.0]), empty(1))
    assert (reading.is_judged.tolist(), find_breaches(reading).tolist()) == ([[False]], [[False]])
