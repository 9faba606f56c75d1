"""A chunk of a partition: read, evaluated for each of its organizations, and written in one transaction with its outcome."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from lumetry_core.access.service.evaluation_version import read_evaluation_version
from lumetry_core.evaluation.effects import Effects
from lumetry_core.evaluation.evaluate import Chunk, doubtful_points, evaluate, survey
from lumetry_core.evaluation.model import JobTrace, Settings
from lumetry_core.evaluation.service import loading
from lumetry_core.evaluation.service.loading import PartitionState
from lumetry_core.evaluation.service.recording import record_effects, trace_jobs
from lumetry_core.evaluation.service.rules import CompiledRules, load_alerting, load_rules
from lumetry_core.metrics.model import Entry, Integers, job_id_of
from lumetry_core.metrics.service.inbox import take_jobs
from lumetry_core.runtime.database import Database, Transaction

INLINE_POINTS = 50_000
"""Points up to which evaluating is quicker than going to a thread."""


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


class Memory:
    """States and rules kept between chunks. Whatever is doubtful is forgotten and read again."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._states: dict[tuple[int, int], PartitionState] = {}
        self._compiled: dict[int, CompiledRules] = {}

    def forget_partition(self, partition: int) -> None:
        """Forgets the states of a partition, as after a failed transaction or when its lease changed hands."""
        for key in [key for key in self._states if key[0] == partition]:
            del self._states[key]

    def forget_rules(self, organization_id: int) -> None:
        """Forgets the rules of an organization."""
        self._compiled.pop(organization_id, None)

    async def judge(self, entries: Sequence[Entry], now: datetime, *, is_retry: bool = False) -> list[Judged]:
        """Evaluates consecutive entries of a partition, ascending by organization.

        Args:
            is_retry: Jobs after these were evaluated already.
        """
        by_organization: dict[int, list[Entry]] = {}
        for entry in entries:
            by_organization.setdefault(entry.organization_id, []).append(entry)
        return [
            await self._judge_organization(organization_id, of_organization, entries[0].first_offset, now, is_retry=is_retry)
            for organization_id, of_organization in sorted(by_organization.items())
        ]

    async def _judge_organization(
        self, organization_id: int, entries: Sequence[Entry], first_offset: int, now: datetime, *, is_retry: bool
    ) -> Judged:
        held, compiled = await self._hold(organization_id, entries[0].partition, now)
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
        cold = state.cold_slots(np.unique(surveyed.slots[surveyed.walked]).tolist())
        doubtful = doubtful_points(state, chunk, surveyed)
        stored: set[tuple[int, int]] = set()
        if cold or doubtful:
            async with self._database.read() as tx:
                if cold:
                    await loading.warm(tx, held, compiled, cold)
                stored = await loading.find_stored(tx, held, doubtful, first_offset)
        grace_ms = self._settings.grace_seconds * 1000
        if len(rows) <= INLINE_POINTS:
            effects = evaluate(state, chunk, surveyed, stored, grace_ms)
        else:
            effects = await asyncio.to_thread(evaluate, state, chunk, surveyed, stored, grace_ms)
        return Judged(held, compiled, effects, offsets, np.repeat(np.arange(len(sizes)), sizes))

    async def _hold(self, organization_id: int, partition: int, now: datetime) -> tuple[PartitionState, CompiledRules]:
        held = self._states.get((partition, organization_id))
        compiled = self._compiled.get(organization_id)
        if held is None or compiled is None or held.version != compiled.version:
            async with self._database.read() as tx:
                if compiled is None:
                    compiled = self._compiled[organization_id] = await load_rules(tx, organization_id, self._settings, now)
                if held is None:
                    held = self._states[partition, organization_id] = await loading.load_partition(tx, organization_id, partition)
                if held.version != compiled.version:
                    held.set_rules(compiled, await load_alerting(tx, organization_id, compiled, partition))
        return held, compiled


async def write(tx: Transaction, judged: Sequence[Judged], partition: int, first_offset: int, job_count: int, now: datetime) -> Written:
    """Writes the effects of a chunk. Raises `RulesMoved` when it was evaluated by rules that are no longer in force."""
    for part in judged:
        if await read_evaluation_version(tx, part.held.organization_id, hold=True) != part.compiled.version:
            raise RulesMoved(part.held.organization_id)
    outcomes = np.zeros(job_count, np.uint8)
    traces: dict[int, JobTrace] = {}
    numbers = []
    for part in judged:
        places = np.array(part.offsets, np.int64) - first_offset
        outcomes[places] = part.effects.outcomes
        place_of_point = places[part.job_of_point]
        job_ids = [job_id_of(partition, first_offset + int(place_of_point[found.position])) for found in part.effects.violations]
        detect_time = part.compiled.detect_time(now)
        opened = await record_effects(tx, part.held, part.effects, job_ids, detect_time, now)
        traces |= trace_jobs(part.effects, place_of_point, opened)
        numbers.append(opened)
    return Written(outcomes.tobytes(), traces, numbers)


def apply(judged: Sequence[Judged], written: Written) -> None:
    """Takes committed effects over into the states."""
    for part, numbers in zip(judged, written.numbers, strict=True):
        part.held.state.apply(part.effects, numbers)


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
