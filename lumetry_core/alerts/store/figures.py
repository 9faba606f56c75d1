"""Counts of alerts, and alerts without what people read."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Label, Select, func, select, type_coerce

from lumetry_core.alerts.figures import FiredCount, Mark, Subject
from lumetry_core.alerts.model import SourceKind
from lumetry_core.alerts.store.alerts import alerts, parts
from lumetry_core.alerts.store.selection import ACTIVE
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.clock import from_ms
from lumetry_core.runtime.database import Transaction

HOUR_MS = 3_600_000
columns = alerts.c
SUBJECT = (
    columns.entity_type,
    columns.entity_id,
    columns.metric_key,
    columns.topology_node_id,
    columns.related_ci_id,
    columns.related_service_id,
)


def read_subject(row: Any) -> Subject:  # noqa: ANN401 -- a row with the columns of a subject
    """What the alerts of a row are about."""
    return Subject(row.entity_type, row.entity_id, row.metric_key, row.topology_node_id, row.related_ci_id, row.related_service_id)


async def list_active_marks(tx: Transaction, organization_id: int) -> list[Mark]:
    """Every active alert, by number."""
    statement = (
        select(
            columns.id,
            columns.severity,
            columns.source_kind,
            columns.monitor_source,
            columns.dimension_key,
            columns.incident_id,
            columns.silence_id,
            *SUBJECT,
        )
        .where(columns.organization_id == organization_id, columns.state.in_(ACTIVE))
        .order_by(columns.id)
    )
    return [
        Mark(
            id=row.id,
            severity=Severity(row.severity),
            source=row.monitor_source if row.source_kind == SourceKind.MONITOR else row.source_kind,
            dimension_key=row.dimension_key,
            incident_id=row.incident_id,
            is_silenced=row.silence_id is not None,
            subject=read_subject(row),
        )
        for row in await tx.execute(statement)
    ]


async def count_fired(tx: Transaction, organization_id: int, since: datetime) -> list[tuple[datetime, int]]:
    """How many alerts started since a time, by UTC hour."""
    rows = await tx.execute(
        select(hour_of(tx), func.count().label("fired"))
        .where(columns.organization_id == organization_id, columns.start_time >= since)
        .group_by("hour")
    )
    return [(from_ms(int(row.hour) * HOUR_MS), row.fired) for row in rows]


async def list_fired(tx: Transaction, organization_id: int, since: datetime) -> list[FiredCount]:
    """The same, by what the alerts are about as well."""
    statement = (
        select(hour_of(tx), func.count().label("fired"), *SUBJECT)
        .where(columns.organization_id == organization_id, columns.start_time >= since)
        .group_by("hour", *SUBJECT)
    )
    return [FiredCount(from_ms(int(row.hour) * HOUR_MS), read_subject(row), row.fired) for row in await tx.execute(statement)]


def hour_of(tx: Transaction) -> Label[Any]:
    """The UTC hour in which an alert started, counted since the Unix epoch."""
    started = type_coerce(columns.start_time, BigInteger)
    return (func.div(started, HOUR_MS) if tx.is_postgresql else started.op("/")(HOUR_MS)).label("hour")


async def list_incident_subjects(tx: Transaction, organization_id: int, incident_ids: Collection[int]) -> dict[int, set[Subject]]:
    """What the alerts of incidents are about, by incident."""
    found: dict[int, set[Subject]] = {}
    for part in parts(incident_ids):
        statement: Select[Any] = (
            select(columns.incident_id, *SUBJECT)
            .where(columns.organization_id == organization_id, columns.incident_id.in_(part))
            .distinct()
        )
        for row in await tx.execute(statement):
            found.setdefault(row.incident_id, set()).add(read_subject(row))
    return found
