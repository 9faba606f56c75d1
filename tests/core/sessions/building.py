"""Callers, users and shortcuts of the tests of sessions."""

from collections.abc import Awaitable, Collection
from dataclasses import replace
from typing import Any

import pytest

from lumetry_core.access.model import BUILT_IN_ROLES, NewUser
from lumetry_core.access.service.users import create_user
from lumetry_core.access.store.roles import insert_built_in_roles, list_roles
from lumetry_core.agents.draft import Draft as AgentDraft
from lumetry_core.agents.model import Agent
from lumetry_core.agents.service.writing import create as create_agent
from lumetry_core.incidents.model import Incident
from lumetry_core.incidents.store.incidents import insert_incidents
from lumetry_core.projects import service as projects
from lumetry_core.projects.draft import Draft as ProjectDraft
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission, system_caller
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.sessions.draft import MessageDraft, SessionDraft
from lumetry_core.sessions.model import Message, Session
from lumetry_core.sessions.service import messages, reading, writing
from tests.conftest import FakeClock
from tests.core.incidents.building import an_incident

ANN = Caller(
    organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=3, user_name="ann", permissions=frozenset({Permission.VIEW_ALERTS})
)
BOB = replace(ANN, user_id=4, user_name="bob")
CHIEF = replace(ANN, user_id=5, user_name="chief", permissions=frozenset({Permission.VIEW_ALERTS, Permission.MANAGE_WORKSPACE}))
STRANGER = replace(CHIEF, organization_id=8)
FILE = "4c8f0cf9-9e75-4e8e-9a38-0a4c6d0e8c3c"


async def find_visible_files(_tx: Transaction, caller: Caller, ids: Collection[str]) -> set[str]:
    """Ann sees one file."""
    return {FILE} & set(ids) if caller == ANN else set()


async def open_session(database: Database, clock: FakeClock, caller: Caller = ANN, agent: str | None = None, **fields: Any) -> Session:
    async with database.write() as tx:
        return await writing.create(tx, caller, SessionDraft(**fields), agent, clock.advance(milliseconds=1))


async def update(database: Database, clock: FakeClock, session_id: str, caller: Caller = ANN, **fields: Any) -> Session:
    async with database.write() as tx:
        return await writing.update(tx, caller, session_id, SessionDraft(**fields), set(fields), clock.advance(milliseconds=1))


async def delete(database: Database, clock: FakeClock, session_id: str, caller: Caller = ANN) -> Session:
    async with database.write() as tx:
        return await writing.delete(tx, caller, session_id, clock.now())


async def say(database: Database, clock: FakeClock, session_id: str, content: str = "x", caller: Caller = ANN, **fields: Any) -> Message:
    draft = MessageDraft(content=content, **fields)
    async with database.write() as tx:
        return await messages.write_message(tx, caller, session_id, draft, find_visible_files, clock.advance(milliseconds=1))


async def get(database: Database, session_id: str, caller: Caller = ANN) -> Session:
    async with database.read() as tx:
        return await reading.get_session(tx, caller, session_id)


async def listed(database: Database, caller: Caller = ANN, **wanted: Any) -> tuple[list[str], str]:
    """Labels and cursor."""
    asked = {"project_id": "", "incident_id": None, "agent_id": "", "status": "", "search": "", "limit": None, "cursor": ""} | wanted
    async with database.read() as tx:
        sessions, cursor = await reading.list_sessions(tx, caller, **asked)
    return [session.label for session in sessions], cursor


async def spoken(database: Database, session_id: str, caller: Caller = ANN, **wanted: Any) -> tuple[list[str], str]:
    """Contents and cursor."""
    asked = {"order": "", "limit": None, "cursor": ""} | wanted
    async with database.read() as tx:
        found, cursor = await reading.list_session_messages(tx, caller, session_id, **asked)
    return [message.content for message in found], cursor


async def add_agent(database: Database, clock: FakeClock, name: str, **fields: Any) -> Agent:
    async with database.write() as tx:
        return await create_agent(tx, CHIEF, AgentDraft(name=name, **fields), clock.now())


async def add_project(database: Database, clock: FakeClock, name: str, visibility: str = "team", caller: Caller = ANN) -> str:
    async with database.write() as tx:
        return (await projects.create(tx, caller, ProjectDraft(name=name, visibility=visibility), clock.now())).id


async def add_incident(database: Database, number: int = 1, **changes: Any) -> Incident:
    incident = an_incident(number, **changes)
    async with database.write() as tx:
        ids = await insert_incidents(tx, [incident])
    return replace(incident, id=ids[number])


async def add_users(database: Database, clock: FakeClock, *names: str, roles: tuple[str, ...] = ("Viewer",)) -> dict[str, int]:
    """The numbers of new users of organization 7, by name."""
    async with database.write() as tx:
        if not await list_roles(tx, 7):
            await insert_built_in_roles(tx, 7, tuple(BUILT_IN_ROLES), clock.now())
        return {name: (await create_user(tx, system_caller(7), NewUser(name, roles=roles), clock.now())).id for name in names}


async def refusal(deed: Awaitable[object]) -> tuple[Reason, str]:
    with pytest.raises(LumetryError) as caught:
        await deed
    named = "; ".join(f"{fault.path}: {fault.message}" for fault in caught.value.faults)
    return caught.value.reason, named or caught.value.message
