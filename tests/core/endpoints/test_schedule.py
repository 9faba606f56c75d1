from datetime import UTC, datetime, timedelta

import pytest

from lumetry_core.endpoints.schedule import end_lease, plan_claimed, plan_first, plan_next

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 0.0), (0.5, 0.5), (0.9999, 0.999)])
def test_plan_first_is_at_once(chance: float, expected: float) -> None:
    """Within a second."""
    assert plan_first(NOW, chance) == NOW + seconds(expected)


@pytest.mark.parametrize("due", [NOW + seconds(0.8), NOW, NOW - seconds(1)])
def test_plan_claimed_keeps_what_is_on_time(due: datetime) -> None:
    """What is due about now is made when it is due."""
    assert plan_claimed(due, NOW, 30, 0.7) == due


@pytest.mark.parametrize(("interval", "expected"), [(30, 15), (5, 2.5), (3600, 15)])
def test_plan_claimed_spreads_what_nobody_made(interval: int, expected: float) -> None:
    """After an absence all are overdue: they are spread over an interval, at most half a minute."""
    assert plan_claimed(NOW - seconds(600), NOW, interval, 0.5) == NOW + seconds(expected)


@pytest.mark.parametrize(
    ("behind", "expected"),
    [(0.2, 29.8), (12, 18), (30, 30), (31, 29), (95, 25), (-0.5, 30.5)],
)
def test_plan_next_stays_on_the_grid(behind: float, expected: float) -> None:
    """Checks that take long, or begin late, move no later one; what was missed is passed over."""
    assert plan_next(NOW - seconds(behind), NOW, 30) == NOW + seconds(expected)


def test_end_lease_outlives_the_check() -> None:
    """Nobody else makes a check that may still end."""
    assert end_lease(NOW, 10) == NOW + seconds(40)
