"""A gateway in front of the real services behind this family, on a real database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.app import running
from gateway.config import Config
from lumetry.access.v1 import access_service_pb2_grpc, workspace_key_service_pb2_grpc
from lumetry.projects.v1 import project_service_pb2_grpc
from lumetry_core.access.model import NewUser, RateSettings, Settings
from lumetry_core.access.rates import build_limits
from lumetry_core.access.rpc.access import AccessServicer
from lumetry_core.access.rpc.workspace_keys import WorkspaceKeyServicer
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.login import LoginDesk
from lumetry_core.access.service.organizations import bootstrap, create_organization
from lumetry_core.access.service.rates import RateLimiter
from lumetry_core.access.service.users import create_user
from lumetry_core.migrations.tables import metadata
from lumetry_core.projects.rpc import ProjectServicer
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, open_database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses

PASSWORD = "correct horse battery staple"


@dataclass(slots=True)
class Deployment:
    """What a test asks, and as whom."""

    session: aiohttp.ClientSession
    database: Database
    desk: LoginDesk

    async def login(self, username: str) -> str:
        """The access token of a fresh login."""
        return (await self.desk.login(username, PASSWORD, Origin("r", "192.0.2.1", None, None))).access_token

    async def ask(self, secret: str | None, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status, and data or error."""
        headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
        async with self.session.request(method, f"/api/v1{path}", json=body, headers=headers) as response:
            answer = await response.json()
        return response.status, answer["data"] if answer["success"] else answer["error"]


@pytest.fixture
async def workspace_database(tmp_path: Path) -> AsyncIterator[Database]:
    """A database with every table."""
    database = open_database(f"sqlite:///{tmp_path}/workspace.db")
    async with database.write() as tx:
        await tx.connection.run_sync(metadata.create_all)
    yield database
    await database.close()


@pytest.fixture
async def deployment(workspace_database: Database, clock: Clock) -> AsyncIterator[Deployment]:
    """The real services behind a gateway outside production, with the limits of the contract.

    There are `admin`, `ann` (engineer) and `otto` (operator) in one organization, and `eve` (administrator) in another.
    """
    database = workspace_database
    async with database.write() as tx:
        admin = await bootstrap(tx, clock.now(), PASSWORD)
        assert admin is not None
        other = await create_organization(tx, "Other", clock.now())
        for organization_id, name, role in ((admin.organization_id, "ann", "Engineer"), (admin.organization_id, "otto", "Operator")):
            await create_user(tx, system_caller(organization_id), NewUser(name, (role,), PASSWORD), clock.now())
        await create_user(tx, system_caller(other.id), NewUser("eve", ("Admin",), PASSWORD), clock.now())
    authenticator = Authenticator(database, clock, production=False)
    desk = LoginDesk(database, clock, Settings(), RateSettings())
    limits = build_limits(RateSettings(), logs_key_rpm=0, logs_organization_rpm=0, limits_workspace=True)
    names = ("lumetry.access.v1.AccessService", "lumetry.access.v1.WorkspaceKeyService", "lumetry.projects.v1.ProjectService")
    accesses = read_accesses(names)
    services = {
        names[0]: (
            access_service_pb2_grpc.add_AccessServiceServicer_to_server,
            AccessServicer(database, clock, desk, authenticator, accesses),
        ),
        names[1]: (
            workspace_key_service_pb2_grpc.add_WorkspaceKeyServiceServicer_to_server,
            WorkspaceKeyServicer(database, clock, authenticator, production=False),
        ),
        names[2]: (project_service_pb2_grpc.add_ProjectServiceServicer_to_server, ProjectServicer(database, clock)),
    }
    limiter = RateLimiter(limits, clock)
    built = build_server("127.0.0.1:0", services, accesses, authenticator, reflect=False, limiter=limiter)
    await built.server.start()
    async with (
        running(Config(http="127.0.0.1:0", core=f"127.0.0.1:{built.port}", is_production=False)) as address,
        aiohttp.ClientSession(f"http://{address}") as session,
    ):
        yield Deployment(session, database, desk)
    await built.server.stop(None)
