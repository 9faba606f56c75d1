"""Samples running containers through the container runtime, and forgets what is old."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.containers.engine import Engine, RefusedError, Stats
from lumetry_core.containers.model import Container
from lumetry_core.containers.places import EngineError
from lumetry_core.containers.runtime import RuntimeLink
from lumetry_core.resources.formulas import derive
from lumetry_core.resources.model import ROUND_INTERVAL, Granularity, Latest
from lumetry_core.resources.service.recording import list_sampled_containers, record_round
from lumetry_core.resources.service.upkeep import drop_old, list_kept
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database

log = structlog.get_logger(__name__)

AT_ONCE = 10
TIMEOUT_SECONDS = 5.0
UPKEEP_INTERVAL = timedelta(hours=1)

Answer = TypeVar("Answer")


class Sampler:
    """Samples every running container that is not ignored, round after round, while a runtime is connected.

    What a container had used is remembered from one round to the next, in memory: its first sample of this process is a baseline only.
    """

    def __init__(self, database: Database, clock: Clock, link: RuntimeLink) -> None:
        self._database = database
        self._clock = clock
        self._link = link
        self._next_round: datetime | None = None
        self._engine: Engine | None = None
        self._host_memory = 0
        self._known: dict[str, Stats] = {}
        self._taking = asyncio.Semaphore(AT_ONCE)

    async def tick(self, now: datetime) -> bool:
        """Samples when it is time to; False always: rounds come by the clock. Fails with STORE_UNAVAILABLE."""
        engine = self._link.engine
        if engine is None or not self._link.is_watching:
            self._forget()
            return False
        due = now if self._next_round is None else self._next_round
        if due - ROUND_INTERVAL <= now < due:
            return False
        # Rounds keep their rhythm, but none is made up for that was missed or that the clock jumped over.
        self._next_round = (due if due <= now < due + ROUND_INTERVAL else now) + ROUND_INTERVAL
        if engine is not self._engine:
            self._forget()
            self._engine = engine
        async with self._database.read() as tx:
            organization_id = (await list_organization_ids(tx))[0]  # whose the containers of this host are
            containers = await list_sampled_containers(tx, organization_id)
        latest = await self._sample(engine, containers)
        async with self._database.write() as tx:
            await record_round(tx, organization_id, latest, self._clock.now())
        return False

    def _forget(self) -> None:
        self._engine, self._host_memory, self._known = None, 0, {}

    async def _sample(self, engine: Engine, containers: Sequence[Container]) -> list[Latest]:
        """What the containers used since the round before; those that are seen for the first time, or do not answer, are left out."""
        if not self._host_memory:
            info = await self._ask(engine.info())
            self._host_memory = info.memory_bytes if info else 0
        answers = await asyncio.gather(*(self._ask_one(engine, container) for container in containers))
        known, self._known = self._known, {}
        latest = []
        for container, (stats, moment) in zip(containers, answers, strict=True):
            before = known.get(container.external_id)
            if stats is None:
                continue
            self._known[container.external_id] = stats
            derived = derive(container.id, before, stats, self._host_memory, moment) if before else None
            if derived is not None:
                latest.append(derived)
        return latest

    async def _ask_one(self, engine: Engine, container: Container) -> tuple[Stats | None, datetime]:
        async with self._taking:
            stats = await self._ask(engine.stats(container.external_id))
        return stats, self._clock.now()

    async def _ask(self, call: Awaitable[Answer]) -> Answer | None:
        """An answer of the runtime; None when it does not come in time. That it is away is for those to tell who watch containers."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await call
        except (TimeoutError, EngineError, RefusedError) as error:
            log.debug("a container could not be sampled", fault=str(error) or type(error).__name__)
            return None


class ResourceKeeper:
    """Forgets samples and spans that are older than they are kept, about a thousand in one transaction."""

    def __init__(self, database: Database, kept: Mapping[Granularity, timedelta]) -> None:
        self._database = database
        self._kept = kept
        self._next_upkeep: datetime | None = None
        self._waiting: list[tuple[int, Sequence[int]]] = []

    async def tick(self, now: datetime) -> bool:
        """Drops some of what is old; True while there may be more. Fails with STORE_UNAVAILABLE."""
        if not self._waiting:
            if self._next_upkeep is not None and self._next_upkeep - UPKEEP_INTERVAL <= now < self._next_upkeep:
                return False
            async with self._database.read() as tx:
                self._waiting = [(number, await list_kept(tx, number)) for number in await list_organization_ids(tx)]
            self._next_upkeep = now + UPKEEP_INTERVAL
        elif self._waiting[0][1]:
            organization_id, containers = self._waiting[0]
            async with self._database.write() as tx:
                self._waiting[0] = (organization_id, await drop_old(tx, organization_id, containers, self._kept, now))
        else:
            del self._waiting[0]
        return bool(self._waiting)
