"""Keeps the baselines that the points of a partition feed: makes, loads, rebuilds and saves them.

What was learned is exact at every moment: hours of the week in the store, and a journal of the points evaluated since they were saved,
which is written in the transaction that commits a chunk.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from lumetry_core.baselines.candidates import Candidates, join
from lumetry_core.baselines.learned import Learned
from lumetry_core.baselines.model import Rebuild
from lumetry_core.baselines.service import building, keeping, rebuilds
from lumetry_core.baselines.service.keeping import Baseline
from lumetry_core.baselines.weeks import HOURS_PER_WEEK, MINUTES_PER_WEEK, WeekClock
from lumetry_core.evaluation.held import MINUTE_MS, NO_MINUTE, HeldBaseline, learning_delay
from lumetry_core.evaluation.lessons import hours_to_load
from lumetry_core.evaluation.service import retries
from lumetry_core.evaluation.service.loading import PartitionState, add_metric_series, shape_of
from lumetry_core.evaluation.service.rules import BaselineKey, CompiledRules
from lumetry_core.evaluation.survey import Chunk, Sights
from lumetry_core.metrics.dimension import dimension_key_of
from lumetry_core.metrics.model import Integers, MetricInfo
from lumetry_core.metrics.service.members import list_metric_series
from lumetry_core.metrics.service.stored import Columns, read_unsealed
from lumetry_core.runtime.clock import from_ms, to_ms
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.violations import service as violations

Fence = Callable[[Transaction], Awaitable[None]]
"""Makes a transaction fail unless the partition is still held."""
WEEK_MS = 7 * 86_400_000
FAR_MS = 1 << 60


class Keeper:
    """Makes the baselines of a partition's organizations what the rules ask for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def follow(self, held: PartitionState, compiled: CompiledRules, before_offset: int, fence: Fence, now: datetime) -> None:
        """Loads the baselines of an organization, makes those that are missing and drops those that nothing needs.

        Args:
            before_offset: The first job that is not evaluated: points from there on are yet to be judged.
        """
        wanted = set(compiled.learned.get(held.partition, ()))
        if held.are_baselines_loaded:
            present = {key: kept.settle() for key, kept in held.baselines.items()}
        else:
            async with self._database.read() as tx:
                present = await keeping.load(tx, held.organization_id, held.partition)
                held.journal_id = await keeping.find_newest_journal_id(tx, held.organization_id, held.partition)
                held.unlearned |= await find_outgrown(tx, held, compiled, present)
            held.are_baselines_loaded = True
        useful = {key: baseline for key, baseline in present.items() if key in wanted and key[1] not in held.unlearned}
        held.unlearned.clear()
        surplus = [baseline.id for key, baseline in present.items() if key not in useful]
        if surplus:
            async with self._database.write() as tx:
                await keeping.delete(tx, held.organization_id, surplus)
                await fence(tx)
        held.baselines = {key: hold(baseline, compiled, held.baselines.get(key)) for key, baseline in useful.items()}
        missing = sorted(wanted - held.baselines.keys())
        unsealed = await self._read_unsealed(held, missing, before_offset)
        for key in missing:
            held.baselines[key] = await self._make(held, compiled, key, before_offset, unsealed, fence, now)
        async with self._database.read() as tx:
            held.rebuilds = await rebuilds.list_rebuilds(tx, held.organization_id, held.partition)

    async def _read_unsealed(self, held: PartitionState, keys: Collection[BaselineKey], before_offset: int) -> Columns | None:
        """The points of many metrics that are not in segments yet, so that they are not read for each; None for a single one."""
        if len(keys) <= 1:
            return None
        async with self._database.read() as tx:
            series = await list_metric_series(tx, held.organization_id, {metric_id for _, metric_id in keys})
            series_ids = np.fromiter((one.id for one in series), np.int64, len(series))
            return await read_unsealed(tx, held.organization_id, held.partition, series_ids, -FAR_MS, FAR_MS, before_offset=before_offset)

    async def _make(
        self,
        held: PartitionState,
        compiled: CompiledRules,
        key: BaselineKey,
        before_offset: int,
        unsealed: Columns | None,
        fence: Fence,
        now: datetime,
    ) -> HeldBaseline:
        profile, metric = compiled.profiles[key[0]], compiled.metrics[key[1]]
        async with self._database.read() as tx:
            learned, pending = await self._build(tx, held, compiled, key, before_offset, now, unsealed=unsealed)
        async with self._database.write() as tx:
            baseline = await keeping.create(tx, held.organization_id, profile.id, metric, learned, pending, held.journal_id, now)
            await fence(tx)
        baseline.note_stored()
        return hold(baseline, compiled)

    async def _build(
        self,
        tx: Transaction,
        held: PartitionState,
        compiled: CompiledRules,
        key: BaselineKey,
        before_offset: int,
        now: datetime,
        *,
        include_violations: bool = False,
        members: Sequence[str | None] = (),
        mask: NDArray[np.bool_] | None = None,
        unsealed: Columns | None = None,
    ) -> tuple[Learned, Candidates]:
        """Learns a metric's stored points of the look-back window that were evaluated."""
        profile, metric = compiled.profiles[key[0]], compiled.metrics[key[1]]
        start = now - timedelta(days=profile.lookback_days)
        await add_metric_series(tx, held, metric.id)
        breached = {} if include_violations else await violations.breached_times(tx, held.organization_id, metric.metric_key, start)
        return await building.build(
            tx,
            held.organization_id,
            metric,
            profile,
            from_ms=to_ms(start),
            to_ms=max(to_ms(now), newest_of_metric(held, metric.id)) + 1,
            before_offset=before_offset,
            exclusions=compiled.exclusions_of(metric.id),
            breached=await self._leave_unevaluated_out(tx, held, metric, breached),
            boundaries=boundaries(held, metric.id, compiled.grace_ms),
            max_members=metric.fleet.max_cardinality,
            members=members,
            minutes_mask=mask,
            unsealed=unsealed,
        )

    async def _leave_unevaluated_out(
        self, tx: Transaction, held: PartitionState, metric: MetricInfo, breached: Mapping[str | None, Integers]
    ) -> Mapping[str | None, Integers]:
        """The breached times and those of jobs that were put aside: their points go to the journal when an attempt ends well."""
        series_ids, times = await retries.read_unevaluated(tx, held.organization_id, held.partition)
        if not len(times):
            return breached
        state, left_out = held.state, dict(breached)
        rows = state.find_rows(series_ids)
        slots = np.where(rows < 0, -1, state.slot[rows])
        for slot in np.unique(slots[rows >= 0]).tolist():
            metric_id, key = state.member_of_slot[slot]
            if metric_id == metric.id:
                left_out[key] = np.concatenate((left_out.get(key, times[:0]), times[slots == slot]))
        return left_out

    async def rebuild_next(self, held: PartitionState, compiled: CompiledRules, before_offset: int, fence: Fence, now: datetime) -> bool:
        """Does what the oldest request to rebuild asks of one baseline; true when there may be more."""
        if not held.rebuilds:
            return False
        request = held.rebuilds[0]
        waiting = [key for key in sorted(held.baselines) if concerns(request, key) and (request.id, key) not in held.rebuilt]
        if waiting:
            await self._rebuild(held, compiled, waiting[0], request, before_offset, fence, now)
            held.rebuilt.add((request.id, waiting[0]))
            return True
        async with self._database.write() as tx:
            await rebuilds.mark_done(tx, held.organization_id, request.id, held.partition)
            await fence(tx)
        held.rebuilds = held.rebuilds[1:]
        held.rebuilt.clear()
        return bool(held.rebuilds)

    async def _rebuild(
        self,
        held: PartitionState,
        compiled: CompiledRules,
        key: BaselineKey,
        request: Rebuild,
        before_offset: int,
        fence: Fence,
        now: datetime,
    ) -> None:
        """Learns stored points again and swaps the result in."""
        kept = held.baselines[key]
        mask = touched_minutes(kept.clock, request.start_ms, request.end_ms)
        if not mask.all():
            async with self._database.read() as tx:
                await keeping.load_hours(tx, kept.baseline, range(HOURS_PER_WEEK))
            await self._mark_detected(held, compiled.metrics[key[1]], kept)
            kept.advance(held.state.newest, compiled.grace_ms)
        before = kept.settle()
        async with self._database.read() as tx:
            learned, pending = await self._build(
                tx,
                held,
                compiled,
                key,
                before_offset,
                now,
                include_violations=request.include_violations,
                members=before.learned.members,
                mask=mask,
            )
        whole = learned
        if not mask.all():
            whole, pending = before.learned, before.pending
            whole.replace_buckets(mask, learned)
        async with self._database.write() as tx:
            rebuilt = await keeping.replace(tx, before, held.partition, whole, pending, held.journal_id, now)
            await fence(tx)
        rebuilt.note_stored()
        held.baselines[key] = hold(rebuilt, compiled)
        held.set_baselines()

    async def prepare(self, held: PartitionState, compiled: CompiledRules, chunk: Chunk, sights: Sights) -> None:
        """Loads what drawing limits for a chunk needs, and learns what is old enough by now."""
        state = held.state
        missing = hours_to_load(state, chunk, sights, compiled.grace_ms)
        if missing:
            async with self._database.read() as tx:
                await keeping.load_hours_of_all(tx, [(kept.baseline, hours) for kept, hours in missing])
        for metric_id in np.unique(state.learned_metric[chunk.rows]).tolist():
            for kept in state.baselines_of_metric(metric_id):
                if kept.is_due(state.newest, compiled.grace_ms):
                    await self._mark_detected(held, compiled.metrics[metric_id], kept)
                    kept.advance(state.newest, compiled.grace_ms)

    async def _mark_detected(self, held: PartitionState, metric: MetricInfo, kept: HeldBaseline) -> None:
        """Marks waiting points that a fleet detector found abnormal: rules marked theirs when they judged."""
        pending = kept.settle().pending
        if not metric.fleet.analyses or not len(pending.times_ms):
            return
        async with self._database.read() as tx:
            found = await violations.breached_times(
                tx, held.organization_id, metric.metric_key, from_ms(int(pending.times_ms.min())), detectors_only=True
            )
        breached = pending.breached.astype(np.bool_)
        for key, times in found.items():
            member = kept.baseline.learned.find_member(key)
            if member is not None:
                breached |= (pending.members == member) & np.isin(pending.times_ms, times)
        kept.baseline.pending = replace(pending, breached=breached.astype(pending.breached.dtype))

    async def fold(self, held: PartitionState, fence: Fence) -> None:
        """Saves what was learned since the last time and drops the journal up to there."""
        if not held.baselines or not held.journaled_points:
            return
        for kept in held.baselines.values():
            async with self._database.write() as tx:
                await keeping.fold(tx, held.organization_id, held.partition, kept.settle(), held.journal_id)
                await fence(tx)
            kept.baseline.note_folded(held.journal_id)
            kept.drop_idle_hours()
        async with self._database.write() as tx:
            await keeping.trim_journal(tx, held.organization_id, held.partition)
            await fence(tx)
        held.journaled_points = 0


async def find_outgrown(
    tx: Transaction, held: PartitionState, compiled: CompiledRules, present: Mapping[BaselineKey, Baseline]
) -> set[int]:
    """Metrics of which stored baselines know members that their series no longer feed: the members were told apart otherwise then."""
    metrics = {metric_id: compiled.metrics[metric_id] for _, metric_id in present if metric_id in compiled.metrics}
    keys: dict[int, set[str | None]] = {metric_id: set() for metric_id in metrics}
    for series in await list_metric_series(tx, held.organization_id, metrics) if metrics else ():
        metric = metrics[series.metric_id]
        keys[metric.id].add(dimension_key_of(series.labels, metric.dimension_keys, metric.multidimensional))
    held.shapes |= {metric_id: shape_of(metric) for metric_id, metric in metrics.items()}
    known = ((metric_id, baseline.learned.members) for (_, metric_id), baseline in present.items() if metric_id in keys)
    return {metric_id for metric_id, members in known if not keys[metric_id].issuperset(members)}


async def journal(tx: Transaction, held: PartitionState, learnable: Iterable[Candidates], now: datetime) -> int | None:
    """Keeps the points of a chunk that baselines will learn; the number under which. None when there are none."""
    parts = [part for part in learnable if len(part)]
    if not parts:
        return None
    added = [(kept.baseline.id, member, key) for kept in map(held.baseline_of, parts) for member, key in kept.new_members]
    return await keeping.journal(tx, held.organization_id, held.partition, join(parts), added, now)


def learn(held: PartitionState, learnable: Iterable[Candidates], journal_id: int | None) -> None:
    """Takes over the points of a chunk, once they are durable."""
    if journal_id is None:
        return
    held.journal_id = journal_id
    for part in learnable:
        if len(part):
            kept = held.baseline_of(part)
            kept.new_members.clear()
            kept.take(part)
            held.journaled_points += len(part)


def hold(baseline: Baseline, compiled: CompiledRules, before: HeldBaseline | None = None) -> HeldBaseline:
    """A baseline with what evaluation needs to know of its profile.

    Args:
        before: How it was held until now.
    """
    profile = compiled.profiles[baseline.profile_id]
    held = HeldBaseline(baseline, WeekClock(profile.time_zone), profile.minimum_points, compiled.exclusions_of(baseline.metric_id))
    if before is not None:
        held.new_members = before.new_members
    return held


def concerns(request: Rebuild, key: BaselineKey) -> bool:
    """Whether a request means a baseline."""
    return request.profile_id in (None, key[0]) and request.metric_id in (None, key[1])


def touched_minutes(clock: WeekClock, start_ms: int | None, end_ms: int | None) -> NDArray[np.bool_]:
    """Which minutes of the week a period [start, end) touches; all of them when it has no ends or is longer than a week."""
    if start_ms is None or end_ms is None or end_ms - start_ms >= WEEK_MS:
        return np.ones(MINUTES_PER_WEEK, np.bool_)
    touched = np.zeros(MINUTES_PER_WEEK, np.bool_)
    touched[clock.minutes_of_week(np.arange(start_ms // MINUTE_MS, -(-end_ms // MINUTE_MS)) * MINUTE_MS)] = True
    return touched


def newest_of_metric(held: PartitionState, metric_id: int) -> int:
    """The newest time of a metric's points."""
    state = held.state
    return max((int(state.newest_of_row[row]) for row in state.rows_of_metric.get(metric_id, ())), default=NO_MINUTE)


def boundaries(held: PartitionState, metric_id: int, grace_ms: int) -> Mapping[str | None, int]:
    """For each member of a metric the time before which its points are learned; later ones wait."""
    state = held.state
    found = {}
    for row in state.rows_of_metric.get(metric_id, ()):
        slot = int(state.slot[row])
        newest = int(state.newest[slot])
        if newest > NO_MINUTE:
            found[state.member_of_slot[slot][1]] = ((newest - grace_ms) // MINUTE_MS - learning_delay(grace_ms)) * MINUTE_MS
    return found
