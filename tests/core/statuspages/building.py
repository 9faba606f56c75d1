"""What tests of the area start from: heartbeats, which are the simplest monitors to make fail."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from lumetry_core.access.service.organizations import create_organization
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.alerts.maintenance import MaintenanceWindow
from lumetry_core.alerts.service.windows import WindowDraft, create_window
from lumetry_core.heartbeats.drafts import HeartbeatDraft
from lumetry_core.heartbeats.model import Heartbeat, Ping, PingKind
from lumetry_core.heartbeats.rates import PingRates
from lumetry_core.heartbeats.service.definitions import create_heartbeat, delete_heartbeat
from lumetry_core.heartbeats.service.pinging import Submission, record_pings
from lumetry_core.incidents.worker import Correlator
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.events import read_after
from lumetry_core.statuspages.changes import KINDS, Change
from lumetry_core.statuspages.drafts import ComponentDraft
from lumetry_core.statuspages.model import TOPIC, Component, MonitorKind, Standing
from lumetry_core.statuspages.service.components import create_component, list_components
from lumetry_core.statuspages.service.organization import PublicOrganization
from lumetry_core.statuspages.service.page import PublicView, read_public_view
from lumetry_core.statuspages.worker import StatusKeeper
from tests.conftest import FakeClock

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
SECRET = "db17.internal.example"
"""What monitors are called; the public never hears it."""


def a_component(number: int = 1, **changes: Any) -> Component:
    """A visible component of a heartbeat."""
    values: dict[str, Any] = {
        "id": number,
        "organization_id": 1,
        "monitor_kind": MonitorKind.HEARTBEAT,
        "monitor_id": number,
        "display_name": f"Service {number}",
        "group_id": None,
        "display_order": 0,
        "is_visible": True,
        "override": None,
        "auto_incident": False,
        "create_time": NOW,
        "update_time": NOW,
    }
    return Component(**values | changes)


@dataclass
class World:
    """An organization with a status page, and what is done with it."""

    database: Database
    clock: FakeClock
    caller: Caller = field(init=False)
    keeper: StatusKeeper = field(init=False)
    rates: PingRates = field(default_factory=PingRates)

    async def build(self) -> None:
        """Makes the organization."""
        async with self.database.write() as tx:
            organization = await create_organization(tx, "Acme", self.clock.now())
        self.caller = Caller(
            organization_id=organization.id, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin", request_id="r-1"
        )
        self.keeper = StatusKeeper(self.database, PublicOrganization("acme"))

    async def monitor(self, name: str = SECRET, **changes: Any) -> Heartbeat:
        """A heartbeat that has pinged."""
        fields: dict[str, Any] = {"name": name, "interval_seconds": 600, "grace_seconds": 60}
        async with self.database.write() as tx:
            made = await create_heartbeat(tx, self.caller, HeartbeatDraft(**fields | changes), self.clock.now())
        await self.ping(made)
        return made

    async def ping(self, heartbeat: Heartbeat, kind: PingKind = PingKind.SUCCESS) -> None:
        """A ping, or a failure."""
        ping = Ping(heartbeat.uuid, kind, None, "192.0.2.1", "GET")
        async with self.database.write() as tx:
            await record_pings(tx, [Submission((ping,))], self.rates, self.clock.now())

    async def forget(self, heartbeat: Heartbeat) -> None:
        """Deletes a monitor."""
        async with self.database.write() as tx:
            await delete_heartbeat(tx, self.caller, heartbeat.id, self.clock.now())

    async def show(self, heartbeat: Heartbeat, name: str = "Backup", **changes: Any) -> Standing:
        """Makes a component of a heartbeat."""
        draft = ComponentDraft(monitor_kind=MonitorKind.HEARTBEAT, monitor_id=heartbeat.id, display_name=name, **changes)
        async with self.database.write() as tx:
            return await create_component(tx, self.caller, draft, self.clock.now())

    async def maintain(self, **changes: Any) -> MaintenanceWindow:
        """A maintenance window."""
        async with self.database.write() as tx:
            shown = await create_window(
                tx, self.caller, WindowDraft(**{"scope_type": "Global", "reason": SECRET} | changes), self.clock.now()
            )
        return shown.window

    async def correlate(self) -> None:
        """Makes incidents of what waits."""
        correlator = Correlator(self.database, OrganizationSettings())
        while await correlator.tick(self.clock.now()):
            pass

    async def work(self) -> None:
        """Runs the worker until nothing waits."""
        while await self.keeper.tick(self.clock.now()):
            pass

    async def standings(self) -> list[Standing]:
        """All components."""
        async with self.database.read() as tx:
            return await list_components(tx, self.caller, self.clock.now())

    async def view(self, *, with_days: bool = False) -> PublicView:
        """What the public sees."""
        async with self.database.read() as tx:
            return await read_public_view(tx, self.caller.organization_id, self.clock.now(), with_days=with_days)

    async def told(self) -> list[Change]:
        """What followers were told so far."""
        async with self.database.read() as tx:
            events = await read_after(tx, self.caller.organization_id, 0, [TOPIC], 1000)
        return [msgspec.msgpack.decode(event.subject, type=KINDS[event.kind]) for event in events]
