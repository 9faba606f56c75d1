"""When a source is polled. All decisions about time are here; the worker only asks.

Every source has its own place in its interval, which follows from its number: sources that were saved together, or that waited together
while nobody was there, drift apart with their next poll and stay apart.
"""

import hashlib
from datetime import datetime, timedelta

from lumetry_core.runtime.clock import from_ms, to_ms

FIRST_JITTER = timedelta(seconds=2)
"""A saved source is polled within so long: whoever saved it wants to see."""
OVERDUE = timedelta(seconds=10)
"""What is later than so when a core starts waited because nobody was there, and is spread."""
SPREAD = timedelta(seconds=60)
LEASE_SLACK = timedelta(seconds=30)
"""A claim outlives its poll by so long: then whoever claimed it is gone, and another may."""
RETRY = timedelta(seconds=5)
"""After a poll that a fault of ours kept from a result."""
MAX_POLL_SECONDS = 55.0
"""A whole poll, as a collector's lease ends after 60 s."""
COLLECTOR_PATIENCE = timedelta(seconds=90)
"""So long a collector's poll waits for it, unless the next one is due before."""


def plan_first(now: datetime, chance: float) -> datetime:
    """When a new or changed source is polled; `chance` is between 0 and 1."""
    return now + chance * FIRST_JITTER


def plan_next(source_id: int, now: datetime, interval_seconds: int) -> datetime:
    """The next time of the source's own place in its interval; what was missed is passed over."""
    interval_ms = interval_seconds * 1000
    digest = hashlib.blake2b(source_id.to_bytes(8, "little"), digest_size=8).digest()
    place = int.from_bytes(digest, "little") % interval_ms
    periods = (to_ms(now) - place) // interval_ms + 1
    return from_ms(place + periods * interval_ms)


def plan_missed(source_id: int, now: datetime, interval_seconds: int, chance: float) -> datetime:
    """When a source is polled that nobody polled for a while: at its place, but soon."""
    return min(plan_next(source_id, now, interval_seconds), now + chance * SPREAD)


def poll_budget(timeout_seconds: int, item_count: int) -> float:
    """Seconds that a whole poll may take: its items one after the other, within bounds."""
    return min(float(timeout_seconds * item_count), MAX_POLL_SECONDS)


def end_lease(now: datetime, timeout_seconds: int, item_count: int) -> datetime:
    """When a claim is void."""
    return now + timedelta(seconds=poll_budget(timeout_seconds, item_count)) + LEASE_SLACK


def end_patience(now: datetime, interval_seconds: int) -> datetime:
    """When a poll is given up that no collector has taken."""
    return now + min(COLLECTOR_PATIENCE, timedelta(seconds=interval_seconds))
