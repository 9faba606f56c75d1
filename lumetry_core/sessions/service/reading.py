"""Finds sessions and messages, as far as the caller sees them: what belongs to a private project exists for its owner only."""

from collections.abc import Collection, Iterable, Sequence

from lumetry_core.agents.model import Agent
from lumetry_core.agents.service.reading import find_agent, find_agents, get_agent
from lumetry_core.projects.cursor import Position, read_cursor, write_cursor
from lumetry_core.projects.draft import normalise
from lumetry_core.projects.service import find_project, list_hidden_projects
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason
from lumetry_core.sessions.cursor import read_message_cursor, write_message_cursor
from lumetry_core.sessions.model import Message, Session, SessionStatus
from lumetry_core.sessions.store import sessions as store
from lumetry_core.sessions.store.authored import list_messages_of_agent
from lumetry_core.sessions.store.messages import list_messages

MAX_SESSIONS = 50
MAX_MESSAGES = 200
DEFAULT_MESSAGES = 50
FOREIGN_CURSOR = "is not one of this list"
ORDERS = ("asc", "desc")


async def find_visible(tx: Transaction, caller: Caller, session_id: str, *, lock: bool = False) -> Session | None:
    """The session as far as the caller sees it; locked, it is kept from changing until the transaction ends."""
    found = await store.find(tx, caller.organization_id, session_id, lock=lock)
    if found is None or found.project_id is None:
        return found
    return None if found.project_id in await list_hidden_projects(tx, caller.organization_id, caller.user_id) else found


async def get_session(tx: Transaction, caller: Caller, session_id: str, *, lock: bool = False) -> Session:
    """As `find_visible`. Fails with NOT_FOUND."""
    found = await find_visible(tx, caller, session_id, lock=lock)
    if found is None:
        raise LumetryError(Reason.NOT_FOUND, "Session not found", type="Session", id=session_id)
    return found


async def find_session_agents(tx: Transaction, organization_id: int, sessions: Iterable[Session]) -> dict[str, Agent]:
    """The agents of sessions by id, deleted ones included."""
    return await find_agents(tx, organization_id, {session.agent_id for session in sessions if session.agent_id is not None})


async def list_sessions(
    tx: Transaction,
    caller: Caller,
    *,
    project_id: str,
    incident_id: int | None,
    agent_id: str,
    status: str,
    search: str,
    limit: int | None,
    cursor: str,
) -> tuple[list[Session], str]:
    """A page of the sessions that the caller sees, last changed first, with the cursor of the next page, empty at the end.

    Args:
        project_id: UUID or slug; empty: any.
        agent_id: UUID or slug; empty: any.
        status: Empty: any.
        search: Part of a label, ignoring case.
        limit: None: 50.

    Fails with VALIDATION_FAILED (`status`, `search`, `cursor`), OUT_OF_RANGE (`limit`).
    """
    filters = (project_id, str(incident_id), agent_id, status, search)
    faults = Faults()
    faults.check(status in ("", *SessionStatus), "status", f"must be one of {', '.join(SessionStatus)}")
    faults.check("\0" not in search, "search", "must not contain U+0000")
    after = read_position(cursor, filters, faults)
    size = read_size(limit, MAX_SESSIONS, MAX_SESSIONS, faults)
    faults.raise_if_any()
    project = await find_project(tx, caller.organization_id, project_id) if project_id else None
    agent = await find_agent(tx, caller.organization_id, agent_id) if agent_id else None
    if (project_id and project is None) or (agent_id and agent is None):
        return [], ""
    chosen = store.SessionFilter(
        project_id="" if project is None else project.id,
        incident_id=incident_id,
        agent_id="" if agent is None else agent.id,
        status=SessionStatus(status) if status else None,
        search=normalise(search),
    )
    return await read_page(tx, caller, chosen, filters, after, size)


async def list_agent_sessions(
    tx: Transaction, caller: Caller, id_or_slug: str, *, limit: int | None, cursor: str
) -> tuple[list[Session], str]:
    """As `list_sessions`, those of an agent. Fails with NOT_FOUND, VALIDATION_FAILED (`cursor`), OUT_OF_RANGE (`limit`)."""
    faults = Faults()
    filters = ("agent", id_or_slug)
    after = read_position(cursor, filters, faults)
    size = read_size(limit, MAX_SESSIONS, MAX_SESSIONS, faults)
    faults.raise_if_any()
    agent = await get_agent(tx, caller, id_or_slug)
    return await read_page(tx, caller, store.SessionFilter(agent_id=agent.id), filters, after, size)


async def read_page(
    tx: Transaction, caller: Caller, chosen: store.SessionFilter, filters: Sequence[str], after: Position | None, size: int
) -> tuple[list[Session], str]:
    """A page of what was chosen and is seen, and its cursor."""
    hidden = await list_hidden_projects(tx, caller.organization_id, caller.user_id)
    found = await store.list_page(tx, caller.organization_id, chosen, hidden, after, size + 1)
    page = [session for session, _ in found[:size]]
    if len(found) <= size:
        return page, ""
    as_of = found[0][1] if after is None else after.as_of
    return page, write_cursor(filters, Position(as_of, found[size - 1][1], page[-1].id))


async def list_session_messages(
    tx: Transaction, caller: Caller, session_id: str, *, order: str, limit: int | None, cursor: str
) -> tuple[list[Message], str]:
    """A page of the messages of a session by time, with the cursor of the next page, empty at the end.

    Fails with VALIDATION_FAILED (`order`, `cursor`), OUT_OF_RANGE (`limit`), NOT_FOUND.
    """
    order = order or ORDERS[0]
    filters = ("session", session_id, order)
    faults = Faults()
    faults.check(order in ORDERS, "order", "must be asc or desc")
    after = read_message_position(cursor, filters, faults)
    size = read_size(limit, DEFAULT_MESSAGES, MAX_MESSAGES, faults)
    faults.raise_if_any()
    session = await get_session(tx, caller, session_id)
    found = await list_messages(tx, caller.organization_id, session.id, after, size + 1, descending=order == "desc")
    return cut(found, size, filters)


async def list_agent_messages(
    tx: Transaction, caller: Caller, id_or_slug: str, *, limit: int | None, cursor: str
) -> tuple[list[Message], str]:
    """A page of the messages that an agent wrote in sessions that the caller sees, newest first, with the cursor of the next page.

    Fails with VALIDATION_FAILED (`cursor`), OUT_OF_RANGE (`limit`), NOT_FOUND.
    """
    filters = ("agent-messages", id_or_slug)
    faults = Faults()
    after = read_message_position(cursor, filters, faults)
    size = read_size(limit, DEFAULT_MESSAGES, MAX_MESSAGES, faults)
    faults.raise_if_any()
    agent = await get_agent(tx, caller, id_or_slug)
    hidden = await list_hidden_projects(tx, caller.organization_id, caller.user_id)
    return cut(await list_messages_of_agent(tx, caller.organization_id, agent.id, hidden, after, size + 1), size, filters)


async def count_active_sessions(tx: Transaction, caller: Caller, project_id: str | None = None) -> int:
    """How many sessions that the caller sees are active, of a project or of all."""
    hidden = await list_hidden_projects(tx, caller.organization_id, caller.user_id)
    return await store.count_active(tx, caller.organization_id, project_id, hidden)


def cut(found: Sequence[tuple[int, Message]], size: int, filters: Sequence[str]) -> tuple[list[Message], str]:
    """A page of what was found, one more than fits, and its cursor."""
    page = [message for _, message in found[:size]]
    return page, write_message_cursor(filters, found[size - 1][0]) if len(found) > size else ""


def read_position(cursor: str, filters: Sequence[str], faults: Faults) -> Position | None:
    """Where a list of sessions goes on; a cursor of another list is noted."""
    after = read_cursor(cursor, filters) if cursor else None
    faults.check(not cursor or after is not None, "cursor", FOREIGN_CURSOR)
    return after


def read_message_position(cursor: str, filters: Sequence[str], faults: Faults) -> int | None:
    """Where a list of messages goes on; a cursor of another list is noted."""
    after = read_message_cursor(cursor, filters) if cursor else None
    faults.check(not cursor or after is not None, "cursor", FOREIGN_CURSOR)
    return after


def read_size(limit: int | None, default: int, most: int, faults: Faults) -> int:
    """How many are listed; None: as many as usual."""
    faults.check_range(limit is None or 1 <= limit <= most, "limit", f"must be between 1 and {most}")
    return default if limit is None else limit


async def list_projects_of_sessions(tx: Transaction, organization_id: int, session_ids: Collection[str]) -> frozenset[str]:
    """The projects to which sessions belong, deleted ones included."""
    return await store.list_projects_of(tx, organization_id, session_ids)


async def list_hidden_sessions(tx: Transaction, organization_id: int, project_ids: Collection[str]) -> frozenset[str]:
    """The sessions of projects that somebody does not see, deleted ones included: what belongs to them stays hidden."""
    return await store.list_of_projects(tx, organization_id, project_ids)
