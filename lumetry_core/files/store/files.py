"""Rows of files, folders and links, and what is below folders."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import CTE, BigInteger, Column, ColumnElement, Index, String, Table, Text, and_, delete, false, func, or_, select, update

from lumetry_core.files.model import File, Kind
from lumetry_core.runtime.database import Time, Transaction, metadata

files = Table(
    "files",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String(36), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("search_text", Text, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("owner_id", BigInteger),
    Column("project_id", String(36)),
    Column("session_id", String(36)),
    Column("incident_id", BigInteger),
    Column("parent_id", String(36)),
    Column("media_type", String(100), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("metadata", Text, nullable=False),  # JSON
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    Column("trash_time", Time),
    Index("ix_files_organization_create", "organization_id", "create_time", "id"),
    Index("ix_files_organization_parent", "organization_id", "parent_id"),
    Index("ix_files_organization_project", "organization_id", "project_id"),
    Index("ix_files_organization_session", "organization_id", "session_id"),
    Index("ix_files_organization_incident", "organization_id", "incident_id"),
    Index("ix_files_organization_trash", "organization_id", "trash_time"),
)
SAME = tuple(name for name in File.__dataclass_fields__ if name not in ("kind", "metadata"))
"""Columns that hold a field as it is."""
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Hidden:
    """What a viewer does not see, and so neither any file that belongs to it."""

    project_ids: AbstractSet[str] = frozenset()
    session_ids: AbstractSet[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.project_ids or self.session_ids)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which files a list shows; None: all."""

    search: str = ""
    parent_id: str | None = None
    """Empty: the top level."""
    project_id: str | None = None
    session_id: str | None = None
    incident_id: int | None = None
    trashed: bool = False


def to_row(file: File) -> dict[str, Any]:
    """Model to columns."""
    return {
        **{name: getattr(file, name) for name in SAME},
        "search_text": file.name.lower(),
        "kind": file.kind.value,
        "metadata": msgspec.json.encode(file.metadata).decode(),
    }


def to_model(row: Any) -> File:  # noqa: ANN401 -- rows carry their columns as attributes
    """Columns to model."""
    return File(**{name: getattr(row, name) for name in SAME}, kind=Kind(row.kind), metadata=msgspec.json.decode(row.metadata))


def hides(hidden: Hidden) -> ColumnElement[bool]:
    """Whether a row belongs itself to what is hidden."""
    parts = [files.c.project_id.in_(hidden.project_ids)] if hidden.project_ids else []
    if hidden.session_ids:
        parts.append(files.c.session_id.in_(hidden.session_ids))
    return or_(*parts) if parts else false()


def shown(organization_id: int, hidden: Hidden) -> ColumnElement[bool]:
    """The organization's files that neither belong to what is hidden nor lie below a folder that does."""
    mine = files.c.organization_id == organization_id
    if not hidden:
        return mine
    folders = select(files.c.id).where(mine, files.c.kind == Kind.FOLDER.value, hides(hidden)).cte("hidden_folders", recursive=True)
    below = files.alias("below")
    folders = folders.union(
        select(below.c.id).where(
            below.c.organization_id == organization_id, below.c.kind == Kind.FOLDER.value, below.c.parent_id == folders.c.id
        )
    )
    inside = files.c.parent_id.in_(select(folders.c.id))
    # A NULL in any of these must not make a row unknown.
    return and_(mine, func.coalesce(hides(hidden), false()).is_(False), or_(files.c.parent_id.is_(None), ~inside))


def tree(organization_id: int, root_id: str) -> CTE:
    """A file and everything below it, whatever is in the trash."""
    top = select(files.c.id).where(files.c.organization_id == organization_id, files.c.id == root_id).cte("tree", recursive=True)
    below = files.alias("below")
    return top.union(select(below.c.id).where(below.c.organization_id == organization_id, below.c.parent_id == top.c.id))


async def insert(tx: Transaction, file: File) -> None:
    """Adds a file."""
    await tx.execute(files.insert(), to_row(file))


async def save(tx: Transaction, file: File) -> None:
    """Replaces a file's row."""
    this = and_(files.c.organization_id == file.organization_id, files.c.id == file.id)
    await tx.execute(update(files).where(this).values(to_row(file)))


async def find(
    tx: Transaction, organization_id: int, hidden: Hidden, ids: Collection[str], *, trashed: bool = False, lock: bool = False
) -> dict[str, File]:
    """The files of these ids that are shown, kept ones or those in the trash; `lock` keeps others from changing them."""
    wanted = [file_id for file_id in ids if "\0" not in file_id]  # PostgreSQL takes no such text, not even to look for it
    if not wanted:
        return {}
    is_wanted = files.c.trash_time.is_not(None) if trashed else files.c.trash_time.is_(None)
    statement = select(files).where(shown(organization_id, hidden), files.c.id.in_(wanted), is_wanted)
    if lock:
        statement = statement.with_for_update()
    return {row.id: to_model(row) for row in await tx.execute(statement)}


async def list_page(
    tx: Transaction, organization_id: int, hidden: Hidden, chosen: Filter, offset: int, size: int
) -> tuple[list[File], int]:
    """So many matching files behind an offset, newest first, and how many match."""
    matching = [shown(organization_id, hidden), files.c.trash_time.is_not(None) if chosen.trashed else files.c.trash_time.is_(None)]
    if chosen.search:
        matching.append(files.c.search_text.contains(chosen.search.lower(), autoescape=True))
    if chosen.parent_id is not None:
        matching.append(files.c.parent_id == chosen.parent_id if chosen.parent_id else files.c.parent_id.is_(None))
    for column, value in (
        (files.c.project_id, chosen.project_id),
        (files.c.session_id, chosen.session_id),
        (files.c.incident_id, chosen.incident_id),
    ):
        if value is not None:
            matching.append(column == value)
    total = (await tx.execute(select(func.count()).select_from(files).where(*matching))).scalar_one()
    statement = select(files).where(*matching).order_by(files.c.create_time.desc(), files.c.id).offset(offset).limit(size)
    found = [to_model(row) for row in await tx.execute(statement)] if offset < total else []
    return found, total


async def list_tree(tx: Transaction, organization_id: int, root_id: str) -> list[File]:
    """A file and everything below it, locked against others until the transaction ends."""
    inside = files.c.id.in_(select(tree(organization_id, root_id).c.id))
    statement = select(files).where(files.c.organization_id == organization_id, inside).order_by(files.c.id)
    return [to_model(row) for row in await tx.execute(statement.with_for_update())]


async def is_below(tx: Transaction, organization_id: int, file_id: str, root_id: str) -> bool:
    """Whether a file is another one or below it."""
    inside = tree(organization_id, root_id)
    return (await tx.execute(select(inside.c.id).where(inside.c.id == file_id))).first() is not None


async def list_owners(tx: Transaction, organization_id: int, file_id: str) -> list[tuple[str | None, str | None]]:
    """The project and the session of a file and of each folder above it."""
    mine = files.c.organization_id == organization_id
    path = select(files.c.id, files.c.parent_id, files.c.project_id, files.c.session_id).where(mine, files.c.id == file_id)
    path_above = path.cte("path", recursive=True)
    above = files.alias("above")
    path_above = path_above.union(
        select(above.c.id, above.c.parent_id, above.c.project_id, above.c.session_id).where(
            above.c.organization_id == organization_id, above.c.id == path_above.c.parent_id
        )
    )
    return [(row.project_id, row.session_id) for row in await tx.execute(select(path_above))]


async def trash(tx: Transaction, organization_id: int, ids: Sequence[str], now: datetime) -> None:
    """Moves files to the trash; those that are there stay as they are."""
    for start in range(0, len(ids), AT_ONCE):
        these = and_(files.c.organization_id == organization_id, files.c.id.in_(ids[start : start + AT_ONCE]), files.c.trash_time.is_(None))
        await tx.execute(update(files).where(these).values(trash_time=now, update_time=now))


async def drop(tx: Transaction, organization_id: int, ids: Sequence[str]) -> None:
    """Drops rows for good."""
    for start in range(0, len(ids), AT_ONCE):
        these = and_(files.c.organization_id == organization_id, files.c.id.in_(ids[start : start + AT_ONCE]))
        await tx.execute(delete(files).where(these))


async def list_expired(tx: Transaction, organization_id: int, until: datetime, limit: int) -> list[File]:
    """At most so many files that went to the trash until a time, locked."""
    statement = (
        select(files)
        .where(files.c.organization_id == organization_id, files.c.trash_time <= until)
        .order_by(files.c.trash_time, files.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [to_model(row) for row in await tx.execute(statement)]


async def has_expired(tx: Transaction, organization_id: int, until: datetime) -> bool:
    """Whether anything went to the trash until a time."""
    statement = select(files.c.id).where(files.c.organization_id == organization_id, files.c.trash_time <= until).limit(1)
    return (await tx.execute(statement)).first() is not None


async def list_known(tx: Transaction, organization_id: int, ids: Collection[str]) -> set[str]:
    """Those of the ids that belong to files, kept or in the trash."""
    statement = select(files.c.id).where(files.c.organization_id == organization_id, files.c.id.in_(ids))
    return set((await tx.execute(statement)).scalars())


async def lock_moves(tx: Transaction, organization_id: int) -> None:
    """Lets one move of folders at a time pass in an organization, until the transaction ends."""
    if tx.is_postgresql:  # SQLite has one writer anyway
        await tx.execute(select(func.pg_advisory_xact_lock(MOVES, func.hashtext(str(organization_id)))))


MOVES = 0x66696C65
"""What the lock is for."""
