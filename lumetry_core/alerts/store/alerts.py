"""Alerts in the database: the table, and what is written to it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    bindparam,
    func,
    select,
    text,
    update,
)

from lumetry_core.alerts.model import Alert
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

IDS_PER_STATEMENT = 5000

IS_ACTIVE = "state <> 'Closed'"
"""The rows of which a rule and dimension key have at most one."""
IS_DETECTED = f"{IS_ACTIVE} AND source_kind = 'FleetDetector'"
"""The rows of which a metric and dimension key have at most one."""
IS_REPORTED = "source_kind = 'External'"
"""The rows that have a source and an occurrence."""
IS_MONITORED = f"{IS_ACTIVE} AND source_kind = 'Monitor'"
"""The rows of which a monitor and alert type have at most one."""
IS_SILENCED = f"{IS_ACTIVE} AND silence_id IS NOT NULL"

alerts = Table(
    "alerts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("rule_id", BigInteger),
    Column("rule_epoch", Integer, nullable=False),
    Column("metric_key", Text),
    Column("metric_display_name", Text),
    Column("dimension_key", Text, nullable=False),
    Column("alert_name", Text, nullable=False),
    Column("source_kind", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("alert_level_id", BigInteger),
    Column("trigger_reason", Text, nullable=False),
    Column("violation_count", BigInteger, nullable=False),
    Column("start_time", Time, nullable=False),
    Column("end_time", Time),
    Column("acknowledge_time", Time),
    Column("incident_id", BigInteger),
    Column("incident_eligibility", String(40)),
    Column("watch_start_time", Time),
    Column("last_resolved_incident_id", BigInteger),
    Column("first_violation_time", Time),
    Column("last_not_clear_time", Time),
    Column("close_cause", String(20)),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    Column("related_service_id", BigInteger),
    Column("related_service_name", Text),
    Column("related_ci_id", BigInteger),
    Column("related_ci_name", Text),
    Column("maintenance_window_id", BigInteger),
    Column("topology_node_id", BigInteger),
    Column("title", Text),
    Column("description", Text),
    Column("labels", Text),
    Column("external_source_id", BigInteger),
    Column("external_source_name", Text),
    Column("external_definition_id", BigInteger),
    Column("external_definition_key", Text),
    Column("external_instance_key", Text),
    Column("external_occurrence_key", Text),
    Column("acknowledged_by", Text),
    Column("escalate_time", Time),
    Column("silence_id", BigInteger),
    Column("monitor_source", String(20)),
    Column("alert_type", String(40)),
    Column("entity_type", String(20)),
    Column("entity_id", BigInteger),
    Column("entity_name", Text),
    Column("subject_type", String(20)),
    Column("subject_id", BigInteger),
    Column("subject_name", Text),
    Column("details", Text),
    Column("renewal", String(100)),
    Column("channel_names", Text),
    Index("ix_alerts_organization_start", "organization_id", "start_time", "id"),
    Index("ix_alerts_organization_state", "organization_id", "state", "start_time", "id"),
    Index("ix_alerts_organization_state_severity", "organization_id", "state", "severity", "start_time", "id"),
    Index("ix_alerts_organization_severity", "organization_id", "severity", "start_time", "id"),
    Index("ix_alerts_organization_source", "organization_id", "source_kind", "start_time", "id"),
    Index("ix_alerts_organization_metric", "organization_id", "metric_key", "start_time", "id"),
    Index("ix_alerts_organization_rule", "organization_id", "rule_id", "start_time", "id"),
    Index("ix_alerts_organization_incident", "organization_id", "incident_id", "start_time", "id"),
    Index("ix_alerts_organization_dimension", "organization_id", "dimension_key", "start_time", "id"),
    Index(
        "uq_alerts_active",
        "organization_id",
        "rule_id",
        "dimension_key",
        unique=True,
        sqlite_where=text(IS_ACTIVE),
        postgresql_where=text(IS_ACTIVE),
    ),
    Index(
        "uq_alerts_detected",
        "organization_id",
        "metric_key",
        "dimension_key",
        unique=True,
        sqlite_where=text(IS_DETECTED),
        postgresql_where=text(IS_DETECTED),
    ),
    Index(
        "uq_alerts_monitored",
        "organization_id",
        "entity_type",
        "entity_id",
        "monitor_source",
        "alert_type",
        unique=True,
        sqlite_where=text(IS_MONITORED),
        postgresql_where=text(IS_MONITORED),
    ),
    Index(
        "ix_alerts_organization_entity",
        "organization_id",
        "entity_type",
        "entity_id",
        "end_time",
        sqlite_where=text("source_kind = 'Monitor'"),
        postgresql_where=text("source_kind = 'Monitor'"),
    ),
    Index(
        "ix_alerts_organization_silenced",
        "organization_id",
        "silence_id",
        sqlite_where=text(IS_SILENCED),
        postgresql_where=text(IS_SILENCED),
    ),
    Index(
        "ix_alerts_organization_occurrence",
        "organization_id",
        "external_source_id",
        "external_occurrence_key",
        sqlite_where=text(IS_REPORTED),
        postgresql_where=text(IS_REPORTED),
    ),
    Index(
        "ix_alerts_organization_ci",
        "organization_id",
        "related_ci_id",
        sqlite_where=text(IS_ACTIVE),
        postgresql_where=text(IS_ACTIVE),
    ),
    Index(
        "ix_alerts_organization_service",
        "organization_id",
        "related_service_id",
        sqlite_where=text(IS_ACTIVE),
        postgresql_where=text(IS_ACTIVE),
    ),
    sqlite_autoincrement=True,
)


FIELDS = tuple(field.name for field in fields(Alert))
"""All columns in the order of the model."""
DOCUMENTS = ("labels", "details", "channel_names")
"""Columns that hold JSON."""


async def insert_alerts(tx: Transaction, drafts: Sequence[Alert]) -> list[int]:
    """Adds alerts, whatever number they say they have; answers their numbers, which rise in the order of the drafts."""
    if not drafts:
        return []
    ids = await take_ids(tx, len(drafts))
    rows = [{name: getattr(draft, name) for name in FIELDS} for draft in drafts]
    for row, number in zip(rows, ids, strict=True):
        row["id"] = number
        row["dimension_key"] = row["dimension_key"] or ""
        for name in DOCUMENTS:
            row[name] = None if row[name] is None else write_document(row[name])
    await tx.execute(alerts.insert(), rows)
    return ids


def write_document(value: Any) -> str:  # noqa: ANN401 -- what JSON knows
    """Labels, details or names as they are stored."""
    return msgspec.json.encode(value, order="sorted").decode()


async def take_ids(tx: Transaction, count: int) -> list[int]:
    """Numbers for new alerts, ascending, never given before.

    Taken beforehand, because inserting many rows and asking for the numbers that they got runs row by row on SQLite.
    """
    if tx.is_postgresql:
        sequence = func.nextval(func.pg_get_serial_sequence("alerts", "id"))
        rows = await tx.execute(select(sequence).select_from(func.generate_series(1, count)))
        return sorted(row[0] for row in rows)
    last = (await tx.execute(text("SELECT seq FROM sqlite_sequence WHERE name = 'alerts'"))).scalar_one_or_none() or 0
    return list(range(last + 1, last + count + 1))


async def update_alerts(tx: Transaction, organization_id: int, changes: Mapping[int, Mapping[str, Any]]) -> None:
    """Sets columns of alerts by number; every alert sets the same columns."""
    if not changes:
        return
    columns = next(iter(changes.values()))
    statement = (
        update(alerts)
        .where(alerts.c.organization_id == organization_id, alerts.c.id == bindparam("alert_id"))
        .values({column: bindparam(f"new_{column}") for column in columns})
    )
    rows = [{"alert_id": alert_id, **{f"new_{column}": value for column, value in values.items()}} for alert_id, values in changes.items()]
    await tx.execute(statement, rows)


async def update_alike(tx: Transaction, organization_id: int, ids: Collection[int], columns: Mapping[str, Any]) -> None:
    """Sets the same columns of many alerts to the same values."""
    for part in parts(ids):
        await tx.execute(update(alerts).where(alerts.c.organization_id == organization_id, alerts.c.id.in_(part)).values(columns))


def parts(ids: Collection[int]) -> Iterable[list[int]]:
    """Numbers in ascending parts, as databases limit the parameters of a statement."""
    ordered = sorted(ids)
    return (ordered[start : start + IDS_PER_STATEMENT] for start in range(0, len(ordered), IDS_PER_STATEMENT))


async def raise_violation_counts(tx: Transaction, organization_id: int, counts: Mapping[int, int]) -> None:
    """Adds to the violation counts of alerts by number."""
    if not counts:
        return
    statement = (
        update(alerts)
        .where(alerts.c.organization_id == organization_id, alerts.c.id == bindparam("alert_id"))
        .values(violation_count=alerts.c.violation_count + bindparam("added"))
    )
    await tx.execute(statement, [{"alert_id": alert_id, "added": count} for alert_id, count in sorted(counts.items())])
