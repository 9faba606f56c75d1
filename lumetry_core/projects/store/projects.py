"""Rows of projects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, ColumnElement, Index, String, Table, Text, and_, func, or_, select, update

from lumetry_core.projects.cursor import Position, forget_old, time_as_of
from lumetry_core.projects.model import Project, Status, Visibility, document_of, settings_of
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Time, Transaction, metadata

projects = Table(
    "projects",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String(36), primary_key=True),
    Column("slug", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("description", Text),
    Column("prompt", Text),
    Column("emoji", String(16)),
    Column("visibility", String(20), nullable=False),
    Column("status", String(20), nullable=False),
    Column("tags", Text, nullable=False),  # each on a line, with a line break before and after it
    Column("metadata", Text, nullable=False),  # JSON
    Column("settings", Text, nullable=False),  # JSON
    Column("search_text", Text, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("owner_id", BigInteger),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    Column("earlier_updates", Text, nullable=False),  # JSON: former update times in milliseconds, newest first
    Column("delete_time", Time),
    Index("ix_projects_organization_update", "organization_id", "update_time", "id"),
)
Index(
    "uq_projects_organization_slug",
    projects.c.organization_id,
    projects.c.slug,
    unique=True,
    sqlite_where=projects.c.delete_time.is_(None),
    postgresql_where=projects.c.delete_time.is_(None),
)
SAME = ("organization_id", "id", "slug", "name", "description", "prompt", "emoji", "is_default", "owner_id", "create_time", "update_time")
"""Columns that hold a field as it is."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which projects a list shows; empty and None: all."""

    viewer_id: int | None
    """Whose private projects are shown beside those of the team."""
    status: Status | None
    search: str
    tag: str


def to_row(project: Project) -> dict[str, Any]:
    """Model to columns."""
    searched = (project.name, project.slug, project.description or "")
    return {
        **{name: getattr(project, name) for name in SAME},
        "visibility": project.visibility.value,
        "status": project.status.value,
        "tags": lines(project.tags),
        "metadata": to_json(project.metadata),
        "settings": to_json(document_of(project.settings)),
        "search_text": "\n".join(searched).lower(),
    }


def lines(tags: Sequence[str]) -> str:
    """Tags as they are stored: one is there when its line is."""
    return "\n".join(("", *tags, "")) if tags else ""


def to_json(value: object) -> str:
    """Compact JSON."""
    return msgspec.json.encode(value).decode()


def to_model(row: Any) -> Project:  # noqa: ANN401 -- rows carry their columns as attributes
    """Columns to model."""
    return Project(
        **{name: getattr(row, name) for name in SAME},
        visibility=Visibility(row.visibility),
        status=Status(row.status),
        tags=tuple(row.tags.split("\n")[1:-1]),
        metadata=msgspec.json.decode(row.metadata),
        settings=settings_of(msgspec.json.decode(row.settings)),
    )


def alive(organization_id: int) -> ColumnElement[bool]:
    """The organization's projects that are not deleted."""
    return and_(projects.c.organization_id == organization_id, projects.c.delete_time.is_(None))


async def insert(tx: Transaction, project: Project) -> bool:
    """Adds a project; False, and nothing is added, when the slug is taken."""
    added = tx.insert(projects).values(to_row(project) | {"earlier_updates": "[]"}).on_conflict_do_nothing().returning(projects.c.id)
    return (await tx.execute(added)).first() is not None


async def save(tx: Transaction, project: Project) -> None:
    """Replaces a project's row and notes when it had been changed before."""
    this = and_(alive(project.organization_id), projects.c.id == project.id)
    before = (await tx.execute(select(projects.c.update_time, projects.c.earlier_updates).where(this))).one()
    row = to_row(project)
    if before.update_time != project.update_time:
        earlier = [to_ms(before.update_time), *msgspec.json.decode(before.earlier_updates)]
        row["earlier_updates"] = to_json(forget_old(earlier, to_ms(project.update_time)))
    await tx.execute(update(projects).where(this).values(row))


async def delete(tx: Transaction, organization_id: int, project_id: str, now: datetime) -> None:
    """Hides a project for good; its slug becomes free."""
    await tx.execute(update(projects).where(alive(organization_id), projects.c.id == project_id).values(delete_time=now))


async def find(tx: Transaction, organization_id: int, id_or_slug: str) -> Project | None:
    """The project of an id, else of a slug; any text may be asked for."""
    if "\0" in id_or_slug:  # PostgreSQL takes no such text, not even to look for it
        return None
    named = or_(projects.c.id == id_or_slug, projects.c.slug == id_or_slug)
    rows = [to_model(row) for row in await tx.execute(select(projects).where(alive(organization_id), named))]
    return next((project for project in rows if project.id == id_or_slug), rows[0] if rows else None)


async def list_hidden(tx: Transaction, organization_id: int, viewer_id: int | None) -> frozenset[str]:
    """The private projects that a viewer does not see, deleted ones included: what is told of them stays hidden."""
    hidden = projects.c.visibility == Visibility.PRIVATE.value
    if viewer_id is not None:
        hidden = and_(hidden, or_(projects.c.owner_id.is_(None), projects.c.owner_id != viewer_id))
    rows = await tx.execute(select(projects.c.id).where(projects.c.organization_id == organization_id, hidden))
    return frozenset(rows.scalars())


async def list_ids(tx: Transaction, organization_id: int) -> list[str]:
    """Every project, in the order of their creation."""
    rows = await tx.execute(select(projects.c.id).where(alive(organization_id)).order_by(projects.c.create_time, projects.c.id))
    return list(rows.scalars())


async def lock_slugs(tx: Transaction, organization_id: int) -> None:
    """Keeps others from giving and taking slugs of the organization until the transaction ends; its default project must exist."""
    await tx.execute(select(projects.c.id).where(alive(organization_id), projects.c.is_default.is_(True)).with_for_update())


async def list_slugs(tx: Transaction, organization_id: int, beginning: str) -> set[str]:
    """The slugs in use that begin so."""
    rows = await tx.execute(select(projects.c.slug).where(alive(organization_id), projects.c.slug.startswith(beginning, autoescape=True)))
    return set(rows.scalars())


async def list_page(
    tx: Transaction, organization_id: int, chosen: Filter, after: Position | None, size: int
) -> list[tuple[Project, datetime]]:
    """At most so many matching projects behind a position, with the time that decides their place, last changed first.

    What was changed after the first page keeps its place, so that it is neither skipped nor repeated.
    """
    conditions = [alive(organization_id)]
    conditions.append(or_(projects.c.visibility == Visibility.TEAM.value, projects.c.owner_id == chosen.viewer_id))
    if chosen.status is not None:
        conditions.append(projects.c.status == chosen.status.value)
    if chosen.search:
        conditions.append(projects.c.search_text.contains(chosen.search.lower(), autoescape=True))
    if chosen.tag:
        position = func.strpos if tx.is_postgresql else func.instr
        conditions.append(position(projects.c.tags, lines((chosen.tag,))) > 0)
    matching = select(projects).where(*conditions)
    in_order = matching.order_by(projects.c.update_time.desc(), projects.c.id).limit(size)
    if after is None:
        return [(to_model(row), row.update_time) for row in await tx.execute(in_order)]
    same_time = and_(projects.c.update_time == after.update_time, projects.c.id > after.id)
    behind = or_(projects.c.update_time < after.update_time, same_time)
    found = [(to_model(row), row.update_time) for row in await tx.execute(in_order.where(behind))]
    changed = matching.where(projects.c.update_time > after.as_of, projects.c.create_time <= after.as_of)
    for row in await tx.execute(changed):
        place = time_as_of(msgspec.json.decode(row.earlier_updates), row.create_time, after.as_of)
        if place < after.update_time or (place == after.update_time and row.id > after.id):
            found.append((to_model(row), place))
    return sorted(found, key=lambda entry: (-to_ms(entry[1]), entry[0].id))[:size]
