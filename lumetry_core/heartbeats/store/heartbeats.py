"""Heartbeats in the database. Looks for what is due go across organizations."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    bindparam,
    cast,
    delete,
    func,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import JSON

from lumetry_core.heartbeats.model import AlertState, Heartbeat, Status
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.runtime.rows import RowStatement, ms_or_none

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("uuid", String(36), nullable=False),
    Column("name", Text, nullable=False),
    Column("interval_seconds", Integer, nullable=False),
    Column("grace_seconds", Integer, nullable=False),
    Column("topology_node_id", BigInteger),
    Column("status", String(20), nullable=False),
    Column("alert_state", String(20), nullable=False),
    Column("last_ping_time", Time),
    Column("deadline", Time),
    Column("due_time", Time),
    Column("run_start_time", Time),
    Column("open_run", BigInteger),
    Column("run_count", BigInteger, nullable=False),
    Column("last_exit_code", Integer),
    Column("last_duration_ms", BigInteger),
    Column("consecutive_failures", BigInteger, nullable=False),
    Column("consecutive_successes", BigInteger, nullable=False),
    Column("ended_well", Boolean, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    # A ping tells its heartbeat's identity and nothing else.
    Index("uq_heartbeats_uuid", "uuid", unique=True),
    # Across organizations, as the worker looks at whatever is due.
    Index("ix_heartbeats_due", "due_time", "id"),
    Index("ix_heartbeats_organization_create", "organization_id", "create_time", "id"),
    sqlite_autoincrement=True,
)
columns = heartbeats.c

FIELDS = tuple(field.name for field in fields(Heartbeat))
MOVING = (
    "status",
    "alert_state",
    "last_ping_time",
    "deadline",
    "due_time",
    "run_start_time",
    "open_run",
    "run_count",
    "last_exit_code",
    "last_duration_ms",
    "consecutive_failures",
    "consecutive_successes",
    "ended_well",
)
"""What pings and deadlines change."""
KEY = (columns.organization_id == bindparam("of_organization"), columns.id == bindparam("of_id"))
MOVE = RowStatement(
    update(heartbeats).where(*KEY).values({name: bindparam(name) for name in MOVING}), ("of_organization", "of_id", *MOVING)
)
IDS_PER_STATEMENT = 5000


async def insert_heartbeat(tx: Transaction, heartbeat: Heartbeat) -> int:
    """Adds a heartbeat and answers its number."""
    values = {name: getattr(heartbeat, name) for name in FIELDS if name != "id"}
    number: int = (await tx.execute(heartbeats.insert().values(values).returning(columns.id))).scalar_one()
    return number


async def update_heartbeat(tx: Transaction, heartbeat: Heartbeat) -> None:
    """Replaces all of a heartbeat."""
    values = {name: getattr(heartbeat, name) for name in FIELDS if name not in ("id", "organization_id", "uuid", "create_time")}
    same = (columns.organization_id == heartbeat.organization_id, columns.id == heartbeat.id)
    await tx.execute(update(heartbeats).where(*same).values(values))


async def move_heartbeats(tx: Transaction, moved: Sequence[Heartbeat]) -> None:
    """Writes what pings and deadlines made of heartbeats."""
    rows = [
        (
            each.organization_id,
            each.id,
            each.status.value,
            each.alert_state.value,
            ms_or_none(each.last_ping_time),
            ms_or_none(each.deadline),
            ms_or_none(each.due_time),
            ms_or_none(each.run_start_time),
            each.open_run,
            each.run_count,
            each.last_exit_code,
            each.last_duration_ms,
            each.consecutive_failures,
            each.consecutive_successes,
            each.ended_well,
        )
        for each in moved
    ]
    await MOVE.execute(tx, rows)


async def delete_heartbeat(tx: Transaction, organization_id: int, heartbeat_id: int) -> None:
    """Removes a heartbeat."""
    await tx.execute(delete(heartbeats).where(columns.organization_id == organization_id, columns.id == heartbeat_id))


async def read_heartbeat(tx: Transaction, organization_id: int, heartbeat_id: int, *, lock: bool = False) -> Heartbeat | None:
    """Reads one heartbeat; a lock lasts as long as the transaction."""
    statement = select(heartbeats).where(columns.organization_id == organization_id, columns.id == heartbeat_id)
    row = (await tx.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else read_row(row)


async def list_heartbeats(tx: Transaction, organization_id: int, status: Status | None) -> list[Heartbeat]:
    """The heartbeats of an organization, newest created first."""
    statement = select(heartbeats).where(columns.organization_id == organization_id)
    if status is not None:
        statement = statement.where(columns.status == status)
    rows = await tx.execute(statement.order_by(columns.create_time.desc(), columns.id.desc()))
    return [read_row(row) for row in rows]


async def find_by_id(tx: Transaction, organization_id: int, ids: Collection[int]) -> list[Heartbeat]:
    """The heartbeats with these numbers, as far as there are."""
    ordered = sorted(ids)
    found: list[Heartbeat] = []
    for start in range(0, len(ordered), IDS_PER_STATEMENT):
        part = ordered[start : start + IDS_PER_STATEMENT]
        statement = select(heartbeats).where(columns.organization_id == organization_id, columns.id.in_(part))
        found += [read_row(row) for row in await tx.execute(statement)]
    return found


async def count_heartbeats(tx: Transaction, organization_id: int) -> int:
    """How many there are."""
    statement = select(func.count()).select_from(heartbeats).where(columns.organization_id == organization_id)
    total: int = (await tx.execute(statement)).scalar_one()
    return total


async def lock_by_uuid(tx: Transaction, uuids: Collection[str]) -> list[Heartbeat]:
    """The heartbeats of pings, whosever they are, locked in ascending order so that cores do not wait for each other in a circle.

    One parameter, however many there are: the list travels as JSON.
    """
    listed: BindParameter[str] = bindparam("uuids", msgspec.json.encode(list(uuids)).decode())
    texts = func.json_array_elements_text(cast(listed, JSON)) if tx.is_postgresql else func.json_each(listed)
    given = texts.table_valued("value")
    statement = select(heartbeats).where(columns.uuid.in_(select(given.c.value))).order_by(columns.id).with_for_update()
    return [read_row(row) for row in await tx.execute(statement)]


async def is_any_due(tx: Transaction, now: datetime) -> bool:
    """Whether there is something for a worker to look at."""
    statement = select(columns.id).where(columns.due_time <= now).limit(1)
    return (await tx.execute(statement)).first() is not None


async def take_due(tx: Transaction, now: datetime, limit: int) -> list[Heartbeat]:
    """The heartbeats that are due, the longest first, locked; those that another worker looks at are left out."""
    statement = select(heartbeats).where(columns.due_time <= now).order_by(columns.due_time, columns.id).limit(limit)
    return [read_row(row) for row in await tx.execute(statement.with_for_update(skip_locked=True))]


async def take_too_far(tx: Transaction, now: datetime) -> list[Heartbeat]:
    """Watched heartbeats whose time to be looked at is farther away than they may be silent, locked: the clock was set back."""
    span_ms = (columns.interval_seconds + columns.grace_seconds) * 1000
    late = type_coerce(columns.due_time, BigInteger) - span_ms > to_ms(now)
    statement = select(heartbeats).where(columns.due_time > now, late).order_by(columns.id).with_for_update(skip_locked=True)
    return [read_row(row) for row in await tx.execute(statement)]


def read_row(row: Any) -> Heartbeat:  # noqa: ANN401 -- a row of the table
    """A heartbeat from its row."""
    values = row._asdict()
    values["status"], values["alert_state"] = Status(values["status"]), AlertState(values["alert_state"])
    return Heartbeat(**values)
