"""Usage by hour, and the levels of gauges."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Column, ColumnElement, Index, String, Table, delete, false, func, select, update
from sqlalchemy.dialects import postgresql

from lumetry_core.billing.model import GAUGES, Meter
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Time, Transaction, metadata
from lumetry_core.runtime.rows import RowStatement

Key = tuple[Meter, str]
"""A meter and a project, empty for none."""

usage_hours = Table(
    "usage_hours",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("meter", String(30), primary_key=True),
    Column("hour", Time, primary_key=True),
    Column("project_id", String(36), primary_key=True),
    Column("quantity", BigInteger, nullable=False),
    Column("is_entered", Boolean, nullable=False, server_default=false()),
    Index("ix_usage_hours_organization_entered", "organization_id", "is_entered", "hour"),
)
"""Of gauges: by how much they changed. `is_entered`: the ledger has it."""
usage_levels = Table(
    "usage_levels",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("meter", String(30), primary_key=True),
    Column("project_id", String(36), primary_key=True),
    Column("quantity", BigInteger, nullable=False),
)
"""What gauges read now."""


def build_addition(table: Table, *key: str) -> RowStatement:
    """Adds to rows, where there is none from nothing; both databases spell it as PostgreSQL does."""
    insert = postgresql.insert(table)
    added = insert.on_conflict_do_update(index_elements=list(key), set_={"quantity": table.c.quantity + insert.excluded.quantity})
    return RowStatement(added, (*key, "quantity"))


ADD_HOURS = build_addition(usage_hours, "organization_id", "meter", "hour", "project_id")
ADD_LEVELS = build_addition(usage_levels, "organization_id", "meter", "project_id")


async def add(tx: Transaction, additions: Mapping[tuple[int, Meter, datetime, str], int]) -> None:
    """Adds to organizations' meters, by hour and project."""
    rows = [
        (organization_id, meter.value, to_ms(hour), project_id, quantity)
        # one order for all writers: no deadlocks
        for (organization_id, meter, hour, project_id), quantity in sorted(additions.items())
        if quantity
    ]
    await ADD_HOURS.execute(tx, rows)
    of_gauges = [(of, meter, project_id, quantity) for of, meter, _, project_id, quantity in rows if meter in GAUGES]
    await ADD_LEVELS.execute(tx, of_gauges)


async def read_sums(
    tx: Transaction,
    organization_id: int,
    meters: Collection[Meter],
    since: datetime,
    until: datetime | None = None,
    project_id: str | None = None,
) -> dict[Key, int]:
    """What was counted from one hour on and before another, by meter and project; those with nothing are left out.

    Args:
        until: None: up to now.
        project_id: None: every project's, and what belongs to none.
    """
    columns = usage_hours.c
    statement = select(columns.meter, columns.project_id, func.sum(columns.quantity).label("quantity"))
    statement = statement.where(*of_span(organization_id, meters, since, until, project_id)).group_by(columns.meter, columns.project_id)
    return {(Meter(row.meter), row.project_id): int(row.quantity) for row in await tx.execute(statement)}


async def read_hours(
    tx: Transaction,
    organization_id: int,
    meters: Collection[Meter],
    since: datetime,
    until: datetime | None,
    project_id: str | None = None,
) -> list[tuple[datetime, Meter, int]]:
    """The same by hour and meter, ascending."""
    columns = usage_hours.c
    statement = select(columns.hour, columns.meter, func.sum(columns.quantity).label("quantity"))
    statement = statement.where(*of_span(organization_id, meters, since, until, project_id)).group_by(columns.hour, columns.meter)
    rows = await tx.execute(statement.order_by(columns.hour, columns.meter))
    return [(row.hour, Meter(row.meter), int(row.quantity)) for row in rows]


def of_span(
    organization_id: int, meters: Collection[Meter], since: datetime, until: datetime | None, project_id: str | None
) -> list[ColumnElement[bool]]:
    """The conditions of rows of some meters in a span of hours."""
    columns = usage_hours.c
    conditions = [columns.organization_id == organization_id, columns.meter.in_(sorted(meters)), columns.hour >= since]
    if until is not None:
        conditions.append(columns.hour < until)
    if project_id is not None:
        conditions.append(columns.project_id == project_id)
    return conditions


async def read_levels(tx: Transaction, organization_id: int, project_id: str | None = None) -> dict[Key, int]:
    """What gauges read now, by meter and project."""
    columns = usage_levels.c
    statement = select(columns.meter, columns.project_id, columns.quantity).where(columns.organization_id == organization_id)
    if project_id is not None:
        statement = statement.where(columns.project_id == project_id)
    return {(Meter(row.meter), row.project_id): row.quantity for row in await tx.execute(statement)}


async def read_unentered(tx: Transaction, organization_id: int, before: datetime, limit: int) -> list[tuple[datetime, Meter, str, int]]:
    """Hours before one that the ledger does not have yet: hour, meter, project and quantity, oldest first."""
    columns = usage_hours.c
    statement = (
        select(columns.hour, columns.meter, columns.project_id, columns.quantity)
        .where(columns.organization_id == organization_id, columns.is_entered.is_(False), columns.hour < before)
        .order_by(columns.hour, columns.meter, columns.project_id)
        .limit(limit)
    )
    return [(row.hour, Meter(row.meter), row.project_id, row.quantity) for row in await tx.execute(statement)]


async def mark_entered(tx: Transaction, organization_id: int, hour: datetime, meter: Meter, project_id: str) -> int | None:
    """Says that the ledger has an hour, whose quantity is given; None when another has just said so."""
    columns = usage_hours.c
    statement = (
        update(usage_hours)
        .where(
            columns.organization_id == organization_id,
            columns.meter == meter.value,
            columns.hour == hour,
            columns.project_id == project_id,
            columns.is_entered.is_(False),
        )
        .values(is_entered=True)
        .returning(columns.quantity)
    )
    quantity: int | None = (await tx.execute(statement)).scalar_one_or_none()
    return quantity


async def delete_before(tx: Transaction, organization_id: int, hour: datetime) -> None:
    """Drops the hours of an organization before one."""
    columns = usage_hours.c
    old = (columns.organization_id == organization_id, columns.is_entered.is_(True), columns.hour < hour)
    await tx.execute(delete(usage_hours).where(*old))
