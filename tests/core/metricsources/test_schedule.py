"""When sources are polled."""

from datetime import UTC, datetime, timedelta

from lumetry_core.metricsources.schedule import end_lease, end_patience, plan_first, plan_missed, plan_next, poll_budget

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


def test_plan_first_polls_within_two_seconds() -> None:
    """Whoever saves a source sees soon what it gives."""
    assert [plan_first(NOW, chance) for chance in (0.0, 1.0)] == [NOW, NOW + timedelta(seconds=2)]


def test_plan_next_keeps_to_the_place_of_the_source() -> None:
    """Polls follow in the interval, however late one was."""
    first = plan_next(7, NOW, 60)
    assert timedelta(0) < first - NOW <= timedelta(seconds=60)
    assert plan_next(7, first, 60) == first + timedelta(seconds=60)
    assert plan_next(7, first + timedelta(seconds=59), 60) == first + timedelta(seconds=60)
    assert plan_next(7, first + timedelta(minutes=30, seconds=1), 60) == first + timedelta(minutes=31)


def test_plan_next_spreads_sources_over_the_interval() -> None:
    """Five hundred sources that were saved together do not poll together: no second of the minute has more than thirty."""
    seconds = [(plan_next(number, NOW, 60) - NOW) // timedelta(seconds=1) for number in range(1, 501)]
    assert max(seconds.count(second) for second in range(61)) < 30
    assert len(set(seconds)) > 50


def test_plan_missed_is_soon_even_of_long_intervals() -> None:
    """What nobody polled for a while is polled within a minute, at its place if that comes before."""
    assert plan_missed(7, NOW, 86_400, 0.5) <= NOW + timedelta(seconds=30)
    assert plan_missed(7, NOW, 10, 1.0) == plan_next(7, NOW, 10)


def test_budget_is_bounded() -> None:
    """A poll ends before the lease of a collector does, and its claim outlives it."""
    assert [poll_budget(10, 1), poll_budget(10, 5), poll_budget(60, 50)] == [10.0, 50.0, 55.0]
    assert end_lease(NOW, 60, 50) == NOW + timedelta(seconds=85)


def test_patience_ends_before_the_next_poll() -> None:
    """What no collector has taken makes room for the next."""
    assert [end_patience(NOW, seconds) - NOW for seconds in (10, 86_400)] == [timedelta(seconds=10), timedelta(seconds=90)]
