"""What tests of the area start from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import select

from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.service.reading import find_alerts
from lumetry_core.alerts.store.alerts import alerts
from lumetry_core.certificates.drafts import MonitorDraft
from lumetry_core.certificates.model import Check, Listed, Monitor, Observation, Presented, Verdict
from lumetry_core.certificates.service.monitors import create_monitor
from lumetry_core.certificates.service.observing import observe
from lumetry_core.certificates.service.reading import get_monitor, list_checks, list_monitors
from lumetry_core.certificates.service.recording import Look, record_looks
from lumetry_core.certificates.worker import CertificateScheduler
from lumetry_core.runtime.addresses import PRIVATE_TOO
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.events import events
from lumetry_core.runtime.queue import Wakeups
from lumetry_core.topology.draft import NodeDraft
from lumetry_core.topology.service.editing import create_node
from tests.conftest import FakeClock
from tests.core.certificates.authority import Issued, issue

ORGANIZATION = 7
CALLER = Caller(organization_id=ORGANIZATION, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin", request_id="r-1")
OTHER = Caller(organization_id=8, kind=CredentialKind.INTERACTIVE, user_id=43, user_name="other")
TRUSTED = Verdict(valid=True)
UNTRUSTED = Verdict(valid=False, error="untrusted root or missing intermediate")


def present(issued: Issued | None = None, *, verdict: Verdict = TRUSTED, days: float = 60, name: str = "example.org") -> Presented:
    """What a server presents."""
    return Presented((issued or issue(name, days=days)).chain(), verdict)


@dataclass
class FakeChecker:
    """Presents what a test says, by host."""

    presented: dict[str, Presented] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def check(self, hostname: str, port: int) -> Presented:
        """See `Checks`."""
        self.asked.append(f"{hostname}:{port}")
        return self.presented.get(hostname) or Presented(error="connection refused")


class World:
    """An organization, and what is done with its certificates."""

    def __init__(self, database: Database, clock: FakeClock, wakeups: Wakeups) -> None:
        self.database = database
        self.clock = clock
        self.checker = FakeChecker()
        self.worker = CertificateScheduler(database, self.checker, wakeups, 30)

    async def create(self, hostname: str = "example.org", caller: Caller = CALLER, **changes: Any) -> Monitor:
        """A monitor of a person, which the worker has not checked yet."""
        async with self.database.write() as tx:
            return await create_monitor(tx, caller, MonitorDraft(hostname=hostname, **changes), PRIVATE_TOO, self.clock.now())

    async def look(self, monitor: Monitor, presented: Presented) -> Monitor:
        """A check of a monitor that nobody else has claimed."""
        current = (await self.get(monitor.id)).monitor
        async with self.database.write() as tx:
            [after] = await record_looks(tx, current.organization_id, [Look(current, presented)], self.clock.now())
        return after

    async def observe(self, *observations: Observation) -> None:
        """HTTPS checks."""
        async with self.database.write() as tx:
            await observe(tx, ORGANIZATION, observations, self.clock.now())

    async def work(self) -> None:
        """Works off everything that is due."""
        while True:
            before = len(self.checker.asked)
            await self.worker.tick(self.clock.now())
            await self.worker.settle()
            await self.worker.tick(self.clock.now())
            await self.worker.settle()
            if len(self.checker.asked) == before:
                return

    async def get(self, monitor_id: int, organization_id: int = ORGANIZATION) -> Listed:
        """A monitor with its latest check."""
        async with self.database.read() as tx:
            return (await get_monitor(tx, organization_id, monitor_id))[0]

    async def monitors(self) -> list[Monitor]:
        """All monitors, by host."""
        async with self.database.read() as tx:
            return [each.monitor for each in await list_monitors(tx, ORGANIZATION, "", "")]

    async def checks(self, monitor_id: int) -> list[Check]:
        """All checks of a monitor, the newest first."""
        async with self.database.read() as tx:
            return (await list_checks(tx, ORGANIZATION, monitor_id, 500, 0))[0]

    async def alerts(self) -> list[Alert]:
        """All alerts of certificates, by number."""
        async with self.database.read() as tx:
            ids = (await tx.execute(select(alerts.c.id).where(alerts.c.organization_id == ORGANIZATION))).scalars().all()
            found = await find_alerts(tx, ORGANIZATION, ids)
        return sorted(found, key=lambda alert: alert.id)

    async def active(self) -> list[str]:
        """The types of active alerts, with the severity of each."""
        return [f"{alert.alert_type}:{alert.severity}" for alert in await self.alerts() if alert.end_time is None]

    async def told(self, *types: str) -> list[tuple[str, dict[str, Any]]]:
        """Events of the area in order, all or some."""
        async with self.database.read() as tx:
            rows = await tx.execute(select(events.c.kind, events.c.subject).where(events.c.topic == "monitoring").order_by(events.c.id))
            decoded = [(row.kind, msgspec.msgpack.decode(row.subject)) for row in rows]
        return [(kind, data) for kind, data in decoded if kind.startswith("certificate.") and (not types or kind in types)]

    async def add_node(self, external_id: str = "shop") -> int:
        """A topology node."""
        async with self.database.write() as tx:
            draft = NodeDraft(external_id=external_id, node_type="Host", display_name=external_id)
            return (await create_node(tx, CALLER, draft, self.clock.now())).id


def kinds(told: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
    """The types of events."""
    return [kind for kind, _ in told]
