"""The two detectors, for all members at once (contract lumetry 6.2).

Numbers near the largest that there are would overflow in sums and differences; what is compared with such a number is scaled down first,
by a power of two, which changes no comparison.
"""

import numpy as np

from lumetry_core.fleet.model import Flags, Groups, Judged
from lumetry_core.metrics.fleet_contract import DeviationConfig, FleetDirection
from lumetry_core.metrics.model import Floats, Integers

MAD_UNIT = 0.6745
"""MAD of a normal distribution with standard deviation 1."""
LARGE = 2.0**1000
SCALE = 2.0**-64


def judge_peers(values: Floats, groups: Integers, group_count: int, min_peer_count: int, config: DeviationConfig) -> tuple[Judged, Groups]:
    """Compares members with the median of their group.

    Args:
        groups: For each member, the number of its group; every member belongs to its own comparison.
        min_peer_count: Members of smaller groups are not judged.
    """
    counts = np.bincount(groups, minlength=group_count)
    largest = np.zeros(group_count)
    np.maximum.at(largest, groups, np.abs(values))
    scales = np.where(largest > LARGE, SCALE, 1.0)
    scaled = values * scales[groups]
    medians = find_medians(scaled, groups, counts)
    mads = find_medians(np.abs(scaled - medians[groups]), groups, counts)
    is_compared = counts >= max(min_peer_count, 1)
    spreads = mads / MAD_UNIT
    judged = compare(scaled, medians[groups], spreads[groups], scales[groups], is_compared[groups], config)
    lower, upper = find_limits(medians, spreads, scales, config)
    return judged, Groups(
        counts=counts,
        medians=only_finite(medians / scales),
        mads=only_finite(unscale(mads, scales)),
        lower=np.where(is_compared, only_finite(unscale(lower, scales)), np.nan),
        upper=np.where(is_compared, only_finite(unscale(upper, scales)), np.nan),
    )


def judge_past(values: Floats, counts: Floats, means: Floats, sigmas: Floats, minimum_points: int, config: DeviationConfig) -> Judged:
    """Compares members with what was learned of each. Members of whom less than the minimum is known are not judged."""
    is_judged = (counts >= max(minimum_points, 1)) & np.isfinite(means) & np.isfinite(sigmas)
    means, sigmas = np.where(is_judged, means, 0.0), np.where(is_judged, sigmas, 0.0)
    largest = np.maximum.reduce([np.abs(values), np.abs(means), sigmas])
    scales = np.where(largest > LARGE, SCALE, 1.0)
    return compare(values * scales, means * scales, sigmas * scales, scales, is_judged, config)


def find_medians(values: Floats, groups: Integers, counts: Integers) -> Floats:
    """The median of each group, the mean of the two middle values for even counts; NaN for an empty group."""
    medians = np.full(len(counts), np.nan)
    present = np.flatnonzero(counts)
    ordered = values[np.lexsort((values, groups))]
    starts = (np.cumsum(counts) - counts)[present]
    low = ordered[starts + (counts[present] - 1) // 2]
    high = ordered[starts + counts[present] // 2]
    # A sum of two of the smallest numbers that there are is exact, while a sum of their halves is not.
    medians[present] = np.where(low == high, low, (low + high) / 2)
    return medians


def compare(values: Floats, expected: Floats, spreads: Floats, scales: Floats, is_judged: Flags, config: DeviationConfig) -> Judged:
    """Judges members by limits around what is expected. All numbers come scaled; those of the answer are not.

    Args:
        spreads: One unit of the threshold.
    """
    lower, upper = find_limits(expected, spreads, scales, config)
    is_outlier = np.zeros(len(values), bool)
    if config.direction is not FleetDirection.BELOW:
        is_outlier |= values > upper
    if config.direction is not FleetDirection.ABOVE:
        is_outlier |= values < lower
    is_outlier &= is_judged
    distances = values - expected
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scores = np.where(spreads > 0, distances / spreads, np.nan)
        deviations = np.where(expected == 0, np.nan, distances / np.abs(expected) * 100)
    is_critical = np.zeros(len(values), bool)
    if config.critical_threshold is not None:
        is_critical = is_outlier & (np.abs(scores) > config.critical_threshold)
    return Judged(
        is_judged=is_judged,
        is_outlier=is_outlier,
        is_critical=is_critical,
        expected=only_where(is_judged, unscale(expected, scales)),
        lower=only_where(is_judged, unscale(lower, scales)),
        upper=only_where(is_judged, unscale(upper, scales)),
        scores=only_where(is_judged, scores),
        deviations=only_where(is_judged, deviations),
    )


def find_limits(expected: Floats, spreads: Floats, scales: Floats, config: DeviationConfig) -> tuple[Floats, Floats]:
    """The lower and upper limits, scaled like what they are made of."""
    with np.errstate(over="ignore"):
        widths = np.maximum.reduce(
            [
                config.threshold * spreads,
                np.abs(expected) * config.min_deviation_percent / 100,
                config.min_absolute_deviation * scales,
            ]
        )
        return expected - widths, expected + widths


def unscale(numbers: Floats, scales: Floats) -> Floats:
    """Numbers as they were before scaling; infinite where they are too large for it."""
    with np.errstate(over="ignore"):
        return numbers / scales


def only_finite(numbers: Floats) -> Floats:
    """NaN in place of what is infinite."""
    return np.where(np.isfinite(numbers), numbers, np.nan)


def only_where(is_judged: Flags, numbers: Floats) -> Floats:
    """NaN in place of what is infinite, or of a member that is not judged."""
    return np.where(is_judged, only_finite(numbers), np.nan)
