"""Counts of error groups."""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, select

from lumetry_core.logs.groups import GroupStatus
from lumetry_core.logs.store.group_hours import log_group_hours
from lumetry_core.logs.store.groups import log_groups
from lumetry_core.runtime.database import Transaction

groups = log_groups.c
hours = log_group_hours.c


async def count_groups(tx: Transaction, organization_id: int, since: datetime, project_id: str | None) -> tuple[int, int, int]:
    """How many groups are open, how many came since a time, how many came back and were seen since then."""

    def count(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((and_(*conditions), 1), else_=0)), 0)

    statement = select(
        count(groups.status == GroupStatus.OPEN.value).label("open"),
        count(groups.first_time >= since).label("new"),
        count(groups.is_regressed.is_(True), groups.last_time >= since).label("regressed"),
    ).where(groups.organization_id == organization_id)
    if project_id is not None:
        statement = statement.where(groups.project_id == project_id)
    row = (await tx.execute(statement)).one()
    return int(row.open), int(row.new), int(row.regressed)


async def count_by_hour(
    tx: Transaction, organization_id: int, first_hour: int, lowest_level: int, project_id: str | None
) -> list[tuple[int, int]]:
    """Entries of groups from an hour and a level on, by hour since the Unix epoch."""
    statement = select(hours.hour, func.sum(hours.count).label("entries")).where(
        hours.organization_id == organization_id, hours.hour >= first_hour, hours.level >= lowest_level
    )
    if project_id is not None:
        same = and_(groups.organization_id == hours.organization_id, groups.id == hours.group_id)
        statement = statement.join(log_groups, same).where(groups.project_id == project_id)
    return [(row.hour, int(row.entries)) for row in await tx.execute(statement.group_by(hours.hour))]
