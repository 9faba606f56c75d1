"""What the conditions of compound rules see on cycles (contract lumetry 8.4).

On a cycle at time T a condition sees, of every member in its scope, the newest point of (T - window, T]. It is breached when one of these
points breaches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lumetry_core.baselines.bands import CONFIDENCES, band, confidence
from lumetry_core.baselines.statistics import Statistics
from lumetry_core.evaluation.limits import UNLIMITED, Learning, Limits, finite
from lumetry_core.metrics.model import Floats, Integers
from lumetry_core.rules.model import Strategy

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition ready to judge, by fixed limits or by what was learned."""

    strategy: Strategy
    basis: Limits | Learning


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """Limits drawn from a baseline, one for each cycle and member. Where a confidence is 0, too little was learned to judge."""

    lowers: Floats
    uppers: Floats
    expected: Floats
    confidences: NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What one condition sees on cycles: a row for each cycle, a column for each member.

    Args:
        members: Dimension keys, ascending; None comes first.
        is_judged: Where the member has a point in the window, with limits to judge it by.
        values: Of these points; of no meaning elsewhere.
        limits: Fixed ones, or those drawn for each point.
    """

    condition: Condition
    members: Sequence[str | None]
    is_judged: Flags
    values: Floats
    limits: Limits | Bands


@dataclass(frozen=True, slots=True)
class Seen:
    """A member's point as a condition sees it on a cycle."""

    member: str | None
    value: float
    limits: Limits


def find_newest(cycle_times: Integers, window_ms: int, members: Integers, times: Integers, member_count: int) -> Integers:
    """Which of some points each member shows on each cycle: the newest one of (T - window, T].

    Args:
        members: The member of each point, and
        times: its time. Of several points of a member and time the first given counts.

    Returns:
        Places of points, a row for each cycle and a column for each member; -1 where there is none.
    """
    if not len(times) or not len(cycle_times):
        return np.full((len(cycle_times), member_count), -1)
    order = np.lexsort((times, members))
    owners, moments = members[order], times[order]
    is_first = np.append(True, (owners[1:] != owners[:-1]) | (moments[1:] != moments[:-1]))
    order, owners, moments = order[is_first], owners[is_first], moments[is_first]
    start = int(moments.min())
    span = int(moments.max()) - start + 2
    # One search for all: times of one member lie behind those of the member before.
    asked = np.arange(member_count)[:, None]
    found = np.searchsorted(owners * span + (moments - start), asked * span + np.clip(cycle_times - start + 1, 0, span - 1)) - 1
    held = np.maximum(found, 0)
    is_seen = (found >= 0) & (owners[held] == asked) & (moments[held] > cycle_times - window_ms)
    places: Integers = np.where(is_seen, order[held], -1).T
    return places


def read_condition(
    condition: Condition, members: Sequence[str | None], places: Integers, values: Floats, pools: Statistics | None = None
) -> Reading:
    """What a condition sees.

    Args:
        places: From `find_newest`.
        values: Of all points.
        pools: For a dynamic condition what was learned for each seen point, in the order of `places[places >= 0]`.
    """
    basis, is_seen, taken = condition.basis, places >= 0, take_points(values, places)
    if isinstance(basis, Limits):
        return Reading(condition, members, is_seen, taken, basis)
    if pools is None:
        raise ValueError("a dynamic condition needs what was learned")
    lowers, uppers = band(basis.mode.value, pools, basis.parameters[0])
    confidences = np.zeros(places.shape, np.int8)
    confidences[is_seen] = confidence(pools.counts, basis.minimum_points, pools.means)
    bands = Bands(spread(lowers, is_seen), spread(uppers, is_seen), spread(pools.means, is_seen), confidences)
    return Reading(condition, members, confidences > 0, taken, bands)


def take_points(values: Floats, places: Integers) -> Floats:
    """The values of seen points; 0 where none is seen."""
    return np.where(places >= 0, values[places], 0.0) if len(values) else np.zeros(places.shape)


def spread(numbers: Floats, is_seen: Flags) -> Floats:
    """Numbers of seen points in the places of these points."""
    laid = np.zeros(is_seen.shape)
    laid[is_seen] = numbers
    return laid


def find_breaches(reading: Reading) -> Flags:
    """Which points breach; a value on a limit does not."""
    if isinstance(reading.limits, Limits):
        return reading.is_judged & ((reading.values < reading.limits.lowers[0]) | (reading.values > reading.limits.uppers[0]))
    direction = reading.condition.strategy.direction
    breaches = np.zeros(reading.is_judged.shape, np.bool_)
    if direction.has_lower:
        breaches |= reading.values < reading.limits.lowers
    if direction.has_upper:
        breaches |= reading.values > reading.limits.uppers
    return breaches & reading.is_judged


def see(reading: Reading, cycle: int, column: int) -> Seen:
    """A member's point on a cycle, which sees it, with its limits as violations report them."""
    return Seen(reading.members[column], float(reading.values[cycle, column]), limits_of(reading, cycle, column))


def limits_of(reading: Reading, cycle: int, column: int) -> Limits:
    """The limits of a point."""
    drawn = reading.limits
    if isinstance(drawn, Limits):
        return drawn
    direction = reading.condition.strategy.direction
    lower, upper = float(drawn.lowers[cycle, column]), float(drawn.uppers[cycle, column])
    lowest, highest = lower if direction.has_lower else -UNLIMITED, upper if direction.has_upper else UNLIMITED
    return Limits(
        lowers=(lowest,),
        uppers=(highest,),
        clear_lower=lowest,
        clear_upper=highest,
        shown=((finite(lower), finite(upper)),),
        expected=float(drawn.expected[cycle, column]),
        confidence=CONFIDENCES[int(drawn.confidences[cycle, column])],
    )


def order_members(keys: Mapping[int, str | None]) -> tuple[list[str | None], dict[int, int]]:
    """The members of stored series in the order of readings, and the column of each series."""
    members = sorted(set(keys.values()), key=lambda key: key or "")
    columns = {key: column for column, key in enumerate(members)}
    return members, {series_id: columns[key] for series_id, key in keys.items()}
