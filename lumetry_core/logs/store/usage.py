"""Usage of logs by hour and project."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, String, Table, delete, func, select
from sqlalchemy.dialects import postgresql

from lumetry_core.logs.model import LEVELS
from lumetry_core.logs.usage import LogUsage, Outcome
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Time, Transaction, metadata
from lumetry_core.runtime.rows import RowStatement

KEY = ("organization_id", "hour", "project_id")
OUTCOME_NAMES = tuple(outcome.value for outcome in Outcome)
LEVEL_NAMES = tuple(f"{level}_count" for level in LEVELS)
NAMES = (*OUTCOME_NAMES, "bytes_used", *LEVEL_NAMES)

log_usage_hours = Table(
    "log_usage_hours",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("hour", Time, primary_key=True),
    Column("project_id", String(36), primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in NAMES),
)
"""`project_id` is empty for pushes that belong to none or to several."""


def build_addition() -> RowStatement:
    """Adds to rows; both databases spell it as PostgreSQL does."""
    insert = postgresql.insert(log_usage_hours)
    sums = {name: log_usage_hours.c[name] + insert.excluded[name] for name in NAMES}
    return RowStatement(insert.on_conflict_do_update(index_elements=list(KEY), set_=sums), (*KEY, *NAMES))


ADD = build_addition()


async def add(tx: Transaction, usages: Mapping[tuple[int, datetime, str], LogUsage]) -> None:
    """Adds to hours of organizations and projects."""
    ordered = sorted(usages.items(), key=lambda item: item[0])  # one order for all writers: no deadlocks
    await ADD.execute(
        tx,
        [
            (organization_id, to_ms(hour), project_id, *usage.outcomes, usage.bytes_used, *usage.level_counts)
            for (organization_id, hour, project_id), usage in ordered
        ],
    )


async def read(
    tx: Transaction, organization_id: int, since: datetime, until: datetime, project_id: str | None
) -> list[tuple[datetime, str, LogUsage]]:
    """Usage from one hour on and before another by hour and project, ascending; `project_id` None: all."""
    columns = log_usage_hours.c
    sums = [func.sum(columns[name]).label(name) for name in NAMES]
    statement = select(columns.hour, columns.project_id, *sums).where(
        columns.organization_id == organization_id, columns.hour >= since, columns.hour < until
    )
    if project_id is not None:
        statement = statement.where(columns.project_id == project_id)
    statement = statement.group_by(columns.hour, columns.project_id).order_by(columns.hour, columns.project_id)
    return [(row.hour, row.project_id, to_model(row)) for row in await tx.execute(statement)]


def to_model(row: Any) -> LogUsage:  # noqa: ANN401 -- rows have no types
    """Usage from a row."""
    return LogUsage(
        tuple(int(getattr(row, name)) for name in OUTCOME_NAMES),
        int(row.bytes_used),
        tuple(int(getattr(row, name)) for name in LEVEL_NAMES),
    )


async def delete_before(tx: Transaction, organization_id: int, hour: datetime) -> None:
    """Drops the hours of an organization before one."""
    columns = log_usage_hours.c
    await tx.execute(delete(log_usage_hours).where(columns.organization_id == organization_id, columns.hour < hour))
