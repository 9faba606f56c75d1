"""Limits, confidence and deviation from learned statistics (contract lumetry 9.2, 9.3)."""

import math
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lumetry_core.baselines.statistics import Statistics
from lumetry_core.metrics.model import Floats

ThresholdLike = Literal["Percentage", "Stddev", "Envelope"]
CONFIDENCES: Final = (None, "Low", "Medium", "High")
"""By what `confidence` gives; None: not evaluable."""
MEDIUM_FACTOR = 2
HIGH_FACTOR = 4
COUNT_DECIMALS = 6
"""Counts that roll-ups give in fractions add up to whole ones but for rounding."""


def band(mode: ThresholdLike, statistics: Statistics, parameter: float | Floats) -> tuple[Floats, Floats]:
    """Lower and upper limits; what is too large for a number is infinite, and so is all without points.

    Args:
        parameter: `tolerancePercent`, or `stddevMultiplier` for Stddev; one for all or one for each.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if mode == "Envelope":
            lower = statistics.minima - percent_of(statistics.minima, parameter)
            upper = statistics.maxima + percent_of(statistics.maxima, parameter)
        else:
            width = percent_of(statistics.means, parameter) if mode == "Percentage" else parameter * statistics.sigmas
            lower, upper = statistics.means - width, statistics.means + width
    is_known = statistics.counts > 0
    return (
        np.where(is_known & ~np.isnan(lower), lower, -np.inf),
        np.where(is_known & ~np.isnan(upper), upper, np.inf),
    )


def percent_of(values: Floats, percent: float | Floats) -> Floats:
    """So many percent of the absolute values."""
    sizes = np.abs(values)
    found = sizes * percent / 100
    return np.where(np.isinf(found), sizes / 100 * percent, found)


def confidence(counts: Floats, minimum_points: int, means: Floats | None = None) -> NDArray[np.int8]:
    """How far learned statistics can be trusted, as a place in `CONFIDENCES`; 0 also where a mean is not finite."""
    whole = np.round(counts, COUNT_DECIMALS)
    found = np.zeros(np.shape(counts), np.int8)
    for factor in (1, MEDIUM_FACTOR, HIGH_FACTOR):
        found += whole >= factor * minimum_points
    if means is not None:
        found *= np.isfinite(means)
    return found


def deviation_percent(actual: float, expected: float) -> float | None:
    """How far a value is from the expected one, in percent of that, to two decimals; None where that is no number."""
    actual, expected = float(actual), float(expected)
    if expected == 0:
        return None
    percent = (actual - expected) / abs(expected) * 100
    return round(percent, 2) + 0.0 if math.isfinite(percent) else None
