"""Watches the container runtime: connects, looks at everything, follows what happens, and begins anew when the connection breaks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from lumetry_core.containers.detection import Connect, find_engine
from lumetry_core.containers.engine import Engine, EngineEvent, RefusedError
from lumetry_core.containers.places import EngineError, RuntimeFault, RuntimeSettings, RuntimeStatus
from lumetry_core.containers.runtime import RuntimeLink
from lumetry_core.containers.service.observing import reconcile, take_event
from lumetry_core.containers.service.watches import find_organization, release_watch, take_watch
from lumetry_core.containers.sightings import Sights
from lumetry_core.endpoints.sealing import Rules
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import LumetryError, Reason

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 1.0, 30.0
STORE_PAUSE_SECONDS = 1.0
ROUND = timedelta(seconds=10)
"""So often the watch is renewed and the engine asked whether it is still there."""
RECONCILE_INTERVAL = timedelta(minutes=5)
"""Nothing should be missed; what was missed nevertheless is seen then."""
SETTLE = timedelta(seconds=3)
"""A new container is looked for so much later: tools that replace one give the new one its name only when the old one is gone."""
MAX_WAITING_EVENTS = 10_000
RECORDED = frozenset({"start", "die", "stop", "pause", "unpause", "destroy", "rename", "health_status", "update"})

T = TypeVar("T")


class Watcher:
    """Keeps the link to the runtime and the records of its containers up to date, until cancelled."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        owner: str,
        settings: RuntimeSettings,
        connect: Connect,
        link: RuntimeLink,
        rules: Rules,
    ) -> None:
        """Builds the watcher.

        Args:
            database: Where containers are recorded.
            clock: The time.
            owner: The identity under which this process takes the watch.
            settings: Where to look for a runtime.
            connect: Connects to a candidate.
            link: Tells everybody else of the connection.
            rules: What the deployment says of endpoints.
        """
        self._database = database
        self._clock = clock
        self._owner = owner
        self._settings = settings
        self._connect = connect
        self._link = link
        self._rules = rules
        self._organization_id = 0
        self._first_time: datetime | None = None
        self._reconcile_time: datetime | None = None
        self._round_time: datetime | None = None

    async def run(self) -> None:
        """Watches; ends at once when no runtime is wanted."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            engine, status = await find_engine(self._settings, self._connect, self._clock.now(), self._first_time)
            if engine is None:
                self._note(status)
                if status.fault is RuntimeFault.DISABLED:
                    return
                await asyncio.sleep(pause)
                pause = min(pause * 2, LAST_PAUSE_SECONDS)
                continue
            self._first_time = status.detect_time
            self._link.connect(engine, status)
            log.info("a container runtime is connected", engine=engine.identity.name, version=engine.identity.version, at=engine.address)
            try:
                await self._watch(engine)
            except (EngineError, RefusedError) as failure:
                fault = failure.fault if isinstance(failure, EngineError) else RuntimeFault.UNREACHABLE
                pause = FIRST_PAUSE_SECONDS if self._link.is_watching else min(pause * 2, LAST_PAUSE_SECONDS)
                self._note(replace(status, engine=None, fault=fault, message=failure.message))
            finally:
                await engine.close()
            await asyncio.sleep(pause)

    async def release(self) -> None:
        """Gives the watch back, so that another core need not wait for its end; when the store cannot be written it ends by itself."""
        if self._organization_id:
            with suppress(LumetryError):
                async with self._database.write() as tx:
                    await release_watch(tx, self._organization_id, self._owner, self._clock.now())

    def _note(self, status: RuntimeStatus) -> None:
        """Tells why there is no connection, in the log only when it is news."""
        before = self._link.status
        self._link.disconnect(status)
        if (before is None or before.message != status.message) and status.fault is not RuntimeFault.DISABLED:
            log.warning("no container runtime is connected", fault=status.fault, reason=status.message)

    async def _watch(self, engine: Engine) -> None:
        """Follows one connection until it breaks, which raises."""
        sights = Sights(engine)
        self._round_time = self._reconcile_time = None
        async with following(engine) as events:
            while True:
                await self._keep(engine, sights)
                event = await next_event(events, self._wait_seconds())
                if event is not None and self._link.is_watching:
                    await self._take(sights, event)

    async def _keep(self, engine: Engine, sights: Sights) -> None:
        """Renews the watch and looks at everything, each when it is time to."""
        now = self._clock.now()
        if self._round_time is None or now >= self._round_time:
            if self._round_time is not None:
                await engine.info()
            held = await self._store(self._take_watch)
            if held and not self._link.is_watching:
                self._reconcile_time = now
            elif not held and self._link.is_watching:
                log.info("another core watches the containers now")
                self._link.watch(is_watching=False)
                self._reconcile_time = None
            self._round_time = now + ROUND
        if self._reconcile_time is not None and now >= self._reconcile_time:
            self._reconcile_time = now + RECONCILE_INTERVAL
            seen = await sights.look_at_all()
            await self._store(lambda tx: reconcile(tx, self._organization_id, seen, self._rules, self._clock.now()))
            self._link.watch(is_watching=True)

    def _wait_seconds(self) -> float:
        """Until the next thing that the clock brings."""
        times = [moment for moment in (self._round_time, self._reconcile_time if self._link.is_watching else None) if moment]
        return max((min(times) - self._clock.now()).total_seconds(), 0.0)

    async def _take(self, sights: Sights, event: EngineEvent) -> None:
        """Records an event; a container that nobody knows is looked for."""
        now = self._clock.now()
        if event.action == "create":
            self._look_at(now + SETTLE)
        if event.action not in RECORDED or sights.is_old(event):
            sights.remember(event)
            return
        seen, oom_killed, snippet = await sights.look_after(event)

        async def record(tx: Transaction) -> bool:
            moment = self._clock.now()
            return await take_event(tx, self._organization_id, event, seen, self._rules, moment, oom_killed=oom_killed, snippet=snippet)

        is_known = await self._store(record)
        sights.remember(event)
        if not is_known or event.action == "rename":
            self._look_at(now if event.action in ("start", "update") else now + SETTLE)

    def _look_at(self, moment: datetime) -> None:
        """Looks at everything at a time, unless that happens earlier anyhow."""
        if self._reconcile_time is None or moment < self._reconcile_time:
            self._reconcile_time = moment

    async def _take_watch(self, tx: Transaction) -> bool:
        self._organization_id = await find_organization(tx)
        return await take_watch(tx, self._organization_id, self._owner, self._clock.now())

    async def _store(self, verb: Callable[[Transaction], Awaitable[T]]) -> T:
        """Does something in a transaction, again and again while the store cannot be used: what happened must not be lost."""
        while True:
            try:
                async with self._database.write() as tx:
                    return await verb(tx)
            except LumetryError as error:
                if error.reason is not Reason.STORE_UNAVAILABLE:
                    raise
                log.warning("the store cannot be used, trying again", worker="containers")
                await asyncio.sleep(STORE_PAUSE_SECONDS)


@asynccontextmanager
async def following(engine: Engine) -> AsyncIterator[asyncio.Queue[EngineEvent | EngineError]]:
    """The events of an engine from now on, in a queue; when there are no more, why."""
    queue: asyncio.Queue[EngineEvent | EngineError] = asyncio.Queue(MAX_WAITING_EVENTS)
    async with engine.events() as events:

        async def pump() -> None:
            failure = EngineError(RuntimeFault.UNREACHABLE, f"{engine.address} closed the connection.")
            try:
                async for event in events:
                    await queue.put(event)
            except EngineError as error:
                failure = error
            await queue.put(failure)

        pumping = asyncio.create_task(pump())
        try:
            yield queue
        finally:
            pumping.cancel()
            with suppress(asyncio.CancelledError):
                await pumping


async def next_event(queue: asyncio.Queue[EngineEvent | EngineError], timeout_seconds: float) -> EngineEvent | None:
    """The next event; None when none came in time. Raises what ended the events."""
    try:
        async with asyncio.timeout(timeout_seconds):
            found = await queue.get()
    except TimeoutError:
        return None
    if isinstance(found, EngineError):
        raise found
    return found
