import pytest

from gateway.statuspage.limits import AddressLimits
from gateway.transcode.failures import Failure, Reason


class Time:
    """A clock that moves when told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_take_burst_and_rate() -> None:
    """Twenty at once, then ten a second; a refusal takes nothing and says how long to wait; addresses do not disturb each other."""
    time = Time()
    limits = AddressLimits(time)
    for _ in range(20):
        limits.take("192.0.2.1")
    for _ in range(3):
        with pytest.raises(Failure) as caught:
            limits.take("192.0.2.1")
        assert (caught.value.reason, caught.value.retry_after_seconds) == (Reason.RATE_LIMITED, 1)
    limits.take("192.0.2.2")
    time.now += 0.1
    limits.take("192.0.2.1")
    with pytest.raises(Failure):
        limits.take("192.0.2.1")
    time.now += 1.0
    for _ in range(10):
        limits.take("192.0.2.1")
    with pytest.raises(Failure):
        limits.take("192.0.2.1")


def test_forget_idle_addresses() -> None:
    """Buckets that are full again are dropped while others come, so strangers do not fill the memory."""
    time = Time()
    limits = AddressLimits(time)
    for number in range(500):
        limits.take(f"2001:db8::{number:x}")
    assert len(limits) == 500
    time.now += 60
    for number in range(300):
        time.now += 1
        limits.take(f"198.51.100.{number % 3}")
    assert len(limits) <= 10
