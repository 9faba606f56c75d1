"""A baseline as evaluation holds it: what was learned, what is yet to be learned, and pools worked out once (contract lumetry 9.1).

A point judges by what its member learned up to whole minutes before it: all points that are more than the grace period older than its
minute. So limits do not depend on the order of arrival within the grace period, nor on how points are cut into chunks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lumetry_core.baselines.candidates import Candidates, join
from lumetry_core.baselines.service.keeping import Baseline
from lumetry_core.baselines.statistics import Statistics, empty
from lumetry_core.baselines.weeks import WeekClock
from lumetry_core.metrics.model import Integers

MINUTE_MS = 60_000
NO_MINUTE = -(1 << 62)
NO_TIME = 1 << 62
SAFE_MS = 6 * 86_400_000
"""Points closer together than this do not meet in a pool by way of the week."""
KEPT_MINUTES = 60


def learning_delay(grace_ms: int) -> int:
    """Whole minutes by which learning stays behind a point's minute: the grace period, rounded up."""
    return -(-grace_ms // MINUTE_MS)


@dataclass(slots=True, eq=False)
class Pools:
    """The last pool of each member for one half width, with the minute that it is for. A pool never changes once it was asked for."""

    minutes: Integers
    statistics: Statistics

    def reserve(self, members: int) -> None:
        """Makes room."""
        missing = members - len(self.minutes)
        if missing > 0:
            missing = max(missing, len(self.minutes))
            self.minutes = np.concatenate((self.minutes, np.full(missing, NO_MINUTE)))
            self.statistics = join_statistics(self.statistics, empty(missing))


@dataclass(slots=True, eq=False)
class HeldBaseline:
    """A baseline under evaluation.

    Args:
        baseline: What was learned and what waits.
        clock: Of the profile's time zone.
        minimum_points: Of the profile.
        exclusions: Periods [start, end) in ms that are not learned.
        new_members: Members that the store does not know yet, with their dimension keys.
        members: The member of each evaluation series of the metric, by its ordinal; -1 where it is not known, and
        slots: its slot.
    """

    baseline: Baseline
    clock: WeekClock
    minimum_points: int
    exclusions: Sequence[tuple[int, int]] = ()
    new_members: list[tuple[int, str | None]] = field(default_factory=list)
    members: Integers = field(default_factory=lambda: np.full(1, -1, np.int64))
    slots: Integers = field(default_factory=lambda: np.full(1, -1, np.int64))
    pools: dict[int, Pools] = field(default_factory=dict)
    advanced_minute: int = NO_MINUTE
    waiting: list[Candidates] = field(default_factory=list)
    """Points that the baseline will take up with the next ones that are needed at once."""
    oldest_waiting: int = NO_TIME

    def __post_init__(self) -> None:
        self.oldest_waiting = int(self.baseline.pending.times_ms.min(initial=NO_TIME))

    def place(self, ordinal: int, slot: int, dimension_key: str | None) -> None:
        """Notes which member an evaluation series of the metric is; one that is new gets a number."""
        learned = self.baseline.learned
        member = learned.find_member(dimension_key)
        if member is None:
            member = learned.add_member(dimension_key)
            self.new_members.append((member, dimension_key))
        missing = ordinal + 1 - len(self.members)
        if missing > 0:
            more = np.full(max(missing, len(self.members)), -1)
            self.members, self.slots = np.concatenate((self.members, more)), np.concatenate((self.slots, more))
        self.members[ordinal], self.slots[ordinal] = member, slot

    def take(self, candidates: Candidates) -> None:
        """Takes up evaluated points of this baseline."""
        self.waiting.append(candidates)
        self.oldest_waiting = min(self.oldest_waiting, int(candidates.times_ms.min(initial=NO_TIME)))

    def settle(self) -> Baseline:
        """The baseline with all points that wait."""
        if self.waiting:
            self.baseline.take(join(self.waiting))
            self.waiting.clear()
        return self.baseline

    def pools_of(self, half: int) -> Pools:
        """The pools of a half width, with room for all members."""
        pools = self.pools.get(half)
        if pools is None:
            pools = self.pools[half] = Pools(np.full(1, NO_MINUTE), empty(1))
        pools.reserve(len(self.baseline.learned.members))
        return pools

    def is_due(self, newest_of_slot: Integers, grace_ms: int) -> bool:
        """Whether a minute has passed since `advance` was called last."""
        return int(self.boundaries(newest_of_slot, grace_ms).max(initial=NO_MINUTE)) > self.advanced_minute

    def advance(self, newest_of_slot: Integers, grace_ms: int) -> None:
        """Learns what is old enough by now; `newest_of_slot` is the newest time of each slot."""
        boundaries = self.boundaries(newest_of_slot, grace_ms)
        baseline = self.settle()
        baseline.advance(boundaries, self.exclusions, self.clock)
        self.oldest_waiting = int(baseline.pending.times_ms.min(initial=NO_TIME))
        self.advanced_minute = int(boundaries.max(initial=NO_MINUTE))

    def is_one_pass(self, first: int, last: int) -> bool:
        """Whether neither points between two times nor points that wait can meet in a pool by way of the week or of a repeated hour."""
        first = min(first, self.oldest_waiting)
        return last - first < SAFE_MS and self.clock.is_ascending(first, last)

    def hours_needed(self, times: Integers, newest_of_slot: Integers, half: int, grace_ms: int, *, has_late: bool) -> set[int]:
        """The hours of the week that judging points, and learning before and meanwhile, touch and that are not loaded."""
        learned = self.baseline.learned
        hours = learned.hours_needed(np.unique(self.clock.minutes_of_week(times)), half)
        if has_late or half > learning_delay(grace_ms) or not self.is_one_pass(int(times.min()), int(times.max())):
            hours |= learned.hours_needed(self.clock.minutes_of_week(self.settle().pending.times_ms), 0)
        elif self.is_due(newest_of_slot, grace_ms):
            hours |= self.settle().due_hours(self.boundaries(newest_of_slot, grace_ms), self.exclusions, self.clock)
        return learned.missing_hours(hours)

    def drop_idle_hours(self) -> None:
        """Forgets saved hours of the week that are not near the newest points."""
        minute = self.advanced_minute
        if minute > NO_MINUTE:
            half = max(self.pools, default=0)
            near = self.clock.minutes_of_week(np.array([minute - MINUTE_MS * KEPT_MINUTES, minute, minute + MINUTE_MS * KEPT_MINUTES]))
            self.baseline.learned.drop_idle_hours(self.baseline.learned.hours_needed(near, half))

    def boundaries(self, newest_of_slot: Integers, grace_ms: int) -> Integers:
        """For each member the time before which everything may be learned: no point that can still be judged looks further back."""
        boundaries = np.full(len(self.baseline.learned.members), NO_MINUTE)
        newest = np.where(self.slots >= 0, newest_of_slot[self.slots], NO_MINUTE)
        seen = newest > NO_MINUTE
        minutes = (newest[seen] - grace_ms) // MINUTE_MS - learning_delay(grace_ms)
        boundaries[self.members[seen]] = minutes * MINUTE_MS
        return boundaries


def join_statistics(one: Statistics, other: Statistics) -> Statistics:
    """Statistics one after another."""
    return Statistics(*(np.concatenate(columns) for columns in zip(one.columns, other.columns, strict=True)))
