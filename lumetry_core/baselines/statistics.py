"""Statistics that can be added up: count, mean, sum of squared deviations, minimum and maximum.

Deviations from a running mean replace the contract's sum of squares, whose differences cancel (contract lumetry 9.1, 9.2).
Source: Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).

Nothing here gives NaN: means lie between minimum and maximum for any finite values; deviations may be infinite. The order in which
statistics are merged depends on their places alone, so equal arguments give equal bits.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from lumetry_core.metrics.model import Floats, Integers

LEAST_COUNT = 5e-324


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Statistics of many sets of values: arrays of one shape. An empty set has mean 0, minimum +inf and maximum -inf.

    `deviations` are sums of squared deviations from the mean. Counts may be fractions where points are known by roll-ups only.
    """

    counts: Floats
    means: Floats
    deviations: Floats
    minima: Floats
    maxima: Floats

    @property
    def columns(self) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """The arrays in the order of the fields."""
        return self.counts, self.means, self.deviations, self.minima, self.maxima

    @property
    def sigmas(self) -> Floats:
        """Standard deviations of the population; 0 for empty sets."""
        with np.errstate(over="ignore", under="ignore"):
            found: Floats = np.sqrt(self.deviations / np.maximum(self.counts, LEAST_COUNT))
        return found

    def __getitem__(self, chosen: Any) -> "Statistics":  # noqa: ANN401 -- whatever an array can be indexed by
        return Statistics(self.counts[chosen], self.means[chosen], self.deviations[chosen], self.minima[chosen], self.maxima[chosen])


def empty(shape: int | tuple[int, ...]) -> Statistics:
    """Statistics of empty sets."""
    return Statistics(np.zeros(shape), np.zeros(shape), np.zeros(shape), np.full(shape, np.inf), np.full(shape, -np.inf))


def merge(one: Statistics, other: Statistics) -> Statistics:
    """The statistics of unions, element by element. Empty sets change nothing."""
    with np.errstate(over="ignore", under="ignore"):
        counts = one.counts + other.counts
        share = other.counts / np.maximum(counts, LEAST_COUNT)
        means = one.means * (1.0 - share) + other.means * share
        # rounding would make constants vary and could overflow
        np.maximum(means, np.minimum(one.means, other.means), out=means)
        np.minimum(means, np.maximum(one.means, other.means), out=means)
        delta = other.means - one.means
        # an infinite delta has two parts that are not empty: no infinity meets a zero
        deviations = one.deviations + other.deviations + delta * (one.counts * share) * delta
    return Statistics(counts, means, deviations, np.minimum(one.minima, other.minima), np.maximum(one.maxima, other.maxima))


def combine(statistics: Statistics, axis: int) -> Statistics:
    """The unions along an axis, which goes."""
    rows = Statistics(*(np.moveaxis(column, axis, 0) for column in statistics.columns))
    return merge_rows(rows) if len(rows.counts) else empty(rows.counts.shape[1:])


def merge_rows(rows: Statistics) -> Statistics:
    """The union of all rows, of which there is one at least: what `slide` gives for that width, to the bit."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        counts = np.add.accumulate(rows.counts, axis=0)[-1]
        minima, maxima = rows.minima.min(axis=0), rows.maxima.max(axis=0)
        whole = np.maximum(counts, LEAST_COUNT)
        # added up row by row: plain sums would depend on the shape of the array
        means = np.add.accumulate(rows.counts * rows.means, axis=0)[-1] / whole
        if not np.isfinite(means).all():
            means = np.where(np.isfinite(means), means, np.add.accumulate(rows.counts / whole * rows.means, axis=0)[-1])
        means = between(means, counts, minima, maxima)
        delta = rows.means - means
        deviations = np.add.accumulate(rows.deviations + delta * rows.counts * delta, axis=0)[-1]
    return Statistics(counts, means, deviations, minima, maxima)


def slide(rows: Statistics, width: int) -> Statistics:
    """The union of each `width` consecutive rows, by the row they start with: `width - 1` rows fewer than given."""
    length = len(rows.counts) - width + 1
    windows = [rows[start : start + length] for start in range(width)]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        counts = reduce(np.add, (window.counts for window in windows))
        minima = reduce(np.minimum, (window.minima for window in windows))
        maxima = reduce(np.maximum, (window.maxima for window in windows))
        whole = np.maximum(counts, LEAST_COUNT)
        means = reduce(np.add, (window.counts * window.means for window in windows)) / whole
        if not np.isfinite(means).all():
            means = np.where(np.isfinite(means), means, reduce(np.add, (window.counts / whole * window.means for window in windows)))
        means = between(means, counts, minima, maxima)
        deltas = ((window, window.means - means) for window in windows)
        deviations = reduce(np.add, (window.deviations + delta * window.counts * delta for window, delta in deltas))
    return Statistics(counts, means, deviations, minima, maxima)


def between(means: Floats, counts: Floats, minima: Floats, maxima: Floats) -> Floats:
    """Means where rounding and overflow may have left them, brought between minimum and maximum; 0 for empty sets."""
    return np.where(counts > 0, np.minimum(np.maximum(means, minima), maxima), 0.0)


def of_points(values: Floats, starts: Integers) -> Statistics:
    """Statistics of consecutive groups of finite values, none empty; `starts` are the places of their first values."""
    if len(starts) == len(values):
        return Statistics(np.ones(len(values)), values.copy(), np.zeros(len(values)), values.copy(), values.copy())
    counts = np.diff(starts, append=len(values))
    minima, maxima = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        means = np.add.reduceat(values, starts) / counts
        if not np.isfinite(means).all():
            means = np.where(np.isfinite(means), means, np.add.reduceat(values / np.repeat(counts, counts), starts))
        means = np.clip(means, minima, maxima)
        distances = values - np.repeat(means, counts)
        deviations = np.add.reduceat(distances * distances, starts)
    return Statistics(counts.astype(np.float64), means, deviations, minima, maxima)


def of_rollup(counts: Floats, sums: Floats, square_sums: Floats, minima: Floats, maxima: Floats) -> Statistics:
    """Statistics of sets of which sums are known.

    What sums have lost by cancelling or overflow is bounded by minimum and maximum: the mean lies between them, and no set deviates more
    than counts · (maximum - mean) · (mean - minimum) (Bhatia and Davis, 2000).
    """
    filled = counts > 0
    low, high = np.where(filled, minima, 0.0), np.where(filled, maxima, 0.0)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        means = sums / np.maximum(counts, LEAST_COUNT)
        means = np.clip(np.where(np.isnan(means), low / 2 + high / 2, means), low, high)
        deviations = np.fmin(square_sums - sums * means, counts * (high - means) * (means - low))
    # only what overflowed on all ways is left without a number
    deviations = np.where(filled, np.maximum(np.nan_to_num(deviations, nan=np.inf, posinf=np.inf), 0.0), 0.0)
    return Statistics(np.where(filled, counts, 0.0), means, deviations, np.where(filled, minima, np.inf), np.where(filled, maxima, -np.inf))
