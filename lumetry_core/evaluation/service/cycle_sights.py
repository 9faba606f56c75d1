"""Reads what the conditions of compound rules see on a cycle: stored points, whether evaluated yet or not, and what was learned."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lumetry_core.baselines.statistics import empty
from lumetry_core.evaluation.compile import matches
from lumetry_core.evaluation.compound import CompoundWatch
from lumetry_core.evaluation.limits import Learning
from lumetry_core.evaluation.readings import Condition, Reading, find_newest, order_members, read_condition
from lumetry_core.evaluation.service.cycle_learned import Asked, LearnedKey, LearningRules, Remembered, read_all_learned
from lumetry_core.metrics.dimension import dimension_key_of
from lumetry_core.metrics.model import Floats, Integers, MetricInfo, SeriesInfo
from lumetry_core.metrics.rollup import Rollup
from lumetry_core.metrics.service.members import list_metric_series
from lumetry_core.metrics.service.stored import read_stored
from lumetry_core.runtime.database import Transaction

INLINE_BYTES = 64 * 1024
"""Stored bytes up to which decoding is quicker than going to a thread."""

SightKey = tuple[str, frozenset[tuple[str, str]], int]
"""A metric's key, the pairs of a scope and a window in ms: conditions that share them see the same."""


@dataclass(frozen=True, slots=True, eq=False)
class NewestPoints:
    """The newest point of each judged series of a metric that has any in the longest window: parallel columns, ascending by series.

    `keys` are the dimension keys of the series.
    """

    series: Sequence[SeriesInfo]
    keys: Mapping[int, str | None]
    times: Integers
    values: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What is seen of one metric in one scope and window: the members, and which of the points each of them shows, in a single row."""

    members: Sequence[str | None]
    places: Integers
    times: Integers
    values: Floats

    @property
    def seen_times(self) -> Integers:
        """The times of the points that are shown, in the order of their members."""
        times: Integers = self.times[self.places[self.places >= 0]]
        return times

    @property
    def seen_members(self) -> list[str | None]:
        """The members that show a point."""
        return [self.members[column] for column in np.flatnonzero(self.places[0] >= 0).tolist()]


@dataclass(frozen=True, slots=True, eq=False)
class Sights:
    """All that the conditions of rules see on a cycle; making readings of it is work for the processor only."""

    by_key: Mapping[SightKey, Sight]
    learned: Mapping[LearnedKey, Remembered]

    def readings_of(self, watch: CompoundWatch) -> list[Reading]:
        """What the conditions of a rule see, in their order."""
        keys = [sight_key(watch, condition) for condition in watch.conditions]
        return [
            read_sight(condition, key[0], self.by_key[key], self.learned) for condition, key in zip(watch.conditions, keys, strict=True)
        ]


async def look_at_all(
    tx: Transaction,
    organization_id: int,
    watches: Sequence[CompoundWatch],
    metrics: Mapping[str, MetricInfo],
    learning: LearningRules,
    at: int,
) -> Sights:
    """Looks at what the conditions of rules see on the cycle at a time. Each metric is read once for all rules."""
    wanted = [(condition.basis, sight_key(watch, condition)) for watch in watches for condition in watch.conditions]
    keys = {key for _, key in wanted}
    points = await read_points(tx, organization_id, metrics, keys, at)
    sights = {key: look(points[key[0]], key, at) for key in keys}
    asked = [
        Asked(basis.profile_id, metrics[key[0]], basis.half, sights[key].seen_members, sights[key].seen_times)
        for basis, key in wanted
        if isinstance(basis, Learning)
    ]
    return Sights(sights, await read_all_learned(tx, organization_id, asked, learning))


def sight_key(watch: CompoundWatch, condition: Condition) -> SightKey:
    """What decides what a condition sees."""
    return condition.strategy.metric_key, frozenset(condition.strategy.scope.items()), watch.window_ms


async def read_points(
    tx: Transaction, organization_id: int, metrics: Mapping[str, MetricInfo], keys: Iterable[SightKey], at: int
) -> dict[str, NewestPoints]:
    """The newest points of metrics, each in the longest window that is asked for."""
    windows: dict[str, int] = {}
    for metric_key, _, window_ms in keys:
        windows[metric_key] = max(window_ms, windows.get(metric_key, 0))
    series_of: dict[int, list[SeriesInfo]] = {}
    for one in await list_metric_series(tx, organization_id, {metrics[key].id for key in windows}):
        series_of.setdefault(one.metric_id, []).append(one)
    found = {}
    for metric_key, window_ms in windows.items():
        metric = metrics[metric_key]
        series, dimension_keys = judged_series(metric, series_of.get(metric.id, []))
        ids = np.fromiter((one.id for one in series), np.int64, len(series))
        stored = await read_stored(tx, organization_id, metric.id, metric.partition, ids, at - window_ms + 1, at)
        points = stored.decode() if stored.payload_bytes <= INLINE_BYTES else await asyncio.to_thread(stored.decode)
        found[metric_key] = keep_newest(points, series, dimension_keys)
    return found


def judged_series(metric: MetricInfo, series: Iterable[SeriesInfo]) -> tuple[list[SeriesInfo], dict[int, str | None]]:
    """The series of members within the metric's limit, and their dimension keys; of too many members those that came first count.

    Args:
        series: All of the metric, in the order of their registration.
    """
    judged, members, keys = [], set[str | None](), {}
    for one in series:
        key = dimension_key_of(one.labels, metric.dimension_keys, metric.multidimensional)
        if key in members or len(members) < metric.fleet.max_cardinality:
            members.add(key)
            judged.append(one)
            keys[one.id] = key
    return judged, keys


def keep_newest(points: Rollup, series: Sequence[SeriesInfo], keys: Mapping[int, str | None]) -> NewestPoints:
    """The newest of stored points of each series."""
    order = np.lexsort((points.times_ms, points.series_ids))
    ids = points.series_ids[order]
    last = order[np.append(ids[1:] != ids[:-1], True)] if len(ids) else order
    by_id = {one.id: one for one in series}
    with np.errstate(over="ignore"):
        values = points.sums[last] / points.counts[last]
    return NewestPoints([by_id[series_id] for series_id in points.series_ids[last].tolist()], keys, points.times_ms[last], values)


def look(points: NewestPoints, key: SightKey, at: int) -> Sight:
    """What is seen of a metric's newest points in a scope and window."""
    scope, window_ms = dict(key[1]), key[2]
    chosen = np.array([place for place, series in enumerate(points.series) if matches(scope, series.labels)], np.int64)
    in_scope = [points.series[place].id for place in chosen.tolist()]
    members, columns = order_members({series_id: points.keys[series_id] for series_id in in_scope})
    owners = np.fromiter((columns[series_id] for series_id in in_scope), np.int64, len(in_scope))
    times = points.times[chosen]
    places = find_newest(np.array([at]), window_ms, owners, times, len(members))
    return Sight(members, places, times, points.values[chosen])


def read_sight(condition: Condition, metric_key: str, sight: Sight, learned: Mapping[LearnedKey, Remembered]) -> Reading:
    """What a condition sees, with the limits to judge it by."""
    basis = condition.basis
    pools = None
    if isinstance(basis, Learning):
        remembered = learned.get((basis.profile_id, metric_key))
        pools = empty(len(sight.seen_times)) if remembered is None else remembered.pool(sight.seen_members, sight.seen_times, basis.half)
    return read_condition(condition, sight.members, sight.places, sight.values, pools)
