from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from lumetry_core.baselines.candidates import make_candidates, no_candidates
from lumetry_core.baselines.learned import Learned
from lumetry_core.baselines.model import BaselineProfile
from lumetry_core.baselines.service import building
from lumetry_core.baselines.service.keeping import Baseline
from lumetry_core.baselines.weeks import MINUTES_PER_WEEK, WeekClock
from lumetry_core.metrics.model import MetricInfo
from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.metrics.service.ingestion import ingest_points
from lumetry_core.metrics.settings import Settings
from lumetry_core.metrics.worker import Maintainer, Sealer
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.metrics.feeding import ORGANIZATION, OWNER, make_caller, make_points, running_appender

A, B = {"host.id": "a"}, {"host.id": "b"}
KEY_A, KEY_B = "host.id=a", "host.id=b"
START = to_ms(FakeClock().moment)
MINUTE, DAY, WEEK = 60, 86_400, 7 * 86_400
Point = tuple[dict[str, str], float, float]
"""Labels, seconds after the start (10:00 on Monday in Berlin), value."""
AT_START = 600


def at(seconds: float) -> int:
    return START + int(seconds * 1000)


class Store:
    """A metric's stored points."""

    def __init__(self, database: Database, clock: FakeClock, appender: Appender) -> None:
        self.database = database
        self.clock = clock
        self.appender = appender

    async def send(self, *points: Point) -> None:
        """One batch that waits for evaluation."""
        given = [("m", labels, at(seconds) / 1000 - self.clock.now().timestamp(), value) for labels, seconds, value in points]
        await ingest_points(self.appender.append, self.clock, make_caller(), make_points(given, self.clock.now()))

    async def evaluate(self) -> int:
        """Passes all that waits and tells the first offset that will not be evaluated."""
        async with self.database.write() as tx:
            for lease in await inbox.acquire(tx, OWNER, self.clock.now()):
                position = await inbox.read_position(tx, lease.partition)
                await inbox.advance(tx, lease, position.next_offset, position.appended_points - position.evaluated_points)
        metric = await self.metric()
        async with self.database.read() as tx:
            return (await inbox.read_position(tx, metric.partition)).committed_offset

    async def seal(self) -> int:
        """Moves what waits to segments."""
        offset = await self.evaluate()
        await Sealer(self.database, OWNER, Settings(seal_age_seconds=0)).tick(self.clock.now())
        return offset

    async def roll_up(self, days: int, settings: Settings) -> None:
        """Lets days pass until points become roll-ups."""
        self.clock.advance(days=days)
        maintainer = Maintainer(self.database, OWNER, settings)
        while await maintainer.tick(self.clock.now()):
            pass

    async def metric(self) -> MetricInfo:
        async with self.database.read() as tx:
            return (await find_metrics(tx, ORGANIZATION, ["m"]))["m"]

    async def build(self, time_zone: str = "Europe/Berlin", **changed: Any) -> tuple[Learned, list[tuple[str | None, float, float, int]]]:
        """Builds from all stored points, with what is changed, and gives the pending points as rows."""
        profile = BaselineProfile(1, ORGANIZATION, "p", 28, 4, time_zone, True, self.clock.now(), self.clock.now())
        chosen = {
            "from_ms": at(-5 * WEEK),
            "to_ms": at(WEEK),
            "before_offset": None,
            "exclusions": [],
            "breached": {},
            "boundaries": at(WEEK),
        }
        metric = await self.metric()
        async with self.database.read() as tx:
            learned, pending = await building.build(tx, ORGANIZATION, metric, profile, **chosen | changed)
        rows = zip(pending.members.tolist(), pending.times_ms.tolist(), pending.values.tolist(), pending.breached.tolist(), strict=True)
        return learned, [(learned.members[member], (time - START) / 1000, value, breached) for member, time, value, breached in rows]


@pytest.fixture
async def store(database: Database, clock: FakeClock) -> AsyncIterator[Store]:
    async with running_appender(database, clock) as appender:
        yield Store(database, clock, appender)


def held(learned: Learned, key: str | None = KEY_A) -> dict[int, tuple[float, float]]:
    """Count and mean of each minute of the week in which a member learned, counted from the start's."""
    member = learned.find_member(key)
    if member is None:
        return {}
    minutes = np.arange(MINUTES_PER_WEEK)
    found = learned.pool(np.full(MINUTES_PER_WEEK, member), minutes, 0)
    return {
        (minute - AT_START + MINUTES_PER_WEEK // 2) % MINUTES_PER_WEEK - MINUTES_PER_WEEK // 2: (
            round(float(found.counts[minute]), 6),
            float(found.means[minute]),
        )
        for minute in np.flatnonzero(found.counts).tolist()
    }


async def test_build_learns_what_is_stored(store: Store) -> None:
    """Segments and the inbox, over weeks, by minute of the week in the profile's time zone, each member for itself."""
    await store.send((A, -WEEK, 1.0), (A, -2 * WEEK + 30, 3.0), (B, -DAY, 5.0))
    await store.seal()
    await store.send((A, 0, 5.0), (A, 10, 7.0), (A, 60, 9.0))
    learned, pending = await store.build()
    assert (learned.members, pending) == ([KEY_A, KEY_B], [])
    assert held(learned) == {0: (4, 4.0), 1: (1, 9.0)}
    assert held(learned, KEY_B) == {-1440: (1, 5.0)}
    assert list(held((await store.build("UTC"))[0])) == [-120, -119]


async def test_build_of_a_range(store: Store) -> None:
    """The start counts, the end does not; before the start of everything there is nothing."""
    await store.send((A, 0, 1.0), (A, 60, 2.0), (A, 120, 3.0))
    assert held((await store.build(from_ms=at(60), to_ms=at(120)))[0]) == {1: (1, 2.0)}
    assert held((await store.build(from_ms=at(60), to_ms=at(60)))[0]) == {}
    assert held((await store.build(from_ms=at(-90), to_ms=at(-60)))[0]) == {}


async def test_build_before_an_offset(store: Store) -> None:
    """Batches that wait for evaluation do not count; sealed ones were evaluated."""
    await store.send((A, 0, 1.0))
    await store.seal()
    await store.send((A, 60, 2.0))
    offset = await store.evaluate()
    await store.send((A, 120, 3.0))
    assert held((await store.build(before_offset=offset))[0]) == {0: (1, 1.0), 1: (1, 2.0)}
    assert held((await store.build())[0]) == {0: (1, 1.0), 1: (1, 2.0), 2: (1, 3.0)}


async def test_build_leaves_out_what_is_not_normal(store: Store) -> None:
    """Points of exclusions and breaches of the member."""
    await store.send(*((labels, 60 * number, float(number)) for number in range(6) for labels in (A, B)))
    breached = {KEY_A: np.array([at(300), at(60)]), "host.id=gone": np.array([at(0)])}
    learned, pending = await store.build(exclusions=[(at(120), at(240)), (at(-DAY), at(-1))], breached=breached)
    assert (list(held(learned)), list(held(learned, KEY_B)), pending) == ([0, 4], [0, 1, 4, 5], [])


async def test_build_up_to_boundaries(store: Store) -> None:
    """Whole minutes before a member's boundary are learned; what is left waits, with its breaches, ascending by time."""
    await store.send((B, 50, 6.0), (A, 0, 1.0), (A, 59, 2.0), (A, 60, 3.0), (A, 100, 4.0), (B, 30, 5.0), (B, 70, 7.0))
    boundaries = {KEY_A: at(119.999), KEY_B: at(60)}
    learned, pending = await store.build(boundaries=boundaries, breached={KEY_A: [at(100)]})
    assert (held(learned), held(learned, KEY_B)) == ({0: (2, 1.5)}, {0: (2, 5.5)})
    assert pending == [(KEY_A, 60.0, 3.0, 0), (KEY_B, 70.0, 7.0, 0), (KEY_A, 100.0, 4.0, 1)]
    learned, pending = await store.build(boundaries={KEY_A: at(WEEK)})
    assert (list(held(learned)), held(learned, KEY_B)) == ([0, 1], {})
    assert [row[:2] for row in pending] == [(KEY_B, 30.0), (KEY_B, 50.0), (KEY_B, 70.0)]


async def test_build_takes_one_point_per_member_and_time(store: Store) -> None:
    """Of label sets that fall on one member the first registered counts; a repeated point counts once, with its last value."""
    await store.send((A, 0, 1.0))
    await store.send((A | {"zone": "x"}, 0, 9.0), (A | {"zone": "x"}, 60, 2.0), (B, 0, 4.0))
    await store.send((A, 60, 3.0), (A, 120, 5.0), (A, 120, 6.0))
    for _ in range(2):
        learned, _ = await store.build()
        assert (learned.members, held(learned)) == ([KEY_A, KEY_B], {0: (1, 1.0), 1: (1, 3.0), 2: (1, 6.0)})
        await store.seal()


async def test_build_leaves_members_out_beyond_the_limit(store: Store) -> None:
    """In the order of registration."""
    await store.send((B, 0, 1.0))
    await store.send((A, 0, 2.0), (A | {"zone": "x"}, 60, 3.0), ({"host.id": "c"}, 0, 4.0))
    learned, _ = await store.build(max_members=2)
    assert (learned.members, held(learned, KEY_B), held(learned)) == ([KEY_B, KEY_A], {0: (1, 1.0)}, {0: (1, 2.0), 1: (1, 3.0)})


async def test_build_keeps_given_numbers(store: Store) -> None:
    """As a rebuild needs it; members without points stay."""
    await store.send((A, 0, 1.0))
    await store.send((B, 60, 2.0))
    learned, _ = await store.build(members=["host.id=gone", KEY_B])
    assert (learned.members, held(learned), held(learned, KEY_B)) == (["host.id=gone", KEY_B, KEY_A], {0: (1, 1.0)}, {1: (1, 2.0)})


async def test_build_of_some_buckets(store: Store) -> None:
    """As the rebuild of a period needs it."""
    await store.send((A, 0, 1.0), (A, 60, 2.0), (A, -WEEK + 60, 4.0))
    mask = np.zeros(MINUTES_PER_WEEK, bool)
    mask[AT_START + 1] = True
    assert held((await store.build(minutes_mask=mask))[0]) == {1: (2, 3.0)}


async def test_build_of_a_single_metric(store: Store) -> None:
    """Its member has no dimension key."""
    await store.send(({}, 0, 1.0))
    learned, _ = await store.build(breached={None: [at(60)]}, boundaries={None: at(WEEK)})
    assert (learned.members, held(learned, None)) == ([None], {0: (1, 1.0)})


async def test_build_of_a_metric_without_series(store: Store) -> None:
    """Every member lies beyond the limit."""
    await store.send(({}, 0, 1.0))
    learned, pending = await store.build(max_members=0)
    assert (learned.members, learned.byte_count, pending) == ([], 0, [])


async def test_build_from_rollups(store: Store) -> None:
    """A bucket of five minutes spreads evenly over them, one of an hour over the hour; statistics stay those of the points."""
    values = [float(number) for number in range(10)]
    await store.send(*((A, 60.0 * number, value) for number, value in enumerate(values)))
    await store.seal()
    await store.roll_up(36, Settings())
    learned, _ = await store.build()
    assert held(learned) == {minute: (1, 2.0 if minute < 5 else 7.0) for minute in range(10)}
    pool = learned.pool(np.array([0]), np.array([AT_START + 4]), 5)
    assert [round(float(column[0]), 9) for column in (*pool.columns, pool.sigmas)] == [
        10,
        4.5,
        82.5,
        0,
        9,
        round(float(np.std(values)), 9),
    ]
    await store.roll_up(60, Settings())
    learned, _ = await store.build()
    assert held(learned) == {minute: (round(1 / 6, 6), pytest.approx(4.5)) for minute in range(60)}


async def test_build_leaves_out_rollups_that_are_not_normal(store: Store) -> None:
    """Whole buckets, when anything in them is excluded or breached; and those that start after the boundary."""
    store.clock.advance(hours=1)
    await store.send(*((A, 300.0 * number, float(number)) for number in range(6)))
    await store.seal()
    await store.roll_up(36, Settings())
    learned, _ = await store.build(
        exclusions=[(at(299), at(299.5)), (at(600), at(601)), (at(1200), at(1200))], breached={KEY_A: [at(1000)]}
    )
    assert list(held(learned)) == [*range(5, 10), *range(20, 30)]
    learned, _ = await store.build(boundaries=at(600))
    assert list(held(learned)) == [*range(10)]


async def test_build_mixes_rollups_and_points(store: Store) -> None:
    """What came after the roll-up counts as well."""
    await store.send((A, 0, 1.0), (A, 60, 3.0))
    await store.seal()
    await store.roll_up(36, Settings())
    await store.send((A, 36 * DAY - DAY, 9.0))
    await store.seal()
    learned, _ = await store.build(to_ms=at(36 * DAY), boundaries=at(36 * DAY))
    assert held(learned) == {**dict.fromkeys(range(5), (0.4, 2.0)), 0: (1.4, pytest.approx((0.4 * 2 + 9) / 1.4))}


@pytest.mark.parametrize("time_zone", ["Europe/Berlin", "Asia/Kathmandu"])
async def test_build_equals_learning_point_by_point(store: Store, time_zone: str) -> None:
    """To the bit, over the end of summer time, whatever is sealed: the same buckets as from evaluated points in small steps."""
    source = np.random.default_rng(3)
    store.clock.moment += timedelta(days=150)
    seconds = 150 * DAY - 20 * DAY + np.sort(source.choice(20 * DAY, 1500, replace=False)).astype(float)
    points: Sequence[Point] = [
        ((A, B)[number], second, value)
        for number, second, value in zip(
            source.integers(0, 2, 1500).tolist(), seconds.tolist(), source.normal(0, 1e3, 1500).tolist(), strict=True
        )
    ]
    await store.send(*points[:700])
    await store.seal()
    await store.send(*points[700:])
    learned, _ = await store.build(time_zone, from_ms=at(0), to_ms=at(151 * DAY), boundaries=at(151 * DAY))
    baseline = Baseline(1, ORGANIZATION, 1, 1, Learned(learned.members), no_candidates(), 0)
    clock = WeekClock(time_zone)
    for start in range(0, 1500, 37):
        part = points[start : start + 37]
        members = [learned.find_member(f"host.id={labels['host.id']}") for labels, _, _ in part]
        times = [at(second) for _, second, _ in part]
        baseline.take(make_candidates([1] * len(part), members, times, [value for _, _, value in part], [0] * len(part)))
        baseline.advance(times[-1] - 100_000, [], clock)
    baseline.advance(at(151 * DAY), [], clock)
    assert learned.loaded_hours == baseline.learned.loaded_hours
    assert all(learned.pack_hour(hour) == baseline.learned.pack_hour(hour) for hour in learned.loaded_hours)
