"""What a clock that is set makes of deadlines: a worker that runs, and jobs that ping in their interval, whatever the clock says."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from lumetry_core.heartbeats.model import AlertState, Heartbeat, PingKind, Status
from lumetry_core.heartbeats.worker import HeartbeatKeeper
from tests.core.heartbeats.world import World

INTERVAL = 600
KEPT = timedelta(days=30)


class Passing:
    """Seconds that pass for the clock, for the worker that looks every five of them, and for jobs that ping every ten minutes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.steady = 0.0
        self.worker = HeartbeatKeeper(world.database, KEPT, lambda: self.steady)
        self.jobs: list[tuple[Heartbeat, PingKind]] = []

    async def begin(self) -> None:
        """A job that ends, and one that began and does not end."""
        await self.look(60)
        for kind in (PingKind.SUCCESS, PingKind.START):
            self.jobs.append((await self.world.create(name=kind, interval_seconds=INTERVAL, grace_seconds=0), kind))
        await self.ping()

    async def ping(self) -> None:
        """All jobs report."""
        for heartbeat, kind in self.jobs:
            await self.world.ping(heartbeat, kind)

    async def look(self, seconds: int) -> None:
        """Rounds of the worker while so many seconds pass."""
        for _ in range(seconds // 5):
            self.world.clock.advance(seconds=5)
            self.steady += 5
            while await self.worker.tick(self.world.clock.now()):
                pass

    async def read(self) -> list[tuple[Status, AlertState]]:
        """How the jobs are seen."""
        found = [await self.world.read(heartbeat) for heartbeat, _ in self.jobs]
        return [(heartbeat.status, heartbeat.alert_state) for heartbeat in found]


FINE = [(Status.UP, AlertState.NORMAL), (Status.STARTED, AlertState.NORMAL)]
MISSED = [(Status.DOWN, AlertState.ALERTING)] * 2


@pytest.fixture
async def passing(world: World) -> Passing:
    made = Passing(world)
    await made.begin()
    return made


@pytest.mark.parametrize("hours", [1, -1])
@pytest.mark.parametrize("before", [5, 300, 595])
async def test_clock_step_misses_nothing(passing: Passing, hours: int, before: int) -> None:
    """Jobs that report in time are fine, at whatever moment of their interval the clock was set, and then as well."""
    await passing.look(before)
    passing.world.clock.advance(hours=hours)
    await passing.look(INTERVAL - before - 5)
    assert await passing.read() == FINE
    await passing.ping()
    await passing.look(INTERVAL - 5)
    assert await passing.read() == FINE


@pytest.mark.parametrize("hours", [1, -1])
async def test_clock_step_hides_no_miss(passing: Passing, hours: int) -> None:
    """A job that keeps silent is missed, at most its interval later than without a step."""
    await passing.look(300)
    passing.world.clock.advance(hours=hours)
    await passing.look(INTERVAL + 5)
    assert await passing.read() == MISSED


@pytest.mark.parametrize("change", [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)])
async def test_daylight_saving_is_no_step(world: World, change: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines are moments: a host whose local time jumps misses nothing and waits no longer."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        world.clock.moment = change - timedelta(minutes=6)
        passing = Passing(world)
        await passing.begin()
        await passing.look(INTERVAL - 5)
        assert await passing.read() == FINE
        await passing.look(5)
        assert await passing.read() == MISSED
    finally:
        monkeypatch.undo()
        time.tzset()
