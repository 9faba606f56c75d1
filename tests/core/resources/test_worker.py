"""Sampling running containers, and forgetting what is old."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lumetry_core.containers.model import ContainerState
from lumetry_core.resources.model import Granularity, Sample
from lumetry_core.resources.service.reading import get_current
from lumetry_core.resources.service.upkeep import list_kept, retention_of
from lumetry_core.resources.store import samples as sample_store
from lumetry_core.resources.store import spans as span_store
from lumetry_core.resources.worker import ResourceKeeper
from lumetry_core.runtime.errors import LumetryError
from tests.conftest import FakeClock
from tests.core.resources.building import GIB, World, sample_of


async def test_tick_first_sample_is_a_baseline(world: World, clock: FakeClock) -> None:
    """Only from the second statistics on there is a sample; it is told as it is stored."""
    shop = await world.run("shop")
    world.engine.percent["ext-shop"] = 150
    await world.sample()
    async with world.database.read() as tx:
        with pytest.raises(LumetryError, match="was not sampled yet"):
            await get_current(tx, world.organization_id, shop.id)
    await world.sample()
    async with world.database.read() as tx:
        found = await get_current(tx, world.organization_id, shop.id)
    seconds = int(clock.now().timestamp())
    assert found == Sample(shop.id, clock.now(), 150.0, GIB, 8 * GIB, seconds * 1000, seconds * 10, 3, 4)
    [(_, told)] = await world.told("resource.snapshot")
    assert told == {
        "container_id": shop.id,
        "cpu_percent": 150.0,
        "mem_used": GIB,
        "mem_limit": 8 * GIB,
        "mem_percent": 12.5,
        "net_rx_bytes": seconds * 1000,
        "net_tx_bytes": seconds * 10,
        "block_read_bytes": 3,
        "block_write_bytes": 4,
        "timestamp": "2026-06-01T08:00:20Z",
    }


async def test_tick_only_running_and_not_ignored(world: World, clock: FakeClock) -> None:
    """Containers that do not run, are ignored or archived are not asked for."""
    await world.run("shop")
    await world.run("stopped", state=ContainerState.EXITED)
    await world.run("ignored", is_ignored=True)
    await world.run("gone", archive_time=clock.now())
    await world.sample()
    assert world.engine.asked == ["ext-shop"]


async def test_tick_before_its_time(world: World, clock: FakeClock) -> None:
    """A round comes every ten seconds, also when the clock is set back."""
    await world.run("shop")
    await world.sampler.tick(clock.now())
    await world.sampler.tick(clock.advance(seconds=9))
    assert len(world.engine.asked) == 1
    await world.sampler.tick(clock.advance(seconds=1))
    await world.sampler.tick(clock.advance(hours=-1))
    assert len(world.engine.asked) == 3


async def test_tick_while_disconnected(world: World) -> None:
    """Without a runtime nothing is sampled, and what was remembered counts no more."""
    await world.run("shop")
    await world.sample()
    world.disconnect()
    await world.sample()
    world.connect()
    await world.sample()
    assert await world.told("resource.snapshot") == []
    await world.sample()
    assert len(await world.told("resource.snapshot")) == 1


async def test_tick_where_another_core_watches(world: World) -> None:
    """Of several cores only the one that watches the runtime samples."""
    await world.run("shop")
    world.link.watch(is_watching=False)
    await world.sample(2)
    assert world.engine.asked == []


async def test_tick_one_does_not_answer(world: World) -> None:
    """A container that cannot be sampled keeps no other from it, and begins anew afterwards."""
    await world.run("bad")
    good = await world.run("good")
    world.engine.failing.add("ext-bad")
    await world.sample(3)
    assert [told["container_id"] for _, told in await world.told("resource.snapshot")] == [good.id, good.id]


async def test_tick_at_most_ten_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many containers there are, ten are asked for at once."""
    for number in range(25):
        await world.run(f"c{number}")
    under_way, most = 0, 0
    answer = world.engine.stats

    async def stats(external_id: str) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return await answer(external_id)

    monkeypatch.setattr(world.engine, "stats", stats)
    await world.sample(2)
    assert most == 10
    assert len(await world.told("resource.snapshot")) == 25


async def test_tick_stopped_meanwhile(world: World) -> None:
    """A container that stopped while it was sampled is left out."""
    shop = await world.run("shop")
    await world.change(replace(shop, state=ContainerState.EXITED))
    await world.record(sample_of(shop, world.clock.now()))
    assert await world.told("resource.snapshot") == []


async def run_keeper(world: World, keeper: ResourceKeeper) -> int:
    """Runs the keeper until it has nothing to do; how many rounds that took."""
    rounds = 1
    while await keeper.tick(world.clock.now()):
        rounds += 1
    return rounds


async def count_kept(world: World, container_id: int) -> dict[str, int]:
    """How many rows there are of a container, by granularity."""
    start = world.clock.now() - timedelta(days=1000)
    async with world.database.read() as tx:
        counts = {"raw": len(await sample_store.list_samples(tx, world.organization_id, container_id, start))}
        for granularity in (Granularity.MINUTE, Granularity.HOUR, Granularity.DAY):
            counts[granularity] = len(await span_store.list_spans(tx, world.organization_id, container_id, granularity, start))
    return counts


async def test_keeper_drops_by_granularity(world: World, clock: FakeClock) -> None:
    """Every granularity is kept as long as the contract says, once an hour."""
    shop = await world.run("shop")
    start = clock.now()
    for days in (0, 380, 390, 398, 401):
        clock.moment = start + timedelta(days=days)
        await world.record(sample_of(shop, clock.now()))
    keeper = ResourceKeeper(world.database, retention_of(7, 400))
    await run_keeper(world, keeper)
    assert await count_kept(world, shop.id) == {"raw": 2, "1m": 3, "1h": 4, "1d": 4}
    clock.advance(minutes=59)
    assert await run_keeper(world, keeper) == 1


async def test_keeper_many_rows(world: World, clock: FakeClock) -> None:
    """Many rows take several transactions, and nothing that is to be kept goes with them."""
    shop = await world.run("shop")
    old = clock.now() - timedelta(days=8)
    async with world.database.write() as tx:
        for number in range(2500):
            each = sample_of(shop, old + timedelta(seconds=number))
            await tx.execute(
                sample_store.resource_samples.insert(), {"organization_id": world.organization_id, **sample_store.values_of(each)}
            )
    await world.record(sample_of(shop, clock.now()))
    await run_keeper(world, ResourceKeeper(world.database, retention_of(7, 400)))
    assert (await count_kept(world, shop.id))["raw"] == 1


async def test_keeper_container_that_is_no_more(world: World, clock: FakeClock) -> None:
    """Of a container whose record was removed nothing stays."""
    shop = await world.run("shop")
    await world.set_thresholds(shop, is_enabled=True)
    await world.record(sample_of(shop, clock.now()))
    async with world.database.write() as tx:
        from lumetry_core.containers.store.containers import delete_containers  # noqa: PLC0415 -- only here

        await delete_containers(tx, world.organization_id, [shop.id])
    await run_keeper(world, ResourceKeeper(world.database, retention_of(7, 400)))
    assert set((await count_kept(world, shop.id)).values()) == {0}
    async with world.database.read() as tx:
        assert await list_kept(tx, world.organization_id) == []
