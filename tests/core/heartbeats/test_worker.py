from dataclasses import dataclass
from datetime import timedelta

from lumetry_core.heartbeats.model import PingKind, Status
from lumetry_core.heartbeats.service import definitions
from lumetry_core.heartbeats.worker import HeartbeatKeeper
from tests.core.heartbeats.building import after
from tests.core.heartbeats.world import CALLER, World

KEPT = timedelta(days=30)


@dataclass
class Steady:
    """A clock that never jumps."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


def keeper(world: World, steady: Steady) -> HeartbeatKeeper:
    return HeartbeatKeeper(world.database, KEPT, steady)


async def run(world: World, worker: HeartbeatKeeper, steady: Steady, seconds: int) -> None:
    """So many seconds of a worker that runs every five."""
    for _ in range(seconds // 5):
        world.clock.advance(seconds=5)
        steady.seconds += 5
        while await worker.tick(world.clock.now()):
            pass


async def test_tick_judges_in_time(world: World) -> None:
    """A worker that runs judges a deadline at its next round."""
    steady = Steady()
    worker = keeper(world, steady)
    await worker.tick(world.clock.now())
    heartbeat = await world.ping(await world.create(interval_seconds=60, grace_seconds=0))
    await run(world, worker, steady, 55)
    assert (await world.read(heartbeat)).status is Status.UP
    await run(world, worker, steady, 5)
    assert (await world.read(heartbeat)).status is Status.DOWN


async def test_tick_after_kill(world: World) -> None:
    """A worker that ended without a word leaves deadlines as they were; the next one judges them, after what it owes to late pings."""
    heartbeat = await world.ping(await world.create(interval_seconds=60, grace_seconds=0), PingKind.START)
    world.clock.advance(seconds=90)
    steady = Steady(1000.0)
    worker = keeper(world, steady)
    await worker.tick(world.clock.now())
    await run(world, worker, steady, 55)
    assert (await world.read(heartbeat)).status is Status.STARTED
    await run(world, worker, steady, 5)
    assert (await world.read(heartbeat)).status is Status.DOWN
    assert len(await world.alerts(heartbeat)) == 1


async def test_tick_with_clock_ahead(world: World) -> None:
    """A clock that jumps hours ahead misses nothing: what was expected before is expected as much later."""
    steady = Steady()
    worker = keeper(world, steady)
    heartbeat = await world.create(interval_seconds=3600, grace_seconds=0)
    await run(world, worker, steady, 300)
    await world.ping(heartbeat)
    world.pass_minutes(240)
    await run(world, worker, steady, 3595)
    assert (await world.read(heartbeat)).status is Status.UP
    await run(world, worker, steady, 5)
    assert (await world.read(heartbeat)).status is Status.DOWN


async def test_tick_with_clock_back(world: World) -> None:
    """A clock that is set back misses nothing and loses no deadline."""
    steady = Steady()
    worker = keeper(world, steady)
    heartbeat = await world.create(interval_seconds=600, grace_seconds=0)
    await run(world, worker, steady, 300)
    await world.ping(heartbeat)
    world.pass_minutes(-240)
    await run(world, worker, steady, 600)
    assert (await world.read(heartbeat)).status is Status.UP
    await run(world, worker, steady, 10)
    assert (await world.read(heartbeat)).status is Status.DOWN


async def test_tick_clears_removed(world: World) -> None:
    """What a removed heartbeat left behind goes within seconds."""
    steady = Steady()
    worker = keeper(world, steady)
    heartbeat = await world.ping(await world.create())
    async with world.database.write() as tx:
        await definitions.delete_heartbeat(tx, CALLER, heartbeat.id, world.clock.now())
    await run(world, worker, steady, 10)
    from lumetry_core.heartbeats.store.pings import list_pings  # noqa: PLC0415 -- nobody else may look

    async with world.database.read() as tx:
        assert await list_pings(tx, heartbeat.organization_id, heartbeat.id, 10, 0) == ([], 0)


async def test_tick_drops_old_hourly(world: World) -> None:
    """Old pings and runs go within an hour."""
    steady = Steady()
    worker = keeper(world, steady)
    heartbeat = await world.ping(await world.create(interval_seconds=604_800), PingKind.LOG)
    await worker.tick(world.clock.now())
    world.clock.moment = after(days=30, seconds=1)
    steady.seconds = 3000.0
    await worker.tick(world.clock.now())
    assert len(await world.pings(heartbeat)) == 1
    steady.seconds = 3600.0
    await worker.tick(world.clock.now())
    assert await world.pings(heartbeat) == []
