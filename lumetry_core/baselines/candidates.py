"""Points that were evaluated and may be learned, as parallel columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lumetry_core.metrics.model import Floats, Integers

Members = NDArray[np.int32]
Flags = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Points of any baselines in order of evaluation. `breached` is 1 for points that violate anything, else 0."""

    baseline_ids: Integers
    members: Members
    times_ms: Integers
    values: Floats
    breached: Flags

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, chosen: NDArray[np.bool_] | Integers | slice) -> "Candidates":
        return Candidates(
            self.baseline_ids[chosen], self.members[chosen], self.times_ms[chosen], self.values[chosen], self.breached[chosen]
        )

    def split(self) -> Iterator[tuple[int, "Candidates"]]:
        """The points of each baseline by its number, each in the order given."""
        if not len(self):
            return
        order = np.argsort(self.baseline_ids, kind="stable")
        starts = np.flatnonzero(np.diff(self.baseline_ids[order])) + 1
        for chosen in np.split(order, starts):
            yield int(self.baseline_ids[chosen[0]]), self[chosen]


def no_candidates() -> Candidates:
    """Columns without points."""
    return make_candidates((), (), (), (), ())


def make_candidates(baseline_ids: ArrayLike, members: ArrayLike, times_ms: ArrayLike, values: ArrayLike, breached: ArrayLike) -> Candidates:
    """Columns of the right types."""
    return Candidates(
        np.asarray(baseline_ids, np.int64),
        np.asarray(members, np.int32),
        np.asarray(times_ms, np.int64),
        np.asarray(values, np.float64),
        np.asarray(breached, np.uint8),
    )


def join(parts: Sequence[Candidates]) -> Candidates:
    """Points one after another."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return no_candidates()
    return Candidates(
        np.concatenate([part.baseline_ids for part in parts]),
        np.concatenate([part.members for part in parts]),
        np.concatenate([part.times_ms for part in parts]),
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.breached for part in parts]),
    )


Period = tuple[int, int]
"""Start, included, and end, not included, in ms."""


def lie_in(times_ms: Integers, periods: Sequence[Period]) -> NDArray[np.bool_]:
    """Which times lie in any of the periods."""
    found = np.zeros(len(times_ms), bool)
    if periods and len(times_ms):
        first, last = int(times_ms.min()), int(times_ms.max())
        for start, end in periods:
            if start <= last and end > first:
                found |= (times_ms >= start) & (times_ms < end)
    return found
