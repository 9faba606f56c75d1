"""How often a client address may ask (contract monitoring 1.6): token buckets, of which idle ones are dropped."""

from collections.abc import Callable
from time import monotonic

from gateway.transcode.failures import Failure, Reason

PER_SECOND = 10.0
BURST = 20.0
KEPT_ADDRESSES = 100_000


class AddressLimits:
    """A bucket for each address. A bucket that is not kept is full."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._full_at: dict[str, float] = {}
        """When each bucket is full again, in the order of their last use."""

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, address: str) -> None:
        """Takes a token.

        Raises:
            Failure: RATE_LIMITED when there is none; then none is taken.
        """
        now = self._clock()
        full_at = max(self._full_at.pop(address, now), now) + 1 / PER_SECOND
        wait = full_at - now - BURST / PER_SECOND
        refused = wait > 1e-9
        self._drop_idle(now)
        self._full_at[address] = full_at - (1 / PER_SECOND if refused else 0.0)
        if refused:
            raise Failure(Reason.RATE_LIMITED, "Too many requests.", metadata={"retry_after_seconds": str(max(1, -int(-wait // 1)))})

    def _drop_idle(self, now: float) -> None:
        # Two for each that comes: full ones go sooner than they come, without anybody looking at all of them.
        for _ in range(2):
            oldest = next(iter(self._full_at), None)
            if oldest is None or (self._full_at[oldest] > now and len(self._full_at) < KEPT_ADDRESSES):
                return
            del self._full_at[oldest]
