"""Sorted points: the last one wins, and older ones become roll-ups."""

from dataclasses import dataclass

import numpy as np

from lumetry_core.metrics.model import Floats, Integers

RAW = 0
FIVE_MINUTES = 300
HOUR = 3600
"""Resolutions of segments, in seconds; 0 for points as accepted."""


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Raw points as parallel columns."""

    series_ids: Integers
    times_ms: Integers
    values: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Rollup:
    """Statistics per series and bucket, sorted by series, then bucket; `times_ms` are bucket starts."""

    series_ids: Integers
    times_ms: Integers
    counts: Floats
    sums: Floats
    square_sums: Floats
    minima: Floats
    maxima: Floats

    @property
    def columns(self) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """The statistics in the order in which they are stored."""
        return self.counts, self.sums, self.square_sums, self.minima, self.maxima


def keep_last(points: Points) -> Points:
    """Sorts points by series, then time; of several for one series and time the last in order of arrival stays."""
    order = np.lexsort((points.times_ms, points.series_ids))
    ids, times = points.series_ids[order], points.times_ms[order]
    last = np.ones(len(ids), bool)
    last[:-1] = (ids[1:] != ids[:-1]) | (times[1:] != times[:-1])
    return Points(ids[last], times[last], points.values[order[last]])


def as_rollup(points: Points) -> Rollup:
    """Each point as a bucket of its own."""
    values = points.values
    return Rollup(points.series_ids, points.times_ms, np.ones(len(values)), values, square(values), values, values)


def square(values: Floats) -> Floats:
    """Squares; those of the largest numbers are infinite."""
    with np.errstate(over="ignore"):
        return values * values


def concatenate(rollups: list[Rollup]) -> Rollup:
    """All buckets one after another."""
    return Rollup(
        *(
            np.concatenate(columns)
            for columns in zip(*((rollup.series_ids, rollup.times_ms, *rollup.columns) for rollup in rollups), strict=True)
        )
    )


def roll_up(finer: Rollup, step_ms: int) -> Rollup:
    """Combines buckets of any order into buckets of a whole multiple of their length, aligned to the Unix epoch."""
    if not len(finer.times_ms):
        return finer
    buckets = finer.times_ms // step_ms * step_ms
    order = np.lexsort((finer.times_ms, finer.series_ids))
    ids, buckets = finer.series_ids[order], buckets[order]
    starts = np.flatnonzero(np.concatenate(([True], (ids[1:] != ids[:-1]) | (buckets[1:] != buckets[:-1]))))
    counts, sums, square_sums, minima, maxima = (column[order] for column in finer.columns)
    with np.errstate(over="ignore", invalid="ignore"):
        return Rollup(
            ids[starts],
            buckets[starts],
            np.add.reduceat(counts, starts),
            np.add.reduceat(sums, starts),
            np.add.reduceat(square_sums, starts),
            np.minimum.reduceat(minima, starts),
            np.maximum.reduceat(maxima, starts),
        )
