"""Counting matches in a rule's window: pure (contract logs 8.2).

The window ends with the match counted last, by the entries' own times, so matches that come out of order count in another one.
"""

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import zstandard
from numpy.typing import NDArray

KEPT = 1_000
"""Times that a rule remembers at least, if its window holds so many."""
NOTHING = np.array([], "<i8")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a rule counts by. `width_ns`: None: no window. `patience_ns`: by how much matches may be older than their arrival."""

    threshold: int
    width_ns: int | None
    patience_ns: int

    @property
    def kept(self) -> int:
        """How many times are remembered. Where every match opens an alert, none is ever needed."""
        return 0 if self.width_ns is None or self.threshold == 1 else max(self.threshold, KEPT)


@dataclass(frozen=True, slots=True)
class Advance:
    """What matches made of a window.

    Attributes:
        opened_at: Position of the match with which the threshold was reached; None: it was not, or the alert had been open.
        opened_with: How many matches the window held then.
        peak: The same, or as many as it held with the last match if those were more.
    """

    times: NDArray[np.int64]
    opened_at: int | None = None
    opened_with: int = 0
    peak: int = 0


def advance(before: NDArray[np.int64], matches: Sequence[int], limits: Limits, now_ns: int, *, is_open: bool) -> Advance:
    """Counts matches in order of arrival.

    Args:
        before: Times that were counted before, ascending.
        matches: Their times.
        now_ns: The latest arrival, for what can be forgotten.
        is_open: Whether the rule has an open alert: then nothing can open.
    """
    times: list[int] = before.tolist()
    opened_at, opened_with = None, 0
    counted = 0
    if not is_open:
        for position, time in enumerate(matches):
            insort(times, time)
            counted = position + 1
            held = 1 if limits.width_ns is None else bisect_right(times, time) - bisect_right(times, time - limits.width_ns)
            if held >= limits.threshold:
                opened_at, opened_with = position, held
                break
    joined = np.sort(np.concatenate((np.array(times, "<i8"), np.array(matches[counted:], "<i8"))))
    peak = opened_with
    if opened_at is not None and limits.width_ns is not None:
        last = matches[-1]
        peak = max(peak, int(np.searchsorted(joined, last, "right") - np.searchsorted(joined, last - limits.width_ns, "right")))
    elif opened_at is not None:
        peak = len(matches) - opened_at
    return Advance(forget(joined, limits, now_ns), opened_at, opened_with, peak)


def forget(times: NDArray[np.int64], limits: Limits, now_ns: int) -> NDArray[np.int64]:
    """What may still count: no window of a match that comes from now on reaches farther back."""
    if not limits.kept or limits.width_ns is None:
        return NOTHING
    farthest = now_ns - limits.patience_ns - limits.width_ns
    return times[np.searchsorted(times, farthest, "right") :][-limits.kept :]


def pack_times(times: NDArray[np.int64]) -> bytes:
    """Times as they are stored: the first one, then distances."""
    if not len(times):
        return b""
    return zstandard.ZstdCompressor(1).compress(np.diff(times, prepend=0).astype("<i8").tobytes())


def unpack_times(packed: bytes) -> NDArray[np.int64]:
    """The times of which `pack_times` made bytes."""
    if not packed:
        return NOTHING
    return np.cumsum(np.frombuffer(zstandard.ZstdDecompressor().decompress(packed), "<i8"))
