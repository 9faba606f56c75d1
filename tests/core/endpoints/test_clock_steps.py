"""What a clock that is set makes of checks: the worker's claims, second by second, with a clock that tests set."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from lumetry_core.endpoints.model import AlertState, Claim, Filter, Status
from lumetry_core.endpoints.running import Done
from lumetry_core.endpoints.service.reading import list_endpoints
from lumetry_core.endpoints.sightings import Sightings
from lumetry_core.endpoints.worker import EndpointChecker
from lumetry_core.runtime.addresses import PRIVATE_TOO
from lumetry_core.runtime.queue import Wakeups
from tests.core.endpoints.world import ORGANIZATION, RULES, World, result

ENDPOINTS = 60
INTERVAL = 10
CROWD = 20
"""Of so many endpoints six are due in a second on average; when chance spreads them, hardly ever more than this."""


@dataclass
class Waiting:
    """Stands in for the runner: claims wait for their time, and are then made by the test."""

    claims: list[Claim] = field(default_factory=list)
    free: int = 1000

    def start(self, claim: Claim) -> None:
        """See `CheckRunner.start`."""
        self.claims.append(claim)

    def take(self, now: datetime) -> list[Claim]:
        """The claims whose time has come."""
        taken = [claim for claim in self.claims if claim.planned_time <= now]
        self.claims = [claim for claim in self.claims if claim.planned_time > now]
        return taken


@dataclass
class Day:
    """A worker and the seconds that pass. `made` tells how many checks each of them saw."""

    world: World
    checker: EndpointChecker
    waiting: Waiting
    made: list[int] = field(default_factory=list)
    by_endpoint: Counter[int] = field(default_factory=Counter)

    async def pass_seconds(self, number: int) -> None:
        """Every second is a round of the worker, and the checks of it are made at once and succeed."""
        for _ in range(number):
            now = self.world.clock.advance(seconds=1)
            self.checker._next_pull_back = 0.0
            await self.checker._claim()
            done = [Done(claim, result(now)) for claim in self.waiting.take(now)]
            if done:
                await self.checker._record(done)
            self.made.append(len(done))
            self.by_endpoint.update(each.claim.endpoint.id for each in done)

    def forget(self) -> None:
        """Counts anew."""
        self.made.clear()
        self.by_endpoint.clear()


async def begin(world: World, wakeups: Wakeups) -> Day:
    """Many endpoints that have been checked for a while, spread over their interval."""
    sightings = Sightings(asyncio.get_running_loop().time)
    checker = EndpointChecker(world.database, world.clock, wakeups, RULES.vault, PRIVATE_TOO, "1", sightings, random.Random(7).random)
    waiting = Waiting()
    checker._runner = waiting  # type: ignore[assignment]
    made = Day(world, checker, waiting)
    for number in range(ENDPOINTS):
        await world.create(name=f"e{number}", target=f"http://127.0.0.1:1/{number}", interval_seconds=INTERVAL)
    world.clock.advance(seconds=600)  # nobody was there: the first checks are spread
    await made.pass_seconds(INTERVAL)
    made.forget()
    return made


@pytest.fixture
async def day(world: World, wakeups: Wakeups) -> Day:
    return await begin(world, wakeups)


async def judge(day: Day) -> None:
    """All are checked again within two intervals, never many in a second, then once in every interval, and none is thought to be down."""
    await day.pass_seconds(2 * INTERVAL)
    assert len(day.by_endpoint) == ENDPOINTS
    assert max(day.made) <= CROWD
    day.forget()
    await day.pass_seconds(INTERVAL)
    assert day.by_endpoint == dict.fromkeys(day.by_endpoint, 1)
    assert len(day.by_endpoint) == ENDPOINTS
    assert max(day.made) <= CROWD
    async with day.world.database.read() as tx:
        found = await list_endpoints(tx, ORGANIZATION, Filter())
    assert {(each.progress.status, each.progress.alert_state) for each in found} == {(Status.UP, AlertState.NORMAL)}


@pytest.mark.parametrize("hours", [1, -1, -10_000])
async def test_clock_step_makes_no_storm(day: Day, hours: int) -> None:
    """A clock that is set ahead, back, or back by more than a year neither stops checks nor makes them all at once."""
    day.world.clock.advance(hours=hours)
    await judge(day)


@pytest.mark.parametrize("change", [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)])
async def test_daylight_saving_is_no_step(world: World, wakeups: Wakeups, change: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host whose local time jumps checks on as if nothing had happened."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        world.clock.moment = change - timedelta(seconds=600 + 2 * INTERVAL)
        await judge(await begin(world, wakeups))
    finally:
        monkeypatch.undo()
        time.tzset()
