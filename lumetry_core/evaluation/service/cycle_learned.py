"""What was learned of the members that dynamic conditions of compound rules see on a cycle (contract lumetry 8.4, 9.1, 9.2)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lumetry_core.baselines.learned import Learned
from lumetry_core.baselines.service.keeping import Baseline, load_hours
from lumetry_core.baselines.service.reading import read_learned
from lumetry_core.baselines.statistics import Statistics, empty
from lumetry_core.baselines.weeks import WeekClock
from lumetry_core.evaluation.held import NO_MINUTE
from lumetry_core.evaluation.machine import MINUTE_MS
from lumetry_core.metrics.model import Integers, MetricInfo
from lumetry_core.runtime.database import Transaction

LearnedKey = tuple[int, str]
"""A profile's number and a metric's key."""


@dataclass(frozen=True, slots=True)
class LearningRules:
    """How metrics are learned.

    Args:
        clocks: Of profiles, by number.
        exclusions: Periods [start, end) in ms that are not learned, with the metric's number; None: of all metrics.
        delay_ms: How far learning stays behind the minute of a point that is judged.
    """

    clocks: Mapping[int, WeekClock]
    exclusions: Sequence[tuple[int | None, int, int]]
    delay_ms: int

    def exclusions_of(self, metric_id: int) -> list[tuple[int, int]]:
        """The periods that are not learned of a metric."""
        return [(start, end) for of_metric, start, end in self.exclusions if of_metric in (None, metric_id)]


NOTHING_LEARNED = LearningRules({}, (), 0)


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Points of a metric that a dynamic condition sees, by their members and times, and the half width of its pools."""

    profile_id: int
    metric: MetricInfo
    half: int
    members: Sequence[str | None]
    times: Integers


@dataclass(frozen=True, slots=True, eq=False)
class Remembered:
    """What was learned of a metric, as the points of the cycle are judged by it."""

    learned: Learned
    clock: WeekClock

    def pool(self, members: Sequence[str | None], times: Integers, half: int) -> Statistics:
        """The pooled statistics of points; empty ones where nothing is known of the member."""
        numbers = numbers_of(self.learned, members)
        known = numbers >= 0
        pools = empty(len(times))
        of_known = self.learned.pool(numbers[known], self.clock.minutes_of_week(times[known]), half)
        for column, pooled in zip(pools.columns, of_known.columns, strict=True):
            column[known] = pooled
        return pools


def numbers_of(learned: Learned, members: Sequence[str | None]) -> Integers:
    """The numbers of members; -1 for those that are not known."""
    found = [learned.find_member(key) for key in members]
    return np.array([-1 if number is None else number for number in found], np.int64)


async def read_all_learned(
    tx: Transaction, organization_id: int, asked: Iterable[Asked], rules: LearningRules
) -> dict[LearnedKey, Remembered]:
    """What was learned of metrics, each read once for all conditions; without those of which nothing was."""
    by_key: dict[LearnedKey, list[Asked]] = {}
    for one in asked:
        by_key.setdefault((one.profile_id, one.metric.metric_key), []).append(one)
    found = {}
    for key, parts in by_key.items():
        clock, metric = rules.clocks[key[0]], parts[0].metric
        minutes = np.unique(clock.minutes_of_week(np.concatenate([one.times for one in parts])))
        half = max(one.half for one in parts)
        baseline = await read_learned(tx, organization_id, key[0], metric.id, minutes, half) if len(minutes) else None
        if baseline is not None:
            await learn_waiting(tx, baseline, parts, rules.exclusions_of(metric.id), clock, rules.delay_ms)
            found[key] = Remembered(baseline.learned, clock)
    return found


async def learn_waiting(
    tx: Transaction, baseline: Baseline, parts: Iterable[Asked], exclusions: list[tuple[int, int]], clock: WeekClock, delay_ms: int
) -> None:
    """Learns, in this copy alone, what a point of a plain rule would be judged by: all that was evaluated up to some minutes before it.

    So limits do not depend on how far the evaluator has stored what it learned.
    """
    boundaries = np.full(len(baseline.learned.members), NO_MINUTE)
    for part in parts:
        numbers = numbers_of(baseline.learned, part.members)
        known = numbers >= 0
        np.maximum.at(boundaries, numbers[known], part.times[known] // MINUTE_MS * MINUTE_MS - delay_ms)
    await load_hours(tx, baseline, baseline.due_hours(boundaries, exclusions, clock))
    baseline.advance(boundaries, exclusions, clock)
