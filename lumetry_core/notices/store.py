"""Notices in the database."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, String, Table, UniqueConstraint, delete, func, insert, select, text, update
from sqlalchemy.sql.elements import ColumnElement

from lumetry_core.notices.model import MAX_BODY, MAX_TITLE, Inbox, Notice, NoticeDraft, NoticeFilter, NoticeKind, NoticeSeverity
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.runtime.identifiers import new_uuid
from lumetry_core.runtime.rows import RowStatement

UNREAD = text("read_time IS NULL")
"""Spelled out in statements as in the partial index, because a bound value would keep SQLite from using it."""

notices = Table(
    "notices",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("notice_id", String(36), nullable=False),
    Column("kind", String(30), nullable=False),
    Column("severity", String(10), nullable=False),
    Column("title", String(MAX_TITLE), nullable=False),
    Column("body", String(MAX_BODY), nullable=False),
    Column("resource_type", String(40)),
    Column("resource_id", String(300)),
    Column("project_id", String(36)),
    Column("link", String(500)),
    Column("read_time", Time),
    Column("create_time", Time, nullable=False),
    UniqueConstraint("organization_id", "notice_id", name="uq_notices_organization_id_notice_id"),
    Index("ix_notices_organization_user", "organization_id", "user_id", "id"),
    Index("ix_notices_unread", "organization_id", "user_id", "id", sqlite_where=UNREAD, postgresql_where=UNREAD),
    Index("ix_notices_organization_create_time", "organization_id", "create_time"),
    sqlite_autoincrement=True,
)
NAMES = tuple(column.name for column in notices.columns if column.name not in ("id", "read_time"))
INSERT = RowStatement(insert(notices), NAMES)


async def insert_notices(
    tx: Transaction, organization_id: int, user_ids: Collection[int], drafts: Sequence[NoticeDraft], now: datetime
) -> None:
    """Writes each notice for each user."""
    at = to_ms(now)
    users = sorted(set(user_ids))
    await INSERT.execute(
        tx,
        [
            (
                organization_id,
                user_id,
                new_uuid(),
                draft.kind.value,
                draft.severity.value,
                draft.title[:MAX_TITLE],
                draft.body[:MAX_BODY],
                draft.resource_type,
                draft.resource_id,
                draft.project_id,
                draft.link,
                at,
            )
            for draft in drafts
            for user_id in users
        ],
    )


def in_inbox(inbox: Inbox) -> list[ColumnElement[bool]]:
    """What is true of the notices that a user sees."""
    own = [notices.c.organization_id == inbox.organization_id, notices.c.user_id == inbox.user_id]
    if inbox.hidden:
        own.append(notices.c.project_id.is_(None) | notices.c.project_id.not_in(sorted(inbox.hidden)))
    return own


async def list_page(tx: Transaction, inbox: Inbox, chosen: NoticeFilter, before: int | None, limit: int) -> list[tuple[int, Notice]]:
    """Notices with their rows, newest first.

    Args:
        before: Only those that were written before this row; None: all.
    """
    statement = select(notices).where(*in_inbox(inbox))
    if chosen.only_unread:
        statement = statement.where(UNREAD)
    if chosen.kinds:
        statement = statement.where(notices.c.kind.in_(sorted(chosen.kinds)))
    if chosen.severity is not None:
        statement = statement.where(notices.c.severity == chosen.severity)
    if before is not None:
        statement = statement.where(notices.c.id < before)
    rows = await tx.execute(statement.order_by(notices.c.id.desc()).limit(limit))
    return [(row.id, read_row(row)) for row in rows]


async def count_unread(tx: Transaction, inbox: Inbox) -> int:
    """How many notices of an inbox are not read."""
    statement = select(func.count()).select_from(notices).where(*in_inbox(inbox), UNREAD)
    return int((await tx.execute(statement)).scalar_one())


async def find_notice(tx: Transaction, inbox: Inbox, notice_id: str) -> Notice | None:
    """A notice of an inbox."""
    row = (await tx.execute(select(notices).where(*in_inbox(inbox), notices.c.notice_id == notice_id))).one_or_none()
    return None if row is None else read_row(row)


async def set_read(tx: Transaction, inbox: Inbox, notice_id: str, read_time: datetime | None) -> Notice | None:
    """Marks a notice of an inbox; None when there is none. One that is read already keeps its time."""
    statement = (
        update(notices)
        .where(*in_inbox(inbox), notices.c.notice_id == notice_id)
        .values(read_time=None if read_time is None else func.coalesce(notices.c.read_time, to_ms(read_time)))
        .returning(notices)
    )
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else read_row(row)


async def read_all(tx: Transaction, inbox: Inbox, before: datetime | None, now: datetime) -> int:
    """Marks what is not read, written before a time if one is given; how many there were."""
    statement = update(notices).where(*in_inbox(inbox), UNREAD)
    if before is not None:
        statement = statement.where(notices.c.create_time < before)
    return (await tx.execute(statement.values(read_time=now))).rowcount


async def delete_notice(tx: Transaction, inbox: Inbox, notice_id: str) -> bool:
    """Deletes a notice of an inbox; False when there is none."""
    return (await tx.execute(delete(notices).where(*in_inbox(inbox), notices.c.notice_id == notice_id))).rowcount == 1


async def delete_older(tx: Transaction, organization_id: int, before: datetime, limit: int) -> int:
    """Deletes notices written before a time, the oldest first, at most so many; how many there were."""
    old = (
        select(notices.c.id)
        .where(notices.c.organization_id == organization_id, notices.c.create_time < before)
        .order_by(notices.c.create_time, notices.c.id)
        .limit(limit)
    )
    return (await tx.execute(delete(notices).where(notices.c.organization_id == organization_id, notices.c.id.in_(old)))).rowcount


async def find_overfull(tx: Transaction, organization_id: int, most: int) -> dict[int, int]:
    """The users who have more notices than they may, and how many."""
    statement = (
        select(notices.c.user_id, func.count().label("notice_count"))
        .where(notices.c.organization_id == organization_id)
        .group_by(notices.c.user_id)
        .having(func.count() > most)
    )
    return {row.user_id: row.notice_count for row in await tx.execute(statement)}


async def delete_surplus(tx: Transaction, organization_id: int, user_id: int, surplus: int) -> None:
    """Deletes so many notices of a user: the oldest read ones, then the oldest."""
    own = (notices.c.organization_id == organization_id, notices.c.user_id == user_id)
    worst = select(notices.c.id).where(*own).order_by(notices.c.read_time.is_(None), notices.c.id).limit(surplus)
    await tx.execute(delete(notices).where(*own, notices.c.id.in_(worst)))


def read_row(row: Any) -> Notice:  # noqa: ANN401 -- a row of the table
    """A notice from its row."""
    return Notice(
        id=row.notice_id,
        user_id=row.user_id,
        draft=NoticeDraft(
            kind=NoticeKind(row.kind),
            severity=NoticeSeverity(row.severity),
            title=row.title,
            body=row.body,
            resource_type=row.resource_type,
            resource_id=row.resource_id,
            project_id=row.project_id,
            link=row.link,
        ),
        create_time=row.create_time,
        read_time=row.read_time,
    )
