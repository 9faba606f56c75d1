"""When an endpoint is checked. All decisions about time are here; the worker only asks."""

from datetime import datetime, timedelta

FIRST_JITTER_SECONDS = 1.0
"""Contract monitoring 5.4: the first check is made at once, and at once is within so long."""
OVERDUE = timedelta(seconds=1)
"""A check that is later than so, because nobody was there to make it, is spread instead of made at once."""
SPREAD_SECONDS = 30.0
LEASE = timedelta(seconds=30)
"""A claim outlives its check by so long: then whoever claimed it is gone, and another may."""
RETRY = timedelta(seconds=2)
"""After a check that a fault of ours kept from a result."""


def plan_first(now: datetime, chance: float) -> datetime:
    """When a new or changed endpoint is checked; `chance` is between 0 and 1."""
    return now + timedelta(milliseconds=int(chance * FIRST_JITTER_SECONDS * 1000))


def plan_claimed(due: datetime, now: datetime, interval_seconds: int, chance: float) -> datetime:
    """When a claimed check is really made: as due, or, of many that nobody made for a while, spread over an interval."""
    if now - due <= OVERDUE:
        return due
    return now + timedelta(milliseconds=int(chance * min(interval_seconds, SPREAD_SECONDS) * 1000))


def plan_next(planned: datetime, now: datetime, interval_seconds: int) -> datetime:
    """The first time after now on the grid of the planned one, so that intervals do not drift; what was missed is passed over."""
    interval = timedelta(seconds=interval_seconds)
    behind = max((now - planned) // interval, 0)
    return planned + interval * (behind + 1)


def end_lease(planned: datetime, timeout_seconds: int) -> datetime:
    """When a claim is void."""
    return planned + timedelta(seconds=timeout_seconds) + LEASE
