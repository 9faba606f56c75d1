"""Memberships of alerts, present and past."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Row, String, Table, Text, bindparam, select, update

from lumetry_core.incidents.model import Joining, JoinReason, Member
from lumetry_core.incidents.store.incidents import split
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Time, Transaction, metadata

MILLISECOND = timedelta(milliseconds=1)

incident_members = Table(
    "incident_members",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("incident_id", BigInteger, primary_key=True, autoincrement=False),
    Column("alert_id", BigInteger, primary_key=True, autoincrement=False),
    Column("alert_time", Time, nullable=False),
    Column("metric_key", Text),
    Column("is_active", Boolean, nullable=False),
    Column("violation_count", BigInteger, nullable=False),
    Column("severity", String(20), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("window_minutes", Integer, nullable=False),
    Column("reference_alert_id", BigInteger),
    Column("reference_time", Time),
    Column("gap_ms", BigInteger),
    Column("join_time", Time, nullable=False),
    Column("leave_time", Time),
    Index("ix_incident_members_organization_alert", "organization_id", "alert_id"),
)


async def insert_members(tx: Transaction, organization_id: int, members: Sequence[Member]) -> None:
    """Records new memberships."""
    if members:
        await tx.execute(incident_members.insert(), [write_member(organization_id, member) for member in members])


async def update_members(tx: Transaction, organization_id: int, members: Sequence[Member]) -> None:
    """Writes what is counted of present members."""
    if not members:
        return
    statement = (
        update(incident_members)
        .where(
            incident_members.c.organization_id == organization_id,
            incident_members.c.incident_id == bindparam("of_incident"),
            incident_members.c.alert_id == bindparam("of_alert"),
        )
        .values(is_active=bindparam("active"), violation_count=bindparam("violations"), severity=bindparam("worst"))
    )
    rows = [
        {
            "of_incident": member.incident_id,
            "of_alert": member.alert_id,
            "active": member.is_active,
            "violations": member.violation_count,
            "worst": member.severity,
        }
        for member in members
    ]
    await tx.execute(statement, rows)


async def find_present_members(tx: Transaction, organization_id: int, alert_ids: Collection[int]) -> dict[int, Member]:
    """The present membership of each alert that has one."""
    found: dict[int, Member] = {}
    for part in split(sorted(alert_ids)):
        rows = await tx.execute(
            select(incident_members).where(
                incident_members.c.organization_id == organization_id,
                incident_members.c.alert_id.in_(part),
                incident_members.c.leave_time.is_(None),
            )
        )
        found |= {row.alert_id: read_member(row) for row in rows}
    return found


async def list_member_ids(tx: Transaction, organization_id: int, incident_id: int, limit: int | None = None) -> list[int]:
    """Alerts that are or were members, newest first by start, then by id."""
    rows = await tx.execute(
        select(incident_members.c.alert_id)
        .where(incident_members.c.organization_id == organization_id, incident_members.c.incident_id == incident_id)
        .order_by(incident_members.c.alert_time.desc(), incident_members.c.alert_id.desc())
        .limit(limit)
    )
    return [row.alert_id for row in rows]


async def list_metric_keys(tx: Transaction, organization_id: int, incident_id: int) -> list[str]:
    """The distinct metrics of all members; in no order."""
    rows = await tx.execute(
        select(incident_members.c.metric_key)
        .where(
            incident_members.c.organization_id == organization_id,
            incident_members.c.incident_id == incident_id,
            incident_members.c.metric_key.is_not(None),
        )
        .distinct()
    )
    return [row.metric_key for row in rows]


def write_member(organization_id: int, member: Member) -> dict[str, Any]:
    """A membership as its row."""
    joining = member.joining
    return {
        "organization_id": organization_id,
        "incident_id": member.incident_id,
        "alert_id": member.alert_id,
        "alert_time": member.alert_time,
        "metric_key": member.metric_key,
        "is_active": member.is_active,
        "violation_count": member.violation_count,
        "severity": member.severity,
        "reason": joining.reason,
        "window_minutes": joining.window // timedelta(minutes=1),
        "reference_alert_id": joining.reference_alert_id,
        "reference_time": joining.reference_time,
        "gap_ms": None if joining.gap is None else joining.gap // MILLISECOND,
        "join_time": member.join_time,
        "leave_time": member.leave_time,
    }


def read_member(row: Row[Any]) -> Member:
    """A row as its model."""
    return Member(
        incident_id=row.incident_id,
        alert_id=row.alert_id,
        alert_time=row.alert_time,
        metric_key=row.metric_key,
        is_active=row.is_active,
        violation_count=row.violation_count,
        severity=Severity(row.severity),
        joining=Joining(
            reason=JoinReason(row.reason),
            window=timedelta(minutes=row.window_minutes),
            reference_alert_id=row.reference_alert_id,
            reference_time=row.reference_time,
            gap=None if row.gap_ms is None else row.gap_ms * MILLISECOND,
        ),
        join_time=row.join_time,
        leave_time=row.leave_time,
    )
