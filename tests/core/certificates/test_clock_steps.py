"""What a clock that is set makes of checks."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from lumetry_core.certificates.model import Status
from lumetry_core.certificates.worker import CertificateScheduler
from lumetry_core.runtime.queue import Wakeups
from tests.conftest import FakeClock
from tests.core.certificates.building import World, present

MONITORS = 48
INTERVAL_HOURS = 12


@pytest.fixture
async def steady(world: World, clock: FakeClock) -> World:
    """Monitors that were checked for a day, at times spread over their interval."""
    for number in range(MONITORS):
        hostname = f"host-{number}.example"
        world.checker.presented[hostname] = present(days=4000, name=hostname)
        await world.create(hostname)
        clock.advance(hours=INTERVAL_HOURS / MONITORS)
        await world.work()
    await pass_hours(world, clock, INTERVAL_HOURS)
    world.checker.asked.clear()
    return world


async def pass_hours(world: World, clock: FakeClock, hours: float) -> Counter[str]:
    """Rounds of a worker, a quarter of an hour apart; how often each monitor was checked."""
    before = len(world.checker.asked)
    for _ in range(int(hours * 4)):
        clock.advance(minutes=15)
        await world.work()
    return Counter(world.checker.asked[before:])


@pytest.mark.parametrize("hours", [1, -1])
async def test_clock_step_makes_no_storm(steady: World, clock: FakeClock, hours: int) -> None:
    """An hour ahead or back moves at most the checks of that hour, and nothing is thought to be wrong."""
    clock.advance(hours=hours)
    await steady.work()
    assert len(steady.checker.asked) <= MONITORS / INTERVAL_HOURS * 2
    await pass_hours(steady, clock, INTERVAL_HOURS + 1)
    asked = Counter(steady.checker.asked)
    assert (len(asked), max(asked.values())) == (MONITORS, 2)
    assert {monitor.status for monitor in await steady.monitors()} == {Status.VALID}
    assert await steady.active() == []


async def test_clock_set_far_back(steady: World, clock: FakeClock, wakeups: Wakeups) -> None:
    """A clock that was years ahead leaves no check waiting for those years, be it set back at work or before a start."""
    clock.advance(days=-400)
    asked = await pass_hours(steady, clock, 1)
    assert (len(asked), max(asked.values())) == (MONITORS, 1)
    clock.advance(days=-400)
    steady.worker = CertificateScheduler(steady.database, steady.checker, wakeups, 30)
    asked = await pass_hours(steady, clock, 1)
    assert (len(asked), max(asked.values())) == (MONITORS, 1)
    assert max((await pass_hours(steady, clock, INTERVAL_HOURS)).values()) <= 2


@pytest.mark.parametrize("change", [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)])
async def test_daylight_saving_is_no_step(world: World, clock: FakeClock, change: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host whose local time jumps checks once an interval, as before."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        clock.moment = change - timedelta(hours=INTERVAL_HOURS / 2, minutes=10)
        world.checker.presented["example.org"] = present(days=4000)
        await world.create()
        clock.advance(minutes=1)
        await world.work()
        asked = await pass_hours(world, clock, INTERVAL_HOURS * 2.5)
        assert asked == {"example.org:443": 2}
    finally:
        monkeypatch.undo()
        time.tzset()
