"""Rows of sessions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, ColumnElement, Index, String, Table, Text, and_, func, or_, select, update

from lumetry_core.projects.cursor import Position, forget_old, time_as_of
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Time, Transaction, metadata
from lumetry_core.sessions.model import Session, SessionStatus
from lumetry_core.sessions.store.messages import session_messages

sessions = Table(
    "sessions",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String(36), primary_key=True),
    Column("owner_id", BigInteger, nullable=False),
    Column("project_id", String(36)),
    Column("incident_id", BigInteger),
    Column("agent_id", String(36)),
    Column("label", String(255), nullable=False),
    Column("search_text", Text, nullable=False),
    Column("status", String(20), nullable=False),
    Column("metadata", Text, nullable=False),  # JSON
    Column("message_count", BigInteger, nullable=False),
    Column("last_message_time", Time),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    Column("edits", Text, nullable=False),  # JSON: when it was changed by other than messages, in milliseconds, newest first
    Column("delete_time", Time),
    Index("ix_sessions_organization_update", "organization_id", "update_time", "id"),
    Index("ix_sessions_organization_incident", "organization_id", "incident_id"),
    Index("ix_sessions_organization_agent", "organization_id", "agent_id", "update_time"),
    Index("ix_sessions_organization_project", "organization_id", "project_id", "update_time"),
)
SAME = (
    "organization_id",
    "id",
    "owner_id",
    "project_id",
    "incident_id",
    "agent_id",
    "label",
    "message_count",
    "last_message_time",
    "create_time",
    "update_time",
)
"""Columns that hold a field as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Which sessions a list shows; empty and None: all."""

    project_id: str = ""
    incident_id: int | None = None
    agent_id: str = ""
    status: SessionStatus | None = None
    search: str = ""


def to_row(session: Session) -> dict[str, Any]:
    """Model to columns."""
    return {
        **{name: getattr(session, name) for name in SAME},
        "status": session.status.value,
        "metadata": msgspec.json.encode(session.metadata).decode(),
        "search_text": session.label.lower(),
    }


def to_model(row: Any) -> Session:  # noqa: ANN401 -- rows carry their columns as attributes
    """Columns to model."""
    values: dict[str, Any] = {name: getattr(row, name) for name in SAME}
    return Session(**values, status=SessionStatus(row.status), metadata=msgspec.json.decode(row.metadata))


def alive(organization_id: int) -> ColumnElement[bool]:
    """The organization's sessions that are not deleted."""
    return and_(sessions.c.organization_id == organization_id, sessions.c.delete_time.is_(None))


def seen(hidden_projects: Collection[str]) -> list[ColumnElement[bool]]:
    """Sessions that are not of these projects."""
    return [or_(sessions.c.project_id.is_(None), sessions.c.project_id.not_in(hidden_projects))] if hidden_projects else []


async def insert(tx: Transaction, session: Session) -> None:
    """Adds a session."""
    await tx.execute(sessions.insert().values(to_row(session) | {"edits": "[]"}))


async def save(tx: Transaction, session: Session, now: datetime) -> None:
    """Replaces a session's row after a change that is no message."""
    this = and_(alive(session.organization_id), sessions.c.id == session.id)
    edits = msgspec.json.decode((await tx.execute(select(sessions.c.edits).where(this))).scalar_one())
    kept = forget_old([to_ms(now), *edits], to_ms(now))
    await tx.execute(update(sessions).where(this).values(to_row(session) | {"edits": msgspec.json.encode(kept).decode()}))


async def save_written(tx: Transaction, session: Session) -> None:
    """Notes what messages change of a session."""
    this = and_(sessions.c.organization_id == session.organization_id, sessions.c.id == session.id)
    names = ("message_count", "last_message_time", "update_time")
    values = {name: getattr(session, name) for name in names} | {"status": session.status.value}
    await tx.execute(update(sessions).where(this).values(values))


async def delete(tx: Transaction, organization_id: int, session_id: str, now: datetime) -> None:
    """Hides a session for good."""
    await tx.execute(update(sessions).where(alive(organization_id), sessions.c.id == session_id).values(delete_time=now))


async def find(tx: Transaction, organization_id: int, session_id: str, *, lock: bool = False) -> Session | None:
    """The session of an id; any text may be asked for. Locked, it is kept from changing until the transaction ends."""
    if "\0" in session_id:  # PostgreSQL takes no such text, not even to look for it
        return None
    statement = select(sessions).where(alive(organization_id), sessions.c.id == session_id)
    row = (await tx.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else to_model(row)


async def lock_of_incidents(tx: Transaction, organization_id: int, incident_ids: Collection[int]) -> list[Session]:
    """The sessions of incidents that are not closed, kept from changing until the transaction ends."""
    wanted = and_(sessions.c.incident_id.in_(incident_ids), sessions.c.status != SessionStatus.CLOSED.value)
    statement = select(sessions).where(alive(organization_id), wanted).order_by(sessions.c.id).with_for_update()
    return [to_model(row) for row in await tx.execute(statement)]


async def has_followers(tx: Transaction, organization_id: int, besides: str) -> bool:
    """Whether any other session was ever of an incident."""
    this = and_(sessions.c.organization_id == organization_id, sessions.c.incident_id.is_not(None), sessions.c.id != besides)
    return (await tx.execute(select(sessions.c.id).where(this).limit(1))).first() is not None


async def count_active(tx: Transaction, organization_id: int, project_id: str | None, hidden_projects: Collection[str]) -> int:
    """How many sessions are active, of a project or of all that are seen."""
    counted = (
        select(func.count())
        .select_from(sessions)
        .where(alive(organization_id), sessions.c.status == SessionStatus.ACTIVE.value, *seen(hidden_projects))
    )
    if project_id is not None:
        counted = counted.where(sessions.c.project_id == project_id)
    return int((await tx.execute(counted)).scalar_one())


async def list_page(
    tx: Transaction, organization_id: int, chosen: SessionFilter, hidden_projects: Collection[str], after: Position | None, size: int
) -> list[tuple[Session, datetime]]:
    """At most so many matching sessions behind a position, with the time that decides their place, last changed first.

    What was changed after the first page keeps its place, so that it is neither skipped nor repeated.
    """
    matching = select(sessions).where(alive(organization_id), *seen(hidden_projects), *conditions_of(chosen))
    in_order = matching.order_by(sessions.c.update_time.desc(), sessions.c.id).limit(size)
    if after is None:
        return [(to_model(row), row.update_time) for row in await tx.execute(in_order)]
    same_time = and_(sessions.c.update_time == after.update_time, sessions.c.id > after.id)
    behind = or_(sessions.c.update_time < after.update_time, same_time)
    found = [(to_model(row), row.update_time) for row in await tx.execute(in_order.where(behind))]
    said = session_messages.alias("said")
    last_said = (
        select(said.c.create_time)
        .where(said.c.organization_id == organization_id, said.c.session_id == sessions.c.id, said.c.create_time <= after.as_of)
        .order_by(said.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    changed = matching.add_columns(last_said.label("last_said"))
    for row in await tx.execute(changed.where(sessions.c.update_time > after.as_of, sessions.c.create_time <= after.as_of)):
        place = max(time_as_of(msgspec.json.decode(row.edits), row.create_time, after.as_of), row.last_said or row.create_time)
        if place < after.update_time or (place == after.update_time and row.id > after.id):
            found.append((to_model(row), place))
    return sorted(found, key=lambda entry: (-to_ms(entry[1]), entry[0].id))[:size]


def conditions_of(chosen: SessionFilter) -> Sequence[ColumnElement[bool]]:
    """What is asked of sessions."""
    conditions: list[ColumnElement[bool]] = []
    if chosen.project_id:
        conditions.append(sessions.c.project_id == chosen.project_id)
    if chosen.incident_id is not None:
        conditions.append(sessions.c.incident_id == chosen.incident_id)
    if chosen.agent_id:
        conditions.append(sessions.c.agent_id == chosen.agent_id)
    if chosen.status is not None:
        conditions.append(sessions.c.status == chosen.status.value)
    if chosen.search:
        conditions.append(sessions.c.search_text.contains(chosen.search.lower(), autoescape=True))
    return conditions


async def list_projects_of(tx: Transaction, organization_id: int, ids: Collection[str]) -> frozenset[str]:
    """The projects of sessions, deleted ones included."""
    mine = and_(sessions.c.organization_id == organization_id, sessions.c.id.in_(ids), sessions.c.project_id.is_not(None))
    return frozenset((await tx.execute(select(sessions.c.project_id).where(mine))).scalars())


async def list_of_projects(tx: Transaction, organization_id: int, project_ids: Collection[str]) -> frozenset[str]:
    """The sessions of projects, deleted ones included."""
    mine = and_(sessions.c.organization_id == organization_id, sessions.c.project_id.in_(project_ids))
    return frozenset((await tx.execute(select(sessions.c.id).where(mine))).scalars())
