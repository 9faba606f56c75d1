"""What was learned of a metric under a profile: statistics of each member and minute of the week (contract lumetry 9.1).

Statistics lie in blocks, one for each hour of the week in which something was learned: an array of (column, minute, member). Blocks come
from the store when they are needed and leave memory when they are not; using one that is in the store only is a fault of the program.
"""

from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from lumetry_core.baselines.codec import pack_statistics, unpack_statistics
from lumetry_core.baselines.statistics import Statistics, empty, merge, merge_rows, of_points, slide
from lumetry_core.baselines.weeks import HOURS_PER_WEEK, MINUTES_PER_WEEK
from lumetry_core.metrics.model import Floats, Integers

MINUTES = 60
MAX_GAP = 60
"""Minutes farther apart than this are pooled one run after another."""
EMPTY = np.array([0.0, 0.0, 0.0, np.inf, -np.inf])[:, None, None]


class Learned:
    """The statistics of all members of one metric under one profile."""

    def __init__(self, members: Iterable[str | None] = ()) -> None:
        self.members: list[str | None] = []
        """Dimension keys; a member's number is its place."""
        self._numbers: dict[str | None, int] = {}
        self._blocks: dict[int, Floats] = {}
        self._stored: set[int] = set()
        self._dirty: set[int] = set()
        for key in members:
            self.add_member(key)

    def find_member(self, key: str | None) -> int | None:
        """The number of a member that is known."""
        return self._numbers.get(key)

    def add_member(self, key: str | None) -> int:
        """The number of a member, which is given now if it has none."""
        number = self._numbers.setdefault(key, len(self.members))
        if number == len(self.members):
            self.members.append(key)
        return number

    def add(self, members: Integers, minutes_of_week: Integers, absolute_minutes: Integers, values: Floats) -> None:
        """Learns points, given as parallel columns.

        The points of one member and absolute minute become one group, in the order given; groups join buckets by ascending minute. So the
        outcome is the same to the bit however points are cut into calls, as long as each group lies in one call and calls ascend.

        Args:
            absolute_minutes: Minutes since the Unix epoch, which tell occurrences of a minute of the week apart.
        """
        if not len(values):
            return
        self._check_members(members)
        earliest = int(absolute_minutes.min())
        span = int(absolute_minutes.max()) - earliest + 1
        keys = members * span + (absolute_minutes - earliest)
        steps = np.diff(keys)
        if (steps < 0).any():
            order = np.argsort(keys, kind="stable")
            members, minutes_of_week, absolute_minutes = members[order], minutes_of_week[order], absolute_minutes[order]
            values, steps = values[order], np.diff(keys[order])
        starts = np.append(0, np.flatnonzero(steps) + 1)
        minutes = minutes_of_week[starts]
        shifts = (absolute_minutes[starts] - minutes) % MINUTES_PER_WEEK
        is_distinct = span <= MINUTES_PER_WEEK and bool((shifts == shifts[0]).all())
        self._merge_in(members[starts], minutes, of_points(values, starts), is_distinct=is_distinct)

    def add_rollup(self, members: Integers, minutes_of_week_start: Integers, span_minutes: int, statistics: Statistics) -> None:
        """Learns roll-ups, each spread evenly over its span, the week's end included; those of one bucket in the order given."""
        if not len(members):
            return
        self._check_members(members)
        minutes = (minutes_of_week_start[:, None] + np.arange(span_minutes)) % MINUTES_PER_WEEK
        share = Statistics(
            statistics.counts / span_minutes,
            statistics.means,
            statistics.deviations / span_minutes,
            statistics.minima,
            statistics.maxima,
        )
        spread = Statistics(*(np.repeat(column, span_minutes) for column in share.columns))
        self._merge_in(np.repeat(members, span_minutes), minutes.reshape(-1), spread, is_distinct=False)

    def _check_members(self, members: Integers) -> None:
        if members.max() >= len(self.members) or members.min() < 0:
            raise IndexError("a member is not known")

    def _merge_in(self, members: Integers, minutes: Integers, statistics: Statistics, *, is_distinct: bool) -> None:
        """Merges statistics into buckets, those of one bucket in the order given."""
        if is_distinct:
            self._merge_distinct(members, minutes, statistics)
            return
        buckets = minutes * len(self.members) + members
        order = np.argsort(buckets, kind="stable")
        is_first = np.append(True, np.diff(buckets[order]) != 0)
        starts = np.flatnonzero(is_first)
        ranks = np.arange(len(order)) - starts[np.cumsum(is_first) - 1]
        for rank in range(int(ranks.max()) + 1):
            chosen = order[ranks == rank]
            self._merge_distinct(members[chosen], minutes[chosen], statistics[chosen])

    def _merge_distinct(self, members: Integers, minutes: Integers, statistics: Statistics) -> None:
        """Merges statistics into as many buckets."""
        hours = (minutes // MINUTES).astype(np.uint8)
        if (hours == hours[0]).all():
            self._merge_hour(int(hours[0]), members, minutes, statistics)
            return
        order = np.argsort(hours, kind="stable")
        starts = np.append(0, np.flatnonzero(np.diff(hours[order])) + 1)
        for chosen in np.split(order, starts[1:]):
            self._merge_hour(int(hours[chosen[0]]), members[chosen], minutes[chosen], statistics[chosen])

    def _merge_hour(self, hour: int, members: Integers, minutes: Integers, statistics: Statistics) -> None:
        block = self._open(hour)
        places = minutes % MINUTES * block.shape[2] + members
        columns = block.reshape(len(block), -1)
        merged = merge(Statistics(*columns.take(places, axis=1)), statistics)
        for column, values in zip(columns, merged.columns, strict=True):
            column[places] = values
        self._dirty.add(hour)

    def pool(self, members: Integers, minutes_of_week: Integers, half: int) -> Statistics:
        """For each pair of member and minute, the union of the buckets at most `half` minutes away, around the week's end too.

        What a pair gets depends on nothing else that is asked for, to the bit.
        """
        if not len(members):
            return empty(0)
        self._check_members(members)
        first = int(minutes_of_week[0])
        if (minutes_of_week == first).all():
            rows = self._read_rows(first - half, 2 * half + 1, members)
            return empty(len(members)) if rows is None else merge_rows(rows)
        is_asked = np.zeros(MINUTES_PER_WEEK, bool)
        is_asked[minutes_of_week] = True
        asked = np.flatnonzero(is_asked)
        runs = np.split(asked, np.flatnonzero(np.diff(asked) > MAX_GAP) + 1)
        if len(runs) == 1:
            return Statistics(*self._pool_run(members, minutes_of_week, half))
        found = np.empty((len(EMPTY), len(members)))
        for run in runs:
            chosen = np.flatnonzero((minutes_of_week >= run[0]) & (minutes_of_week <= run[-1]))
            found[:, chosen] = self._pool_run(members[chosen], minutes_of_week[chosen], half)
        return Statistics(*found)

    def _pool_run(self, members: Integers, minutes: Integers, half: int) -> Floats:
        """The columns of the pools of minutes that are near each other, which share their work."""
        is_asked = np.zeros(len(self.members), bool)
        is_asked[members] = True
        columns = np.flatnonzero(is_asked)
        places = np.cumsum(is_asked) - 1
        first, last = int(minutes.min()), int(minutes.max())
        rows = self._read_rows(first - half, last - first + 2 * half + 1, columns)
        if rows is None:
            return np.array(empty(len(members)).columns)
        pools = slide(rows, 2 * half + 1)
        wanted = (minutes - first) * len(columns) + places[members]
        return np.array([column.reshape(-1).take(wanted) for column in pools.columns])

    def _read_rows(self, first: int, count: int, members: Integers) -> Statistics | None:
        """Buckets of consecutive minutes, around the week's end too, as (minute, member); None when nothing was learned in them."""
        pieces = []
        is_known = False
        at = first
        while at < first + count:
            start = at % MINUTES
            end = min(MINUTES, start + first + count - at)
            block = self._find(at // MINUTES % HOURS_PER_WEEK)
            if block is None:
                pieces.append(np.broadcast_to(EMPTY, (len(EMPTY), end - start, len(members))))
            else:
                is_known = True
                pieces.append(block[:, start:end].take(members, axis=2))
            at += end - start
        if not is_known:
            return None
        return Statistics(*(pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)))

    def _find(self, hour: int) -> Floats | None:
        """The block of an hour, wide enough for all members; None when nothing was learned in it."""
        block = self._blocks.get(hour)
        if block is None:
            if hour in self._stored:
                raise RuntimeError(f"hour {hour} of the week is in the store and was not loaded")
            return None
        held = block.shape[2]
        if held < len(self.members):
            wider = np.concatenate((block, empty_block(max(len(self.members), held + held // 4) - held)), axis=2)
            block = self._blocks[hour] = wider
        return block

    def _open(self, hour: int) -> Floats:
        """The block of an hour, made if nothing was learned in it so far."""
        block = self._find(hour)
        if block is None:
            block = self._blocks[hour] = empty_block(len(self.members))
        return block

    def replace_buckets(self, minutes_mask: NDArray[np.bool_], other: "Learned") -> None:
        """Takes buckets of all members from another one; members that it does not know have nothing there any more."""
        numbers = np.array([self.add_member(key) for key in other.members], np.int64)
        for hour, mask in enumerate(minutes_mask.reshape(HOURS_PER_WEEK, MINUTES)):
            minutes = np.flatnonzero(mask)
            source = other._find(hour) if len(minutes) else None
            if len(minutes) == MINUTES and (source is not None or hour in self._stored):
                self._blocks[hour] = empty_block(len(self.members))
            elif not len(minutes) or (source is None and self._find(hour) is None):
                continue
            block = self._open(hour)
            block[:, minutes] = EMPTY
            if source is not None:
                block[:, minutes[:, None], numbers] = source[:, minutes, : len(numbers)]
            self._dirty.add(hour)

    def fork(self, hours: Collection[int]) -> "Learned":
        """An independent copy with these hours, for trying what learning would do; no other hour may be used of it."""
        copy = Learned(self.members)
        copy._blocks = {hour: self._blocks[hour].copy() for hour in hours if hour in self._blocks}
        copy._stored = self._stored | self._blocks.keys()
        copy._dirty = self._dirty & copy._blocks.keys()
        return copy

    @staticmethod
    def hours_needed(minutes_of_week: Integers, half: int) -> set[int]:
        """The hours of the week that pools of these minutes draw from."""
        minutes = np.unique(minutes_of_week)
        firsts, lasts = (minutes - half) // MINUTES, (minutes + half) // MINUTES
        spans = firsts[:, None] + np.arange(int((lasts - firsts).max(initial=-1)) + 1)
        return set((np.minimum(spans, lasts[:, None]) % HOURS_PER_WEEK).reshape(-1).tolist())

    @property
    def stored_hours(self) -> set[int]:
        """The hours that are in the store, loaded or not."""
        return set(self._stored)

    @property
    def loaded_hours(self) -> set[int]:
        """The hours in memory."""
        return set(self._blocks)

    @property
    def byte_count(self) -> int:
        """What the statistics take in memory."""
        return sum(block.nbytes for block in self._blocks.values())

    def missing_hours(self, hours: Collection[int]) -> set[int]:
        """Those of the hours that are in the store and must be loaded before use."""
        return (self._stored - self._blocks.keys()) & set(hours)

    def mark_stored(self, hours: Iterable[int]) -> None:
        """Notes which hours are in the store."""
        self._stored.update(hours)

    def dirty_hours(self) -> list[int]:
        """The hours that changed since they were stored, ascending."""
        return sorted(self._dirty)

    def clean(self, hours: Iterable[int]) -> None:
        """Notes that hours are in the store as they are here."""
        self._stored.update(hours)
        self._dirty.difference_update(hours)

    def pack_hour(self, hour: int) -> bytes:
        """An hour as it is stored."""
        return pack_statistics(Statistics(*self._blocks[hour][:, :, : len(self.members)]))

    def load_hour(self, hour: int, payload: bytes) -> None:
        """Takes an hour from the store."""
        if hour in self._dirty:
            raise RuntimeError(f"hour {hour} of the week changed since it was stored")
        block = empty_block(len(self.members))
        members, minutes, statistics = unpack_statistics(payload)
        block[:, minutes, members] = statistics.columns
        self._blocks[hour] = block
        self._stored.add(hour)

    def drop_idle_hours(self, keep: Collection[int]) -> None:
        """Forgets hours that the store has as they are, except some."""
        for hour in self._blocks.keys() - self._dirty - set(keep):
            del self._blocks[hour]


def empty_block(members: int) -> Floats:
    """A block in which nothing was learned."""
    block = np.empty((len(EMPTY), MINUTES, members))
    block[:] = EMPTY
    return block
