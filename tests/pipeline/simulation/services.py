"""A deployment on the real services and a real database that plays the same scripts."""

from sqlalchemy import select

from lumetry_core.alerts.model import AlertFilter
from lumetry_core.alerts.service.reading import list_alerts
from lumetry_core.alerts.service.silences import list_silences
from lumetry_core.incidents.service.candidates import list_candidates
from lumetry_core.incidents.service.reading import IncidentQuery, search_incidents
from lumetry_core.incidents.store.members import incident_members, read_member
from lumetry_core.notifications.service.deliveries import DeliveryQuery, search_deliveries
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.pipeline.simulation import script
from tests.pipeline.simulation.founding import CALLER
from tests.pipeline.simulation.ground import ORGANIZATION, START, STEP
from tests.pipeline.simulation.process import Died, Process, Receivers, make_keeper
from tests.pipeline.simulation.script import Mood, Script, Stage, Step
from tests.pipeline.simulation.service_deeds import Desk, do
from tests.pipeline.simulation.state import View
from tests.pipeline.simulation.world import LULL, TAKEOVER

LIMIT = 5000


class ServiceWorld:
    """One process of everything on a database, which dies and comes back where the script says so."""

    def __init__(self, database: Database, told: Script, *, has_crashes: bool = True) -> None:
        self.database = database
        self.clock = FakeClock(START)
        self.receivers = Receivers(self.clock, told.setup.integrations)
        self._has_crashes = has_crashes
        self._crashes: set[Stage] = set()
        self._keeper = make_keeper(database)
        self._births = 0
        self._process = self._start()
        self._desk = Desk()

    def _start(self, *, forgets: bool = False) -> Process:
        self._births += 1
        return Process(self.database, self.clock, self.receivers, f"core-{self._births}", forgets=forgets)

    async def stop(self) -> None:
        """Ends the process."""
        await self._process.stop()

    async def play_step(self, step: Step, *, lags: bool) -> None:
        """Plays a step and what follows it."""
        await self.do(step)
        if lags:
            self.clock.moment += STEP
        else:
            await self.settle()

    async def do(self, step: Step) -> None:
        """Plays a step; one that is not possible now does nothing."""
        match step:
            case script.Receiver(integration, mood):
                self.receivers.moods[integration] = mood
            case script.Crash(stage):
                if self._has_crashes:
                    self._crashes.add(stage)
            case script.Wait(seconds):
                self.clock.advance(seconds=seconds)
            case _:
                async with self.database.write() as tx:
                    await do(step, tx, self._desk, self.clock.now())

    async def settle(self) -> None:
        """Every stage catches up, until nothing is left to do but what later times bring."""
        await self.work()
        for pause in (LULL, TAKEOVER):
            self.clock.moment += pause
            await self.work()
        self.clock.moment += STEP

    async def work(self) -> None:
        """One round of every stage."""
        await self._run(Stage.UPKEEP)
        await self._keeper.tick(self.clock.now())
        await self._run(Stage.CORRELATION)
        if Stage.RECORDING in self._crashes:
            await self._send_and_die()
            return
        await self._process.wake_due()
        await self._run(Stage.ROUTING)
        await self._process.deliver()

    async def _run(self, stage: Stage) -> None:
        if stage in self._crashes:
            self._crashes.discard(stage)
            self._process.database.breaks = True
            try:
                await self._process.run(stage)
            except Died:
                await self._process.stop()
                self._process = self._start()
            self._process.database.breaks = False
        await self._process.run(stage)

    async def _send_and_die(self) -> None:
        """What is sent until the process dies has arrived, and nobody knows."""
        before = self.receivers.tried
        await self._process.stop()
        self._process = self._start(forgets=True)
        await self._process.wake_due()
        await self._run(Stage.ROUTING)
        await self._process.deliver()
        await self._process.stop()
        self._process = self._start()
        if self.receivers.tried > before:
            self._crashes.discard(Stage.RECORDING)
        await self._process.deliver()

    async def recover(self) -> None:
        """All receivers are well, and time goes on until every retry was due."""
        self.receivers.moods = dict.fromkeys(self.receivers.moods, Mood.WELL)
        for _ in range(8):
            self.clock.advance(minutes=10)
            await self.settle()

    async def view(self) -> View:
        """What the invariants are about."""
        async with self.database.read() as tx:
            alerts = await list_alerts(tx, ORGANIZATION, AlertFilter(limit=LIMIT))
            incidents = await search_incidents(tx, CALLER, IncidentQuery(limit=LIMIT))
            members = [read_member(row) for row in await tx.execute(select(incident_members))]
            deliveries = await search_deliveries(tx, CALLER, DeliveryQuery(limit=LIMIT))
            hints = await list_candidates(tx, CALLER, "", "", LIMIT)
            muting = await list_silences(tx, CALLER, None, LIMIT, self.clock.now())
        return View(
            now=self.clock.now(),
            alerts={alert.id: alert for alert in alerts},
            incidents={incident.id: incident for incident in incidents},
            members={(member.incident_id, member.alert_id): member for member in members},
            deliveries={delivery.id: delivery for delivery in deliveries},
            arrivals=tuple(self.receivers.arrivals),
            silences=tuple(muting),
            hints={(hint.type, hint.correlation_key): hint.occurrence_count for hint in hints},
        )
