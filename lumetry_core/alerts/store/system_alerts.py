"""System alerts in the database."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, String, Table, Text, literal_column, select, text, update

from lumetry_core.alerts.model import SystemAlert, SystemAlertState
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

IS_OPEN = "state = 'Open'"
"""Spelled out in statements as in the partial index, because a bound value would keep SQLite from using it."""

system_alerts = Table(
    "system_alerts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("code", String(60), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("message", Text, nullable=False),
    Column("subject_type", String(60), nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("first_seen_time", Time, nullable=False),
    Column("last_seen_time", Time, nullable=False),
    Column("close_time", Time),
    Column("occurrence_count", BigInteger, nullable=False),
    Index("ix_system_alerts_organization_first_seen", "organization_id", "first_seen_time", "id"),
    Index("ix_system_alerts_organization_state", "organization_id", "state", "first_seen_time", "id"),
    Index(
        "uq_system_alerts_open",
        "organization_id",
        "code",
        "subject_type",
        "subject_id",
        unique=True,
        sqlite_where=text(IS_OPEN),
        postgresql_where=text(IS_OPEN),
    ),
    sqlite_autoincrement=True,
)


async def raise_or_repeat(
    tx: Transaction,
    organization_id: int,
    *,
    code: str,
    severity: Severity,
    message: str,
    subject_type: str,
    subject_id: str,
    now: datetime,
) -> SystemAlert:
    """Opens a system alert, or counts an occurrence of the open one, whose severity and message become the newest."""
    insert = tx.insert(system_alerts).values(
        organization_id=organization_id,
        code=code,
        severity=severity,
        state=SystemAlertState.OPEN,
        message=message,
        subject_type=subject_type,
        subject_id=subject_id,
        first_seen_time=now,
        last_seen_time=now,
        occurrence_count=1,
    )
    statement = insert.on_conflict_do_update(
        index_elements=["organization_id", "code", "subject_type", "subject_id"],
        index_where=text(IS_OPEN),
        set_={
            "severity": insert.excluded.severity,
            "message": insert.excluded.message,
            "last_seen_time": insert.excluded.last_seen_time,
            "occurrence_count": system_alerts.c.occurrence_count + literal_column("1"),
        },
    ).returning(system_alerts)
    return read_row((await tx.execute(statement)).one())


async def close_open(
    tx: Transaction, organization_id: int, code: str, subject_type: str, subject_id: str, now: datetime
) -> SystemAlert | None:
    """Closes the open system alert of a code and subject; None when there is none."""
    statement = (
        update(system_alerts)
        .where(
            system_alerts.c.organization_id == organization_id,
            system_alerts.c.code == code,
            system_alerts.c.subject_type == subject_type,
            system_alerts.c.subject_id == subject_id,
            text(IS_OPEN),
        )
        .values(state=SystemAlertState.CLOSED, close_time=now)
        .returning(system_alerts)
    )
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else read_row(row)


async def select_system_alerts(tx: Transaction, organization_id: int, state: SystemAlertState | None, limit: int) -> list[SystemAlert]:
    """Reads the newest system alerts by first occurrence, then by number, both descending."""
    statement = select(system_alerts).where(system_alerts.c.organization_id == organization_id)
    if state is not None:
        statement = statement.where(system_alerts.c.state == state)
    statement = statement.order_by(system_alerts.c.first_seen_time.desc(), system_alerts.c.id.desc()).limit(limit)
    return [read_row(row) for row in await tx.execute(statement)]


def read_row(row: Any) -> SystemAlert:  # noqa: ANN401 -- a row of the table
    """A system alert from its row."""
    return SystemAlert(
        id=row.id,
        organization_id=row.organization_id,
        code=row.code,
        severity=Severity(row.severity),
        state=SystemAlertState(row.state),
        message=row.message,
        subject_type=row.subject_type,
        subject_id=row.subject_id,
        first_seen_time=row.first_seen_time,
        last_seen_time=row.last_seen_time,
        close_time=row.close_time,
        occurrence_count=row.occurrence_count,
    )
