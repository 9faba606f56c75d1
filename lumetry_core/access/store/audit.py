"""Audit rows and revisions: written once, never changed."""

import re
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from sqlalchemy import BigInteger, Column, ColumnElement, Index, String, Table, Text, delete, func, insert, or_, select

from lumetry_core.access.model import AuditEntry
from lumetry_core.access.trail import AuditFilter, AuditLog, Revision
from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.runtime.paging import Page

audit_logs = Table(
    "audit_logs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("action", String(100), nullable=False),
    Column("entity_type", String(60), nullable=False),
    Column("entity_id", String(300), nullable=False),
    Column("old_values_json", Text),
    Column("new_values_json", Text),
    Column("actor_user_id", BigInteger),
    Column("actor_name", String(100)),
    Column("address", String(64)),
    Column("user_agent", String(256)),
    Column("correlation_id", String(128)),
    Column("create_time", Time, nullable=False),
    Index("ix_audit_logs_organization_id_create_time", "organization_id", "create_time", "id"),
    Index("ix_audit_logs_organization_id_action", "organization_id", "action", "create_time", "id"),
    Index("ix_audit_logs_organization_id_entity_type", "organization_id", "entity_type", "create_time", "id"),
    Index("ix_audit_logs_organization_id_actor_user_id", "organization_id", "actor_user_id", "create_time", "id"),
    # All that a search looks at, so that it reads neither the values nor the user agents.
    Index(
        "ix_audit_logs_organization_id_search",
        "organization_id",
        "create_time",
        "id",
        "action",
        "entity_type",
        "entity_id",
        "actor_name",
    ),
    sqlite_autoincrement=True,
)
revisions = Table(
    "revisions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("entity_type", String(60), nullable=False),
    Column("entity_id", String(300), nullable=False),
    Column("operation", String(10), nullable=False),
    Column("before_json", Text),
    Column("after_json", Text),
    Column("actor_user_id", BigInteger),
    Column("actor_name", String(100)),
    Column("correlation_id", String(128)),
    Column("create_time", Time, nullable=False),
    Index("ix_revisions_organization_id_entity", "organization_id", "entity_type", "entity_id", "create_time", "id"),
    sqlite_autoincrement=True,
)

ENTRY_FIELDS = tuple(field.name for field in fields(AuditEntry))
REVISION_FIELDS = tuple(field.name for field in fields(Revision))
WILDCARDS = re.compile(r"[%_/]")


async def insert_entries(tx: Transaction, organization_id: int, entries: Sequence[AuditEntry]) -> None:
    """Adds audit rows."""
    rows = [
        {
            "organization_id": organization_id,
            "action": entry.action,
            "entity_type": entry.entity_type,
            "entity_id": entry.entity_id,
            "old_values_json": entry.old_values_json,
            "new_values_json": entry.new_values_json,
            "actor_user_id": entry.actor_user_id,
            "actor_name": entry.actor_name,
            "address": entry.address,
            "user_agent": entry.user_agent,
            "correlation_id": entry.correlation_id,
            "create_time": entry.create_time,
        }
        for entry in entries
    ]
    if rows:
        await tx.execute(insert(audit_logs), rows)


async def insert_revisions(tx: Transaction, organization_id: int, made: Sequence[tuple[AuditEntry, str]]) -> None:
    """Adds the revisions that audited actions made of their entities, each with what was done."""
    rows = [
        {
            "organization_id": organization_id,
            "entity_type": entry.entity_type,
            "entity_id": entry.entity_id,
            "operation": operation,
            "before_json": entry.old_values_json,
            "after_json": entry.new_values_json,
            "actor_user_id": entry.actor_user_id,
            "actor_name": entry.actor_name,
            "correlation_id": entry.correlation_id,
            "create_time": entry.create_time,
        }
        for entry, operation in made
    ]
    if rows:
        await tx.execute(insert(revisions), rows)


async def delete_entries(tx: Transaction, organization_id: int, before: datetime) -> None:
    """Deletes audit rows older than a time; revisions stay."""
    await tx.execute(delete(audit_logs).where(audit_logs.c.organization_id == organization_id, audit_logs.c.create_time < before))


async def select_logs(tx: Transaction, organization_id: int, wanted: AuditFilter, page: Page) -> tuple[list[AuditLog], int]:
    """Reads a page of the matching rows, newest first, and how many match."""
    conditions = await read_conditions(tx, organization_id, wanted)
    total: int = (await tx.execute(select(func.count()).select_from(audit_logs).where(*conditions))).scalar_one()
    if page.offset >= total:
        return [], total
    order = (audit_logs.c.create_time.desc(), audit_logs.c.id.desc())
    # First numbers only, so that the rows before the page are passed over in an index, whatever they hold.
    numbers = select(audit_logs.c.id).where(*conditions).order_by(*order).limit(page.size).offset(page.offset).subquery("page")
    rows = await tx.execute(select(audit_logs).join(numbers, numbers.c.id == audit_logs.c.id).order_by(*order))
    return [AuditLog(row.id, AuditEntry(*(getattr(row, name) for name in ENTRY_FIELDS))) for row in rows], total


async def read_conditions(tx: Transaction, organization_id: int, wanted: AuditFilter) -> list[ColumnElement[bool]]:
    """What the rows of a filter fulfil."""
    columns = audit_logs.c
    conditions = [columns.organization_id == organization_id]
    for column, name in ((columns.action, wanted.action), (columns.entity_type, wanted.entity_type)):
        if name:
            conditions.append(column.in_(await find_spellings(tx, organization_id, column, name)))
    if wanted.actor_user_id is not None:
        conditions.append(columns.actor_user_id == wanted.actor_user_id)
    if wanted.start_time is not None:
        conditions.append(columns.create_time >= wanted.start_time)
    if wanted.end_time is not None:
        conditions.append(columns.create_time <= wanted.end_time)
    if wanted.search:
        searched = (columns.action, columns.entity_type, columns.entity_id, columns.actor_name)
        pattern = "%" + WILDCARDS.sub(r"/\g<0>", wanted.search) + "%"
        # SQLite's LIKE ignores case by itself; made to, it would fold every text of every row.
        conditions.append(or_(*(column.ilike(pattern, "/") if tx.is_postgresql else column.like(pattern, "/") for column in searched)))
    return conditions


async def find_spellings(tx: Transaction, organization_id: int, column: Column[str], name: str) -> list[str]:
    """The values of a column that equal a name but for case, so that an index finds their rows.

    Steps through the few different values along the index instead of visiting every row.
    """
    least = select(func.min(column).label("value")).where(audit_logs.c.organization_id == organization_id)
    values = least.cte("spellings", recursive=True)
    following = least.where(column > values.c.value).scalar_subquery()
    values = values.union_all(select(following).where(values.c.value.is_not(None)))
    found = await tx.execute(select(values.c.value).where(values.c.value.is_not(None)))
    return [row.value for row in found if row.value.lower() == name.lower()]


async def select_revisions(
    tx: Transaction, organization_id: int, entity_type: str, entity_id: str, page: Page
) -> tuple[list[Revision], int]:
    """Reads a page of an entity's history, newest first, and how long that is."""
    columns = revisions.c
    conditions = (columns.organization_id == organization_id, columns.entity_type == entity_type, columns.entity_id == entity_id)
    total: int = (await tx.execute(select(func.count()).select_from(revisions).where(*conditions))).scalar_one()
    order = (columns.create_time.desc(), columns.id.desc())
    rows = await tx.execute(select(revisions).where(*conditions).order_by(*order).limit(page.size).offset(page.offset))
    return [Revision(*(getattr(row, name) for name in REVISION_FIELDS)) for row in rows], total
