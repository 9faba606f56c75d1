"""Memberships of alerts, present and past."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Row, String, Table, Text, bindparam, delete, func, select, text, update

from lumetry_core.incidents.keys import Anchor, anchor_of
from lumetry_core.incidents.model import Joining, JoinReason, Member
from lumetry_core.incidents.store.incidents import split
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Time, Transaction, metadata

MILLISECOND = timedelta(milliseconds=1)
IS_ACTIVE = "leave_time IS NULL AND is_active"
"""Present members whose alert is active; spelled out in statements as in the partial index."""

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
    Column("ci_node_id", BigInteger),
    Column("persist_time", Time),
    Index("ix_incident_members_organization_alert", "organization_id", "alert_id"),
    Index(
        "ix_incident_members_active",
        "organization_id",
        "incident_id",
        "ci_node_id",
        "metric_key",
        sqlite_where=text(IS_ACTIVE),
        postgresql_where=text(IS_ACTIVE),
    ),
)


async def insert_members(tx: Transaction, organization_id: int, members: Sequence[Member]) -> None:
    """Records new memberships."""
    if members:
        await tx.execute(incident_members.insert(), [write_member(organization_id, member) for member in members])


async def update_members(tx: Transaction, organization_id: int, members: Sequence[Member]) -> None:
    """Writes what can change of memberships."""
    if not members:
        return
    statement = (
        update(incident_members)
        .where(
            incident_members.c.organization_id == organization_id,
            incident_members.c.incident_id == bindparam("of_incident"),
            incident_members.c.alert_id == bindparam("of_alert"),
        )
        .values(
            is_active=bindparam("active"),
            violation_count=bindparam("violations"),
            severity=bindparam("worst"),
            reason=bindparam("why"),
            leave_time=bindparam("left"),
            persist_time=bindparam("persisted"),
        )
    )
    rows = [
        {
            "of_incident": member.incident_id,
            "of_alert": member.alert_id,
            "active": member.is_active,
            "violations": member.violation_count,
            "worst": member.severity,
            "why": member.joining.reason,
            "left": member.leave_time,
            "persisted": member.persist_time,
        }
        for member in members
    ]
    await tx.execute(statement, rows)


async def count_active_members(tx: Transaction, organization_id: int, incident_ids: Collection[int]) -> dict[int, dict[Anchor, int]]:
    """How many active members incidents have, by what an alert must share with one of them; incidents without any are left out."""
    found: dict[int, dict[Anchor, int]] = {}
    columns = (incident_members.c.incident_id, incident_members.c.ci_node_id, incident_members.c.metric_key)
    for part in split(sorted(incident_ids)):
        rows = await tx.execute(
            select(*columns, func.count().label("member_count"))
            .where(incident_members.c.organization_id == organization_id, incident_members.c.incident_id.in_(part), text(IS_ACTIVE))
            .group_by(*columns)
        )
        for row in rows:
            anchor = anchor_of(row.ci_node_id, row.metric_key)
            if anchor is not None:
                of_incident = found.setdefault(row.incident_id, {})
                of_incident[anchor] = of_incident.get(anchor, 0) + row.member_count
    return found


async def find_active_members(tx: Transaction, organization_id: int, incident_ids: Collection[int]) -> list[Member]:
    """The present, active members of incidents, by incident, then by alert."""
    found = []
    for part in split(sorted(incident_ids)):
        rows = await tx.execute(
            select(incident_members)
            .where(incident_members.c.organization_id == organization_id, incident_members.c.incident_id.in_(part), text(IS_ACTIVE))
            .order_by(incident_members.c.incident_id, incident_members.c.alert_id)
        )
        found += [read_member(row) for row in rows]
    return found


async def list_members(tx: Transaction, organization_id: int, incident_id: int) -> list[Member]:
    """All memberships, present and past, in order of joining, then by start and alert."""
    rows = await tx.execute(
        select(incident_members)
        .where(incident_members.c.organization_id == organization_id, incident_members.c.incident_id == incident_id)
        .order_by(incident_members.c.join_time, incident_members.c.alert_time, incident_members.c.alert_id)
    )
    return [read_member(row) for row in rows]


async def delete_members(tx: Transaction, organization_id: int, incident_ids: Collection[int]) -> None:
    """Deletes all memberships of incidents."""
    for part in split(sorted(incident_ids)):
        conditions = incident_members.c.organization_id == organization_id, incident_members.c.incident_id.in_(part)
        await tx.execute(delete(incident_members).where(*conditions))


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
        "ci_node_id": member.ci_node_id,
        "persist_time": member.persist_time,
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
        ci_node_id=row.ci_node_id,
        persist_time=row.persist_time,
    )
