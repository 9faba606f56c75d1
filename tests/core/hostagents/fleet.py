"""Host agents on a database, as the tests of what they report and collect need them."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.hostagents.drafts import ProfileDraft
from lumetry_core.hostagents.graph_worker import HostGraphKeeper
from lumetry_core.hostagents.model import HostAgent, Installation
from lumetry_core.hostagents.processes import Identity, Process
from lumetry_core.hostagents.service.enrolling import enroll
from lumetry_core.hostagents.service.identities import get_identity, set_monitoring
from lumetry_core.hostagents.service.processes import report_processes
from lumetry_core.hostagents.service.profiles import create_profile
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from tests.conftest import FakeClock

ORGANIZATION = 7
ADMIN = Caller(ORGANIZATION, CredentialKind.INTERACTIVE, user_id=42, user_name="admin", permissions=frozenset(Permission))


def of_agent(agent_id: int, organization_id: int = ORGANIZATION, relay: str | None = None) -> Caller:
    """An agent that calls."""
    return Caller(organization_id, CredentialKind.AGENT, credential_id=agent_id, agent_id=agent_id, relay_collector_id=relay)


def process(executable: str, identity: str | None = None, count: int = 1, cpu: float = 1.5) -> Process:
    """What a report says of one executable; it is its own identity when none is given."""
    return Process(executable, executable if identity is None else identity, count, cpu, 2.0, 1024)


@dataclass
class Fleet:
    """Agents of one organization."""

    database: Database
    clock: FakeClock
    organization_id: int = ORGANIZATION
    agents: dict[str, HostAgent] = field(default_factory=dict)
    """By host id."""

    @property
    def admin(self) -> Caller:
        """Who looks after them."""
        return Caller(self.organization_id, ADMIN.kind, user_id=42, user_name="admin", permissions=ADMIN.permissions)

    async def enroll(self, host_id: str, *, cluster: str = "", cluster_id: str = "") -> HostAgent:
        """An agent on a host; one that enrolls again keeps its number."""
        number = len(self.agents) + 1 if host_id not in self.agents else list(self.agents).index(host_id) + 1
        installation = Installation(str(UUID(int=number)), host_id, host_id, "linux", "x86_64", "1.0", cluster, cluster_id)
        now = self.clock.now()
        async with self.database.write() as tx:
            offer = await create_profile(tx, self.admin, ProfileDraft(f"profile of {host_id} {number}"), now)
            token = Caller(self.organization_id, CredentialKind.AGENT_ENROLLMENT, enrollment_profile_id=offer.profile.id)
            agent = (await enroll(tx, token, installation, OrganizationSettings(), now)).agent
        self.agents[host_id] = agent
        return agent

    async def report(self, host_id: str, *processes: Process | str, now: datetime | None = None) -> int:
        """What runs on a host."""
        caller = of_agent(self.agents[host_id].id, self.organization_id)
        sent = [process(each) if isinstance(each, str) else each for each in processes]
        moment = now or self.clock.now()
        async with self.database.write() as tx:
            return await report_processes(tx, caller, moment, sent, Faults(), moment)

    async def monitor(self, identity: str, *, is_enabled: bool = True) -> Identity:
        """Starts or ends the monitoring of an identity."""
        async with self.database.write() as tx:
            return await set_monitoring(tx, self.admin, identity, is_enabled=is_enabled, now=self.clock.now())

    async def identity(self, identity: str) -> Identity:
        """An identity as it is now."""
        async with self.database.read() as tx:
            return await get_identity(tx, self.organization_id, identity, self.clock.now())

    async def settle(self) -> None:
        """The graph and the agents come into line."""
        await HostGraphKeeper(self.database).tick(self.clock.now())

    async def actions(self) -> list[str]:
        """What was audited, in order."""
        async with self.database.read() as tx:
            statement = select(audit_logs.c.action).where(audit_logs.c.organization_id == self.organization_id)
            return list((await tx.execute(statement.order_by(audit_logs.c.id))).scalars())

    async def count_actions(self) -> int:
        """How much was audited."""
        async with self.database.read() as tx:
            return int((await tx.execute(select(func.count()).select_from(audit_logs))).scalar_one())
