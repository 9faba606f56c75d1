"""Requests that wait at the same time share a commit, so that durability costs each of them little.

Unlike verbs this opens transactions itself, because one transaction serves many callers.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Generic, TypeVar

import structlog

from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction, unavailable
from lumetry_core.runtime.errors import LumetryError, Reason

log = structlog.get_logger(__name__)

S = TypeVar("S")
"""What is submitted."""
R = TypeVar("R")
"""What its sender gets for it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """In the unit of sizes: what one commit takes, unless a single submission is larger, and what may wait for one."""

    group: int
    waiting: int


@dataclass(frozen=True, slots=True, eq=False)
class Waiting(Generic[S, R]):
    """A submission and who waits for its receipt."""

    submission: S
    size: int
    receipt: "asyncio.Future[R]"


class GroupCommit(Generic[S, R]):
    """Takes submissions and commits them in groups while `run` runs."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        store: Callable[[Transaction, Sequence[S], datetime], Awaitable[Sequence[R]]],
        size_of: Callable[[S], int],
        limits: Limits,
        *,
        gather_seconds: float = 0.0,
    ) -> None:
        """Builds the agent.

        Args:
            store: Writes a group and gives the receipts, in its order.
            gather_seconds: Commits start at least so far apart, for senders who do not mind.
        """
        self._database = database
        self._clock = clock
        self._store = store
        self._size_of = size_of
        self._limits = limits
        self._gather_seconds = gather_seconds
        self._waiting: deque[Waiting[S, R]] = deque()
        self._waiting_size = 0
        self._arrived = asyncio.Event()
        self._newest_time: datetime | None = None
        self._closed = False

    def was_asked_within(self, span: timedelta) -> bool:
        """Whether something was submitted so recently."""
        return self._newest_time is not None and self._clock.now() - self._newest_time < span

    async def append(self, submission: S) -> R:
        """Makes a submission durable. Fails with OVERLOADED, STORE_UNAVAILABLE, and with what `store` fails with."""
        if self._closed:
            raise unavailable()
        size = self._size_of(submission)
        if self._waiting and self._waiting_size + size > self._limits.waiting:
            raise LumetryError(Reason.OVERLOADED, "Too much waits to be stored. Try again later.", retry_after_seconds="2")
        waiting: Waiting[S, R] = Waiting(submission, size, asyncio.get_running_loop().create_future())
        self._newest_time = self._clock.now()
        self._waiting.append(waiting)
        self._waiting_size += size
        self._arrived.set()
        return await waiting.receipt

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
                    if self._gather_seconds and self._waiting_size < self._limits.group:
                        await asyncio.sleep(begin + self._gather_seconds - loop.time())
        finally:
            self._closed = True
            fail(self._waiting, unavailable())

    async def _commit(self, take: Callable[[], list[Waiting[S, R]]]) -> None:
        """Commits one group, taken only when the database can be written: what arrives until then shares the commit."""
        group: list[Waiting[S, R]] = []
        try:
            async with self._database.write() as tx:
                group = take()
                receipts = await self._store(tx, [waiting.submission for waiting in group], self._clock.now())
        except LumetryError as error:
            fail(group or take(), error)
        except asyncio.CancelledError:
            fail(group, unavailable())
            raise
        except Exception:
            log.exception("a group of submissions could not be stored", submissions=len(group))
            await self._commit_each(group)
        else:
            for waiting, receipt in zip(group, receipts, strict=True):
                if not waiting.receipt.done():
                    waiting.receipt.set_result(receipt)

    async def _commit_each(self, group: Sequence[Waiting[S, R]]) -> None:
        """Commits the members of a failed group one by one, so that only what cannot be stored is refused."""
        if len(group) <= 1:
            fail(group, unavailable())
            return
        for waiting in group:
            await self._commit(partial(list, [waiting]))

    def _take(self) -> list[Waiting[S, R]]:
        """Takes who waits, up to the size of a group, leaving out who has given up."""
        group: list[Waiting[S, R]] = []
        size = 0
        while self._waiting:
            if group and size + self._waiting[0].size > self._limits.group:
                break
            waiting = self._waiting.popleft()
            self._waiting_size -= waiting.size
            if not waiting.receipt.done():
                group.append(waiting)
                size += waiting.size
        return group


def fail(group: Iterable[Waiting[S, R]], error: LumetryError) -> None:
    """Tells everyone who still waits that nothing of theirs was accepted."""
    for waiting in group:
        if not waiting.receipt.done():
            waiting.receipt.set_exception(LumetryError(error.reason, error.message, faults=error.faults, **error.metadata))
