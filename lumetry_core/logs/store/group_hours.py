"""Entries of error groups by hour and level."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, Integer, Table, delete, func, or_, select

from lumetry_core.logs.store.groups import encode, holds, log_groups, parts_of
from lumetry_core.runtime.database import Transaction, metadata

log_group_hours = Table(
    "log_group_hours",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("group_id", BigInteger, primary_key=True, autoincrement=False),
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
    Index("ix_log_group_hours_organization_hour", "organization_id", "hour", "group_id"),
)


async def add_hours(tx: Transaction, organization_id: int, counts: Mapping[tuple[int, int, int], int]) -> None:
    """Counts entries by group, hour and level."""
    if not counts:
        return
    statement = tx.insert(log_group_hours)
    statement = statement.on_conflict_do_update(
        index_elements=["organization_id", "group_id", "hour", "level"],
        set_={"count": log_group_hours.c.count + statement.excluded.count},
    )
    rows = [
        {"organization_id": organization_id, "group_id": group_id, "hour": hour, "level": level, "count": count}
        for (group_id, hour, level), count in sorted(counts.items())
    ]
    await tx.execute(statement, rows)


async def count_hours(tx: Transaction, organization_id: int, ids: Collection[int], since: int) -> dict[int, dict[int, int]]:
    """Entries of groups by hour, from an hour on."""
    columns = log_group_hours.c
    found: dict[int, dict[int, int]] = {}
    for part in parts_of(sorted(set(ids))):
        statement = (
            select(columns.group_id, columns.hour, func.sum(columns.count).label("entries"))
            .where(columns.organization_id == organization_id, columns.group_id.in_(part), columns.hour >= since)
            .group_by(columns.group_id, columns.hour)
        )
        for row in await tx.execute(statement):
            found.setdefault(row.group_id, {})[row.hour] = int(row.entries)
    return found


async def find_seen(
    tx: Transaction, organization_id: int, start: datetime, end: datetime, project_ids: Collection[str], traces: Collection[str], limit: int
) -> list[int]:
    """Groups with entries between two times, to the hour, of any of the projects or traces; of all without either. Newest first."""
    columns, hours = log_groups.c, log_group_hours.c
    first, last = (int(time.timestamp()) // 3600 for time in (start, end))
    statement = select(columns.id).where(
        columns.organization_id == organization_id,
        columns.last_time >= start,
        columns.first_time <= end,
        select(hours.group_id)
        .where(hours.organization_id == organization_id, hours.group_id == columns.id, hours.hour >= first, hours.hour <= last)
        .exists(),
    )
    if project_ids or traces:
        of_trace = [holds(tx, columns.trace_ids, encode(trace).decode()) for trace in traces]
        statement = statement.where(or_(columns.project_id.in_(list(project_ids)), *of_trace))
    return list((await tx.execute(statement.order_by(columns.last_time.desc(), columns.id.desc()).limit(limit))).scalars())


async def count_old(tx: Transaction, organization_id: int, project_id: str, before_hour: int, limit: int) -> dict[int, dict[int, int]]:
    """Entries of a project's groups by level, of hours before one; of so many groups at most."""
    columns, hours = log_groups.c, log_group_hours.c
    of_hours = select(hours.group_id).where(hours.organization_id == organization_id, hours.hour < before_hour)
    ids = (
        await tx.execute(
            select(columns.id)
            .where(columns.organization_id == organization_id, columns.project_id == project_id, columns.id.in_(of_hours))
            .order_by(columns.id)
            .limit(limit)
        )
    ).scalars()
    found: dict[int, dict[int, int]] = {}
    for part in parts_of(sorted(ids)):
        statement = (
            select(hours.group_id, hours.level, func.sum(hours.count).label("entries"))
            .where(hours.organization_id == organization_id, hours.group_id.in_(part), hours.hour < before_hour)
            .group_by(hours.group_id, hours.level)
        )
        for row in await tx.execute(statement):
            found.setdefault(row.group_id, {})[row.level] = int(row.entries)
    return found


async def delete_hours(tx: Transaction, organization_id: int, group_ids: Collection[int], before_hour: int) -> None:
    """Forgets hours of groups before one."""
    hours = log_group_hours.c
    await tx.execute(
        delete(log_group_hours).where(
            hours.organization_id == organization_id, hours.group_id.in_(sorted(group_ids)), hours.hour < before_hour
        )
    )
