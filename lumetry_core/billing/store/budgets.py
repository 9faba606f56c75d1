"""Budgets, what they have told already, and the rates of meters."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, UniqueConstraint, delete, insert, select

from lumetry_core.billing.model import Budget, Meter, Mode, Period
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

MAX_NAME = 120

budgets = Table(
    "budgets",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("budget_id", String(36), nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", String(MAX_NAME), nullable=False),
    Column("meter", String(30), nullable=False),
    Column("period", String(10), nullable=False),
    Column("limit_quantity", BigInteger, nullable=False),
    Column("mode", String(10), nullable=False),
    Column("project_id", String(36)),
    Column("thresholds", String(40), nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    UniqueConstraint("organization_id", "budget_id", name="uq_budgets_organization_id_budget_id"),
    sqlite_autoincrement=True,
)
budget_marks = Table(
    "budget_marks",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("budget_id", String(36), primary_key=True),
    Column("period_time", Time, primary_key=True),
    Column("percent", Integer, primary_key=True, autoincrement=False),
    Column("create_time", Time, nullable=False),
    Index("ix_budget_marks_organization_create", "organization_id", "create_time"),
)
"""What was told of a budget in the period that begins then."""
meter_rates = Table(
    "meter_rates",
    metadata,
    Column("meter", String(30), primary_key=True),
    Column("microunits", BigInteger, nullable=False),
)
"""As the deployment is configured; a meter without row is worth nothing."""


def to_row(budget: Budget, position: int) -> dict[str, Any]:
    """A budget as its table has it."""
    return {
        "organization_id": budget.organization_id,
        "budget_id": budget.id,
        "position": position,
        "name": budget.name,
        "meter": budget.meter.value,
        "period": budget.period.value,
        "limit_quantity": budget.limit,
        "mode": budget.mode.value,
        "project_id": budget.project_id,
        "thresholds": ",".join(map(str, budget.thresholds)),
        "is_active": budget.is_active,
        "create_time": budget.create_time,
        "update_time": budget.update_time,
    }


def to_model(row: Any) -> Budget:  # noqa: ANN401 -- rows have no types
    """A budget from its row."""
    return Budget(
        organization_id=row.organization_id,
        id=row.budget_id,
        name=row.name,
        meter=Meter(row.meter),
        period=Period(row.period),
        limit=row.limit_quantity,
        mode=Mode(row.mode),
        project_id=row.project_id,
        thresholds=tuple(int(part) for part in row.thresholds.split(",") if part),
        is_active=row.is_active,
        create_time=row.create_time,
        update_time=row.update_time,
    )


async def list_budgets(tx: Transaction, organization_id: int) -> list[Budget]:
    """The budgets of an organization in their order."""
    statement = select(budgets).where(budgets.c.organization_id == organization_id).order_by(budgets.c.position)
    return [to_model(row) for row in await tx.execute(statement)]


async def replace_budgets(tx: Transaction, organization_id: int, wanted: Sequence[Budget]) -> None:
    """Makes these the budgets of an organization, in this order; what was told of those that go is forgotten."""
    await tx.execute(delete(budgets).where(budgets.c.organization_id == organization_id))
    if wanted:
        await tx.execute(insert(budgets), [to_row(budget, position) for position, budget in enumerate(wanted)])
    kept = [budget.id for budget in wanted]
    gone = (budget_marks.c.organization_id == organization_id, budget_marks.c.budget_id.not_in(kept))
    await tx.execute(delete(budget_marks).where(*gone))


async def mark(tx: Transaction, budget: Budget, period_time: datetime, percent: int, now: datetime) -> bool:
    """Notes that something is told of a budget; False when it has been told already."""
    statement = (
        tx.insert(budget_marks)
        .values(organization_id=budget.organization_id, budget_id=budget.id, period_time=period_time, percent=percent, create_time=now)
        .on_conflict_do_nothing()
        .returning(budget_marks.c.percent)
    )
    return (await tx.execute(statement)).first() is not None


async def list_marks(tx: Transaction, organization_id: int) -> set[tuple[str, datetime, int]]:
    """What was told: budget, beginning of the period, percent."""
    columns = budget_marks.c
    statement = select(columns.budget_id, columns.period_time, columns.percent).where(columns.organization_id == organization_id)
    return {(row.budget_id, row.period_time, row.percent) for row in await tx.execute(statement)}


async def unmark(tx: Transaction, budget: Budget, period_time: datetime, percent: int) -> None:
    """Lets something be told again."""
    columns = budget_marks.c
    await tx.execute(
        delete(budget_marks).where(
            columns.organization_id == budget.organization_id,
            columns.budget_id == budget.id,
            columns.period_time == period_time,
            columns.percent == percent,
        )
    )


async def delete_marks_before(tx: Transaction, organization_id: int, before: datetime) -> None:
    """Forgets what was told of periods that began before a time."""
    columns = budget_marks.c
    old = (columns.organization_id == organization_id, columns.create_time < before, columns.period_time < before)
    await tx.execute(delete(budget_marks).where(*old))


async def read_rates(tx: Transaction) -> dict[Meter, int]:
    """Micro-units of a unit of each meter that is worth something."""
    return {Meter(row.meter): row.microunits for row in await tx.execute(select(meter_rates))}


async def replace_rates(tx: Transaction, rates: Mapping[Meter, int]) -> None:
    """Makes these the rates."""
    await tx.execute(delete(meter_rates))
    rows = [{"meter": meter.value, "microunits": rate} for meter, rate in rates.items() if rate]
    if rows:
        await tx.execute(insert(meter_rates), rows)
