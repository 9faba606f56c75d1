"""Which entries of blocks a follower has not seen, and how many of a second one reader gets: pure (contract logs 6).

Entries come in runs of identities, one for each commit and project. A block is known by its number, and what sealing makes of it by its
runs: so nothing is told twice, and nothing is lost when blocks are sealed before they were seen.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lumetry_core.logs.columns import Batch
from lumetry_core.logs.entry_id import TAIL_BITS, expand_run
from lumetry_core.logs.matching import Matcher

PER_SECOND = 200
"""Entries that a reader gets in one second."""
RUN_MASK = np.uint64((1 << TAIL_BITS) - 1)
TIME_BITS = 64 - TAIL_BITS
Runs = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """Entries of a batch that have just been seen, in order of arrival; None: all."""

    batch: Batch
    positions: NDArray[np.int64] | None = None

    def choose(self, matcher: Matcher) -> Sequence[int]:
        """Positions of those that pass filters."""
        found = matcher.find(self.batch)
        if self.positions is None or not found:
            return found
        wanted = set(found)
        return [position for position in self.positions.tolist() if position in wanted]


def runs_of(batch: Batch) -> Runs:
    """The run of each entry: its random bits under the low bits of its time."""
    return run_keys(batch.highs, batch.lows)


def run_keys(highs: NDArray[np.uint64], lows: NDArray[np.uint64]) -> Runs:
    """See `runs_of`."""
    return (highs >> np.uint64(16)) << np.uint64(TAIL_BITS) | (lows & RUN_MASK)


def run_of(first_id: bytes) -> int:
    """The run that begins with an identity."""
    return int(run_keys(*expand_run(first_id, 1))[0])


@dataclass(slots=True)
class SeenRuns:
    """The runs of entries that have been seen, for as long as sealing may bring them up again. Times in milliseconds of arrival."""

    since_ms: int
    """What arrived before counts as seen."""
    times: dict[int, int] = field(default_factory=dict)

    def note(self, batch: Batch) -> None:
        """All entries of a batch are seen."""
        keys, firsts = np.unique(runs_of(batch), return_index=True)
        for key, first in zip(keys.tolist(), firsts.tolist(), strict=True):
            self.times[key] = int(batch.highs[first]) >> 16

    def find_unseen(self, batch: Batch) -> NDArray[np.int64]:
        """Positions of the entries that have not been seen, in order of arrival."""
        known = np.fromiter(self.times, np.uint64, len(self.times))
        late = (batch.highs >> np.uint64(16)) >= np.uint64(max(self.since_ms, 0))
        positions = np.flatnonzero(late & ~np.isin(runs_of(batch), known))
        return positions[np.lexsort((batch.lows[positions], batch.highs[positions]))]

    def forget_before(self, since_ms: int) -> None:
        """What arrived before counts as seen from now on."""
        self.since_ms = max(self.since_ms, since_ms)
        self.times = {key: time for key, time in self.times.items() if time >= self.since_ms}


@dataclass(slots=True)
class Floor:
    """The number of a block up to which none can appear any more.

    Numbers are given before commits, so one may appear after higher ones: for as long as a commit may take, in `lookback` seconds.
    """

    number: int
    lookback: float
    _passed: deque[tuple[float, int]] = field(default_factory=deque)

    def rise(self, highest: int, steady: float) -> None:
        """Notes the highest number that has appeared."""
        if highest > (self._passed[-1][1] if self._passed else self.number):
            self._passed.append((steady, highest))
        while self._passed and self._passed[0][0] <= steady - self.lookback:
            self.number = max(self.number, self._passed.popleft()[1])


@dataclass(slots=True)
class Allowance:
    """How many entries a reader may get, second by second."""

    per_second: int = PER_SECOND
    _second: float = float("-inf")
    _left: int = 0

    def take(self, wanted: int, steady: float) -> int:
        """Grants as many as are left."""
        if steady - self._second >= 1.0:
            self._second, self._left = steady, self.per_second
        granted = min(wanted, self._left)
        self._left -= granted
        return granted
