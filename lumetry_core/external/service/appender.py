"""The agent through which all transitions enter: requests that wait share a commit, so that durability costs little.

Unlike verbs it opens transactions itself, because one transaction serves many callers.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from lumetry_core.external.service.accepting import Receipt, Submission, accept_group
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, unavailable
from lumetry_core.runtime.errors import LumetryError, Reason

log = structlog.get_logger(__name__)

MAX_GROUP = 5_000
"""Transitions in one commit, unless a single request brings more."""
MAX_WAITING = 100_000
"""Transitions that may wait for a commit; more are refused."""


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A request and who waits for its receipt."""

    submission: Submission
    receipt: "asyncio.Future[Receipt]"

    @property
    def size(self) -> int:
        """Its transitions."""
        return len(self.submission.transitions)


class Appender:
    """Takes requests and commits them in groups while `run` runs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiting: deque[Waiting] = deque()
        self._waiting_count = 0
        self._arrived = asyncio.Event()
        self._committing = False
        self._closed = False

    def is_pressed(self) -> bool:
        """Whether a request waits for its commit right now."""
        return self._committing or bool(self._waiting)

    async def append(self, submission: Submission) -> Receipt:
        """Makes the transitions of a request durable. Fails with OVERLOADED, STORE_UNAVAILABLE."""
        if self._closed:
            raise unavailable()
        waiting = Waiting(submission, asyncio.get_running_loop().create_future())
        if self._waiting and self._waiting_count + waiting.size > MAX_WAITING:
            raise LumetryError(Reason.OVERLOADED, "Too much waits to be stored. Try again later.", retry_after_seconds="2")
        self._waiting.append(waiting)
        self._waiting_count += waiting.size
        self._arrived.set()
        return await waiting.receipt

    async def run(self) -> None:
        """Commits what waits until cancelled; who waits then is told to try again."""
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while self._waiting:
                    self._committing = True
                    try:
                        await self._commit(self._take)
                    finally:
                        self._committing = False
        finally:
            self._closed = True
            fail(self._waiting, unavailable())

    async def _commit(self, take: Callable[[], list[Waiting]]) -> None:
        """Commits one group, taken only when the database can be written: what arrives until then shares the commit."""
        group: list[Waiting] = []
        try:
            async with self._database.write() as tx:
                group = take()
                receipts = await accept_group(tx, [waiting.submission for waiting in group], self._clock.now())
        except LumetryError as error:
            fail(group or take(), error)
        except asyncio.CancelledError:
            fail(group, unavailable())
            raise
        except Exception:
            log.exception("a group of transitions could not be stored", requests=len(group))
            await self._commit_each(group)
        else:
            for waiting, receipt in zip(group, receipts, strict=True):
                if not waiting.receipt.done():
                    waiting.receipt.set_result(receipt)

    async def _commit_each(self, group: Sequence[Waiting]) -> None:
        """Commits the members of a failed group one by one, so that only what cannot be stored is refused."""
        if len(group) <= 1:
            fail(group, unavailable())
            return
        for waiting in group:
            await self._commit(partial(list, [waiting]))

    def _take(self) -> list[Waiting]:
        """Takes who waits, up to the size of a group, leaving out who has given up."""
        group: list[Waiting] = []
        count = 0
        while self._waiting:
            if group and count + self._waiting[0].size > MAX_GROUP:
                break
            waiting = self._waiting.popleft()
            self._waiting_count -= waiting.size
            if not waiting.receipt.done():
                group.append(waiting)
                count += waiting.size
        return group


def fail(group: Iterable[Waiting], error: LumetryError) -> None:
    """Tells everyone who still waits that nothing of theirs was accepted."""
    for waiting in group:
        if not waiting.receipt.done():
            waiting.receipt.set_exception(LumetryError(error.reason, error.message, faults=error.faults, **error.metadata))
