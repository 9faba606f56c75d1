"""Workers of metric sources: one polls them at their times, one notices what does not happen and drops what is old."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.access.vault import VaultError
from lumetry_core.collectors.agent.polling.model import Fetch
from lumetry_core.metrics.service.ingestion import Append
from lumetry_core.metricsources.asking import ask, store_samples
from lumetry_core.metricsources.judging import PollResult, sum_up
from lumetry_core.metricsources.model import WAKE, Source
from lumetry_core.metricsources.schedule import LEASE_SLACK, RETRY, plan_next, poll_budget
from lumetry_core.metricsources.sealing import Rules, unseal
from lumetry_core.metricsources.service import recording, scheduling, upkeep
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.queue import Wakeups

log = structlog.get_logger(__name__)

SLOTS = 32
"""Polls at once."""
SHARE = 24
"""Of one organization: another finds room at once."""
LOOK_SECONDS = 0.5
IDLE_SECONDS = 5.0
ABSENCE_SECONDS = 60.0
"""After so long without a look, as when the machine slept, what is overdue is spread."""
PULL_BACK_SECONDS = 60.0
PAUSE_SECONDS = (0.1, 5.0)
QUIET_SECONDS = 60.0
"""A fault of ours is logged at most so often."""
DROP_INTERVAL = timedelta(minutes=10)


class OursError(Exception):
    """A poll has no result: the fault is on this side. `retries`: another try soon may have one."""

    def __init__(self, cause: str, *, retries: bool) -> None:
        super().__init__(cause)
        self.retries = retries


class SourcePoller:
    """Claims what is due, asks it, has the points stored, and records what came of it. Any number may run on one database."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        wakeups: Wakeups,
        rules: Rules,
        fetch: Fetch,
        append: Append,
        chance: Callable[[], float],
        *,
        slots: int = SLOTS,
        share: int = SHARE,
    ) -> None:
        """Builds the worker.

        Args:
            database: Where everything is.
            clock: The time.
            wakeups: Tell of new and changed sources.
            rules: Open secrets.
            fetch: Asks over HTTP, and knows where polls may lead.
            append: Takes points.
            chance: A number between 0 and 1, another each time, that spreads load.
            slots: Polls at once.
            share: Polls of one organization at once.
        """
        self._database = database
        self._clock = clock
        self._wakeups = wakeups
        self._rules = rules
        self._fetch = fetch
        self._append = append
        self._chance = chance
        self._slots = slots
        self._share = share
        self._running: Counter[int] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_look: float | None = None
        self._next_pull_back = 0.0
        self._quiet_until = 0.0

    async def run(self) -> None:
        """Works until cancelled; polls that are under way then have no results."""
        try:
            if not self._database.is_postgresql:
                # The store has no other core, so what is claimed was claimed by a process that is gone.
                await self._persist(self._release)
            while True:
                wait = await self._persist(self._look)
                await self._wakeups.wait(WAKE, wait)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _release(self) -> float:
        async with self._database.write() as tx:
            await scheduling.release_claims(tx, self._clock.now())
        return 0.0

    async def _look(self) -> float:
        """Begins the polls that are due and have room; how long to wait until the next look."""
        now = self._clock.now()
        await self._settle_times(now)
        free = self._slots - len(self._tasks)
        async with self._database.read() as tx:
            due = await scheduling.find_next_due(tx)
        if due is None:
            return IDLE_SECONDS
        if due > now:
            return min(max((due - now).total_seconds(), 0.05), IDLE_SECONDS)
        async with self._database.write() as tx:
            claimed = await scheduling.claim_polls(tx, self._running, free, self._share, now)
        for source in claimed:
            self._start(source)
        return LOOK_SECONDS

    async def _settle_times(self, now: datetime) -> None:
        """Spreads what waited while nobody was there, and plans anew what another clock planned."""
        moment = asyncio.get_running_loop().time()
        was_away = self._last_look is None or moment - self._last_look > ABSENCE_SECONDS
        self._last_look = moment
        while was_away:
            async with self._database.write() as tx:
                was_away = await scheduling.spread_overdue(tx, now, self._chance)
        if moment >= self._next_pull_back:
            self._next_pull_back = moment + PULL_BACK_SECONDS
            async with self._database.write() as tx:
                await scheduling.pull_back(tx, now, self._chance)

    def _start(self, source: Source) -> None:
        self._running[source.organization_id] += 1
        task = asyncio.create_task(self._poll(source))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._end(done, source.organization_id))

    def _end(self, task: asyncio.Task[None], organization_id: int) -> None:
        self._tasks.discard(task)
        self._running[organization_id] -= 1
        self._running += Counter()  # forgets organizations without polls
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a metric source could not be polled", exc_info=error)
        self._wakeups.wake(WAKE)

    async def _poll(self, source: Source) -> None:
        """One poll from its secret to its record."""
        try:
            result = await self._ask(source)
        except OursError as error:
            self._warn(source, str(error))
            now = self._clock.now()
            due = now + RETRY if error.retries else plan_next(source.id, now, source.definition.poll_interval_seconds)

            async def postpone() -> float:
                async with self._database.write() as tx:
                    await recording.postpone_poll(tx, source, due)
                return 0.0

            await self._persist(postpone)
            return

        async def record() -> float:
            async with self._database.write() as tx:
                await recording.record_poll(tx, source, result, self._clock.now())
            return 0.0

        await self._persist(record)

    async def _ask(self, source: Source) -> PollResult:
        """What a poll gave, stored. Raises OursError."""
        definition = source.definition
        try:
            secret = unseal(self._rules.vault, source.organization_id, source.sealed)
        except VaultError as error:
            raise OursError(str(error), retries=False) from None
        limit = poll_budget(definition.timeout_seconds, len(definition.items)) + LEASE_SLACK.total_seconds() / 2
        try:
            async with asyncio.timeout(limit):
                results = await ask(definition, secret, self._fetch, self._clock)
        except TimeoutError:
            return PollResult(f"no answer within {limit:.0f} s", definition.metric_keys)
        try:
            refused = await store_samples(self._append, self._clock, source.organization_id, definition.type.value, results)
        except LumetryError as error:
            raise OursError(error.message, retries=error.reason is not Reason.QUOTA_EXHAUSTED) from error
        return sum_up(source, results, refused)

    async def _persist(self, act: Callable[[], Awaitable[float]]) -> float:
        """Does something with the store, again and again while the store is away."""
        pause, longest = PAUSE_SECONDS
        while True:
            try:
                return await act()
            except LumetryError as error:
                if error.reason is not Reason.STORE_UNAVAILABLE:
                    raise
                self._warn(None, "the store cannot be used")
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest)

    def _warn(self, source: Source | None, cause: str) -> None:
        moment = asyncio.get_running_loop().time()
        if moment >= self._quiet_until:
            self._quiet_until = moment + QUIET_SECONDS
            source_id = None if source is None else source.id
            log.warning("metric sources cannot be polled for a fault of ours, trying again", source_id=source_id, cause=cause)


class SourceKeeper:
    """Marks metrics stale whose sources nobody polls, and forgets tests."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next_drop: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Does what is due; true when there may be more."""
        async with self._database.read() as tx:
            more = await upkeep.is_any_stale(tx, now)
        if more:
            async with self._database.write() as tx:
                more = await upkeep.mark_stale(tx, now)
        if self._next_drop is None or now >= self._next_drop:
            self._next_drop = now + DROP_INTERVAL
            async with self._database.read() as tx:
                organizations = await list_organization_ids(tx)
            for organization_id in organizations:
                async with self._database.write() as tx:
                    await upkeep.drop_tests(tx, organization_id, now)
        return more
