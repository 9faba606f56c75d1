"""Rows of agents."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, ColumnElement, Index, String, Table, Text, and_, func, or_, select, update

from lumetry_core.agents.model import Agent, Kind, Status
from lumetry_core.projects.cursor import Position, forget_old, time_as_of
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Time, Transaction, metadata

agents = Table(
    "agents",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String(36), primary_key=True),
    Column("slug", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("description", Text),
    Column("avatar", String(64)),
    Column("model", String(128)),
    Column("system_prompt", Text),
    Column("allowed_tools", Text, nullable=False),  # JSON, as the other lists
    Column("allowed_peers", Text, nullable=False),
    Column("allowed_connectors", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("settings", Text, nullable=False),  # JSON
    Column("metadata", Text, nullable=False),  # JSON
    Column("search_text", Text, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("last_message_time", Time),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    Column("earlier_updates", Text, nullable=False),  # JSON: former update times in milliseconds, newest first
    Column("delete_time", Time),
    Column("kind", String(16), nullable=False, server_default=Kind.AUTOMATION.value),
    Column("machine", String(128)),
    Index("ix_agents_organization_update", "organization_id", "update_time", "id"),
)
Index(
    "uq_agents_organization_slug",
    agents.c.organization_id,
    agents.c.slug,
    unique=True,
    sqlite_where=agents.c.delete_time.is_(None),
    postgresql_where=agents.c.delete_time.is_(None),
)
SAME = (
    "organization_id",
    "id",
    "slug",
    "name",
    "description",
    "avatar",
    "model",
    "system_prompt",
    "is_active",
    "is_default",
    "last_message_time",
    "create_time",
    "update_time",
    "machine",
)
"""Columns that hold a field as it is."""
LISTS = ("allowed_tools", "allowed_peers", "allowed_connectors")
DOCUMENTS = ("settings", "metadata")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which agents a list shows; empty and None: all."""

    status: Status | None
    search: str
    kind: Kind | None = None
    silent: Collection[str] = ()
    """Images of host agents that are enabled and offline; needed with a status."""


def to_row(agent: Agent) -> dict[str, Any]:
    """Model to columns, without the time of the last message, which changes by itself."""
    return {
        **{name: getattr(agent, name) for name in SAME if name != "last_message_time"},
        **{name: msgspec.json.encode(getattr(agent, name)).decode() for name in (*LISTS, *DOCUMENTS)},
        "search_text": "\n".join((agent.name, agent.slug, agent.machine or "")).lower(),
        "kind": agent.kind.value,
    }


def to_model(row: Any) -> Agent:  # noqa: ANN401 -- rows carry their columns as attributes
    """Columns to model."""
    values: dict[str, Any] = {name: getattr(row, name) for name in SAME}
    values |= {name: tuple(msgspec.json.decode(getattr(row, name))) for name in LISTS}
    values |= {name: msgspec.json.decode(getattr(row, name)) for name in DOCUMENTS}
    return Agent(**values, kind=Kind(row.kind))


def alive(organization_id: int) -> ColumnElement[bool]:
    """The organization's agents that are not deleted."""
    return and_(agents.c.organization_id == organization_id, agents.c.delete_time.is_(None))


async def insert(tx: Transaction, agent: Agent) -> bool:
    """Adds an agent; False, and nothing is added, when the slug is taken."""
    added = tx.insert(agents).values(to_row(agent) | {"earlier_updates": "[]"}).on_conflict_do_nothing().returning(agents.c.id)
    return (await tx.execute(added)).first() is not None


async def save(tx: Transaction, agent: Agent) -> None:
    """Replaces an agent's row and notes when it had been changed before."""
    this = and_(alive(agent.organization_id), agents.c.id == agent.id)
    before = (await tx.execute(select(agents.c.update_time, agents.c.earlier_updates).where(this))).one()
    row = to_row(agent)
    if before.update_time != agent.update_time:
        earlier = [to_ms(before.update_time), *msgspec.json.decode(before.earlier_updates)]
        row["earlier_updates"] = msgspec.json.encode(forget_old(earlier, to_ms(agent.update_time))).decode()
    await tx.execute(update(agents).where(this).values(row))


async def set_last_message(tx: Transaction, organization_id: int, agent_id: str, now: datetime) -> None:
    """Notes when an agent last wrote."""
    this = and_(agents.c.organization_id == organization_id, agents.c.id == agent_id)
    await tx.execute(update(agents).where(this).values(last_message_time=now))


async def delete(tx: Transaction, organization_id: int, agent_id: str, now: datetime) -> None:
    """Hides an agent for good; its slug becomes free."""
    await tx.execute(update(agents).where(alive(organization_id), agents.c.id == agent_id).values(delete_time=now))


async def find(tx: Transaction, organization_id: int, id_or_slug: str) -> Agent | None:
    """The agent of an id, else of a slug; any text may be asked for."""
    if "\0" in id_or_slug:  # PostgreSQL takes no such text, not even to look for it
        return None
    named = or_(agents.c.id == id_or_slug, agents.c.slug == id_or_slug)
    rows = [to_model(row) for row in await tx.execute(select(agents).where(alive(organization_id), named))]
    return next((agent for agent in rows if agent.id == id_or_slug), rows[0] if rows else None)


async def find_all(tx: Transaction, organization_id: int, ids: Collection[str]) -> list[Agent]:
    """The agents of ids, deleted ones included."""
    if not ids:
        return []
    rows = await tx.execute(select(agents).where(agents.c.organization_id == organization_id, agents.c.id.in_(ids)))
    return [to_model(row) for row in rows]


async def list_peers(tx: Transaction, organization_id: int, agent: Agent) -> list[Agent]:
    """The agents that an agent names as its peers or, when it names none, every other active one, by name."""
    others = and_(agents.c.id != agent.id, agents.c.is_active, agents.c.kind == Kind.AUTOMATION.value)
    wanted = agents.c.id.in_(agent.allowed_peers) if agent.allowed_peers else others
    statement = select(agents).where(alive(organization_id), wanted).order_by(func.lower(agents.c.name), agents.c.id)
    return [to_model(row) for row in await tx.execute(statement)]


async def lock_default(tx: Transaction, organization_id: int) -> None:
    """Keeps others from giving and taking slugs of the organization until the transaction ends; its default agent must exist."""
    await tx.execute(select(agents.c.id).where(alive(organization_id), agents.c.is_default).with_for_update())


async def list_slugs(tx: Transaction, organization_id: int, beginning: str) -> set[str]:
    """The slugs in use that begin so."""
    rows = await tx.execute(select(agents.c.slug).where(alive(organization_id), agents.c.slug.startswith(beginning, autoescape=True)))
    return set(rows.scalars())


async def list_page(
    tx: Transaction, organization_id: int, chosen: Filter, after: Position | None, size: int
) -> list[tuple[Agent, datetime]]:
    """At most so many matching agents behind a position, with the time that decides their place, last changed first.

    What was changed after the first page keeps its place, so that it is neither skipped nor repeated.
    """
    conditions = [alive(organization_id)]
    if chosen.kind is not None:
        conditions.append(agents.c.kind == chosen.kind.value)
    match chosen.status:
        case Status.OFFLINE:
            conditions += [agents.c.is_active, agents.c.id.in_(sorted(chosen.silent))]
        case Status.ONLINE:
            conditions += [agents.c.is_active, agents.c.id.not_in(sorted(chosen.silent))]
        case Status.DISABLED:
            conditions.append(~agents.c.is_active)
        case None:
            pass
    if chosen.search:
        conditions.append(agents.c.search_text.contains(chosen.search.lower(), autoescape=True))
    matching = select(agents).where(*conditions)
    in_order = matching.order_by(agents.c.update_time.desc(), agents.c.id).limit(size)
    if after is None:
        return [(to_model(row), row.update_time) for row in await tx.execute(in_order)]
    same_time = and_(agents.c.update_time == after.update_time, agents.c.id > after.id)
    behind = or_(agents.c.update_time < after.update_time, same_time)
    found = [(to_model(row), row.update_time) for row in await tx.execute(in_order.where(behind))]
    changed = matching.where(agents.c.update_time > after.as_of, agents.c.create_time <= after.as_of)
    for row in await tx.execute(changed):
        place = time_as_of(msgspec.json.decode(row.earlier_updates), row.create_time, after.as_of)
        if place < after.update_time or (place == after.update_time and row.id > after.id):
            found.append((to_model(row), place))
    return sorted(found, key=lambda entry: (-to_ms(entry[1]), entry[0].id))[:size]
