"""How often a login may be tried: a token bucket per user name and client address (contract lumetry 1.7)."""

import math
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

KEPT_BUCKETS = 10_000
"""Attempts cost a slow hash, so nobody can push a bucket out before it would have filled up again by itself."""


@dataclass(slots=True)
class Bucket:
    """What is left of the attempts of one name and address."""

    tokens: float
    filled_time: datetime


class LoginRate:
    """Counts attempts in this process."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[tuple[str, str], Bucket] = OrderedDict()

    def admit(self, key: tuple[str, str], now: datetime) -> int:
        """Takes an attempt from the bucket of a lower-cased user name and an address.

        Returns:
            0 when the attempt may be made, else the whole seconds, at least 1, after which the next may be.
        """
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(float(self._per_minute), now)
            if len(self._buckets) > KEPT_BUCKETS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        passed_seconds = max((now - bucket.filled_time).total_seconds(), 0.0)
        bucket.tokens = min(bucket.tokens + passed_seconds * self._per_minute / 60, float(self._per_minute))
        bucket.filled_time = now
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0
        return max(math.ceil((1 - bucket.tokens) * 60 / self._per_minute), 1)
