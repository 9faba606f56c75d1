"""The work that the product gives a collector: polls, tests of sources, notifications.

It comes over the stream where there is one, and is claimed where there is none. Polls have as many slots as the configuration says; tests
and notifications have slots of their own, so that they never wait behind polls: while a stream's items are all polls, they are claimed.
"""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import aclosing

import structlog

from lumetry_core.collectors.agent.doing import OTHERS_AT_ONCE, Doer
from lumetry_core.collectors.agent.failures import CallError, CredentialError, UnreachableError, UnsupportedError
from lumetry_core.collectors.agent.link import KeepsPoints, Link
from lumetry_core.collectors.agent.pacing import Backoff, Pace, Share, random_share
from lumetry_core.collectors.agent.polling.model import available_types
from lumetry_core.collectors.agent.wanted import Notifications, Polling

log = structlog.get_logger(__name__)

MAX_ITEMS = 20
"""Contract lumetry 16.3."""
CLAIM_SECONDS = 5.0
"""Between two claims when nothing waits."""
ASIDE_SECONDS = 2.0
"""Between two claims of tests and notifications while the stream is full of polls."""
CLOCK_SECONDS = 0.5
"""Between two looks for the product's time, which the first heartbeat brings."""
SOUND_SECONDS = 30.0
"""A stream that lasted so long was not the fault of the connection."""


def capabilities() -> tuple[str, ...]:
    """What this installation can do of work, for heartbeats and enrollment, whatever the configuration allows of it."""
    return (*list_polls(), "source_test", "notification")


def list_polls() -> tuple[str, ...]:
    """The capabilities of polling: the types whose drivers are installed."""
    return tuple(f"poll:{each}" for each in available_types())


class Workers:
    """Does the work of one collector."""

    def __init__(
        self,
        link: Link,
        keep: KeepsPoints,
        pace: Pace | None = None,
        share: Share = random_share,
        claim_seconds: float = CLAIM_SECONDS,
        aside_seconds: float = ASIDE_SECONDS,
    ) -> None:
        self._link = link
        self._pace = pace or Pace()
        self._share = share
        self._claim_seconds = claim_seconds
        self._aside_seconds = aside_seconds
        self._doer = Doer(link, keep, self._pace, share)
        self._polling = Polling(enabled=False)
        self._notifications = Notifications(enabled=False)
        self._is_withheld = False
        self._streams_work = True
        self._changed = asyncio.Event()
        """Set when what is to be asked for may differ."""

    def apply(self, polling: Polling, notifications: Notifications) -> None:
        """Takes a configuration, at the start and whenever it changes. Work under way is finished whatever it says."""
        if (polling, notifications) == (self._polling, self._notifications):
            return
        self._polling, self._notifications = polling, notifications
        self._doer.polls.resize(polling.max_concurrency if polling.enabled else 0)
        self._changed.set()

    def withhold(self, *, is_duplicate: bool) -> None:
        """Asks for no work while the product suspects a duplicate of this collector."""
        if is_duplicate != self._is_withheld:
            self._is_withheld = is_duplicate
            self._changed.set()

    async def run(self) -> None:
        """Works until it is cancelled or the credential is void; what is under way at a cancellation is given out again by its lease."""
        backoff = Backoff(self._pace, self._share)
        try:
            async with asyncio.TaskGroup() as tasks:
                while not self._link.is_revoked:
                    self._changed.clear()
                    if not self._wanted_others():
                        await self._changed.wait()
                        continue
                    if not self._link.clock.is_known:
                        await self._rest(CLOCK_SECONDS)  # leases and points have the product's times
                        continue
                    try:
                        await (self._watch(tasks, backoff) if self._streams_work and self._link.can_watch else self._claim(tasks, backoff))
                    except UnsupportedError as error:
                        self._note_unsupported(error)
                        await self._rest(backoff.pause())
                    except CredentialError:
                        break  # the process tells of it
                    except CallError as error:
                        log.debug("no work can be had", error=str(error))
                        await self._rest(self._pause_after(error, backoff))
        finally:
            await self._doer.close()

    def _wanted_others(self) -> tuple[str, ...]:
        """What is to be asked for besides polls; nothing at all when this is empty."""
        if self._is_withheld:
            return ()
        tests = ("source_test",) if self._polling.enabled else ()
        return (*tests, *(("notification",) if self._notifications.enabled else ()))

    def _wanted_polls(self) -> tuple[str, ...]:
        return list_polls() if self._polling.enabled and not self._is_withheld else ()

    async def _watch(self, tasks: asyncio.TaskGroup, backoff: Backoff) -> None:
        """Takes work from a stream until something else is to be asked for. Raises CallError."""
        loop = asyncio.get_running_loop()
        limit = min(MAX_ITEMS, max(1, self._doer.polls.limit) if self._polling.enabled else OTHERS_AT_ONCE)
        outstanding: set[asyncio.Task[None]] = set()
        began = loop.time()
        reading = asyncio.create_task(self._read_stream(tasks, (*self._wanted_polls(), *self._wanted_others()), limit, outstanding))
        aside = asyncio.create_task(self._claim_aside(tasks, limit, outstanding))
        changed = asyncio.create_task(self._changed.wait())
        running = (reading, aside, changed)
        try:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for each in done - {changed}:
                each.result()
        finally:
            if loop.time() - began >= SOUND_SECONDS:
                backoff.reset()
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _read_stream(self, tasks: asyncio.TaskGroup, wanted: Sequence[str], limit: int, outstanding: set[asyncio.Task[None]]) -> None:
        async with aclosing(self._link.watch_work(wanted, limit)) as items:
            async for item in items:
                task = tasks.create_task(self._doer.do(item))
                outstanding.add(task)
                task.add_done_callback(outstanding.discard)

    async def _claim_aside(self, tasks: asyncio.TaskGroup, limit: int, outstanding: Collection[asyncio.Task[None]]) -> None:
        """Claims what the stream has no room for. Raises CallError."""
        while True:
            await asyncio.sleep(self._aside_seconds * self._share())
            if len(outstanding) >= limit:
                await self._claim_once(tasks)

    async def _claim(self, tasks: asyncio.TaskGroup, backoff: Backoff) -> None:
        """Claims work until something else is to be asked for. Raises CallError."""
        while not self._changed.is_set():
            self._doer.finished.clear()
            is_more = await self._claim_once(tasks)
            backoff.reset()
            if not is_more:
                await self._rest(self._claim_seconds * self._share(), until_finished=self._polling.enabled and not self._doer.polls.free)
            elif not self._doer.others.free and not self._doer.polls.free:
                await self._rest(self._claim_seconds, until_finished=True)

    async def _claim_once(self, tasks: asyncio.TaskGroup) -> bool:
        """Claims as much as there are slots for, and tells whether more of it may wait. Raises CallError."""
        polls = self._wanted_polls() if self._doer.polls.free else ()
        others = self._wanted_others() if self._doer.others.free else ()
        if not polls and not others:
            return True
        # an answer may be polls only, so it must not be larger than their slots
        count = min(MAX_ITEMS, self._doer.polls.free if polls else self._doer.others.free)
        answer = await self._link.claim_work((*polls, *others), count)
        for item in answer.items:
            tasks.create_task(self._doer.do(item))
        await asyncio.sleep(0)  # they take their slots
        return len(answer.items) >= count

    async def _rest(self, seconds: float, *, until_finished: bool = False) -> None:
        """Waits, but not longer than until something changes or, if that matters, a slot is free."""
        events = [self._changed, self._doer.finished] if until_finished else [self._changed]
        waiting = [asyncio.create_task(each.wait()) for each in events]
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    def _pause_after(self, error: CallError, backoff: Backoff) -> float:
        pause = backoff.pause(error.retry_after if isinstance(error, UnreachableError) else None)
        if isinstance(error, UnreachableError):
            return pause
        log.warning("the server gives no work", error=str(error))
        return max(pause, self._pace.forbidden_retry * self._share())

    def _note_unsupported(self, error: UnsupportedError) -> None:
        if self._streams_work and self._link.can_watch:
            self._streams_work = False
            log.info("the server has no stream of work, it is claimed", error=str(error))
