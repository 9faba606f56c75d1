"""Opens, changes and deletes sessions."""

from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from typing import Any

from lumetry_core.access.service.audit import record_audit
from lumetry_core.agents.model import Agent
from lumetry_core.agents.service.acting import check_acting, forbid_disabled
from lumetry_core.billing.model import Meter
from lumetry_core.billing.service.budgets import check_budget
from lumetry_core.incidents.service.reading import get_incident
from lumetry_core.projects.service import get_project
from lumetry_core.runtime.caller import Caller, Permission
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason
from lumetry_core.runtime.identifiers import new_uuid
from lumetry_core.sessions.draft import FIELDS, SessionDraft, read_session
from lumetry_core.sessions.model import DEFAULT_LABEL, Session, audited
from lumetry_core.sessions.service.hearing import follow_incidents
from lumetry_core.sessions.service.reading import get_session
from lumetry_core.sessions.store import sessions as store

AUDIT_TYPE = "Session"
SCOPE = "sessions:write"


def check_new(draft: SessionDraft) -> dict[str, Any]:
    """The values of a session to be opened; a status counts for nothing. Fails with VALIDATION_FAILED."""
    faults = Faults()
    values = read_session(draft, {name for name in FIELDS - {"status"} if getattr(draft, name) is not None}, faults)
    faults.raise_if_any()
    return values


async def create(tx: Transaction, caller: Caller, draft: SessionDraft, agent_id: str | None, now: datetime) -> Session:
    """Opens a session, which the caller owns, as an agent when one is named.

    Fails as `check_new`, with NOT_FOUND for the project, incident and agent, with PERMISSION_DENIED when the agent does not allow it, with
    QUOTA_EXHAUSTED, and with CONFLICT when the agent is disabled.
    """
    values = await resolve(tx, caller, check_new(draft))
    if caller.user_id is None:
        raise LumetryError(Reason.PERMISSION_DENIED, "Only users open sessions", permission="")
    agent = await find_actor(tx, caller, agent_id)
    await check_budget(tx, caller.organization_id, {Meter.SESSION_MESSAGES: 1}, now, project_id=values.get("project_id"))
    if agent is not None:
        forbid_disabled(agent)
    session = Session(
        organization_id=caller.organization_id,
        id=new_uuid(),
        owner_id=caller.user_id,
        label=values.pop("label", DEFAULT_LABEL),
        create_time=now,
        update_time=now,
        agent_id=None if agent is None else agent.id,
        **values,
    )
    await store.insert(tx, session)
    await follow_incidents(tx, session, now)
    await record_audit(tx, caller, "Session.Created", AUDIT_TYPE, session.id, now, after=audited(session))
    return session


def check_change(draft: SessionDraft, names: AbstractSet[str]) -> dict[str, Any]:
    """The new values of the named fields. Fails with VALIDATION_FAILED."""
    faults = Faults()
    faults.check(bool(names & FIELDS), "", "No field to change was given")
    values = read_session(draft, names & FIELDS, faults)
    faults.raise_if_any()
    return values


async def update(tx: Transaction, caller: Caller, session_id: str, draft: SessionDraft, names: AbstractSet[str], now: datetime) -> Session:
    """Changes the named fields of a session and no others.

    Fails as `check_change`, with NOT_FOUND for the session, the project and the incident, and with PERMISSION_DENIED for another's.
    """
    values = check_change(draft, names)
    before = await get_session(tx, caller, session_id, lock=True)
    check_own(caller, before)
    after = replace(before, **await resolve(tx, caller, values))
    if after == before:
        return before
    after = replace(after, update_time=max(now, before.update_time))
    await store.save(tx, after, now)
    if after.incident_id != before.incident_id:
        await follow_incidents(tx, after, now)
    action = "Session.Closed" if after.is_closed and not before.is_closed else "Session.Updated"
    await record_audit(tx, caller, action, AUDIT_TYPE, after.id, now, before=audited(before), after=audited(after))
    return after


async def delete(tx: Transaction, caller: Caller, session_id: str, now: datetime) -> Session:
    """Hides a session for good. Fails with NOT_FOUND, PERMISSION_DENIED for another's."""
    session = await get_session(tx, caller, session_id, lock=True)
    check_own(caller, session)
    await store.delete(tx, caller.organization_id, session.id, now)
    await record_audit(tx, caller, "Session.Deleted", AUDIT_TYPE, session.id, now, before=audited(session))
    return session


async def resolve(tx: Transaction, caller: Caller, values: dict[str, Any]) -> dict[str, Any]:
    """The values with a project's id in place of its slug. Fails with NOT_FOUND for what the caller does not see."""
    if values.get("project_id") is not None:
        values = {**values, "project_id": (await get_project(tx, caller, values["project_id"])).id}
    if values.get("incident_id") is not None:
        await get_incident(tx, caller, values["incident_id"])
    return values


async def find_actor(tx: Transaction, caller: Caller, agent_id: str | None) -> Agent | None:
    """The agent as which the caller writes; None: as nobody else. Fails with NOT_FOUND, PERMISSION_DENIED."""
    return None if agent_id is None else await check_acting(tx, caller, agent_id, SCOPE)


def check_own(caller: Caller, session: Session) -> None:
    """Fails with PERMISSION_DENIED when the session is another's and the caller does not manage the workspace."""
    if session.owner_id != caller.user_id and not caller.may(Permission.MANAGE_WORKSPACE):
        needed = Permission.MANAGE_WORKSPACE.value
        raise LumetryError(Reason.PERMISSION_DENIED, f"Another member's session needs {needed}", permission=needed)
