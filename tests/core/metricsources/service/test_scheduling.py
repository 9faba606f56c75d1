"""Who polls what, and when."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lumetry_core.collectors.config import Config, Polling
from lumetry_core.collectors.model import Status
from lumetry_core.collectors.service import working
from lumetry_core.collectors.work import WorkKind
from lumetry_core.metricsources.model import PollStatus, Source, Standing
from lumetry_core.metricsources.schedule import plan_next
from lumetry_core.metricsources.service import scheduling
from tests.conftest import FakeClock
from tests.core.collectors.labour import add_collector, change_collector
from tests.core.metricsources.building import ORGANIZATION, OTHER, PROMETHEUS, World, changed, no_chance


async def claim(world: World, *, free: int = 10, running: dict[int, int] | None = None) -> list[Source]:
    """Claims what is due now."""
    async with world.database.write() as tx:
        return await scheduling.claim_polls(tx, running or {}, free, 10, world.clock.now())


async def next_due(world: World) -> timedelta | None:
    """How long it is until the next poll."""
    async with world.database.read() as tx:
        due = await scheduling.find_next_due(tx)
    return None if due is None else due - world.clock.now()


async def test_claim_takes_each_poll_once(world: World, clock: FakeClock) -> None:
    """Another core finds nothing to do, until the claim is void because whoever made it is gone."""
    created = await world.create()
    assert await claim(world) == [replace(created, epoch=2)]
    assert await claim(world) == []
    assert await next_due(world) == timedelta(seconds=40)
    clock.advance(seconds=40)
    assert await claim(world) == [replace(created, epoch=3)]


async def test_claim_leaves_what_is_not_due(world: World) -> None:
    """A source is first polled at its first time."""
    async with world.database.write() as tx:
        del tx
    await world.create(changed(PROMETHEUS, is_enabled=False))
    assert await claim(world) == []
    assert await next_due(world) is None


async def test_claim_is_fair_to_organizations(world: World) -> None:
    """One with many sources does not keep another waiting."""
    many = [await world.create(changed(PROMETHEUS, name=f"s{position}")) for position in range(4)]
    other = await world.create(PROMETHEUS, OTHER)
    assert [each.id for each in await claim(world, free=2)] == [many[0].id, other.id]


async def test_claim_hands_collectors_their_polls(world: World, clock: FakeClock) -> None:
    """They become work for the collector; while the last one is not over there is no other."""
    collector_id = await world.collector()
    created = await world.create(changed(PROMETHEUS, collector_id=collector_id, timeout_seconds=20))
    assert await claim(world, free=0) == []
    async with world.database.read() as tx:
        item = await working.find_work(tx, ORGANIZATION, WorkKind.POLL, str(created.id))
    assert item is not None
    assert (item.collector_id, item.capability, item.budget_ms) == (collector_id, "poll:prometheus", 20_000)
    assert item.expire_time == clock.now() + timedelta(seconds=60)
    assert await next_due(world) == plan_next(created.id, clock.now(), 60) - clock.now()
    clock.advance(seconds=60)
    await claim(world)
    async with world.database.read() as tx:
        assert await working.find_work(tx, ORGANIZATION, WorkKind.POLL, str(created.id)) == item


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"status": Status.REVOKED}, "Collector Edge is revoked."),
        ({"capabilities": ("poll:mysql",)}, "Collector Edge cannot poll prometheus."),
        ({"config": Config(polling=Polling(enabled=False))}, "Polling is switched off in the configuration of collector Edge."),
        (
            {"config": Config(polling=Polling(enabled=False)), "last_seen_time": None},
            "Polling is switched off in the configuration of collector Edge.",
        ),
        ({"capabilities": (), "last_seen_time": None}, None),
        ({"status": Status.PENDING, "capabilities": ()}, None),
        ({"status": Status.DUPLICATE_SUSPECTED}, None),
    ],
)
async def test_claim_for_a_collector_that_cannot_poll(world: World, clock: FakeClock, changes: dict[str, Any], error: str | None) -> None:
    """The poll has failed when it is due, and operators are told as ever; that a collector is away is not the source's failure."""
    collector = await add_collector(world.database, clock.now(), name="Edge")
    source = await world.create(changed(PROMETHEUS, collector_id=collector.id))
    await change_collector(world.database, collector, **changes)
    for _ in range(3):
        assert await claim(world) == []
        last = clock.now()
        clock.advance(seconds=60)
        if "last_seen_time" not in changes:
            await change_collector(world.database, collector, **{"last_seen_time": clock.now(), **changes})
    async with world.database.read() as tx:
        item = await working.find_work(tx, ORGANIZATION, WorkKind.POLL, str(source.id))
    standing = (await world.read(source.id)).standing
    if error is None:
        assert (item is None, standing, await world.system_alerts()) == (False, Standing(), [])
    else:
        assert (item, standing) == (None, Standing(last, PollStatus.FAILED, error, None, 3))
        assert [alert.message for alert in await world.system_alerts()] == [f"Metric source 'Prometheus' keeps failing: {error}"]


async def test_release_gives_claims_back(world: World, clock: FakeClock) -> None:
    """A process that knows that it is alone does not wait for claims of one that is gone; those count no more."""
    await world.create()
    (claimed,) = await claim(world)
    async with world.database.write() as tx:
        await scheduling.release_claims(tx, clock.now())
    (again,) = await claim(world)
    assert again.epoch == claimed.epoch + 2


async def test_spread_makes_no_burst_of_what_was_missed(world: World, clock: FakeClock) -> None:
    """After an outage sources are polled at their own places again, within a minute, not all at once."""
    for position in range(20):
        await world.create(changed(PROMETHEUS, name=f"s{position}"))
    clock.advance(hours=2)
    chances = iter([position / 20 for position in range(20)])
    async with world.database.write() as tx:
        assert await scheduling.spread_overdue(tx, clock.now(), lambda: next(chances)) is False
    assert len(await claim(world, free=20)) <= 2
    clock.advance(seconds=60)
    assert len(await claim(world, free=20)) == 10


async def test_pull_back_after_the_clock_was_set_back(world: World, clock: FakeClock) -> None:
    """Sources do not wait for a time that was near before."""
    created = await world.create()
    clock.advance(hours=-3)
    async with world.database.write() as tx:
        await scheduling.pull_back(tx, clock.now(), no_chance)
    assert [each.id for each in await claim(world)] == [created.id]
