"""Silences in the database."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    String,
    Table,
    Text,
    and_,
    case,
    literal,
    not_,
    null,
    or_,
    select,
    text,
    update,
)

from lumetry_core.alerts.maintenance import SETTLE
from lumetry_core.alerts.model import SourceKind
from lumetry_core.alerts.silences import Matchers, Silence, SilenceFamily
from lumetry_core.alerts.store.alerts import parts
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

IS_LIVE = "due_time IS NOT NULL"
"""The rows whose end is still to be looked after."""

silences = Table(
    "silences",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("matchers", Text, nullable=False),
    Column("start_time", Time, nullable=False),
    Column("end_time", Time, nullable=False),
    Column("reason", Text, nullable=False),
    Column("due_time", Time),
    Column("create_time", Time, nullable=False),
    Column("created_by", BigInteger),
    Column("delete_time", Time),
    Column("family", String(20), nullable=False, server_default=SilenceFamily.LUMETRY),
    Column("created_by_name", Text),
    Index("ix_silences_organization_start", "organization_id", "start_time", "id"),
    Index("ix_silences_live", "organization_id", "end_time", sqlite_where=text(IS_LIVE), postgresql_where=text(IS_LIVE)),
    Index("ix_silences_due", "due_time", sqlite_where=text(IS_LIVE), postgresql_where=text(IS_LIVE)),
    sqlite_autoincrement=True,
)


async def insert_silence(tx: Transaction, silence: Silence, due_time: datetime | None) -> int:
    """Adds a silence, whose own number does not count, and answers the number given to it.

    Args:
        due_time: When its end is to be looked after; None: never.
    """
    values = {
        "organization_id": silence.organization_id,
        "matchers": encode_matchers(silence.matchers),
        "start_time": silence.start_time,
        "end_time": silence.end_time,
        "reason": silence.reason,
        "due_time": due_time,
        "create_time": silence.create_time,
        "created_by": silence.created_by,
        "created_by_name": silence.created_by_name,
        "family": silence.family,
    }
    number: int = (await tx.execute(silences.insert().values(values).returning(silences.c.id))).scalar_one()
    return number


async def delete_silence(
    tx: Transaction, organization_id: int, family: SilenceFamily, silence_id: int, now: datetime
) -> tuple[Silence, bool] | None:
    """Removes a silence; answers it and whether its end is still to be looked after, as it is once more SETTLE later.

    None: there is none, or it was removed before.
    """
    same = and_(silences.c.organization_id == organization_id, silences.c.id == silence_id, silences.c.family == family)
    row = (await tx.execute(select(silences).where(same, silences.c.delete_time.is_(None)).with_for_update())).one_or_none()
    if row is None:
        return None
    due_time = None if row.due_time is None else now + SETTLE
    await tx.execute(update(silences).where(same).values(delete_time=now, due_time=due_time))
    return to_silence(row), row.due_time is not None


async def read_silences(tx: Transaction, organization_id: int, ids: Collection[int]) -> list[Silence]:
    """Silences by number, ascending, removed ones included."""
    found = []
    for part in parts(ids):
        statement = select(silences).where(silences.c.organization_id == organization_id, silences.c.id.in_(part))
        found += [to_silence(row) for row in await tx.execute(statement.order_by(silences.c.id))]
    return found


async def list_active(tx: Transaction, organization_id: int, now: datetime) -> list[Silence]:
    """The silences that mute at a time, by number, ascending."""
    statement = select(silences).where(
        silences.c.organization_id == organization_id,
        silences.c.due_time.is_not(None),
        silences.c.end_time > now,
    )
    # asked for those that have started SQLite would read the index of all starts, which holds what is over as well
    found = [to_silence(row) for row in await tx.execute(statement.order_by(silences.c.id))]
    return [silence for silence in found if silence.is_active(now)]


async def list_newest(tx: Transaction, organization_id: int, *, active: bool | None, now: datetime, limit: int) -> list[Silence]:
    """At most so many silences of the `lumetry` family that are not removed, newest first by start, then number.

    Args:
        active: Whether they mute now; None: either.
    """
    conditions: list[ColumnElement[bool]] = [
        silences.c.organization_id == organization_id,
        silences.c.family == SilenceFamily.LUMETRY,
        silences.c.delete_time.is_(None),
    ]
    if active is not None:
        mutes = and_(silences.c.start_time <= now, silences.c.end_time > now)
        conditions.append(mutes if active else not_(mutes))
    statement = select(silences).where(*conditions).order_by(silences.c.start_time.desc(), silences.c.id.desc()).limit(limit)
    return [to_silence(row) for row in await tx.execute(statement)]


async def list_rules(tx: Transaction, organization_id: int, *, active: bool | None, now: datetime, limit: int) -> list[Silence]:
    """At most so many silence rules of the `monitoring` family, cancelled ones included, newest first.

    Args:
        active: Whether they mute now; None: either.
    """
    of_family = and_(silences.c.organization_id == organization_id, silences.c.family == SilenceFamily.MONITORING)
    conditions: list[ColumnElement[bool]] = [of_family]
    if active is not None:
        mutes = and_(silences.c.delete_time.is_(None), silences.c.start_time <= now, silences.c.end_time > now)
        conditions.append(mutes if active else not_(mutes))
    statement = select(silences).where(*conditions).order_by(silences.c.start_time.desc(), silences.c.id.desc()).limit(limit)
    return [to_silence(row) for row in await tx.execute(statement)]


async def list_within(tx: Transaction, organization_id: int, start: datetime, end: datetime) -> list[Silence]:
    """The silences that are not removed and last between two times, by number, ascending."""
    statement = select(silences).where(
        silences.c.organization_id == organization_id,
        silences.c.delete_time.is_(None),
        silences.c.start_time <= end,
        silences.c.end_time > start,
    )
    return [to_silence(row) for row in await tx.execute(statement.order_by(silences.c.id))]


async def organizations_due(tx: Transaction, now: datetime) -> Sequence[int]:
    """The organizations with silences whose end is to be looked after, ascending."""
    # asked for distinct ones SQLite would read the index of all live silences
    statement = select(silences.c.organization_id).where(silences.c.due_time <= now)
    return sorted(set((await tx.execute(statement)).scalars()))


async def take_ended(tx: Transaction, organization_id: int, now: datetime) -> dict[int, bool]:
    """The silences that are over, by number, ascending; each is answered when it ends and once more SETTLE later, or once when removed.

    Returns:
        Of each whether it ends now.
    """
    ended = and_(silences.c.organization_id == organization_id, silences.c.due_time <= now)
    is_again = or_(silences.c.due_time > silences.c.end_time, silences.c.delete_time.is_not(None))
    next_due = case((is_again, null()), else_=literal(now + SETTLE, Time))
    rows = await tx.execute(update(silences).where(ended).values(due_time=next_due).returning(silences.c.id, silences.c.due_time))
    return {row.id: row.due_time is not None for row in sorted(rows, key=lambda row: row.id)}


def encode_matchers(matchers: Matchers) -> str:
    """Matchers as their column holds them: what is given, by field."""
    return msgspec.json.encode({name: value for name, value in msgspec.to_builtins(matchers).items() if value}).decode()


def decode_matchers(column: str) -> Matchers:
    """Matchers from their column."""
    values = msgspec.json.decode(column)
    severity, source_kind = values.pop("severity", None), values.pop("source_kind", None)
    return Matchers(
        severity=None if severity is None else Severity(severity),
        source_kind=None if source_kind is None else SourceKind(source_kind),
        **values,
    )


def to_silence(row: Any) -> Silence:  # noqa: ANN401 -- rows carry their columns as attributes
    """A silence from its row."""
    return Silence(
        id=row.id,
        organization_id=row.organization_id,
        matchers=decode_matchers(row.matchers),
        start_time=row.start_time,
        end_time=row.end_time,
        reason=row.reason,
        create_time=row.create_time,
        created_by=row.created_by,
        delete_time=row.delete_time,
        family=SilenceFamily(row.family),
        created_by_name=row.created_by_name,
    )
