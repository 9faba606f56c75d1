from datetime import UTC, datetime, timedelta

from lumetry_core.access.login_rate import KEPT_BUCKETS, LoginRate

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


def test_admit_ten_at_once() -> None:
    """A full bucket gives its size, then one attempt per refill; another address has its own."""
    rate = LoginRate(10)
    assert [rate.admit(("ann", "192.0.2.1"), NOW) for _ in range(11)] == [0] * 10 + [6]
    assert rate.admit(("ann", "192.0.2.2"), NOW) == 0
    assert rate.admit(("ann", "192.0.2.1"), NOW + timedelta(seconds=5)) == 1
    assert rate.admit(("ann", "192.0.2.1"), NOW + timedelta(seconds=6)) == 0
    assert rate.admit(("ann", "192.0.2.1"), NOW + timedelta(seconds=6)) == 6


def test_admit_with_a_clock_set_back() -> None:
    """Time that runs backwards neither fills nor empties a bucket."""
    rate = LoginRate(1)
    assert rate.admit(("ann", ""), NOW) == 0
    assert rate.admit(("ann", ""), NOW - timedelta(hours=1)) == 60


def test_admit_forgets_the_oldest() -> None:
    """Memory is bounded: the bucket that was used longest ago goes first."""
    rate = LoginRate(1)
    rate.admit(("ann", ""), NOW)
    for number in range(KEPT_BUCKETS):
        rate.admit((str(number), ""), NOW)
    assert rate.admit(("ann", ""), NOW) == 0
    assert rate.admit((str(KEPT_BUCKETS - 1), ""), NOW) == 60
