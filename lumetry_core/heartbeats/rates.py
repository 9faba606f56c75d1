"""How often pings may come (contract monitoring 1.6): token buckets in this process, by heartbeat and, for strangers, by address."""

from datetime import datetime

from lumetry_core.access.rates import SECOND, Buckets, SteadyTime, per_second, take

PER_SECOND, BURST = 10, 20
KEPT_BUCKETS = 100_000
"""A bucket that is full is dropped, as it would start full; that is two seconds after its last ping."""


class PingRates:
    """Counts pings. What it answers are whole seconds to wait; 0: the ping may come in."""

    def __init__(self) -> None:
        self._known = Buckets(per_second(PER_SECOND, BURST), KEPT_BUCKETS)
        self._strangers = Buckets(per_second(PER_SECOND, BURST), KEPT_BUCKETS)
        self._time = SteadyTime()

    def admit(self, uuid: str, now: datetime) -> int:
        """Takes one from the bucket of a heartbeat."""
        return -(-take([(self._known, uuid)], 1, self._time.read(now)) // SECOND)

    def admit_stranger(self, address: str, now: datetime) -> int:
        """Takes one from the bucket of an address whose ping has no heartbeat."""
        return -(-take([(self._strangers, address)], 1, self._time.read(now)) // SECOND)
