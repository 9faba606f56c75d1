from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec

from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.monitors import EntityType
from lumetry_core.alerts.service.handling import close
from lumetry_core.alerts.service.monitors import find_active_monitored
from lumetry_core.heartbeats.drafts import HeartbeatDraft
from lumetry_core.heartbeats.model import Heartbeat, Ping, PingKind, Receipt, Run, StoredPing
from lumetry_core.heartbeats.rates import PingRates
from lumetry_core.heartbeats.service import definitions, reading
from lumetry_core.heartbeats.service.deadlines import judge_due
from lumetry_core.heartbeats.service.pinging import Submission, record_pings
from lumetry_core.heartbeats.watching import Watch
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.events import read_after
from tests.conftest import FakeClock

ORGANIZATION = 7
CALLER = Caller(
    organization_id=ORGANIZATION, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="ann", permissions=frozenset(Permission)
)


@dataclass
class World:
    """Verbs in transactions of their own, at the time of the clock."""

    database: Database
    clock: FakeClock
    rates: PingRates = field(default_factory=PingRates)
    watch: Watch = field(default_factory=Watch)
    """Of a process that never started, stopped or saw the clock jump."""

    async def create(self, caller: Caller = CALLER, **draft: Any) -> Heartbeat:
        """A heartbeat, every 10 minutes with 2 of grace unless said otherwise."""
        values = {"name": "backup", "interval_seconds": 600, "grace_seconds": 120, **draft}
        async with self.database.write() as tx:
            return await definitions.create_heartbeat(tx, caller, HeartbeatDraft(**values), self.clock.now())

    async def ping(
        self, heartbeat: Heartbeat, kind: PingKind = PingKind.SUCCESS, code: int | None = None, payload: str | None = None
    ) -> Heartbeat:
        """A ping that is accepted; the heartbeat after it."""
        [receipt] = await self.record([Ping(heartbeat.uuid, kind, code, "192.0.2.1", "GET", payload)])
        assert receipt.verdict == "accepted"
        return await self.read(heartbeat)

    async def record(self, *groups: Sequence[Ping]) -> list[Receipt]:
        """Pings of one call each, in one transaction; what became of them all."""
        async with self.database.write() as tx:
            receipts = await record_pings(tx, [Submission(pings) for pings in groups], self.rates, self.clock.now())
        assert [len(listed) for listed in receipts] == [len(pings) for pings in groups]
        return [receipt for listed in receipts for receipt in listed]

    async def judge(self) -> bool:
        """A round of a worker that was always there."""
        async with self.database.write() as tx:
            return await judge_due(tx, self.watch, self.clock.now())

    async def close(self, alert: Alert) -> None:
        """A person closes an alert."""
        async with self.database.write() as tx:
            await close(tx, CALLER, alert.id, "seen", self.clock.now())

    async def read(self, heartbeat: Heartbeat) -> Heartbeat:
        async with self.database.read() as tx:
            return await reading.get_heartbeat(tx, ORGANIZATION, heartbeat.id)

    async def runs(self, heartbeat: Heartbeat) -> list[Run]:
        async with self.database.read() as tx:
            return (await reading.list_runs(tx, ORGANIZATION, heartbeat.id, 500, 0))[0]

    async def pings(self, heartbeat: Heartbeat) -> list[StoredPing]:
        async with self.database.read() as tx:
            return (await reading.list_pings(tx, ORGANIZATION, heartbeat.id, 500, 0))[0]

    async def alerts(self, heartbeat: Heartbeat) -> dict[str, Alert]:
        """The open alerts by type."""
        async with self.database.read() as tx:
            found = await find_active_monitored(tx, ORGANIZATION, EntityType.HEARTBEAT, [heartbeat.id])
        return {alert.alert_type or "": alert for alert in found}

    async def today(self, heartbeat: Heartbeat) -> tuple[float | None, int]:
        """Percent and incidents of the day."""
        async with self.database.read() as tx:
            [day] = await reading.list_days(tx, ORGANIZATION, heartbeat.id, 1, self.clock.now())
        return day.percent, day.incidents

    async def told(self, after: int = 0) -> list[tuple[str, dict[str, Any]]]:
        """The events of heartbeats after a number, without their time."""
        async with self.database.read() as tx:
            events = await read_after(tx, ORGANIZATION, after, ["monitoring"], 10_000)
        found = [(event.kind, msgspec.msgpack.decode(event.subject)) for event in events if event.kind.startswith("heartbeat.")]
        return [(kind, {key: value for key, value in data.items() if key != "timestamp"}) for kind, data in found]

    def pass_minutes(self, minutes: float) -> None:
        self.clock.moment += timedelta(minutes=minutes)
