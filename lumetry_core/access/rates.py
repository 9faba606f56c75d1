"""Token buckets and how large they are: pure, in whole nanoseconds, so that nothing is lost to rounding.

A bucket is one number: the time at which it is full again. It holds `cost` tokens when taking them would not put that time further
away than a full bucket needs to fill.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from lumetry_core.access.model import RateSettings
from lumetry_core.runtime.caller import DIRECT_FAMILY, RateClass
from lumetry_core.runtime.clock import to_ms

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
KEPT_BUCKETS = 100_000
"""Per limit. Those that were used longest ago go first."""
UNKNOWN = -1
"""Only the database can tell how long to wait."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How many tokens a bucket holds, and in how many nanoseconds one flows in. Both 0: no limit."""

    capacity: int
    interval: int


OFF = Limit(0, 0)


def per_second(tokens: int, capacity: int) -> Limit:
    """So many tokens a second; 0: no limit."""
    return Limit(capacity, SECOND // tokens) if tokens else OFF


def per_minute(tokens: int, capacity: int | None = None) -> Limit:
    """So many tokens a minute, as many at once unless said otherwise; 0: no limit."""
    return Limit(tokens if capacity is None else capacity, 60 * SECOND // tokens) if tokens else OFF


def per_hour(tokens: int) -> Limit:
    """So many tokens an hour, as many at once."""
    return Limit(tokens, 3600 * SECOND // tokens)


def scale(limit: Limit, factor: int) -> Limit:
    """A limit so many times as large."""
    return Limit(limit.capacity * factor, limit.interval // factor)


class SteadyTime:
    """Nanoseconds that never run backwards: when the clock is set back they go on from where they were."""

    __slots__ = ("_clock_ms", "set_back")

    def __init__(self) -> None:
        self._clock_ms = 0
        self.set_back = 0
        """What the clock lacks in nanoseconds."""

    def read(self, now: datetime) -> int:
        """The steady time at a time of the clock."""
        clock_ms = to_ms(now)
        if clock_ms < self._clock_ms:
            self.set_back += (self._clock_ms - clock_ms) * MILLISECOND
        self._clock_ms = clock_ms
        return clock_ms * MILLISECOND + self.set_back


class Source(Protocol):
    """The buckets of one limit, wherever their tokens are. Times are in nanoseconds and never run backwards."""

    limit: Limit

    def wait(self, key: Any, cost: int, now: int) -> int:  # noqa: ANN401 -- each source has keys of its own
        """Nanoseconds until `cost` tokens are there, by what is known now; 0: they are there; UNKNOWN."""

    def take(self, key: Any, cost: int, now: int) -> None:  # noqa: ANN401 -- as above
        """Takes tokens that are there; a negative cost gives tokens back."""

    def until_full(self, key: Any, now: int) -> int:  # noqa: ANN401 -- as above
        """Nanoseconds until the bucket is full."""


class Buckets:
    """Buckets in this process's memory, by any key. A bucket that is not kept is full."""

    __slots__ = ("_burst", "_full_times", "_interval", "_kept", "limit")

    def __init__(self, limit: Limit, kept: int = KEPT_BUCKETS) -> None:
        self.limit = limit
        self._interval = limit.interval
        self._burst = limit.capacity * limit.interval
        self._kept = kept
        # In order of their last use.
        self._full_times: dict[Hashable, int] = {}

    def __len__(self) -> int:
        return len(self._full_times)

    def wait(self, key: Hashable, cost: int, now: int) -> int:
        """See `Source`. What costs more than a bucket holds waits for ever."""
        full_time = self._full_times.get(key, now)
        wait = (full_time - now if full_time > now else 0) + cost * self._interval - self._burst
        return max(0, wait)

    def take(self, key: Hashable, cost: int, now: int) -> None:
        """See `Source`."""
        full_time = self._full_times.pop(key, 0)
        if not full_time:
            self._drop_idle(now)
        self._full_times[key] = (max(now, full_time)) + cost * self._interval

    def until_full(self, key: Hashable, now: int) -> int:
        """See `Source`."""
        return max(self._full_times.get(key, now) - now, 0)

    def _drop_idle(self, now: int) -> None:
        # Two for each that comes: what is full goes sooner than it comes, without anybody looking at all of them.
        for _ in range(2):
            oldest = next(iter(self._full_times), None)
            if oldest is None or (self._full_times[oldest] > now and len(self._full_times) < self._kept):
                return
            del self._full_times[oldest]


Draw = tuple[Source, Any]
"""A source and the key of one of its buckets."""


def take(draws: Sequence[Draw], cost: int, now: int) -> int:
    """Takes `cost` tokens from each of the buckets, or from none.

    Returns:
        0: taken; else as `Source.wait`, the longest.
    """
    longest = 0
    for source, key in draws:
        wait = source.wait(key, cost, now)
        if wait and (wait > longest or not longest):
            longest = wait
    if not longest:
        for source, key in draws:
            source.take(key, cost, now)
    return longest


class Level(NamedTuple):
    """What is left in the bucket with the smallest share left. `until_full` in nanoseconds."""

    capacity: int
    tokens: int
    until_full: int


UNLIMITED_TOKENS = 1_000_000
UNLIMITED = Level(UNLIMITED_TOKENS, UNLIMITED_TOKENS, 0)


def read_level(draws: Sequence[Draw], now: int) -> Level:
    """The level of the buckets; that of no limit when all are off (contract logs 1.7)."""
    smallest, smallest_share = UNLIMITED, -1.0
    for source, key in draws:
        capacity, interval = source.limit.capacity, source.limit.interval
        if not capacity:
            continue
        until_full = source.until_full(key, now)
        share = until_full / (capacity * interval)
        if share > smallest_share:
            smallest_share = share
            smallest = Level(capacity, max(capacity - -(-until_full // interval), 0), until_full)
    return smallest


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the calls of some classes of a family may cost together."""

    name: str
    credential: Limit
    organization: Limit
    by_user_and_address: bool = False
    """Whether `credential` counts by user and client address instead, whatever the credential."""
    is_shared: bool = True
    """Whether all cores draw from the same buckets; else each has its own."""


@dataclass(frozen=True, slots=True)
class FamilyLimits:
    """The limits of a contract family."""

    of_class: Mapping[RateClass, Allowance]
    stranger: Limit
    """Of calls without a valid credential, by client address."""


def build_limits(
    settings: RateSettings, *, logs_key_rpm: int, logs_organization_rpm: int, limits_workspace: bool
) -> Mapping[str, FamilyLimits]:
    """The limits of each family by its name.

    Args:
        logs_key_rpm: Calls per minute and credential of the family of logs; 0: no limit.
        logs_organization_rpm: The same per organization.
        limits_workspace: False: the family of the workspace has no limits.
    """
    factor = settings.organization_factor
    other = per_second(settings.other_per_second, 2 * settings.other_per_second)
    ingest = per_second(settings.ingest_per_second, 2 * settings.ingest_per_second)
    general = Allowance("general", other, scale(other, factor))
    logs = Allowance("logs", per_minute(logs_key_rpm), per_minute(logs_organization_rpm))
    monitored = per_second(50, 200)
    monitoring = Allowance("monitoring", monitored, scale(monitored, factor))
    return {
        DIRECT_FAMILY: FamilyLimits(
            {
                RateClass.GENERAL: general,
                RateClass.SENSITIVE: general,
                RateClass.INGEST: Allowance("ingest", ingest, scale(ingest, factor)),
            },
            stranger=other,
        ),
        "logs": FamilyLimits(dict.fromkeys(CHARGED, logs), stranger=per_minute(60)),
        "monitoring": FamilyLimits(dict.fromkeys(CHARGED, monitoring), stranger=monitored),
        "workspace": build_workspace_limits(factor, other) if limits_workspace else NO_LIMITS,
    }


def build_workspace_limits(factor: int, stranger: Limit) -> FamilyLimits:
    """The limits of contract workspace 1.9."""
    calls, sensitive = per_second(20, 100), per_minute(1, 10)
    general = Allowance("workspace", calls, scale(calls, factor), is_shared=False)
    return FamilyLimits(
        {
            RateClass.GENERAL: general,
            RateClass.INGEST: general,
            RateClass.SENSITIVE: Allowance(
                "workspace-sensitive", sensitive, scale(sensitive, factor), by_user_and_address=True, is_shared=False
            ),
        },
        stranger,
    )


INQUIRIES = per_hour(5)
"""Of the public form for inquiries, by client address (contract workspace 1.9)."""
QUESTIONS_OF_STRANGERS = per_minute(10, 5)
"""Of the documentation, by client address (contract workspace 1.9)."""
QUESTIONS_OF_MEMBERS = per_minute(60, 20)
"""Of the documentation, by user (contract workspace 1.9)."""
CHARGED = (RateClass.GENERAL, RateClass.INGEST, RateClass.SENSITIVE)
NO_LIMITS = FamilyLimits(dict.fromkeys(CHARGED, Allowance("off", OFF, OFF, is_shared=False)), stranger=OFF)
