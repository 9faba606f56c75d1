"""Maintenance windows in the database."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Index, String, Table, Text, and_, not_, or_, select, text, type_coerce, update

from lumetry_core.alerts.maintenance import MaintenanceWindow, ScopeType
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.store.alerts import alerts, parts
from lumetry_core.alerts.store.selection import ACTIVE, SELECTED, fetch
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

IS_LIVE = "next_change_time IS NOT NULL"
"""The rows that alerts may still be judged by, once those over are settled."""

windows = Table(
    "maintenance_windows",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("scope_type", String(20), nullable=False),
    Column("scope_node_id", BigInteger),
    Column("metric_key", Text),
    Column("start_time", Time, nullable=False),
    Column("end_time", Time, nullable=False),
    Column("reason", Text, nullable=False),
    Column("rrule", Text),
    Column("time_zone", Text),
    Column("occurrence_start", Time, nullable=False),
    Column("occurrence_end", Time, nullable=False),
    Column("next_change_time", Time),
    Column("create_time", Time, nullable=False),
    Column("created_by", BigInteger),
    Column("delete_time", Time),
    Index("ix_maintenance_windows_organization_start", "organization_id", "start_time", "id"),
    Index(
        "ix_maintenance_windows_live",
        "organization_id",
        "occurrence_start",
        sqlite_where=text(IS_LIVE),
        postgresql_where=text(IS_LIVE),
    ),
    Index("ix_maintenance_windows_due", "next_change_time", sqlite_where=text(IS_LIVE), postgresql_where=text(IS_LIVE)),
    sqlite_autoincrement=True,
)


async def insert_window(tx: Transaction, window: MaintenanceWindow, next_change_time: datetime | None) -> int:
    """Adds a window, whose own number does not count, and answers the number given to it."""
    values = {
        "organization_id": window.organization_id,
        "scope_type": window.scope_type.value,
        "scope_node_id": window.scope_node_id,
        "metric_key": window.metric_key,
        "start_time": window.start_time,
        "end_time": window.end_time,
        "reason": window.reason,
        "rrule": window.rrule,
        "time_zone": window.time_zone,
        "occurrence_start": window.occurrence_start,
        "occurrence_end": window.occurrence_end,
        "next_change_time": next_change_time,
        "create_time": window.create_time,
        "created_by": window.created_by,
    }
    number: int = (await tx.execute(windows.insert().values(values).returning(windows.c.id))).scalar_one()
    return number


async def update_window(tx: Transaction, window: MaintenanceWindow, next_change_time: datetime | None) -> None:
    """Records the occurrence of a window, whether it is removed, and when it next changes."""
    values = {
        "occurrence_start": window.occurrence_start,
        "occurrence_end": window.occurrence_end,
        "delete_time": window.delete_time,
        "next_change_time": next_change_time,
    }
    same = and_(windows.c.organization_id == window.organization_id, windows.c.id == window.id)
    await tx.execute(update(windows).where(same).values(values))


async def lock_live(tx: Transaction, organization_id: int) -> None:
    """Waits for whoever judges the organization's alerts, and keeps others from it until the transaction ends."""
    statement = select(windows.c.id).where(windows.c.organization_id == organization_id, windows.c.next_change_time.is_not(None))
    await tx.execute(statement.order_by(windows.c.id).with_for_update())


async def read_windows(tx: Transaction, organization_id: int, ids: Collection[int], *, lock: bool = False) -> list[MaintenanceWindow]:
    """Windows by number, ascending, removed ones included.

    Args:
        lock: Keeps others from changing them until the transaction ends.
    """
    found = []
    for part in parts(ids):
        statement = select(windows).where(windows.c.organization_id == organization_id, windows.c.id.in_(part)).order_by(windows.c.id)
        rows = await tx.execute(statement.with_for_update() if lock else statement)
        found += [to_window(row) for row in rows]
    return found


async def list_begun(tx: Transaction, organization_id: int, now: datetime) -> list[MaintenanceWindow]:
    """The live windows whose stored occurrence has started, by number, ascending. They may be over, and recurring ones again active."""
    statement = select(windows).where(
        windows.c.organization_id == organization_id,
        windows.c.next_change_time.is_not(None),
        windows.c.delete_time.is_(None),
        windows.c.occurrence_start <= now,
    )
    return [to_window(row) for row in await tx.execute(statement.order_by(windows.c.id))]


async def list_newest(
    tx: Transaction, organization_id: int, *, active: bool | None, now: datetime | None, limit: int
) -> list[MaintenanceWindow]:
    """At most so many windows that are not removed, newest first by start, then number.

    Args:
        active: Whether the stored occurrence lasts at the time; None: either.
    """
    conditions: list[ColumnElement[bool]] = [windows.c.organization_id == organization_id, windows.c.delete_time.is_(None)]
    if active is not None and now is not None:
        moment = to_ms(now)
        start, end = (type_coerce(column, BigInteger) for column in (windows.c.occurrence_start, windows.c.occurrence_end))
        lasts = and_(start <= moment, end > moment)
        conditions.append(lasts if active else not_(lasts))
    statement = select(windows).where(*conditions).order_by(windows.c.start_time.desc(), windows.c.id.desc()).limit(limit)
    return [to_window(row) for row in await tx.execute(statement)]


async def list_within(tx: Transaction, organization_id: int, start: datetime, end: datetime) -> list[MaintenanceWindow]:
    """The windows, by number, ascending, whose first occurrence lasts between two times, and those that recur and began before the end."""
    statement = select(windows).where(
        windows.c.organization_id == organization_id,
        windows.c.delete_time.is_(None),
        windows.c.start_time <= end,
        or_(windows.c.rrule.is_not(None), windows.c.end_time > start),
    )
    return [to_window(row) for row in await tx.execute(statement.order_by(windows.c.id))]


async def organizations_due(tx: Transaction, now: datetime) -> Sequence[int]:
    """The organizations that have windows to look after, ascending."""
    # asked for distinct ones SQLite would read the index of all live windows
    statement = select(windows.c.organization_id).where(windows.c.next_change_time <= now)
    return sorted(set((await tx.execute(statement)).scalars()))


async def list_due(tx: Transaction, organization_id: int, now: datetime) -> list[tuple[MaintenanceWindow, datetime]]:
    """The windows to look after and since when, by number, ascending."""
    statement = select(windows).where(windows.c.organization_id == organization_id, windows.c.next_change_time <= now)
    return [(to_window(row), row.next_change_time) for row in await tx.execute(statement.order_by(windows.c.id))]


async def list_suppressed(tx: Transaction, organization_id: int) -> list[Alert]:
    """The active alerts that are marked as covered by a window, by number, ascending."""
    statement = select(*SELECTED).where(
        alerts.c.organization_id == organization_id, alerts.c.state.in_(ACTIVE), alerts.c.maintenance_window_id.is_not(None)
    )
    return await fetch(tx, statement.order_by(alerts.c.id))


def to_window(row: Any) -> MaintenanceWindow:  # noqa: ANN401 -- rows carry their columns as attributes
    """A window from its row."""
    return MaintenanceWindow(
        id=row.id,
        organization_id=row.organization_id,
        scope_type=ScopeType(row.scope_type),
        scope_node_id=row.scope_node_id,
        metric_key=row.metric_key,
        start_time=row.start_time,
        end_time=row.end_time,
        reason=row.reason,
        rrule=row.rrule,
        time_zone=row.time_zone,
        occurrence_start=row.occurrence_start,
        occurrence_end=row.occurrence_end,
        create_time=row.create_time,
        created_by=row.created_by,
        delete_time=row.delete_time,
    )
