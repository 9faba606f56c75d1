"""Learning a baseline from the points that are stored (contract lumetry 9.1, 22.6)."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lumetry_core.baselines.candidates import Candidates, Period, join, lie_in, make_candidates
from lumetry_core.baselines.learned import Learned
from lumetry_core.baselines.model import BaselineProfile
from lumetry_core.baselines.statistics import of_rollup
from lumetry_core.baselines.weeks import MINUTE_MS, WeekClock
from lumetry_core.metrics.dimension import dimension_key_of
from lumetry_core.metrics.model import DAY_MS, Floats, Integers, MetricInfo
from lumetry_core.metrics.rollup import Rollup
from lumetry_core.metrics.service.stored import Columns, Selection, StoredPoints, list_days, list_series, read_stored, read_unsealed
from lumetry_core.runtime.database import Transaction

MAX_MEMBERS = 500
"""`maxCardinality` (contract lumetry 6.1) unless the metric says otherwise."""
NEVER = -(1 << 62)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What a build learns into and what it leaves out."""

    learned: Learned
    clock: WeekClock
    series_ids: Integers
    member_of_series: Integers
    """By the place of the series in `series_ids`, which ascend."""
    boundaries: Integers
    """In minutes since the Unix epoch, by member."""
    exclusions: Sequence[Period]
    breached: Mapping[int, Integers]
    """Times in ms, ascending, by member."""
    minutes_mask: NDArray[np.bool_] | None


async def build(
    tx: Transaction,
    organization_id: int,
    metric: MetricInfo,
    profile: BaselineProfile,
    *,
    from_ms: int,
    to_ms: int,
    before_offset: int | None,
    exclusions: Sequence[Period],
    breached: Mapping[str | None, Integers],
    boundaries: Mapping[str | None, int] | int,
    max_members: int = MAX_MEMBERS,
    members: Collection[str | None] = (),
    minutes_mask: NDArray[np.bool_] | None = None,
    unsealed: Columns | None = None,
) -> tuple[Learned, Candidates]:
    """Learns every stored point of a metric in [from_ms, to_ms), of one transaction, a day at a time.

    A member has one point per time: that of its first series. A roll-up bucket that holds a breach or meets an exclusion is left out whole.

    Args:
        before_offset: Inbox jobs from this offset on do not count; None: all do.
        breached: Times that are not learned, by member.
        boundaries: Points of whole minutes before are learned, later ones become pending; by member, nothing is learned of others; or one
            for all.
        max_members: Members registered later are left out.
        members: Those whose numbers are given already.
        minutes_mask: Which buckets to learn, of a week; None: all.
        unsealed: What `read_unsealed` gave for the partition before that offset, when many metrics are built; None: it is read.

    Returns:
        What was learned, and the pending points ascending by time, excluded and breached ones included; under baseline number 0.
    """
    learned = Learned(members)
    member_of: dict[int, int] = {}
    admitted: set[str | None] = set()
    for series in await list_series(tx, organization_id, metric.id):
        key = dimension_key_of(series.labels, metric.dimension_keys, metric.multidimensional)
        if key in admitted or len(admitted) < max_members:
            admitted.add(key)
            member_of[series.id] = learned.add_member(key)
    plan = Plan(
        learned=learned,
        clock=WeekClock(profile.time_zone),
        series_ids=np.fromiter(member_of.keys(), np.int64, len(member_of)),
        member_of_series=np.fromiter(member_of.values(), np.int64, len(member_of)),
        boundaries=find_boundaries(learned.members, boundaries),
        exclusions=exclusions,
        breached={number: np.sort(np.asarray(breached[key], np.int64)) for number, key in enumerate(learned.members) if key in breached},
        minutes_mask=minutes_mask,
    )
    waiting: list[Candidates] = []
    if to_ms <= from_ms or not member_of:
        return learned, join(waiting)
    if unsealed is None:
        unsealed = await read_unsealed(
            tx, organization_id, metric.partition, plan.series_ids, from_ms, to_ms - 1, before_offset=before_offset
        )
    unsealed = Selection(plan.series_ids, from_ms, to_ms - 1).of(unsealed)
    days = {*await list_days(tx, organization_id, metric.id, from_ms, to_ms - 1), *np.unique(unsealed[1] // DAY_MS).tolist()}
    for day in sorted(days):
        first, last = max(from_ms, day * DAY_MS), min(to_ms, (day + 1) * DAY_MS) - 1
        stored = await read_stored(tx, organization_id, metric.id, metric.partition, plan.series_ids, first, last, unsealed=unsealed)
        waiting.append(await asyncio.to_thread(learn_day, plan, stored))
    return learned, join(waiting)


def find_boundaries(members: Sequence[str | None], boundaries: Mapping[str | None, int] | int) -> Integers:
    """The first minute of each member that is not learned."""
    if isinstance(boundaries, Mapping):
        return np.array([boundaries.get(key, NEVER) // MINUTE_MS for key in members], np.int64)
    return np.full(len(members), boundaries // MINUTE_MS)


def learn_day(plan: Plan, stored: StoredPoints) -> Candidates:
    """Learns what is stored of a day and gives the points that wait."""
    for resolution, rollup in sorted(stored.decode_rollups(), key=lambda pair: -pair[0]):
        learn_rollup(plan, rollup, resolution)
    points = stored.decode_raw()
    members, kept = take_first(plan, points.series_ids, points.times_ms)
    return learn_points(plan, members, points.times_ms[kept], points.values[kept])


def take_first(plan: Plan, series_ids: Integers, times_ms: Integers) -> tuple[Integers, Integers]:
    """The members and places of points, sorted by member, then time; of several at one time that of the first series.

    Args:
        series_ids: Ascending, and times ascending within a series.
    """
    members = plan.member_of_series[np.searchsorted(plan.series_ids, series_ids)]
    order = np.arange(len(members))
    if (np.diff(members) < 0).any() or len(np.unique(plan.member_of_series)) < len(plan.series_ids):
        order = np.lexsort((times_ms, members))  # stable: ascending by series among equals
    members, times = members[order], times_ms[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (members[1:] != members[:-1]) | (times[1:] != times[:-1])
    return members[is_first], order[is_first]


def learn_points(plan: Plan, members: Integers, times_ms: Integers, values: Floats) -> Candidates:
    """Learns raw points that are before their boundary and gives the others."""
    minutes = times_ms // MINUTE_MS
    is_due = minutes < plan.boundaries[members]
    is_breached = find_breached(plan, members, times_ms, 1)
    minutes_of_week = plan.clock.minutes_of_week(times_ms)
    is_learned = is_due & ~is_breached & ~lie_in(times_ms, plan.exclusions)
    if plan.minutes_mask is not None:
        is_learned &= plan.minutes_mask[minutes_of_week]
    plan.learned.add(members[is_learned], minutes_of_week[is_learned], minutes[is_learned], values[is_learned])
    waits = np.flatnonzero(~is_due)
    waits = waits[np.argsort(times_ms[waits], kind="stable")]
    return make_candidates(np.zeros(len(waits)), members[waits], times_ms[waits], values[waits], is_breached[waits])


def learn_rollup(plan: Plan, rollup: Rollup, resolution: int) -> None:
    """Learns roll-ups that start before the boundary: nothing arrives any more for times so long ago."""
    members, kept = take_first(plan, rollup.series_ids, rollup.times_ms)
    times, span_ms = rollup.times_ms[kept], resolution * 1000
    meets = [(start - span_ms + 1, end) for start, end in plan.exclusions]
    is_learned = (times // MINUTE_MS < plan.boundaries[members]) & ~lie_in(times, meets) & ~find_breached(plan, members, times, span_ms)
    members, times = members[is_learned], times[is_learned]
    statistics = of_rollup(*(column[kept][is_learned] for column in rollup.columns))
    order = np.argsort(times, kind="stable")
    starts = plan.clock.minutes_of_week(times[order])
    plan.learned.add_rollup(members[order], starts, span_ms // MINUTE_MS, statistics[order])


def find_breached(plan: Plan, members: Integers, times_ms: Integers, span_ms: int) -> NDArray[np.bool_]:
    """Which spans from these times on hold a breach of their member; `members` ascend."""
    found = np.zeros(len(times_ms), bool)
    if not len(times_ms):
        return found
    first, last = int(times_ms.min()), int(times_ms.max()) + span_ms
    for member, breaches in plan.breached.items():
        near = breaches[np.searchsorted(breaches, first) : np.searchsorted(breaches, last)]
        if len(near):
            own = slice(*np.searchsorted(members, (member, member + 1)))
            times = times_ms[own]
            found[own] = np.searchsorted(near, times) < np.searchsorted(near, times + span_ms)
    return found
