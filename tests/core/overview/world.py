"""An organization with a little of everything that snapshots show."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lumetry_core.activity.model import Draft, Resource
from lumetry_core.activity.model import Severity as ItemSeverity
from lumetry_core.activity.service import record
from lumetry_core.agents.service.imaging import show_host_agent
from lumetry_core.alerts.model import Alert, AlertState, SourceKind
from lumetry_core.alerts.store.alerts import insert_alerts
from lumetry_core.heartbeats.model import Status
from lumetry_core.heartbeats.store.heartbeats import heartbeats
from lumetry_core.hostagents.model import HostAgent
from lumetry_core.incidents.model import Incident, IncidentState
from lumetry_core.incidents.store.incidents import insert_incidents
from lumetry_core.metrics.hosts import Host
from lumetry_core.metrics.store.hosts import insert_hosts
from lumetry_core.overview.filters import Asked
from lumetry_core.overview.service.dashboard import Dashboard, read_dashboard
from lumetry_core.overview.service.mission_control import MissionControl, read_mission_control
from lumetry_core.overview.service.scene import Scenes
from lumetry_core.projects import service as projects
from lumetry_core.projects.draft import Draft as ProjectDraft
from lumetry_core.projects.model import Project
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database
from lumetry_core.topology.draft import NodeDraft
from lumetry_core.topology.service.editing import create_node
from tests.conftest import FakeClock
from tests.core.hostagents.making import enroll, installation, offer, send

ANN = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=3, user_name="ann", permissions=frozenset(Permission))


@dataclass
class World:
    """Makes things and looks at them."""

    database: Database
    clock: FakeClock

    async def heartbeat(self, number: int, name: str, status: Status = Status.UP, organization_id: int = 7) -> None:
        now = self.clock.now()
        values: dict[str, Any] = {column.name: 0 for column in heartbeats.columns if not column.nullable}
        values |= {"id": number, "organization_id": organization_id, "uuid": f"u-{number}", "name": name, "status": status.value}
        values |= {"alert_state": "normal", "ended_well": True, "create_time": now, "update_time": now}
        async with self.database.write() as tx:
            await tx.execute(heartbeats.insert(), values)

    async def alert(self, name: str, **fields: Any) -> int:
        now = self.clock.now()
        values: dict[str, Any] = {
            "source_kind": SourceKind.METRIC_RULE,
            "state": AlertState.OPEN,
            "severity": Severity.WARNING,
            "start_time": now,
            "create_time": now,
            "update_time": now,
        }
        async with self.database.write() as tx:
            draft = Alert(id=0, organization_id=7, alert_name=name, trigger_reason="x", **(values | fields))
            return (await insert_alerts(tx, [draft]))[0]

    async def incident(self, number: int, **fields: Any) -> int:
        now = self.clock.now()
        values: dict[str, Any] = {
            "severity": Severity.WARNING,
            "state": IncidentState.OPEN,
            "start_time": now,
            "newest_alert_time": now,
            "create_time": now,
            "update_time": now,
            "newest_alert_id": 1,
            "alert_count": 1,
            "active_alert_count": 1,
            "violation_count": 0,
            "correlation_key": None,
        }
        async with self.database.write() as tx:
            made = Incident(id=0, organization_id=7, number=number, **(values | fields))
            return (await insert_incidents(tx, [made]))[number]

    async def node(self, name: str, node_type: str = "Host") -> int:
        async with self.database.write() as tx:
            draft = NodeDraft(external_id=name, node_type=node_type, display_name=name)
            return (await create_node(tx, ANN, draft, self.clock.now())).id

    async def host(self, host_id: str, name: str, organization_id: int = 7) -> None:
        async with self.database.write() as tx:
            await insert_hosts(tx, organization_id, [Host(host_id, name, "linux", "x86_64", "", self.clock.now())])

    async def host_agent(self, number: int) -> HostAgent:
        now = self.clock.now()
        made = await offer(self.database, now)
        agent = (await enroll(self.database, now, made.profile.id, installation(number))).agent
        async with self.database.write() as tx:
            await show_host_agent(tx, agent, now)
        return agent

    async def beat(self, agent: HostAgent) -> None:
        await send(self.database, self.clock.now(), [agent])

    async def project(self, name: str, caller: Caller = ANN, **fields: str) -> Project:
        async with self.database.write() as tx:
            return await projects.create(tx, caller, ProjectDraft(name=name, **fields), self.clock.now())

    async def item(self, kind: str, action: str, title: str, organization_id: int = 7, **fields: Any) -> None:
        async with self.database.write() as tx:
            draft = Draft(kind=kind, action=action, title=title, severity=ItemSeverity.INFO, resource=Resource("x", "1"), **fields)
            await record(tx, organization_id, [draft], self.clock.now())

    async def mission_control(self, caller: Caller = ANN, **asked: Any) -> MissionControl:
        async with self.database.read() as tx:
            return await read_mission_control(tx, caller, Asked(**asked), Scenes(max_age=timedelta()), self.clock.now())

    async def dashboard(self, caller: Caller = ANN, **asked: Any) -> Dashboard:
        async with self.database.read() as tx:
            return await read_dashboard(tx, caller, Asked(**asked), Scenes(max_age=timedelta()), self.clock.now())

    def ago(self, **span: float) -> datetime:
        return self.clock.now() - timedelta(**span)
