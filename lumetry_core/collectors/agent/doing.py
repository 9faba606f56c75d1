"""Doing work within its lease, and telling what came of it."""

import asyncio

import structlog

from lumetry.collectors.v1 import collector_service_pb2 as collectors_pb
from lumetry.collectors.v1 import work_pb2
from lumetry_core.collectors.agent import labour
from lumetry_core.collectors.agent.failures import CallError, UnreachableError
from lumetry_core.collectors.agent.link import KeepsPoints, Link
from lumetry_core.collectors.agent.pacing import Backoff, Pace, Share
from lumetry_core.collectors.agent.reaching import Reach
from lumetry_core.collectors.agent.slots import Slots

log = structlog.get_logger(__name__)

OTHERS_AT_ONCE = 8
"""Tests and notifications."""
REPORT_SECONDS = 2.0
"""Kept of a lease for telling the outcome."""
LEAST_SECONDS = 1.0
"""Work that has less left is not begun."""


class Doer:
    """Does items, as many at once as there are slots: polls have theirs, tests and notifications have others."""

    def __init__(self, link: Link, keep: KeepsPoints, pace: Pace, share: Share) -> None:
        self._link = link
        self._keep = keep
        self._pace = pace
        self._share = share
        self._reach = Reach()
        self.polls = Slots(0)
        self.others = Slots(OTHERS_AT_ONCE)
        self.finished = asyncio.Event()
        """Set when a slot may be free."""

    async def close(self) -> None:
        """Ends connections that are kept for the next request."""
        await self._reach.close()

    async def do(self, item: work_pb2.WorkItem) -> None:
        """Does an item when a slot is free, and tells what came of it."""
        kind = item.WhichOneof("payload")
        async with self.polls if kind == "poll" else self.others:
            seconds = min(item.budget_ms / 1000, self._lease_left(item) - REPORT_SECONDS)
            if seconds < LEAST_SECONDS:
                log.warning("work came too late to be done, it is given out again", kind=kind, claim_id=item.claim_id)
                return
            loop = asyncio.get_running_loop()
            began = loop.time()
            try:
                outcome = await self._attempt(item, seconds)
            except Exception:
                log.exception("work failed in a way that was not foreseen", kind=kind, claim_id=item.claim_id)
                outcome = labour.fail("the collector failed at it; its log tells more")
            outcome.duration_ms = round((loop.time() - began) * 1000)
        self.finished.set()
        await self._report(item, outcome)

    async def _attempt(self, item: work_pb2.WorkItem, seconds: float) -> work_pb2.WorkOutcome:
        now = self._link.now()
        match item.WhichOneof("payload"):
            case "poll":
                return await labour.poll(item.poll, self._reach, self._keep, now, seconds)
            case "source_test":
                return await labour.test(item.source_test, self._reach, now, seconds)
            case "notification":
                return await labour.notify(item.notification, self._reach, seconds)
            case _:
                return labour.fail("this collector does not know such work")

    def _lease_left(self, item: work_pb2.WorkItem) -> float:
        return item.lease_expire_time.seconds + item.lease_expire_time.nanos / 1e9 - self._link.now().timestamp()

    async def _report(self, item: work_pb2.WorkItem, outcome: work_pb2.WorkOutcome) -> None:
        """Tells the outcome until it is taken or the lease has ended; points that were kept are sent either way."""
        request = collectors_pb.CompleteWorkRequest(claim_id=item.claim_id, claim_token=item.claim_token, outcome=outcome)
        backoff = Backoff(self._pace, self._share)
        while True:
            try:
                await self._link.complete_work(request)
            except UnreachableError as error:
                pause = backoff.pause(error.retry_after)
                if pause >= self._lease_left(item):
                    log.warning("an outcome could not be reported in time and is dropped", claim_id=item.claim_id, error=str(error))
                    return
                await asyncio.sleep(pause)
            except CallError as error:
                log.warning("an outcome was not taken and is dropped", claim_id=item.claim_id, error=str(error))
                return
            else:
                return
