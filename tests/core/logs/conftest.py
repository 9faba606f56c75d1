"""Fixtures of logs: a database with an organization, a running appender, and ways to push, seal and search."""

from collections.abc import AsyncIterator

import pytest

from lumetry_core.access.service.organizations import create_organization
from lumetry_core.logs.model import Draft, EntryFault, Receipt, StoredEntry
from lumetry_core.logs.query import Request
from lumetry_core.logs.service.appender import Appender
from lumetry_core.logs.service.deciding import Projects
from lumetry_core.logs.service.ingestion import Push, push_logs
from lumetry_core.logs.service.reading import search_logs
from lumetry_core.projects.model import Project
from lumetry_core.projects.service import default_project
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.logs.building import SETTINGS, Find, Send, make_caller, running_appender


@pytest.fixture
async def organization_id(database: Database, clock: FakeClock) -> int:
    async with database.write() as tx:
        return (await create_organization(tx, "Acme", clock.now())).id


@pytest.fixture
async def project(database: Database, organization_id: int, clock: FakeClock) -> Project:
    """The organization's default project."""
    async with database.write() as tx:
        return await default_project(tx, organization_id, clock.now())


@pytest.fixture
async def appender(database: Database, clock: FakeClock) -> AsyncIterator[Appender]:
    async with running_appender(database, clock) as running:
        yield running


@pytest.fixture
def caller(organization_id: int) -> Caller:
    return make_caller(organization_id)


@pytest.fixture
def send(appender: Appender, database: Database, clock: FakeClock, caller: Caller) -> Send:
    """Pushes entries."""
    projects = Projects(database)

    async def run(*entries: Draft, by: Caller | None = None, **options: object) -> tuple[Receipt, list[EntryFault]]:
        push = Push(entries, **options)  # type: ignore[arg-type]
        receipt, faults = await push_logs(appender.append, projects, clock, SETTINGS, by or caller, push)
        return receipt, list(faults)

    return run


@pytest.fixture
def find(database: Database, organization_id: int) -> Find:
    """The entries that a search finds, over all its pages."""

    async def run(q: str = "", **parameters: object) -> list[StoredEntry]:
        found: list[StoredEntry] = []
        cursor = ""
        while True:
            async with database.read() as tx:
                page = await search_logs(tx, organization_id, Request(q=q, cursor=cursor, **parameters))  # type: ignore[arg-type]
            found += page.entries
            cursor = page.next_cursor
            if not cursor:
                return found

    return run
