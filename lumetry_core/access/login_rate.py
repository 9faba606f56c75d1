"""How often a login may be tried: a token bucket per user name and client address (contract lumetry 1.7)."""

from datetime import datetime

from lumetry_core.access.rates import SECOND, Buckets, SteadyTime, per_minute, take

KEPT_BUCKETS = 10_000
"""Attempts cost a slow hash, so nobody can push a bucket out before it would have filled up again by itself."""


class LoginRate:
    """Counts attempts in this process."""

    def __init__(self, attempts_per_minute: int) -> None:
        self._buckets = Buckets(per_minute(attempts_per_minute), KEPT_BUCKETS)
        self._time = SteadyTime()

    def admit(self, key: tuple[str, str], now: datetime) -> int:
        """Takes an attempt from the bucket of a lower-cased user name and an address.

        Returns:
            0 when the attempt may be made, else the whole seconds, at least 1, after which the next may be.
        """
        return -(-take([(self._buckets, key)], 1, self._time.read(now)) // SECOND)
