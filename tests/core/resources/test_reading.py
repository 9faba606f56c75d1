"""Histories, those that use most, and sums."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lumetry_core.containers.model import ContainerState
from lumetry_core.resources.model import Consumer, Metric, Range, Sample, Summary
from lumetry_core.resources.service.reading import list_history, list_top, summarise
from lumetry_core.runtime.errors import LumetryError
from tests.conftest import FakeClock
from tests.core.resources.building import GIB, World, sample_of


async def history(world: World, container_id: int, view_range: Range) -> list[Sample]:
    async with world.database.read() as tx:
        return await list_history(tx, world.organization_id, container_id, view_range, world.clock.now())


async def top(world: World, metric: Metric, period: Range | None = None, limit: int = 5) -> list[Consumer]:
    async with world.database.read() as tx:
        return await list_top(tx, world.organization_id, metric, period, limit, world.clock.now())


async def test_history_by_granularity(world: World, clock: FakeClock) -> None:
    """Single samples for an hour; beyond it means of spans, with the last value of counters, the present span included."""
    shop = await world.run("shop")
    start = datetime(2026, 6, 1, 8, 0, 30, tzinfo=UTC)
    for number, (seconds, cpu, memory) in enumerate([(0, 10.0, 100), (20, 30.0, 300), (40, 50.0, 600), (3600, 80.0, 1000)]):
        clock.moment = start + timedelta(seconds=seconds)
        await world.record(sample_of(shop, clock.now(), cpu, memory, number))
    assert [point.cpu_percent for point in await history(world, shop.id, Range.HOUR)] == [10.0, 30.0, 50.0, 80.0]

    def at(hour: int, minute: int, cpu: float, memory: int, counter: int) -> Sample:
        return sample_of(shop, datetime(2026, 6, 1, hour, minute, tzinfo=UTC), cpu, memory, counter)

    assert await history(world, shop.id, Range.SIX_HOURS) == [at(8, 0, 20.0, 200, 1), at(8, 1, 50.0, 600, 2), at(9, 0, 80.0, 1000, 3)]
    assert await history(world, shop.id, Range.DAY) == [at(8, 0, 30.0, 333, 2), at(9, 0, 80.0, 1000, 3)]
    for view_range in (Range.WEEK, Range.MONTH):
        assert await history(world, shop.id, view_range) == [at(8, 0, 30.0, 333, 2), at(9, 0, 80.0, 1000, 3)]
    assert await history(world, shop.id, Range.QUARTER) == [at(0, 0, 42.5, 500, 3)]


async def test_history_only_of_the_range(world: World, clock: FakeClock) -> None:
    """What is older than the range is not in it."""
    shop = await world.run("shop")
    await world.record(sample_of(shop, clock.now()))
    clock.advance(hours=1, seconds=1)
    assert await history(world, shop.id, Range.HOUR) == []
    assert len(await history(world, shop.id, Range.SIX_HOURS)) == 1
    clock.advance(days=91)
    assert await history(world, shop.id, Range.QUARTER) == []


async def test_history_unknown_container(world: World) -> None:
    """An unknown container has no history."""
    with pytest.raises(LumetryError, match="Container 77 does not exist"):
        await history(world, 77, Range.HOUR)


async def test_top_newest_samples(world: World, clock: FakeClock) -> None:
    """Running containers by their newest sample; of equals the name decides. Stopped ones and old samples do not count."""
    shop, db, web = [await world.run(name) for name in ("shop", "db", "web")]
    old = await world.run("old")
    await world.record(sample_of(old, clock.now(), 500.0))
    clock.advance(minutes=6)
    stopped = await world.run("stopped")
    now = clock.now()
    await world.record(
        sample_of(shop, now, 150.0, GIB), sample_of(db, now, 20.0, 2 * GIB), sample_of(web, now, 20.0, 0), sample_of(stopped, now, 99.0)
    )
    await world.change(replace(stopped, state=ContainerState.EXITED))
    assert await top(world, Metric.CPU) == [
        Consumer(shop.id, "shop", 150.0, 150.0),
        Consumer(db.id, "db", 20.0, 20.0),
        Consumer(web.id, "web", 20.0, 20.0),
    ]
    assert await top(world, Metric.MEMORY, limit=2) == [Consumer(db.id, "db", 2 * GIB, 50.0), Consumer(shop.id, "shop", GIB, 25.0)]


async def test_top_over_a_period(world: World, clock: FakeClock) -> None:
    """Means over the period, in which containers count that do not run any more."""
    shop, db = await world.run("shop"), await world.run("db")
    start = clock.now()
    for hours, cpu in ((0, 10.0), (20, 100.0), (21, 200.0)):
        clock.moment = start + timedelta(hours=hours)
        await world.record(sample_of(shop, clock.now(), cpu), sample_of(db, clock.now(), 150.0, 2 * GIB))
    clock.moment = start + timedelta(hours=30)
    assert await top(world, Metric.CPU, Range.HOUR) == []
    assert await top(world, Metric.CPU, Range.DAY) == [Consumer(db.id, "db", 150.0, 150.0), Consumer(shop.id, "shop", 150.0, 150.0)]
    assert [each.value for each in await top(world, Metric.CPU, Range.WEEK)] == [150.0, 103.33]
    assert await top(world, Metric.MEMORY, Range.MONTH, limit=1) == [Consumer(db.id, "db", 2 * GIB, 50.0)]


async def test_summary(world: World, clock: FakeClock) -> None:
    """Sums over running containers, with rates between the last two samples of each."""
    for name, percent in (("shop", 150), ("db", 20)):
        await world.run(name)
        world.engine.percent[f"ext-{name}"] = percent
    await world.run("stopped", state=ContainerState.EXITED)
    await world.sample(2)
    async with world.database.read() as tx:
        found = await summarise(tx, world.organization_id, clock.now())
    assert found == Summary(170.0, 2, 2 * GIB, 16 * GIB, 2000.0, 20.0, 2)


async def test_summary_before_the_first_sample(world: World, clock: FakeClock) -> None:
    """Containers that were not sampled yet count, and use nothing."""
    await world.run("shop")
    async with world.database.read() as tx:
        assert await summarise(tx, world.organization_id, clock.now()) == Summary(container_count=1)
