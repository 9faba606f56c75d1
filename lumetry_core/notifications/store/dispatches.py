"""The outbox for channels and webhooks in the database."""

from collections.abc import Collection, Sequence
from dataclasses import replace
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
    String,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    exists,
    or_,
    select,
    text,
    update,
)

from lumetry_core.notifications.destinations import TargetKey, TargetKind
from lumetry_core.notifications.dispatch import Dispatch, DispatchStatus
from lumetry_core.notifications.store.deliveries import parts
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

IS_PENDING = "status = 'pending'"
"""Spelled out, as neither database uses a partial index for a parameter."""

dispatches = Table(
    "dispatches",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("key", String(36), nullable=False),
    Column("target_kind", String(20), nullable=False),
    Column("target_id", String(36), nullable=False),
    Column("event", String(60), nullable=False),
    Column("subject", String(80)),
    Column("alert_id", BigInteger),
    Column("status", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("response_status", Integer),
    Column("error", Text),
    Column("next_attempt_time", Time),
    Column("lease_owner", String(40)),
    Column("lease_time", Time),
    Column("create_time", Time, nullable=False),
    Column("deliver_time", Time),
    Column("body", LargeBinary),
    Column("is_test", Boolean, nullable=False),
    Index("ix_dispatches_target", "organization_id", "target_kind", "target_id", "create_time", "id"),
    Index(
        "ix_dispatches_pending",
        "organization_id",
        "target_kind",
        "target_id",
        "id",
        sqlite_where=text(IS_PENDING),
        postgresql_where=text(IS_PENDING),
    ),
    Index("ix_dispatches_organization_id_create_time", "organization_id", "create_time"),
    sqlite_autoincrement=True,
)
EARLIER = dispatches.alias("earlier")

SAME = (
    "key",
    "event",
    "subject",
    "alert_id",
    "attempts",
    "response_status",
    "error",
    "next_attempt_time",
    "lease_owner",
    "lease_time",
    "create_time",
    "deliver_time",
    "body",
    "is_test",
)
CHANGEABLE = ("status", "attempts", "response_status", "error", "next_attempt_time", "lease_owner", "lease_time", "deliver_time", "body")


def write_row(dispatch: Dispatch) -> dict[str, Any]:
    """A dispatch as it is stored, but for its number."""
    target = dispatch.target
    return {name: getattr(dispatch, name) for name in SAME} | {
        "organization_id": target.organization_id,
        "target_kind": target.kind.value,
        "target_id": target.id,
        "status": dispatch.status.value,
    }


def read_row(row: Any) -> Dispatch:  # noqa: ANN401 -- rows carry their columns as attributes
    """A dispatch from its row."""
    values = {name: getattr(row, name) for name in SAME}
    values["body"] = None if row.body is None else bytes(row.body)
    return Dispatch(**values, id=row.id, target=read_key(row), status=DispatchStatus(row.status))


def read_key(row: Any) -> TargetKey:  # noqa: ANN401 -- as above
    """The target of a row."""
    return TargetKey(row.organization_id, TargetKind(row.target_kind), row.target_id)


def of_target(target: TargetKey) -> ColumnElement[bool]:
    """The rows of a target."""
    return and_(
        dispatches.c.organization_id == target.organization_id,
        dispatches.c.target_kind == target.kind,
        dispatches.c.target_id == target.id,
    )


async def insert_dispatches(tx: Transaction, made: Sequence[Dispatch]) -> None:
    """Adds dispatches in their order."""
    if made:
        await tx.execute(dispatches.insert(), [write_row(dispatch) for dispatch in made])


async def insert_dispatch(tx: Transaction, made: Dispatch) -> Dispatch:
    """Adds one dispatch and answers it with its number."""
    number: int = (await tx.execute(dispatches.insert().values(write_row(made)).returning(dispatches.c.id))).scalar_one()
    return replace(made, id=number)


async def update_dispatches(tx: Transaction, organization_id: int, changed: Sequence[Dispatch]) -> None:
    """Replaces what became of dispatches."""
    if not changed:
        return
    statement = (
        update(dispatches)
        .where(dispatches.c.organization_id == organization_id, dispatches.c.id == bindparam("of_id"))
        .values({name: bindparam(f"new_{name}") for name in CHANGEABLE})
    )
    rows = []
    for dispatch in changed:
        row = write_row(dispatch)
        rows.append({"of_id": dispatch.id} | {f"new_{name}": row[name] for name in CHANGEABLE})
    await tx.execute(statement, rows)


async def lock_dispatches(tx: Transaction, organization_id: int, ids: Collection[int]) -> dict[int, Dispatch]:
    """Reads dispatches by number and keeps others from changing them until the transaction ends."""
    found: dict[int, Dispatch] = {}
    for part in parts(ids):
        statement = select(dispatches).where(dispatches.c.organization_id == organization_id, dispatches.c.id.in_(part))
        found |= {row.id: read_row(row) for row in await tx.execute(statement.order_by(dispatches.c.id).with_for_update())}
    return found


def is_due(now: datetime) -> tuple[Any, ...]:
    """The conditions of what may be sent now."""
    return (
        text(f"dispatches.{IS_PENDING}"),
        dispatches.c.next_attempt_time <= now,
        or_(dispatches.c.lease_time.is_(None), dispatches.c.lease_time <= now),
    )


async def find_due_targets(tx: Transaction, now: datetime) -> list[TargetKey]:
    """The targets of all organizations that have something due, those that have waited longest first."""
    columns = (dispatches.c.organization_id, dispatches.c.target_kind, dispatches.c.target_id)
    statement = select(*columns).where(*is_due(now)).group_by(*columns).order_by(text("min(next_attempt_time)"))
    return [read_key(row) for row in await tx.execute(statement)]


async def is_being_sent(tx: Transaction, target: TargetKey, now: datetime) -> bool:
    """Whether somebody sends something to a target."""
    statement = select(dispatches.c.id).where(text(f"dispatches.{IS_PENDING}"), of_target(target), dispatches.c.lease_time > now).limit(1)
    return (await tx.execute(statement)).first() is not None


async def claim_in(tx: Transaction, target: TargetKey, owner: str, lease_time: datetime, limit: int, now: datetime) -> list[Dispatch]:
    """Claims the oldest due dispatches of a target, to be sent one after the other; none that waits for an earlier one of its subject."""
    waits = exists().where(
        EARLIER.c.organization_id == dispatches.c.organization_id,
        EARLIER.c.target_kind == dispatches.c.target_kind,
        EARLIER.c.target_id == dispatches.c.target_id,
        EARLIER.c.status == DispatchStatus.PENDING,
        EARLIER.c.subject == dispatches.c.subject,
        EARLIER.c.id < dispatches.c.id,
        EARLIER.c.next_attempt_time > now,
    )
    due = select(dispatches.c.id).where(of_target(target), *is_due(now), ~waits).order_by(dispatches.c.id).limit(limit)
    numbers = list((await tx.execute(due)).scalars())
    if not numbers:
        return []
    claim = (
        update(dispatches)
        .where(dispatches.c.organization_id == target.organization_id, dispatches.c.id.in_(numbers))
        .values(lease_owner=owner, lease_time=lease_time)
        .returning(dispatches)
    )
    return sorted((read_row(row) for row in await tx.execute(claim)), key=lambda dispatch: dispatch.id)


async def renew_lease(tx: Transaction, dispatch: Dispatch, lease_time: datetime) -> bool:
    """Prolongs a lease; False when it is not this one any more."""
    statement = (
        update(dispatches)
        .where(
            dispatches.c.organization_id == dispatch.organization_id,
            dispatches.c.id == dispatch.id,
            dispatches.c.status == DispatchStatus.PENDING,
            dispatches.c.lease_owner == dispatch.lease_owner,
            dispatches.c.lease_time == dispatch.lease_time,
        )
        .values(lease_time=lease_time)
    )
    return (await tx.execute(statement)).rowcount > 0


async def fail_pending(tx: Transaction, target: TargetKey, error: str) -> None:
    """Ends what waits for a target that is told of nothing any more."""
    values = {"status": DispatchStatus.FAILED.value, "error": error, "next_attempt_time": None, "body": None}
    await tx.execute(
        update(dispatches)
        .where(text(f"dispatches.{IS_PENDING}"), of_target(target))
        .values(values | {"lease_owner": None, "lease_time": None})
    )


async def delete_pending(tx: Transaction, target: TargetKey) -> None:
    """Drops what waits for a target that is gone."""
    await tx.execute(delete(dispatches).where(text(f"dispatches.{IS_PENDING}"), of_target(target)))


async def select_page(tx: Transaction, target: TargetKey, before: datetime | None, limit: int) -> list[Dispatch]:
    """The newest dispatches of a target, by creation and then by number, both descending, without their bodies."""
    columns = [column for column in dispatches.c if column.name != "body"]
    statement = select(*columns, text("NULL AS body")).where(of_target(target))
    if before is not None:
        statement = statement.where(dispatches.c.create_time < before)
    rows = await tx.execute(statement.order_by(dispatches.c.create_time.desc(), dispatches.c.id.desc()).limit(limit))
    return [read_row(row) for row in rows]


async def fail_older(tx: Transaction, organization_id: int, before: datetime, error: str) -> int:
    """Ends what still waits of the time before, and says how many that was."""
    values = {"status": DispatchStatus.FAILED.value, "next_attempt_time": None, "body": None, "error": error}
    statement = (
        update(dispatches)
        .where(
            text(f"dispatches.{IS_PENDING}"),
            dispatches.c.organization_id == organization_id,
            dispatches.c.create_time < before,
            dispatches.c.lease_time.is_(None),
        )
        .values(values)
    )
    return (await tx.execute(statement)).rowcount


async def delete_old(tx: Transaction, organization_id: int, before: datetime, limit: int) -> int:
    """Deletes the oldest dispatches that were made before a time and wait for nothing, at most so many; says how many."""
    old = (
        select(dispatches.c.id)
        .where(
            dispatches.c.organization_id == organization_id,
            dispatches.c.create_time < before,
            dispatches.c.status != DispatchStatus.PENDING,
        )
        .order_by(dispatches.c.create_time, dispatches.c.id)
        .limit(limit)
    )
    found = list((await tx.execute(old)).scalars())
    for part in parts(found):
        await tx.execute(delete(dispatches).where(dispatches.c.organization_id == organization_id, dispatches.c.id.in_(part)))
    return len(found)
