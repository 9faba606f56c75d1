"""Sends test messages by way of collectors and waits for what becomes of them."""

import asyncio
from datetime import timedelta

from lumetry_core.collectors.service.working import read_work
from lumetry_core.collectors.work import Outcome, WorkItem, work_channel
from lumetry_core.notifications.collecting import read_result
from lumetry_core.notifications.model import Integration, SendResult
from lumetry_core.notifications.service.testing import begin_test, end_test
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.queue import Subscription, Wakeups

PATIENCE_SECONDS = 18.0
"""Within what is left to answer in."""
LOOK_SECONDS = 1.0
"""Between two looks when nothing wakes."""


class CollectorTester:
    """Unlike a verb it opens transactions itself, as the collector works between them."""

    def __init__(self, database: Database, clock: Clock, wakeups: Wakeups, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._database = database
        self._clock = clock
        self._wakeups = wakeups
        self._patience_seconds = patience_seconds

    async def send_test(self, integration: Integration) -> SendResult:
        """Has the integration's collector deliver a test message. Answers every failure; raises none that a collector can cause."""
        with self._wakeups.subscribe(work_channel(integration.collector_id or "")) as subscription:
            async with self._database.write() as tx:
                begun = await begin_test(tx, integration, timedelta(seconds=self._patience_seconds), self._clock.now())
            found = begun if isinstance(begun, str) else await self._wait(begun, subscription)
        return SendResult(ok=False, error=found, reached=False) if isinstance(found, str) else read_result(found)

    async def _wait(self, item: WorkItem, subscription: Subscription) -> Outcome | str:
        """What came of the item, or why nothing did."""
        steady = asyncio.get_running_loop().time
        deadline = steady() + self._patience_seconds
        while (rest := deadline - steady()) > 0:
            async with self._database.read() as tx:
                present = await read_work(tx, item.organization_id, item.claim_id)
            if present is None:
                break
            if present.outcome is not None:
                return present.outcome
            await subscription.wait(min(rest, LOOK_SECONDS))
        async with self._database.write() as tx:
            return await end_test(tx, item, self._clock.now())
