import contextlib
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from lumetry_core.baselines.candidates import Candidates, join, make_candidates, no_candidates
from lumetry_core.baselines.learned import Learned
from lumetry_core.baselines.service import keeping
from lumetry_core.baselines.service.keeping import Baseline
from lumetry_core.baselines.store.baselines import baseline_members, baselines
from lumetry_core.baselines.store.blocks import baseline_blocks
from lumetry_core.baselines.weeks import MINUTES_PER_WEEK, WeekClock
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock

ORGANIZATION, PARTITION = 7, 3
CPU: Any = SimpleNamespace(id=5, partition=PARTITION)
MEMORY: Any = SimpleNamespace(id=6, partition=PARTITION)
CLOCK = WeekClock("Europe/Berlin")
START = to_ms(FakeClock().moment)
ALL_HOURS = range(168)


def points(baseline_id: int, *rows: tuple[int, float, float], breached: bool = False) -> Candidates:
    """Points given as member, seconds after the start, value."""
    return make_candidates(
        [baseline_id] * len(rows),
        [member for member, _, _ in rows],
        [START + int(seconds * 1000) for _, seconds, _ in rows],
        [value for _, _, value in rows],
        [breached] * len(rows),
    )


def at(seconds: float) -> int:
    return START + int(seconds * 1000)


def held(baseline: Baseline, member: int = 0) -> tuple[float, float]:
    """How many points a member learned and their mean."""
    minutes = np.flatnonzero(np.ones(MINUTES_PER_WEEK, bool))
    found = baseline.learned.pool(np.full(MINUTES_PER_WEEK, member), minutes, 0)
    count = float(found.counts.sum())
    return count, float((found.means * found.counts).sum() / count) if count else 0.0


def rows_of(candidates: Candidates) -> list[tuple[int, float, float]]:
    return [
        (member, (time - START) / 1000, value)
        for member, time, value in zip(candidates.members.tolist(), candidates.times_ms.tolist(), candidates.values.tolist(), strict=True)
    ]


def dump(baseline: Baseline) -> tuple[Any, ...]:
    """All that is known, to the bit."""
    pending = baseline.pending
    return (
        baseline.learned.members,
        {hour: baseline.learned.pack_hour(hour) for hour in sorted(baseline.learned.loaded_hours)},
        [column.tobytes() for column in (pending.members, pending.times_ms, pending.values, pending.breached)],
    )


def make_baseline(members: int = 2) -> Baseline:
    return Baseline(1, ORGANIZATION, 1, CPU.id, Learned([f"m={number}" for number in range(members)]), no_candidates(), 0)


async def create(database: Database, clock: FakeClock, metric: Any = CPU, members: tuple[str | None, ...] = ()) -> Baseline:
    async with database.write() as tx:
        created = await keeping.create(tx, ORGANIZATION, 1, metric, Learned(members), no_candidates(), 0, clock.now())
    created.note_folded(0)
    return created


async def load(database: Database, *, hours: Any = ALL_HOURS) -> list[Baseline]:
    async with database.read() as tx:
        found = await keeping.load(tx, ORGANIZATION, PARTITION)
        await keeping.load_hours_of_all(tx, [(baseline, hours) for baseline in found.values()])
    assert list(found) == [(baseline.profile_id, baseline.metric_id) for baseline in found.values()]
    return list(found.values())


async def write_journal(database: Database, clock: FakeClock, candidates: Candidates, *members: tuple[int, int, str | None]) -> int:
    async with database.write() as tx:
        return await keeping.journal(tx, ORGANIZATION, PARTITION, candidates, members, clock.now())


async def fold(database: Database, baseline: Baseline, journal_id: int) -> None:
    async with database.write() as tx:
        await keeping.fold(tx, ORGANIZATION, PARTITION, baseline, journal_id)
        await keeping.trim_journal(tx, ORGANIZATION, PARTITION)
    baseline.note_folded(journal_id)


def test_advance_learns_whole_minutes_before_the_boundary() -> None:
    """A minute is learned when the boundary has passed it; later points wait."""
    baseline = make_baseline()
    baseline.take(points(1, (0, 10, 1.0), (0, 50, 3.0), (0, 60, 9.0), (1, 0, 5.0)))
    baseline.advance(at(59.999), [], CLOCK)
    assert (held(baseline), len(baseline.pending)) == ((0, 0), 4)
    baseline.advance(at(60), [], CLOCK)
    assert (held(baseline), held(baseline, 1), rows_of(baseline.pending)) == ((2, 2.0), (1, 5.0), [(0, 60.0, 9.0)])


def test_advance_with_a_boundary_for_each_member() -> None:
    """As an array by member or a function of members."""
    for boundaries in (np.array([at(60), at(0)]), lambda members: np.where(members == 0, at(60), at(0))):
        baseline = make_baseline()
        baseline.take(points(1, (0, 0, 1.0), (1, 0, 5.0)))
        baseline.advance(boundaries, [], CLOCK)
        assert (held(baseline), held(baseline, 1), rows_of(baseline.pending)) == ((1, 1.0), (0, 0), [(1, 0.0, 5.0)])


def test_advance_leaves_out_what_is_not_normal() -> None:
    """Breached points and points of exclusions are dropped, the end of an exclusion is learned."""
    baseline = make_baseline()
    baseline.take(points(1, (0, 0, 100.0), breached=True))
    baseline.take(points(1, (0, 60, 1.0), (0, 120, 50.0), (0, 179.999, 60.0), (0, 180, 3.0)))
    exclusions = [(at(120), at(180)), (at(9000), at(9999))]
    assert baseline.due_hours(at(600), exclusions, CLOCK) == {10}
    baseline.advance(at(600), exclusions, CLOCK)
    assert (held(baseline), len(baseline.pending)) == ((2, 2.0), 0)


def test_take_keeps_its_own_points() -> None:
    """A chunk may hold points of many baselines."""
    baseline = make_baseline()
    baseline.take(join([points(2, (0, 0, 9.0)), points(1, (0, 1, 1.0)), points(3, (0, 2, 9.0))]))
    baseline.take(points(2, (0, 0, 9.0)))
    assert rows_of(baseline.pending) == [(0, 1.0, 1.0)]


def test_split_gives_each_baseline_its_points() -> None:
    """In the order given."""
    mixed = join([points(2, (0, 5, 1.0)), points(1, (0, 1, 2.0)), points(2, (1, 3, 3.0))])
    assert [(number, rows_of(part)) for number, part in mixed.split()] == [
        (1, [(0, 1.0, 2.0)]),
        (2, [(0, 5.0, 1.0), (1, 3.0, 3.0)]),
    ]
    assert list(no_candidates().split()) == []


async def test_load_gives_what_the_journal_holds(database: Database, clock: FakeClock) -> None:
    """Points since a baseline was folded wait, in order, for each baseline and partition its own; members come back."""
    cpu, memory = await create(database, clock), await create(database, clock, MEMORY, (None,))
    first = await write_journal(database, clock, points(cpu.id, (0, 0, 1.0)), (cpu.id, 0, "m=0"))
    cpu.learned.add_member("m=0")
    cpu.take(points(cpu.id, (0, 0, 1.0)))
    cpu.advance(at(60), [], CLOCK)
    await fold(database, cpu, first)
    both = join([points(cpu.id, (1, 60, 2.0)), points(memory.id, (0, 60, 7.0)), points(cpu.id, (0, 61, 3.0))])
    await write_journal(database, clock, both, (cpu.id, 1, "m=1"), (cpu.id, 1, "m=1"))
    async with database.write() as tx:
        await keeping.journal(tx, ORGANIZATION, PARTITION + 1, points(cpu.id, (0, 99, 9.0)), (), clock.now())
        await keeping.journal(tx, 8, PARTITION, points(cpu.id, (0, 99, 9.0)), (), clock.now())
    loaded = await load(database)
    assert [(one.profile_id, one.metric_id, one.learned.members) for one in loaded] == [(1, 5, ["m=0", "m=1"]), (1, 6, [None])]
    assert [rows_of(one.pending) for one in loaded] == [[(1, 60.0, 2.0), (0, 61.0, 3.0)], [(0, 60.0, 7.0)]]
    assert (held(loaded[0]), held(loaded[1])) == ((1, 1.0), (0, 0))
    async with database.read() as tx:
        assert await keeping.load(tx, 8, PARTITION) == {}


async def test_load_hours_on_demand(database: Database, clock: FakeClock) -> None:
    """Only the hours asked for; the others are known to be in the store."""
    baseline = await create(database, clock, members=("m=0",))
    baseline.take(points(baseline.id, (0, 0, 1.0), (0, 7200, 2.0)))
    baseline.advance(at(9000), [], CLOCK)
    await fold(database, baseline, 1)
    (loaded,) = await load(database, hours={10, 11})
    assert (loaded.learned.loaded_hours, loaded.learned.missing_hours(ALL_HOURS)) == ({10}, {12})
    async with database.read() as tx:
        await keeping.load_hours(tx, loaded, ALL_HOURS)
    assert dump(loaded) == dump(baseline)


async def test_journal_is_trimmed_to_what_is_needed(database: Database, clock: FakeClock) -> None:
    """Rows stay until every baseline of the partition holds them; without baselines nothing does."""
    cpu, memory = await create(database, clock), await create(database, clock, MEMORY)
    numbers = [await write_journal(database, clock, points(cpu.id, (0, 0, 1.0))) for _ in range(3)]

    async def size() -> tuple[int, int]:
        async with database.read() as tx:
            return await keeping.journal_size(tx, ORGANIZATION, PARTITION)

    rows, size_bytes = await size()
    assert (rows, size_bytes > 0) == (3, True)
    await fold(database, cpu, numbers[2])
    assert (await size())[0] == 3
    await fold(database, memory, numbers[1])
    assert (await size())[0] == 1
    async with database.write() as tx:
        assert await keeping.find_newest_journal_id(tx, ORGANIZATION, PARTITION) == numbers[2]
        await keeping.delete(tx, ORGANIZATION, [memory.id])
        await keeping.trim_journal(tx, ORGANIZATION, PARTITION)
        assert await keeping.find_newest_journal_id(tx, ORGANIZATION, PARTITION) == numbers[2]
        await keeping.delete(tx, ORGANIZATION, [cpu.id])
        await keeping.trim_journal(tx, ORGANIZATION, PARTITION)
        assert await keeping.find_newest_journal_id(tx, ORGANIZATION, PARTITION) == 0
    assert await size() == (0, 0)
    assert await write_journal(database, clock, no_candidates()) > numbers[2]


async def test_delete_leaves_nothing(database: Database, clock: FakeClock) -> None:
    """Rows, members and blocks go, those of another organization stay."""
    baseline = await create(database, clock, members=("m=0",))
    baseline.take(points(baseline.id, (0, 0, 1.0)))
    baseline.advance(at(60), [], CLOCK)
    await fold(database, baseline, 1)

    async def count() -> list[int]:
        async with database.read() as tx:
            tables = (baselines, baseline_members, baseline_blocks)
            return [(await tx.execute(select(func.count()).select_from(table))).scalar_one() for table in tables]

    async with database.write() as tx:
        await keeping.delete(tx, 8, [baseline.id])
    assert await count() == [1, 1, 1]
    async with database.write() as tx:
        await keeping.delete(tx, ORGANIZATION, [baseline.id])
    assert await count() == [0, 0, 0]


async def test_replace_swaps_in_what_was_learned_anew(database: Database, clock: FakeClock) -> None:
    """Hours that are no longer known go; later journal rows still count."""
    baseline = await create(database, clock, members=("m=0",))
    baseline.take(points(baseline.id, (0, 0, 1.0), (0, 7200, 2.0)))
    baseline.advance(at(9000), [], CLOCK)
    await fold(database, baseline, 1)
    learned = Learned(["m=0", "m=1"])
    learned.add(np.array([1]), np.array([615]), np.array([615]), np.array([8.0]))
    await write_journal(database, clock, points(baseline.id, (0, 9100, 5.0)))
    last = await write_journal(database, clock, points(baseline.id, (0, 9200, 6.0)))
    async with database.write() as tx:
        replaced = await keeping.replace(tx, baseline, PARTITION, learned, points(0, (1, 9150, 4.0)), last - 1, clock.advance(minutes=5))
    replaced.note_folded(last - 1)
    (loaded,) = await load(database)
    assert (replaced.id, loaded.learned.stored_hours, loaded.learned.members) == (baseline.id, {10}, ["m=0", "m=1"])
    assert (held(loaded), held(loaded, 1)) == ((0, 0), (1, 8.0))
    assert rows_of(loaded.pending) == [(1, 9150.0, 4.0), (0, 9200.0, 6.0)]


async def test_replace_of_some_buckets_keeps_the_other_hours(database: Database, clock: FakeClock) -> None:
    """Hours that are in the store as they were stay there, loaded or not."""
    baseline = await create(database, clock, members=("m=0",))
    baseline.take(points(baseline.id, (0, 0, 1.0), (0, 3600, 2.0), (0, 7200, 3.0)))
    baseline.advance(at(9000), [], CLOCK)
    await fold(database, baseline, 1)
    baseline.learned.drop_idle_hours({10, 11})
    mask = np.zeros(MINUTES_PER_WEEK, bool)
    mask[600:660] = True
    anew = Learned(["m=0"])
    anew.add(np.array([0]), np.array([610]), np.array([610]), np.array([9.0]))
    baseline.learned.replace_buckets(mask, anew)
    async with database.write() as tx:
        await keeping.replace(tx, baseline, PARTITION, baseline.learned, baseline.pending, 1, clock.now())
    (loaded,) = await load(database)
    found = loaded.learned.pool(np.zeros(4, np.int64), np.array([600, 610, 660, 720]), 0)
    assert (found.counts.tolist(), found.means.tolist()) == ([0, 1, 1, 1], [0, 9.0, 2.0, 3.0])


@dataclass
class Run:
    """A process that keeps baselines, may die at any moment, and one that never does."""

    database: Database
    clock: FakeClock
    random: Random
    alive: list[Baseline]
    ideal: list[Baseline]
    newest: dict[int, int] = field(default_factory=dict)
    journal_id: int = 0
    seconds: int = 0

    def boundary(self, baseline: Baseline) -> np.ndarray:
        members = baseline.learned.members
        return np.array([self.newest.get(baseline.id * 100 + number, START) - 90_000 for number in range(len(members))], np.int64)

    async def evaluate(self) -> None:
        """A chunk: points of some members, some late within the grace period, new members now and then."""
        self.seconds += self.random.randrange(2000)
        parts, added = [], []
        for ideal, alive in zip(self.ideal, self.alive, strict=True):
            if self.random.random() < 0.2:
                key = f"m={len(ideal.learned.members)}"
                added.append((ideal.id, ideal.learned.add_member(key), key))
                alive.learned.add_member(key)
            for member in range(len(ideal.learned.members)):
                for _ in range(self.random.randrange(4)):
                    now = self.seconds - self.random.randrange(90)
                    value = self.random.uniform(-5, 5)
                    parts.append(points(ideal.id, (member, now, value), breached=self.random.random() < 0.1))
                    number = ideal.id * 100 + member
                    if at(now) < self.newest.get(number, 0) - 90_000:
                        parts.pop()
                    self.newest[number] = max(self.newest.get(number, 0), at(now))
        chunk = join(parts)
        self.journal_id = await write_journal(self.database, self.clock, chunk, *added)
        for baseline in (*self.ideal, *self.alive):
            baseline.take(chunk)
        for ideal in self.ideal:
            ideal.advance(self.boundary(ideal), EXCLUDED, CLOCK)

    async def advance(self) -> None:
        for alive in self.alive:
            boundary = self.boundary(alive)
            async with self.database.read() as tx:
                await keeping.load_hours(tx, alive, alive.due_hours(boundary, EXCLUDED, CLOCK))
            alive.advance(boundary, EXCLUDED, CLOCK)

    async def fold(self) -> None:
        for alive in self.alive:
            if self.random.random() < 0.7:
                await fold(self.database, alive, self.journal_id)
                alive.learned.drop_idle_hours(set())

    async def fail_to_fold(self) -> None:
        """The transaction is rolled back and the process dies."""
        with contextlib.suppress(ZeroDivisionError):
            async with self.database.write() as tx:
                await keeping.fold_all(tx, ORGANIZATION, PARTITION, self.alive, self.journal_id)
                await keeping.trim_journal(tx, ORGANIZATION, PARTITION)
                raise ZeroDivisionError
        await self.die()

    async def die(self) -> None:
        self.alive = await load(self.database, hours=())


EXCLUDED = [(at(3000), at(4000)), (at(9000), at(9500))]


@pytest.mark.parametrize("seed", range(4))
async def test_state_survives_anything(database: Database, clock: FakeClock, seed: int) -> None:
    """After any order of evaluating, learning, storing, failing and dying the state is, to the bit, the one of a process that never did."""
    random = Random(seed)
    alive = [await create(database, clock, CPU, ("m=0",)), await create(database, clock, MEMORY, ("m=0",))]
    ideal = [Baseline(one.id, ORGANIZATION, 1, one.metric_id, Learned(["m=0"]), no_candidates(), 0) for one in alive]
    run = Run(database, clock, random, alive, ideal)
    for _ in range(40):
        await random.choice((run.evaluate, run.evaluate, run.evaluate, run.advance, run.fold, run.fail_to_fold, run.die))()
    await run.advance()
    async with database.read() as tx:
        await keeping.load_hours_of_all(tx, [(baseline, ALL_HOURS) for baseline in run.alive])
    assert [dump(baseline) for baseline in run.alive] == [dump(baseline) for baseline in run.ideal]
    assert held(run.ideal[0])[0] > 5


async def test_store_whole_leaves_nothing_in_memory(database: Database, clock: FakeClock) -> None:
    """What was built lies in the store: its hours leave memory and come back as they were."""
    learned = Learned(["m=0"])
    minutes = np.arange(0, 10_080, 30)
    learned.add(np.zeros(len(minutes), np.int64), minutes, minutes, np.arange(len(minutes), dtype=np.float64))
    whole = {hour: learned.pack_hour(hour) for hour in learned.loaded_hours}
    async with database.write() as tx:
        created = await keeping.create(tx, ORGANIZATION, 1, CPU, learned, no_candidates(), 0, clock.now())
    created.note_stored()
    assert (len(whole), created.learned.byte_count, created.learned.dirty_hours()) == (168, 0, [])
    async with database.read() as tx:
        await keeping.load_hours(tx, created, ALL_HOURS)
    assert {hour: created.learned.pack_hour(hour) for hour in created.learned.loaded_hours} == whole
