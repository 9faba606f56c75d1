"""Learning within a chunk for trial, and pools worked out once (contract lumetry 9.1, 9.2)."""

import numpy as np

from lumetry_core.baselines.candidates import lie_in
from lumetry_core.baselines.learned import Learned
from lumetry_core.baselines.statistics import Statistics
from lumetry_core.evaluation.held import MINUTE_MS, HeldBaseline
from lumetry_core.evaluation.lessons import Lesson
from lumetry_core.metrics.model import Integers


class Trial:
    """A copy of what was learned that goes on learning within a chunk: first what waits, then the chunk's own points."""

    def __init__(self, held: HeldBaseline, lesson: Lesson, weeks: Integers, half: int) -> None:
        self._held = held
        pending = held.settle().pending
        own = np.flatnonzero(~lesson.is_late)
        self._own = np.concatenate((np.full(len(pending.times_ms), -1), own))
        self._members = np.concatenate((pending.members, lesson.members[own]))
        self._times = np.concatenate((pending.times_ms, lesson.times[own]))
        self._values = np.concatenate((pending.values, lesson.values[own]))
        self._breached = np.concatenate((pending.breached.astype(np.bool_), np.zeros(len(own), np.bool_)))
        order = np.argsort(self._times, kind="stable")
        for name in ("_own", "_members", "_times", "_values", "_breached"):
            setattr(self, name, getattr(self, name)[order])
        self._at = 0
        learned = held.baseline.learned
        touched = held.clock.minutes_of_week(self._times)
        self.learned = learned.fork(learned.hours_needed(weeks, half) | learned.hours_needed(touched, 0))
        self._weeks = touched

    def learn_before(self, boundary: int, lesson: Lesson) -> None:
        """Learns what lies before a time and was not found abnormal."""
        end = int(np.searchsorted(self._times, boundary))
        if end <= self._at:
            return
        part = slice(self._at, end)
        self._at = end
        own = self._own[part]
        normal = ~self._breached[part]
        normal[own >= 0] &= ~lesson.breached[own[own >= 0]]
        normal &= ~lie_in(self._times[part], self._held.exclusions)
        if normal.any():
            times = self._times[part][normal]
            self.learned.add(self._members[part][normal], self._weeks[part][normal], times // MINUTE_MS, self._values[part][normal])


def pool(held: HeldBaseline, learned: Learned, half: int, lesson: Lesson, weeks: Integers, chosen: Integers) -> Statistics:
    """The pooled statistics of points, each worked out once for a member and minute. Those of late points are not kept."""
    members, minutes = lesson.members[chosen], lesson.minutes[chosen]
    kept = held.pools_of(half)
    missing = np.flatnonzero(kept.minutes[members] != minutes)
    result = kept.statistics[members]
    if not len(missing):
        return result
    keys = members[missing] * (1 << 40) + minutes[missing]
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    asked = missing[first]
    fresh = learned.pool(members[asked], weeks[chosen][asked], half)
    put(result, missing, fresh[inverse])
    newer = (minutes[asked] > kept.minutes[members[asked]]) & ~lesson.is_late[chosen][asked]
    order = np.flatnonzero(newer)[np.argsort(minutes[asked][newer], kind="stable")]
    kept.minutes[members[asked][order]] = minutes[asked][order]
    put(kept.statistics, members[asked][order], fresh[order])
    return result


def put(statistics: Statistics, places: Integers, replacing: Statistics) -> None:
    """Writes statistics into places of others."""
    for column, values in zip(statistics.columns, replacing.columns, strict=True):
        column[places] = values
