"""Incidents without what people read."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Label, func, or_, select, type_coerce

from lumetry_core.incidents.figures import Handled, Handling, Unresolved
from lumetry_core.incidents.model import IncidentState
from lumetry_core.incidents.store.incidents import incidents
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.clock import from_ms
from lumetry_core.runtime.database import Transaction

HOUR_MS = 3_600_000
columns = incidents.c
SHOWN = (
    columns.id,
    columns.number,
    columns.severity,
    columns.state,
    columns.primary_service_name,
    columns.primary_ci_name,
    columns.primary_metric_key,
    columns.alert_count,
    columns.active_alert_count,
    columns.start_time,
)
UNRESOLVED = (IncidentState.OPEN, IncidentState.ACKNOWLEDGED)


async def list_unresolved(tx: Transaction, organization_id: int) -> list[Unresolved]:
    """Every incident that is not resolved, newest first by start, then by id."""
    statement = (
        select(*SHOWN)
        .where(columns.organization_id == organization_id, columns.state.in_(UNRESOLVED))
        .order_by(columns.start_time.desc(), columns.id.desc())
    )
    return [
        Unresolved(
            id=row.id,
            number=row.number,
            severity=Severity(row.severity),
            state=IncidentState(row.state),
            primary_service_name=row.primary_service_name,
            primary_ci_name=row.primary_ci_name,
            primary_metric_key=row.primary_metric_key,
            alert_count=row.alert_count,
            active_alert_count=row.active_alert_count,
            start_time=row.start_time,
        )
        for row in await tx.execute(statement)
    ]


async def list_handled(tx: Transaction, organization_id: int, since: datetime) -> list[Handled]:
    """Incidents that began or were resolved since a time."""
    statement = select(columns.id, columns.start_time, columns.acknowledge_time, columns.resolve_time).where(
        columns.organization_id == organization_id, or_(columns.start_time >= since, columns.resolve_time >= since)
    )
    return [Handled(row.id, row.start_time, row.acknowledge_time, row.resolve_time) for row in await tx.execute(statement)]


async def measure_handling(tx: Transaction, organization_id: int, counted_since: datetime, since: datetime) -> Handling:
    """How incidents were handled that began or were resolved since a time."""
    of = columns.organization_id == organization_id
    start, hour = number(columns.start_time), hour_of(tx)
    acknowledging = select(func.avg(number(columns.acknowledge_time) - start)).where(
        of, columns.start_time >= since, columns.acknowledge_time.is_not(None)
    )
    resolving = select(func.avg(number(columns.resolve_time) - start)).where(of, columns.resolve_time >= since)
    resolved = select(func.count()).where(of, columns.resolve_time >= counted_since)
    row = (
        await tx.execute(
            select(
                acknowledging.scalar_subquery().label("acknowledging"),
                resolving.scalar_subquery().label("resolving"),
                resolved.scalar_subquery().label("resolved"),
            )
        )
    ).one()
    rows = await tx.execute(select(hour, func.count().label("opened")).where(of, columns.start_time >= counted_since).group_by("hour"))
    by_hour = tuple((from_ms(int(each.hour) * HOUR_MS), each.opened) for each in rows)
    means = [None if mean is None else float(mean) for mean in (row.acknowledging, row.resolving)]
    return Handling(sum(opened for _, opened in by_hour), row.resolved, means[0], means[1], by_hour)


def number(column: ColumnElement[Any]) -> ColumnElement[int]:
    """A time as it is stored."""
    return type_coerce(column, BigInteger)


def hour_of(tx: Transaction) -> Label[Any]:
    """The UTC hour in which an incident began, counted since the Unix epoch."""
    started = number(columns.start_time)
    return (func.div(started, HOUR_MS) if tx.is_postgresql else started.op("/")(HOUR_MS)).label("hour")
