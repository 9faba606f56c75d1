"""The verbs of notices: writing them, and what users do with theirs."""

from collections.abc import Collection, Sequence
from datetime import datetime

from lumetry_core.notices import store
from lumetry_core.notices.cursor import read_cursor, write_cursor
from lumetry_core.notices.model import (
    KEPT,
    MAX_PER_USER,
    Inbox,
    Notice,
    NoticeDraft,
    NoticeFilter,
    NoticeKind,
    NoticePage,
    NoticeSeverity,
)
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason

MAX_LIMIT = 200
DEFAULT_LIMIT = 50


async def notify(tx: Transaction, organization_id: int, user_ids: Collection[int], drafts: Sequence[NoticeDraft], now: datetime) -> None:
    """Writes notices for users in the transaction of what they tell of; see `access.service.holders` for those who hold a permission."""
    await store.insert_notices(tx, organization_id, user_ids, drafts, now)


async def list_notices(
    tx: Transaction, inbox: Inbox, *, only_unread: bool, kinds: Sequence[str], severity: str, limit: int | None, cursor: str
) -> NoticePage:
    """A page of an inbox, newest first.

    Args:
        kinds: Empty: all.
        severity: Empty: all.
        limit: None: 50.

    Fails with VALIDATION_FAILED (`kind`, `severity`, `cursor`), OUT_OF_RANGE (`limit`).
    """
    faults = Faults()
    faults.check({*kinds} <= {*NoticeKind}, "kind", f"must be among {', '.join(NoticeKind)}")
    faults.check(not severity or severity in (*NoticeSeverity,), "severity", f"must be one of {', '.join(NoticeSeverity)}")
    filters = (str(only_unread), ",".join(sorted(set(kinds))), severity)
    before = read_cursor(cursor, filters) if cursor else None
    faults.check(not cursor or before is not None, "cursor", "is not one of this list")
    faults.check_range(limit is None or 1 <= limit <= MAX_LIMIT, "limit", f"must be between 1 and {MAX_LIMIT}")
    faults.raise_if_any()
    size = limit or DEFAULT_LIMIT
    chosen = NoticeFilter(only_unread, frozenset(map(NoticeKind, kinds)), NoticeSeverity(severity) if severity else None)
    found = await store.list_page(tx, inbox, chosen, before, size + 1)
    next_cursor = write_cursor(filters, found[size - 1][0]) if len(found) > size else ""
    return NoticePage(tuple(notice for _, notice in found[:size]), next_cursor, await store.count_unread(tx, inbox))


async def get_notice(tx: Transaction, inbox: Inbox, notice_id: str) -> Notice:
    """A notice of an inbox. Fails with NOT_FOUND."""
    found = await store.find_notice(tx, inbox, notice_id)
    if found is None:
        raise unknown_notice(notice_id)
    return found


async def mark(tx: Transaction, inbox: Inbox, notice_id: str, now: datetime, *, read: bool) -> Notice:
    """Marks a notice as read or as not read; one that is read already keeps its time. Fails with NOT_FOUND."""
    marked = await store.set_read(tx, inbox, notice_id, now if read else None)
    if marked is None:
        raise unknown_notice(notice_id)
    return marked


async def mark_all(tx: Transaction, inbox: Inbox, before: datetime | None, now: datetime) -> tuple[int, int]:
    """Marks all notices as read, or those written before a time; how many were not, and how many are left that are not."""
    updated = await store.read_all(tx, inbox, before, now)
    return updated, await store.count_unread(tx, inbox)


async def delete(tx: Transaction, inbox: Inbox, notice_id: str) -> None:
    """Deletes a notice. Fails with NOT_FOUND."""
    if not await store.delete_notice(tx, inbox, notice_id):
        raise unknown_notice(notice_id)


async def drop_old(tx: Transaction, organization_id: int, limit: int, now: datetime) -> bool:
    """Deletes what is past its time, at most so many, and what a user has too much of; True when there may be more."""
    dropped = await store.delete_older(tx, organization_id, now - KEPT, limit)
    for user_id, count in (await store.find_overfull(tx, organization_id, MAX_PER_USER)).items():
        await store.delete_surplus(tx, organization_id, user_id, count - MAX_PER_USER)
    return dropped == limit


def unknown_notice(notice_id: str) -> LumetryError:
    """The failure for a notice that does not exist for the user."""
    return LumetryError(Reason.NOT_FOUND, "Notification not found", type="Notification", id=notice_id)
