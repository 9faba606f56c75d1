"""A chunk of a partition: read, evaluated for each of its organizations, and written in one transaction with its outcome."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from lumetry_core.access.service.evaluation_version import read_evaluation_version
from lumetry_core.evaluation.bands import Drawn, draw
from lumetry_core.evaluation.effects import Effects
from lumetry_core.evaluation.evaluate import evaluate
from lumetry_core.evaluation.lessons import learned_positions
from lumetry_core.evaluation.model import JobTrace, Settings
from lumetry_core.evaluation.service import learning, loading
from lumetry_core.evaluation.service.learning import Fence, Keeper
from lumetry_core.evaluation.service.loading import PartitionState
from lumetry_core.evaluation.service.recording import record_effects, trace_jobs
from lumetry_core.evaluation.service.rules import CompiledRules, load_alerting, load_rules
from lumetry_core.evaluation.survey import Chunk, Sights, Survey, doubtful_points, sight, survey, walk_more
from lumetry_core.metrics.model import Entry, Integers, job_id_of
from lumetry_core.metrics.service.inbox import take_jobs
from lumetry_core.runtime.database import Database, Transaction

INLINE_POINTS = 50_000
"""Points up to which evaluating is quicker than going to a thread."""
INLINE_DRAWN = 2_000
"""The same for drawing limits."""


class RulesMoved(Exception):  # noqa: N818 -- an event, not a fault
    """The rules of an organization changed since a chunk was evaluated by them."""

    def __init__(self, organization_id: int) -> None:
        super().__init__(f"the rules of organization {organization_id} changed")
        self.organization_id = organization_id


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """An organization's part of a chunk, evaluated but not written.

    `offsets` are those of its jobs, `job_of_point` tells for each point which of them it belongs to.
    """

    held: PartitionState
    compiled: CompiledRules
    effects: Effects
    offsets: list[int]
    job_of_point: Integers


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """What became of the jobs of a chunk, by their place in it: one byte each, and what the few that found anything left behind."""

    outcomes: bytes
    traces: dict[int, JobTrace]
    numbers: list[dict[int, int]]
    """For each organization's part, the numbers of opened alerts by handle."""
    journal_ids: list[int | None]
    """For each organization's part, where the points that baselines will learn are kept; None when there are none."""


class Memory:
    """States and rules kept between chunks. Whatever is doubtful is forgotten and read again."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._keeper = Keeper(database)
        self._states: dict[tuple[int, int], PartitionState] = {}
        self._compiled: dict[int, CompiledRules] = {}

    def forget_partition(self, partition: int) -> None:
        """Forgets the states of a partition, as after a failed transaction or when its lease changed hands."""
        for key in [key for key in self._states if key[0] == partition]:
            del self._states[key]

    def forget_rules(self, organization_id: int) -> None:
        """Forgets the rules of an organization."""
        self._compiled.pop(organization_id, None)

    async def judge(
        self, entries: Sequence[Entry], fence: Fence, now: datetime, before_offset: int, *, is_retry: bool = False
    ) -> list[Judged]:
        """Evaluates consecutive entries of a partition, ascending by organization.

        Args:
            fence: Fails a transaction of a process that no longer holds the partition.
            before_offset: The first job of the partition that is not evaluated.
            is_retry: Jobs after these were evaluated already.
        """
        by_organization: dict[int, list[Entry]] = {}
        for entry in entries:
            by_organization.setdefault(entry.organization_id, []).append(entry)
        return [
            await self._judge_organization(
                *await self._hold(organization_id, entries[0].partition, fence, now, before_offset),
                of_organization,
                entries[0].first_offset,
                is_retry=is_retry,
            )
            for organization_id, of_organization in sorted(by_organization.items())
        ]

    async def _judge_organization(
        self, held: PartitionState, compiled: CompiledRules, entries: Sequence[Entry], first_offset: int, *, is_retry: bool
    ) -> Judged:
        state = held.state
        series_ids = join(entry.series_ids for entry in entries)
        rows = state.find_rows(series_ids)
        if (rows < 0).any():
            async with self._database.read() as tx:
                await loading.add_series(tx, held, series_ids[rows < 0])
            rows = state.find_rows(series_ids)
        sizes = join(entry.batch_counts for entry in entries)
        offsets = [offset for entry in entries for offset in range(entry.first_offset, entry.end_offset)]
        chunk = Chunk(
            rows=rows,
            times=join(entry.times_ms for entry in entries),
            values=np.concatenate([entry.values for entry in entries]),
            job_starts=np.cumsum(sizes) - sizes,
            is_retry=is_retry,
        )
        surveyed = survey(state, chunk)
        doubtful = doubtful_points(state, chunk, surveyed)
        stored: set[tuple[int, int]] = set()
        if doubtful:
            async with self._database.read() as tx:
                own = set(zip(series_ids.tolist(), chunk.times.tolist(), strict=True)) if is_retry else ()
                stored = await loading.find_stored(tx, held, doubtful, first_offset, own)
        sights = sight(state, chunk, surveyed.members(), stored, compiled.grace_ms)
        surveyed, sights, drawn = await self._draw(held, compiled, chunk, surveyed, sights)
        cold = state.cold_slots(surveyed.walked_slots())
        if cold:
            async with self._database.read() as tx:
                await loading.warm(tx, held, compiled, cold)
        if len(rows) <= INLINE_POINTS:
            effects = evaluate(state, chunk, surveyed, sights, drawn)
        else:
            effects = await asyncio.to_thread(evaluate, state, chunk, surveyed, sights, drawn)
        return Judged(held, compiled, effects, offsets, np.repeat(np.arange(len(sizes)), sizes))

    async def _draw(
        self, held: PartitionState, compiled: CompiledRules, chunk: Chunk, surveyed: Survey, sights: Sights
    ) -> tuple[Survey, Sights, Drawn | None]:
        """Gives points of learned series their limits; series on which one is not clear are walked too."""
        state = held.state
        if not len(learned_positions(state, chunk)):
            return surveyed, sights, None
        await self._keeper.prepare(held, compiled, chunk, sights)
        if len(chunk.rows) <= INLINE_DRAWN:
            drawn = draw(state, chunk, sights, compiled.grace_ms)
        else:
            drawn = await asyncio.to_thread(draw, state, chunk, sights, compiled.grace_ms)
        if not drawn.loud.any():
            return surveyed, sights, drawn
        more = walk_more(state, surveyed, drawn.loud)
        added = [(slot, positions) for slot, positions in more.members() if slot not in sights.of_slot]
        sights.of_slot.update(sight(state, chunk, added, (), compiled.grace_ms).of_slot)
        return more, sights, drawn

    async def hold(self, organization_id: int, partition: int, fence: Fence, now: datetime, before_offset: int) -> bool:
        """Brings what is held of an organization to one version; true."""
        await self._hold(organization_id, partition, fence, now, before_offset)
        return True

    async def _hold(
        self, organization_id: int, partition: int, fence: Fence, now: datetime, before_offset: int
    ) -> tuple[PartitionState, CompiledRules]:
        """The state of an organization on a partition and its rules, as of one version."""
        held = self._states.get((partition, organization_id))
        compiled = self._compiled.get(organization_id)
        if held is None or compiled is None or held.version != compiled.version:
            async with self._database.read() as tx:
                if compiled is None:
                    compiled = self._compiled[organization_id] = await load_rules(tx, organization_id, self._settings, now)
                if held is None:
                    held = self._states[partition, organization_id] = await loading.load_partition(tx, organization_id, partition)
                misshapen = held.misshapen(compiled.metrics)
                if misshapen:
                    held = self._states[partition, organization_id] = await loading.load_partition(tx, organization_id, partition)
                    held.unlearned = misshapen
                alerting = await load_alerting(tx, organization_id, compiled, partition)
            if held.version != compiled.version:
                await self._keeper.follow(held, compiled, before_offset, fence, now)
                held.set_rules(compiled, alerting)
        return held, compiled

    def list_behind(self, partition: int, versions: Mapping[int, int]) -> list[int]:
        """Organizations of which a partition does not hold the present version, or has not done what is asked."""
        return [
            organization_id
            for organization_id, version in sorted(versions.items())
            if (held := self._states.get((partition, organization_id))) is None or held.version != version or held.rebuilds
        ]

    async def follow(self, organization_id: int, partition: int, fence: Fence, now: datetime, before_offset: int) -> bool:
        """Brings what is held of an organization to its present version and does a part of what is asked; true when there is more."""
        compiled = self._compiled.get(organization_id)
        async with self._database.read() as tx:
            if compiled is not None and await read_evaluation_version(tx, organization_id) != compiled.version:
                self.forget_rules(organization_id)
        held, compiled = await self._hold(organization_id, partition, fence, now, before_offset)
        async with self._database.read() as tx:
            if await read_evaluation_version(tx, organization_id) != compiled.version:
                return True  # a request may be newer than the periods and profiles that are known
        return await self._keeper.rebuild_next(held, compiled, before_offset, fence, now)

    async def fold(self, partition: int, fence: Fence) -> bool:
        """Saves what the baselines of a partition learned; true."""
        for (of_partition, _), held in list(self._states.items()):
            if of_partition == partition:
                await self._keeper.fold(held, fence)
        return True


async def write(tx: Transaction, judged: Sequence[Judged], partition: int, first_offset: int, job_count: int, now: datetime) -> Written:
    """Writes the effects of a chunk. Raises `RulesMoved` when it was evaluated by rules that are no longer in force."""
    for part in judged:
        if await read_evaluation_version(tx, part.held.organization_id, hold=True) != part.compiled.version:
            raise RulesMoved(part.held.organization_id)
    outcomes = np.zeros(job_count, np.uint8)
    traces: dict[int, JobTrace] = {}
    numbers = []
    journal_ids = []
    for part in judged:
        places = np.array(part.offsets, np.int64) - first_offset
        outcomes[places] = part.effects.outcomes
        place_of_point = places[part.job_of_point]
        job_ids = [job_id_of(partition, first_offset + int(place_of_point[found.position])) for found in part.effects.violations]
        detect_time = part.compiled.detect_time(now)
        opened = await record_effects(tx, part.held, part.effects, job_ids, detect_time, now)
        traces |= trace_jobs(part.effects, place_of_point, opened)
        numbers.append(opened)
        journal_ids.append(await learning.journal(tx, part.held, part.effects.learnable, now))
    return Written(outcomes.tobytes(), traces, numbers, journal_ids)


def apply(judged: Sequence[Judged], written: Written) -> None:
    """Takes committed effects over into the states."""
    for part, numbers, journal_id in zip(judged, written.numbers, written.journal_ids, strict=True):
        part.held.state.apply(part.effects, numbers)
        learning.learn(part.held, part.effects.learnable, journal_id)


def halve(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]] | None:
    """Two halves of a chunk; None when it is a single job."""
    if len(entries) > 1:
        middle = len(entries) // 2
        return list(entries[:middle]), list(entries[middle:])
    (entry,) = entries
    jobs = len(entry.batches)
    if jobs == 1:
        return None
    return [take_jobs(entry, 0, jobs // 2)], [take_jobs(entry, jobs // 2, jobs)]


def join(columns: Iterable[Integers]) -> Integers:
    """Columns one after another."""
    return np.concatenate(list(columns))
