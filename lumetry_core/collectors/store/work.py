"""Rows of work, one per item, whoever holds it. Finished ones stay for a while, so that a second completion learns what it is."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    TextClause,
    UniqueConstraint,
    and_,
    delete,
    or_,
    select,
    text,
    update,
)

from lumetry_core.collectors.work import LEASE, MAX_LEASES, PRECEDENCE, Outcome, WorkDraft, WorkItem, WorkKind, due_time
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.runtime.identifiers import new_uuid
from lumetry_core.runtime.rows import RowStatement

IS_OPEN = "finish_time IS NULL"
"""Spelled out in statements as in the partial indexes."""

work = Table(
    "collector_work",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("claim_id", String(36), nullable=False),
    Column("collector_id", String(36), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("precedence", Integer, nullable=False),
    Column("capability", String(64), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("budget_ms", Integer, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("expire_time", Time, nullable=False),
    Column("due_time", Time, nullable=False),
    Column("leases", Integer, nullable=False),
    Column("token_digest", LargeBinary),
    Column("lease_expire_time", Time),
    Column("finish_time", Time),
    Column("succeeded", Boolean),
    Column("error", Text),
    Column("duration_ms", BigInteger),
    Column("sample_count", BigInteger),
    Column("status_code", Integer),
    UniqueConstraint("organization_id", "claim_id"),
    Index("ix_collector_work_due_time", "due_time"),
    Index(
        "uq_collector_work_open",
        "organization_id",
        "kind",
        "subject",
        unique=True,
        sqlite_where=text(IS_OPEN),
        postgresql_where=text(IS_OPEN),
    ),
    Index(
        "ix_collector_work_open",
        "organization_id",
        "collector_id",
        "precedence",
        "id",
        sqlite_where=text(IS_OPEN),
        postgresql_where=text(IS_OPEN),
    ),
    sqlite_autoincrement=True,
)
ADDED = (
    "organization_id",
    "claim_id",
    "collector_id",
    "kind",
    "precedence",
    "capability",
    "subject",
    "budget_ms",
    "create_time",
    "expire_time",
    "due_time",
    "leases",
)
SAME = (
    "id",
    "organization_id",
    "claim_id",
    "collector_id",
    "capability",
    "subject",
    "budget_ms",
    "create_time",
    "expire_time",
    "leases",
    "lease_expire_time",
    "finish_time",
)
"""Columns that hold a field as it is."""
MAX_BUDGET_MS = int(LEASE.total_seconds() * 1000)
PARTS = 500
"""Subjects in one statement."""
COLLECTORS_AT_ONCE = 5000
"""In one statement."""

inserts: dict[bool, RowStatement] = {}


async def insert(tx: Transaction, organization_id: int, drafts: Sequence[WorkDraft], now: datetime) -> None:
    """Adds items, but for subjects of which one is unfinished."""
    if tx.is_postgresql not in inserts:
        inserts[tx.is_postgresql] = RowStatement(tx.insert(work).on_conflict_do_nothing(), ADDED)
    created = to_ms(now)
    rows = [
        (
            organization_id,
            new_uuid(),
            draft.collector_id,
            draft.kind.value,
            PRECEDENCE[draft.kind],
            draft.capability,
            draft.subject,
            min(draft.budget_ms, MAX_BUDGET_MS),
            created,
            to_ms(draft.expire_time),
            to_ms(draft.expire_time),
            0,
        )
        for draft in sorted(drafts, key=lambda draft: draft.subject)  # in one order for all, as each waits for whoever adds the same
    ]
    await inserts[tx.is_postgresql].execute(tx, rows)


async def remove(tx: Transaction, organization_id: int, kind: WorkKind, subjects: Collection[str]) -> None:
    """Removes unfinished items of subjects, but for those that are being finished at this moment."""
    ordered = sorted(subjects)
    for start in range(0, len(ordered), PARTS):
        of_subjects = (work.c.organization_id == organization_id, text(IS_OPEN), work.c.kind == kind.value)
        found = select(work.c.id).where(*of_subjects, work.c.subject.in_(ordered[start : start + PARTS]))
        numbers = list((await tx.execute(found.order_by(work.c.id).with_for_update(skip_locked=True))).scalars())
        await tx.execute(delete(work).where(work.c.organization_id == organization_id, work.c.id.in_(numbers)))


async def remove_item(tx: Transaction, item: WorkItem) -> None:
    """Removes an item that the transaction has locked."""
    await tx.execute(delete(work).where(work.c.organization_id == item.organization_id, work.c.id == item.id))


async def find_open(tx: Transaction, organization_id: int, kind: WorkKind, subject: str) -> WorkItem | None:
    """The unfinished item on a subject."""
    statement = select(work).where(
        work.c.organization_id == organization_id, text(IS_OPEN), work.c.kind == kind.value, work.c.subject == subject
    )
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else read_item(row)


async def find_claim(tx: Transaction, organization_id: int, claim_id: str, *, lock: bool = False) -> WorkItem | None:
    """The item of a claim, unfinished or not.

    Args:
        lock: Keeps others from changing it until the transaction ends.
    """
    statement = select(work).where(work.c.organization_id == organization_id, work.c.claim_id == claim_id)
    row = (await tx.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else read_item(row)


async def lock_waiting(
    tx: Transaction,
    organization_id: int,
    collector_id: str,
    kinds: Collection[WorkKind],
    capabilities: Collection[str],
    limit: int,
    now: datetime,
) -> list[WorkItem]:
    """Locks a collector's items that may be given out, source tests first, then the oldest; none that another transaction has locked."""
    wanted = waiting(organization_id, collector_id, kinds, capabilities, now)
    statement = select(work).where(*wanted).order_by(work.c.precedence, work.c.id).limit(limit)
    return [read_item(row) for row in await tx.execute(statement.with_for_update(skip_locked=True))]


async def is_any_waiting(
    tx: Transaction, organization_id: int, collector_id: str, kinds: Collection[WorkKind], capabilities: Collection[str], now: datetime
) -> bool:
    """Whether a collector has an item that may be given out."""
    wanted = waiting(organization_id, collector_id, kinds, capabilities, now)
    return (await tx.execute(select(work.c.id).where(*wanted).limit(1))).first() is not None


def waiting(
    organization_id: int, collector_id: str, kinds: Collection[WorkKind], capabilities: Collection[str], now: datetime
) -> tuple[ColumnElement[bool] | TextClause, ...]:
    """The conditions of a collector's items that may be given out; see `is_waiting`."""
    return (
        work.c.organization_id == organization_id,
        text(IS_OPEN),
        work.c.collector_id == collector_id,
        work.c.kind.in_(sorted(kind.value for kind in kinds)),
        work.c.capability.in_(sorted(capabilities)),
        *takeable(now),
    )


def takeable(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """The conditions of unfinished items that nobody holds and that are not given up."""
    return (
        work.c.expire_time > now,
        work.c.leases < MAX_LEASES,
        or_(work.c.lease_expire_time.is_(None), work.c.lease_expire_time <= now),
    )


async def list_waiting(
    tx: Transaction, organization_id: int, collector_ids: Collection[str], now: datetime
) -> dict[str, set[tuple[WorkKind, str]]]:
    """Kinds and capabilities of what waits for collectors, by their ids, whether or not they may be given it."""
    found: dict[str, set[tuple[WorkKind, str]]] = defaultdict(set)
    ordered = sorted(collector_ids)
    columns = work.c.collector_id, work.c.kind, work.c.capability
    for start in range(0, len(ordered), COLLECTORS_AT_ONCE):
        wanted = work.c.collector_id.in_(ordered[start : start + COLLECTORS_AT_ONCE])
        statement = select(*columns).where(work.c.organization_id == organization_id, text(IS_OPEN), wanted, *takeable(now)).distinct()
        for row in await tx.execute(statement):
            found[row.collector_id].add((WorkKind(row.kind), row.capability))
    return found


async def find_held(tx: Transaction, organization_id: int, claims: Collection[tuple[str, bytes]], now: datetime) -> set[tuple[str, bytes]]:
    """Which of some claims, by id and digest of their token, are still held."""
    statement = select(work.c.claim_id, work.c.token_digest).where(
        work.c.organization_id == organization_id,
        text(IS_OPEN),
        work.c.claim_id.in_(sorted(claim_id for claim_id, _ in claims)),
        work.c.lease_expire_time > now,
    )
    return {(row.claim_id, bytes(row.token_digest)) for row in await tx.execute(statement)} & set(claims)


async def is_any_due(tx: Transaction, now: datetime) -> bool:
    """Whether any item has to be looked at."""
    return (await tx.execute(select(work.c.id).where(work.c.due_time <= now).limit(1))).first() is not None


async def lock_due(tx: Transaction, limit: int, now: datetime) -> list[WorkItem]:
    """Locks items of all organizations that have to be looked at, but for those that another transaction has locked."""
    statement = select(work).where(work.c.due_time <= now).order_by(work.c.due_time, work.c.id).limit(limit)
    return [read_item(row) for row in await tx.execute(statement.with_for_update(skip_locked=True))]


async def lock_hopeless(tx: Transaction, now: datetime) -> WorkItem | None:
    """Locks the item that has waited longest of those that end without a collector; see `is_hopeless`."""
    statement = select(work).where(
        work.c.due_time <= now,
        text(IS_OPEN),
        or_(work.c.lease_expire_time.is_(None), work.c.lease_expire_time <= now),
        or_(work.c.expire_time <= now, work.c.leases >= MAX_LEASES),
    )
    row = (await tx.execute(statement.order_by(work.c.due_time, work.c.id).limit(1).with_for_update(skip_locked=True))).one_or_none()
    return None if row is None else read_item(row)


async def lock_of_collector(tx: Transaction, organization_id: int, collector_id: str) -> list[WorkItem]:
    """Locks a collector's unfinished items, but for those that are being finished at this moment."""
    statement = select(work).where(work.c.organization_id == organization_id, text(IS_OPEN), work.c.collector_id == collector_id)
    rows = await tx.execute(statement.order_by(work.c.id).with_for_update(skip_locked=True))
    return [read_item(row) for row in rows]


async def save(tx: Transaction, item: WorkItem) -> None:
    """Replaces what becomes of an item that the transaction has locked."""
    outcome = item.outcome
    await tx.execute(
        update(work)
        .where(and_(work.c.organization_id == item.organization_id, work.c.id == item.id))
        .values(
            expire_time=item.expire_time,
            due_time=due_time(item),
            leases=item.leases,
            token_digest=item.token_digest,
            lease_expire_time=item.lease_expire_time,
            finish_time=item.finish_time,
            succeeded=None if outcome is None else outcome.succeeded,
            error=None if outcome is None else outcome.error,
            duration_ms=None if outcome is None else outcome.duration_ms,
            sample_count=None if outcome is None else outcome.sample_count,
            status_code=None if outcome is None else outcome.status_code,
        )
    )


def read_item(row: Row[Any]) -> WorkItem:
    """An item from its row."""
    given = {name: getattr(row, name) for name in SAME}
    outcome = None
    if row.succeeded is not None:
        outcome = Outcome(bool(row.succeeded), row.error, row.duration_ms, row.sample_count, status_code=row.status_code)
    digest = None if row.token_digest is None else bytes(row.token_digest)
    return WorkItem(**given, kind=WorkKind(row.kind), token_digest=digest, outcome=outcome)
