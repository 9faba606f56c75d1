"""The agent through which all points enter: requests that wait share a commit, so durability costs little.

Unlike verbs it opens transactions itself, because one transaction serves many callers.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog

from lumetry_core.billing.model import Meter, Usage
from lumetry_core.billing.service.budgets import Gate, Passage
from lumetry_core.billing.service.metering import count
from lumetry_core.metrics.model import AcceptedBatch
from lumetry_core.metrics.service.append import Learnt, Submission, append_group
from lumetry_core.metrics.service.recent import RecentEntries
from lumetry_core.metrics.service.registry import SeriesRegistry
from lumetry_core.metrics.settings import Settings
from lumetry_core.runtime.caller import CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction, unavailable
from lumetry_core.runtime.errors import LumetryError

log = structlog.get_logger(__name__)

MAX_GROUP_POINTS = 500_000
"""Points in one commit, unless a single request brings more."""

GATHER_SECONDS = 0.01
"""A commit costs much the same for one batch as for ten: under load commits start at least so far apart …"""
SPREAD_SECONDS = 0.1
"""… and so far while nobody who waits had an answer from the commit before: then many send now and then, and none goes on by an answer."""
GATHER_POINTS = 8_000
"""As soon as so many points wait they are committed anyhow."""

Sender = tuple[int, CredentialKind | None, int | None]
"""Organization and credential."""


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A submission and who waits for its receipts."""

    submission: Submission
    receipts: "asyncio.Future[list[AcceptedBatch]]"


class Appender:
    """Takes submissions and commits them in groups while `run` runs."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: Settings,
        partition_count: int,
        recent: RecentEntries,
        gate: Gate | None = None,
    ) -> None:
        """Builds the agent.

        Args:
            gate: Keeps hard budgets; None: one that only time makes forget.
        """
        self._database = database
        self._gate = gate or Gate()
        self._clock = clock
        self._settings = settings
        self._partition_count = partition_count
        self._registry = SeriesRegistry()
        self._recent = recent
        self._waiting: deque[Waiting] = deque()
        self._waiting_points = 0
        self._answered: set[Sender] = set()
        """Who had an answer from the newest commit."""
        self._has_returned = False
        """Whether one of them waits again."""
        self._arrived = asyncio.Event()
        self._closed = False

    def forget_notes(self) -> None:
        """Makes the next point of every metric be noted, as after the removal of a definition."""
        self._registry.forget_notes()

    async def append(self, submission: Submission) -> list[AcceptedBatch]:
        """Makes batches durable and gives their receipts, in order. Fails with OVERLOADED, STORE_UNAVAILABLE, QUOTA_EXHAUSTED."""
        if self._closed:
            raise unavailable()
        waiting = Waiting(submission, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._waiting_points += len(submission.columns.values)
        self._has_returned |= sender_of(submission) in self._answered
        self._arrived.set()
        return await waiting.receipts

    async def run(self) -> None:
        """Commits what waits until cancelled; who waits then is told to try again."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while self._waiting:
                    begin = loop.time()
                    await self._commit(self._take)
                    await self._gather(begin)
        finally:
            self._closed = True
            fail(self._waiting, unavailable())

    async def _gather(self, begin: float) -> None:
        """Waits for more to commit together than came since the commit that began at a time of the loop."""
        loop = asyncio.get_running_loop()
        while self._waiting_points < GATHER_POINTS:
            until = begin + (GATHER_SECONDS if self._has_returned else SPREAD_SECONDS)
            if loop.time() >= until:
                return
            self._arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._arrived.wait()

    async def _commit(self, take: Callable[[], list[Waiting]]) -> None:
        """Commits one group, taken only when the database can be written: what arrives until then shares the commit."""
        group: list[Waiting] = []
        try:
            async with self._database.write() as tx:
                group = take()
                now = self._clock.now()
                admitted, refusals = await self._meter(tx, group, now)
                submissions = [waiting.submission for waiting in admitted]
                receipts, learnt = await append_group(tx, self._registry, self._settings, self._partition_count, submissions, now)
        except LumetryError as error:
            fail(group or take(), error)
        except asyncio.CancelledError:
            fail(group, unavailable())
            raise
        except Exception:
            log.exception("a group of batches could not be appended", requests=len(group))
            await self._commit_each(group)
        else:
            self._settle(admitted, receipts, learnt)
            for waiting, refusal in refusals:
                fail([waiting], refusal)

    async def _meter(
        self, tx: Transaction, group: Sequence[Waiting], now: datetime
    ) -> tuple[list[Waiting], list[tuple[Waiting, LumetryError]]]:
        """Counts the points of who waits, but for those whom a hard budget stops."""
        admitted: list[Waiting] = []
        refused: list[tuple[Waiting, LumetryError]] = []
        passages: dict[int, Passage] = {}
        points: dict[int, int] = {}
        for waiting in group:
            organization_id = waiting.submission.caller.organization_id
            if organization_id not in passages:
                passages[organization_id] = await self._gate.open(tx, organization_id, (Meter.METRIC_POINTS,), now)
            brought = len(waiting.submission.columns.values)
            refusal = passages[organization_id].refuse([Usage(Meter.METRIC_POINTS, brought)])
            if refusal is None:
                admitted.append(waiting)
                points[organization_id] = points.get(organization_id, 0) + brought
            else:
                refused.append((waiting, refusal))
        for organization_id, brought in points.items():
            await count(tx, organization_id, [Usage(Meter.METRIC_POINTS, brought)], now)
        for passage in passages.values():
            await passage.tell(tx)
        return admitted, refused

    async def _commit_each(self, group: Sequence[Waiting]) -> None:
        """Commits the members of a failed group one by one, so that only what cannot be appended is refused."""
        if len(group) <= 1:
            fail(group, unavailable())
            return
        for waiting in group:
            await self._commit(partial(list, [waiting]))

    def _take(self) -> list[Waiting]:
        """Takes who waits, up to the size of a group, leaving out who has given up."""
        group: list[Waiting] = []
        points = 0
        self._has_returned = False
        while self._waiting:
            following = len(self._waiting[0].submission.columns.values)
            if group and points + following > MAX_GROUP_POINTS:
                break
            waiting = self._waiting.popleft()
            self._waiting_points -= following
            if not waiting.receipts.done():
                group.append(waiting)
                points += following
        return group

    def _settle(self, group: Sequence[Waiting], receipts: Sequence[list[AcceptedBatch]], learnt: Learnt) -> None:
        learnt.publish(self._registry)
        self._recent.publish(learnt.entries)
        self._answered = {sender_of(waiting.submission) for waiting in group}
        for waiting, accepted in zip(group, receipts, strict=True):
            if not waiting.receipts.done():
                waiting.receipts.set_result(accepted)


def sender_of(submission: Submission) -> Sender:
    """Who sent it."""
    caller = submission.caller
    return caller.organization_id, caller.kind, caller.credential_id


def fail(group: Iterable[Waiting], error: LumetryError) -> None:
    """Tells everyone who still waits that nothing of theirs was accepted."""
    for waiting in group:
        if not waiting.receipts.done():
            waiting.receipts.set_exception(LumetryError(error.reason, error.message, faults=error.faults, **error.metadata))
