"""Days in the database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from sqlalchemy import BigInteger, Column, Date, Index, Integer, String, Table, case, delete, func, select

from lumetry_core.runtime.database import Transaction, metadata
from lumetry_core.uptime.model import DayCount, MonitorType

IDS_PER_STATEMENT = 5000

uptime_days = Table(
    "uptime_days",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("monitor_type", String(20), primary_key=True),
    Column("monitor_id", BigInteger, primary_key=True, autoincrement=False),
    Column("day", Date, primary_key=True),
    Column("good", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("incidents", Integer, nullable=False),
    Index("ix_uptime_days_day", "day"),
)


async def add(tx: Transaction, organization_id: int, monitor_type: MonitorType, counts: Sequence[DayCount]) -> None:
    """Adds to days; of a monitor's day there is one count."""
    if not counts:
        return
    insert = tx.insert(uptime_days)
    statement = insert.on_conflict_do_update(
        index_elements=["organization_id", "monitor_type", "monitor_id", "day"],
        set_={
            "good": uptime_days.c.good + insert.excluded.good,
            "total": uptime_days.c.total + insert.excluded.total,
            "incidents": uptime_days.c.incidents + insert.excluded.incidents,
        },
    )
    rows = [
        {
            "organization_id": organization_id,
            "monitor_type": monitor_type,
            "monitor_id": each.monitor_id,
            "day": each.day,
            "good": each.good,
            "total": each.total,
            "incidents": each.incidents,
        }
        for each in sorted(counts, key=lambda count: (count.monitor_id, count.day))  # one order for all writers: no deadlocks
    ]
    await tx.execute(statement, rows)


async def read(tx: Transaction, organization_id: int, monitor_type: MonitorType, monitor_id: int, since: date) -> list[DayCount]:
    """The days of a monitor from one on, ascending."""
    statement = select(uptime_days).where(
        uptime_days.c.organization_id == organization_id,
        uptime_days.c.monitor_type == monitor_type,
        uptime_days.c.monitor_id == monitor_id,
        uptime_days.c.day >= since,
    )
    rows = await tx.execute(statement.order_by(uptime_days.c.day))
    return [DayCount(row.monitor_id, row.day, row.good, row.total, row.incidents) for row in rows]


async def read_sums(
    tx: Transaction, organization_id: int, monitor_type: MonitorType, monitor_ids: Collection[int], since: date, until: date | None
) -> dict[int, tuple[int, int]]:
    """Good and total of monitors, from one day on and before another; those without days are left out."""
    found: dict[int, tuple[int, int]] = {}
    ordered = sorted(monitor_ids)
    for start in range(0, len(ordered), IDS_PER_STATEMENT):
        sums = (func.sum(uptime_days.c.good).label("good"), func.sum(uptime_days.c.total).label("total"))
        statement = select(uptime_days.c.monitor_id, *sums).where(
            uptime_days.c.organization_id == organization_id,
            uptime_days.c.monitor_type == monitor_type,
            uptime_days.c.monitor_id.in_(ordered[start : start + IDS_PER_STATEMENT]),
            uptime_days.c.day >= since,
        )
        if until is not None:
            statement = statement.where(uptime_days.c.day < until)
        rows = await tx.execute(statement.group_by(uptime_days.c.monitor_id))
        found |= {row.monitor_id: (int(row.good), int(row.total)) for row in rows}
    return found


async def remove(tx: Transaction, organization_id: int, monitor_type: MonitorType, monitor_ids: Collection[int]) -> None:
    """Removes all days of monitors."""
    await tx.execute(
        delete(uptime_days).where(
            uptime_days.c.organization_id == organization_id,
            uptime_days.c.monitor_type == monitor_type,
            uptime_days.c.monitor_id.in_(sorted(monitor_ids)),
        )
    )


async def remove_before(tx: Transaction, day: date) -> int:
    """Removes the days of all organizations before one, and answers how many."""
    result = await tx.execute(delete(uptime_days).where(uptime_days.c.day < day))
    return int(result.rowcount)


async def read_mean_share(
    tx: Transaction, organization_id: int, monitor_types: Collection[str], weights: Mapping[date, float], ids: Collection[int] | None
) -> tuple[float, int]:
    """The sum of the shares of monitors over some days, of which each counts with its weight, and how many monitors it is of."""
    columns = uptime_days.c
    weight = case(*((columns.day == day, value) for day, value in weights.items()), else_=0.0)
    good, total = func.sum(columns.good * weight), func.sum(columns.total * weight)
    conditions = [columns.organization_id == organization_id, columns.monitor_type.in_(monitor_types), columns.day.in_(list(weights))]
    if ids is not None:
        conditions.append(columns.monitor_id.in_(sorted(ids)))
    shares = (
        select((good / total).label("share")).where(*conditions).group_by(columns.monitor_type, columns.monitor_id).having(total > 0)
    ).subquery()
    statement = select(func.coalesce(func.sum(shares.c.share), 0).label("shares"), func.count().label("monitors")).select_from(shares)
    row = (await tx.execute(statement)).one()
    return float(row.shares), int(row.monitors)
