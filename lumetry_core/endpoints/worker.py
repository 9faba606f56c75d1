"""Workers of endpoints: one checks them all at their times, one looks at the certificates that checks saw, one drops what is old."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby

import structlog

from lumetry_core.access.vault import Vault
from lumetry_core.alerts.monitors import Entity, EntityType
from lumetry_core.certificates.model import Observation, Presented
from lumetry_core.certificates.service.observing import observe
from lumetry_core.endpoints.checking import Checker
from lumetry_core.endpoints.lag import LagGuard
from lumetry_core.endpoints.model import WAKE
from lumetry_core.endpoints.running import CheckRunner, Done
from lumetry_core.endpoints.schedule import RETRY
from lumetry_core.endpoints.service import recording, upkeep
from lumetry_core.endpoints.sightings import Sighting, Sightings
from lumetry_core.runtime.addresses import Policy
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.queue import Wakeups

log = structlog.get_logger(__name__)

HORIZON = timedelta(seconds=1)
"""Checks are claimed so long before they are due."""
POLL_SECONDS = 0.5
IDLE_SECONDS = 5.0
GATHER_SECONDS = 0.1
"""Results wait so long for others to share their transaction."""
BATCH = 500
PULL_BACK_SECONDS = 60.0
PAUSE_SECONDS = (0.1, 5.0)
LOOKS_AT_ONCE = 4
KEEPER_INTERVAL = timedelta(hours=1)

Chance = Callable[[], float]
Look = Callable[[str, int], Awaitable[Presented]]
"""Fetches the chain that a host and port present, and judges it."""


class EndpointChecker:
    """Claims what is due, has it checked, and records results in groups."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        wakeups: Wakeups,
        vault: Vault,
        policy: Policy,
        version: str,
        sightings: Sightings,
        chance: Chance,
    ) -> None:
        """Builds the worker.

        Args:
            database: Where everything is.
            clock: The time.
            wakeups: Tell of new and changed endpoints.
            vault: Opens the values of headers.
            policy: Where checks may lead.
            version: Of the product.
            sightings: Hears which certificates checks saw.
            chance: A number between 0 and 1, another each time, that spreads load.
        """
        self._database = database
        self._clock = clock
        self._wakeups = wakeups
        self._sightings = sightings
        self._chance = chance
        self._guard = LagGuard()
        self._checker = Checker(policy, version, self._guard)
        self._done: list[Done] = []
        self._has_done = asyncio.Event()
        self._runner = CheckRunner(self._checker, vault, clock, self._take)
        self._next_pull_back = 0.0

    async def run(self) -> None:
        """Works until cancelled; checks that are under way then have no results."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._guard.run())
                group.create_task(self._claim_forever())
                group.create_task(self._record_forever())
        finally:
            await self._runner.stop()
            self._checker.close()

    async def _claim_forever(self) -> None:
        if not self._database.is_postgresql:
            # The store has no other core, so what is claimed was claimed by a process that is gone.
            await self._persist(self._release)
        while True:
            wait = await self._persist(self._claim)
            await self._wakeups.wait(WAKE, wait)

    async def _release(self) -> float:
        async with self._database.write() as tx:
            await recording.release_claims(tx)
        return 0.0

    async def _claim(self) -> float:
        """Claims what is due soon; how long to wait until the next look."""
        now = self._clock.now()
        await self._pull_back(now)
        async with self._database.read() as tx:
            due = await recording.find_next_due(tx)
        if due is None or self._runner.free <= 0:
            return IDLE_SECONDS if due is None else POLL_SECONDS
        if due > now + HORIZON:
            return min(max((due - now - HORIZON).total_seconds(), POLL_SECONDS), IDLE_SECONDS)
        async with self._database.write() as tx:
            claims = await recording.claim_checks(tx, now, now + HORIZON, min(self._runner.free, BATCH), self._chance)
        for claim in claims:
            self._runner.start(claim)
        return 0.0 if len(claims) == BATCH else POLL_SECONDS

    async def _pull_back(self, now: datetime) -> None:
        """Once a minute: a clock that was set back must not keep checks waiting for times that were near before."""
        loop_time = asyncio.get_running_loop().time()
        if loop_time < self._next_pull_back:
            return
        self._next_pull_back = loop_time + PULL_BACK_SECONDS
        async with self._database.read() as tx:
            is_needed = await recording.has_strays(tx, now)
        if is_needed:
            async with self._database.write() as tx:
                await recording.pull_back(tx, now)

    async def _record_forever(self) -> None:
        while True:
            await self._has_done.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._has_done.clear()
            while self._done:
                batch, self._done = self._done[:BATCH], self._done[BATCH:]
                await self._persist(partial(self._record, batch))
                for done in batch:
                    if done.tls is not None:
                        self._sightings.note(done.claim.endpoint, done.tls)

    async def _record(self, batch: Sequence[Done]) -> float:
        now = self._clock.now()
        by_organization = sorted(batch, key=lambda done: done.claim.endpoint.organization_id)
        async with self._database.write() as tx:
            for organization_id, group in groupby(by_organization, key=lambda done: done.claim.endpoint.organization_id):
                results = [(done.claim, done.result) for done in group if done.result is not None]
                await recording.record_results(tx, organization_id, results, now)
            await recording.postpone_checks(tx, [done.claim for done in batch if done.result is None], now + RETRY)
        return 0.0

    async def _persist(self, act: Callable[[], Awaitable[float]]) -> float:
        """Does something with the store, again and again while the store is away; results wait meanwhile."""
        pause, longest = PAUSE_SECONDS
        while True:
            try:
                return await act()
            except LumetryError as error:
                if error.reason is not Reason.STORE_UNAVAILABLE:
                    raise
                log.warning("the store cannot be used, trying again", worker="endpoints", pause_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest)

    def _take(self, done: Done) -> None:
        self._done.append(done)
        self._has_done.set()


class CertificateWatcher:
    """Looks at the whole chains of HTTPS targets, beside their checks, so that neither waits for the other."""

    def __init__(self, database: Database, clock: Clock, sightings: Sightings, look: Look) -> None:
        self._database = database
        self._clock = clock
        self._sightings = sightings
        self._look = look

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            wanted = await self._sightings.take(LOOKS_AT_ONCE)
            presented = await asyncio.gather(*(self._look(each.hostname, each.port) for each in wanted))
            try:
                await self._record(list(zip(wanted, presented, strict=True)))
            except LumetryError as error:
                if error.reason is not Reason.STORE_UNAVAILABLE:
                    raise
                for each in wanted:
                    self._sightings.forget(each)
                await asyncio.sleep(PAUSE_SECONDS[1])

    async def _record(self, seen: Sequence[tuple[Sighting, Presented]]) -> None:
        async with self._database.write() as tx:
            for organization_id in sorted({each.endpoint.organization_id for each, _ in seen}):
                observations = [observation_of(*each) for each in seen if each[0].endpoint.organization_id == organization_id]
                await observe(tx, organization_id, observations, self._clock.now())


def observation_of(sighting: Sighting, presented: Presented) -> Observation:
    """What a look found, with what its alerts would be about."""
    endpoint, owner = sighting.endpoint, sighting.endpoint.owner
    return Observation(
        endpoint.id,
        sighting.hostname,
        sighting.port,
        presented,
        topology_node_id=endpoint.topology_node_id,
        container=None if owner.container_id is None else Entity(EntityType.CONTAINER, owner.container_id, owner.container_name),
        alert_channels=owner.alert_channels,
    )


class EndpointKeeper:
    """Drops checks and inactive endpoints when they are old enough, once an hour."""

    def __init__(self, database: Database, checks_days: int) -> None:
        self._database = database
        self._kept = timedelta(days=checks_days)
        self._next_time: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Drops a batch of each; true while there may be more."""
        if self._next_time is not None and now < self._next_time:
            return False
        async with self._database.write() as tx:
            more = await upkeep.drop_checks(tx, now - self._kept)
            more |= await upkeep.drop_endpoints(tx, now - self._kept)
        if not more:
            self._next_time = now + KEEPER_INTERVAL
        return more
