"""One process on a real database, which may die inside any transaction, and between sending and recording."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import cast

from lumetry_core.alerts.decisions import Transition
from lumetry_core.alerts.worker import OperationsKeeper
from lumetry_core.incidents.model import Retention
from lumetry_core.incidents.worker import Correlator, IncidentKeeper
from lumetry_core.notifications.delivering import Deliverer
from lumetry_core.notifications.messages import Message
from lumetry_core.notifications.model import Integration, SendResult
from lumetry_core.notifications.worker import Router
from lumetry_core.runtime.database import Database, Transaction
from tests.conftest import FakeClock
from tests.pipeline.simulation.ground import SETTINGS
from tests.pipeline.simulation.script import Mood, Stage
from tests.pipeline.simulation.sending import ANSWERS, ARRIVES
from tests.pipeline.simulation.state import Arrival

YIELDS = 200
"""Turns of the loop in which everything that can be sent is sent."""


class Died(Exception):  # noqa: N818 -- it is no error
    """The process is gone."""


class FragileDatabase:
    """A database whose next written transaction is not committed, when it is told to break."""

    def __init__(self, real: Database) -> None:
        self._real = real
        self.breaks = False

    def read(self) -> AbstractAsyncContextManager[Transaction]:
        """See `Database.read`."""
        return self._real.read()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """See `Database.write`."""
        async with self._real.write() as tx:
            yield tx
            if self.breaks:
                self.breaks = False
                raise Died


class Receivers:
    """All receivers, in place of a sender."""

    def __init__(self, clock: FakeClock, count: int) -> None:
        self._clock = clock
        self.moods = dict.fromkeys(range(1, count + 1), Mood.WELL)
        self.arrivals: list[Arrival] = []
        self.tried = 0

    async def send(self, integration: Integration, message: Message) -> SendResult:
        """See `Sender.send`."""
        self.tried += 1
        mood = self.moods[integration.id]
        if mood in ARRIVES:
            alert, _, transition = message.key.partition(":")
            self.arrivals.append(Arrival(self._clock.now(), integration.id, int(alert), Transition(transition)))
        return ANSWERS[mood]


class Process:
    """Every worker. `forgets`: nothing of what it sends is recorded."""

    def __init__(self, real: Database, clock: FakeClock, receivers: Receivers, name: str, *, forgets: bool = False) -> None:
        self.database = FragileDatabase(real)
        database = cast("Database", self.database)
        self._clock = clock
        self._receivers = receivers
        self._operations = OperationsKeeper(database)
        self._correlator = Correlator(database, SETTINGS)
        self._deliverer = Deliverer(database, clock, name, receivers)
        self._router = Router(database, name, None, self._deliverer)
        self._forgets = forgets
        self._recorder = None if forgets else asyncio.create_task(self._deliverer.run())

    async def stop(self) -> None:
        """Ends it in good order; one that forgets is simply left."""
        if self._recorder is not None:
            self._recorder.cancel()
            with suppress(asyncio.CancelledError):
                await self._recorder

    async def run(self, stage: Stage) -> None:
        """Does what waits for a stage."""
        now = self._clock.now()
        if stage is Stage.UPKEEP:
            await self._operations.tick(now)
        tick = {Stage.CORRELATION: self._correlator.tick, Stage.ROUTING: self._router.tick}.get(stage)
        while tick is not None and await tick(now):
            pass

    async def wake_due(self) -> None:
        """Has routing look at what is due."""
        await self._router.tick_due(self._clock.now())

    async def deliver(self) -> None:
        """Sends until nothing is due now."""
        await self._finish()
        while True:
            before = self._receivers.tried
            await self._deliverer.tick(self._clock.now())
            await self._finish()
            if self._receivers.tried == before or self._forgets:
                return

    async def _finish(self) -> None:
        if self._forgets:
            for _ in range(YIELDS):
                await asyncio.sleep(0)
        else:
            async with asyncio.timeout(20):
                await self._deliverer.wait_idle()


def make_keeper(database: Database) -> IncidentKeeper:
    """Who asks for sweeps."""
    return IncidentKeeper(database, SETTINGS, Retention())
