"""Incidents and the counter of each organization."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    bindparam,
    delete,
    or_,
    select,
    text,
    update,
)

from lumetry_core.incidents.model import Classification, Incident, IncidentFilter, IncidentState
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

VALUES_PER_STATEMENT = 5000
IS_WATCHED = "state = 'Resolved' AND active_alert_count > 0"
"""Incidents whose active members are watched. Spelled out in statements, because bound values would keep SQLite from using the index."""
IS_INACTIVE = "state <> 'Resolved' AND inactive_time IS NOT NULL"
"""Unresolved incidents without active member."""
T = TypeVar("T")

incident_counters = Table(
    "incident_counters",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("last_number", BigInteger, nullable=False),
)
incidents = Table(
    "incidents",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("correlation_key", Text),
    Column("primary_service_node_id", BigInteger),
    Column("primary_service_name", Text),
    Column("primary_ci_node_id", BigInteger),
    Column("primary_ci_name", Text),
    Column("primary_metric_key", Text),
    Column("severity", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("start_time", Time, nullable=False),
    Column("newest_alert_id", BigInteger, nullable=False),
    Column("newest_alert_time", Time, nullable=False),
    Column("alert_count", BigInteger, nullable=False),
    Column("active_alert_count", BigInteger, nullable=False),
    Column("violation_count", BigInteger, nullable=False),
    Column("acknowledge_time", Time),
    Column("acknowledged_by_user_name", Text),
    Column("acknowledge_note", Text),
    Column("resolve_time", Time),
    Column("resolved_by_user_name", Text),
    Column("resolve_note", Text),
    Column("resolution_classification", String(20)),
    Column("active_alert_count_at_resolution", BigInteger),
    Column("reopen_count", Integer, nullable=False),
    Column("last_reopen_time", Time),
    Column("reopen_reason", Text),
    Column("follow_up_of_incident_id", BigInteger),
    Column("follow_up_incident_id", BigInteger),
    Column("inactive_time", Time),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    Index("uq_incidents_organization_number", "organization_id", "number", unique=True),
    Index("ix_incidents_organization_start", "organization_id", "start_time", "id"),
    Index("ix_incidents_organization_state", "organization_id", "state", "start_time", "id"),
    Index("ix_incidents_organization_severity", "organization_id", "severity", "start_time", "id"),
    Index("ix_incidents_organization_service", "organization_id", "primary_service_node_id", "start_time", "id"),
    Index("ix_incidents_organization_ci", "organization_id", "primary_ci_node_id", "start_time", "id"),
    Index("ix_incidents_organization_key", "organization_id", "correlation_key", "state", "active_alert_count", "newest_alert_time"),
    Index("ix_incidents_organization_resolve", "organization_id", "resolve_time"),
    Index("ix_incidents_watched", "organization_id", "id", sqlite_where=text(IS_WATCHED), postgresql_where=text(IS_WATCHED)),
    Index("ix_incidents_inactive", "organization_id", "inactive_time", sqlite_where=text(IS_INACTIVE), postgresql_where=text(IS_INACTIVE)),
    sqlite_autoincrement=True,
)
IDENTITY = frozenset({"id", "organization_id", "number", "create_time"})


async def take_numbers(tx: Transaction, organization_id: int, count: int) -> range:
    """Takes the organization's next numbers; the counter stays locked until the transaction ends, so none is skipped or taken twice."""
    advance = (
        tx.insert(incident_counters)
        .values(organization_id=organization_id, last_number=count)
        .on_conflict_do_update(index_elements=["organization_id"], set_={"last_number": incident_counters.c.last_number + count})
        .returning(incident_counters.c.last_number)
    )
    last = (await tx.execute(advance)).scalar_one()
    return range(last - count + 1, last + 1)


async def insert_incidents(tx: Transaction, opened: Sequence[Incident]) -> dict[int, int]:
    """Inserts incidents of one organization; tells the id of each number."""
    if not opened:
        return {}
    names = [column.name for column in incidents.columns if column.name != "id"]
    rows = [{name: getattr(incident, name) for name in names} for incident in opened]
    result = await tx.execute(incidents.insert().returning(incidents.c.number, incidents.c.id), rows)
    return {row.number: row.id for row in result}


async def update_incidents(tx: Transaction, organization_id: int, changed: Sequence[Incident]) -> None:
    """Writes everything that can change of incidents that this transaction has locked."""
    if not changed:
        return
    names = [column.name for column in incidents.columns if column.name not in IDENTITY]
    statement = (
        update(incidents)
        .where(incidents.c.organization_id == organization_id, incidents.c.id == bindparam("row_id"))
        .values({name: bindparam(f"new_{name}") for name in names})
    )
    rows = [{"row_id": incident.id} | {f"new_{name}": getattr(incident, name) for name in names} for incident in changed]
    await tx.execute(statement, rows)


async def lock_incidents(tx: Transaction, organization_id: int, ids: Collection[int]) -> list[Incident]:
    """Incidents by id, ascending, kept from changing until the transaction ends; unknown ones are left out."""
    found = []
    for part in split(sorted(ids)):
        statement = select(incidents).where(incidents.c.organization_id == organization_id, incidents.c.id.in_(part))
        found += [read_incident(row) for row in await tx.execute(statement.order_by(incidents.c.id).with_for_update())]
    return found


async def find_candidate_ids(tx: Transaction, organization_id: int, keys: Collection[str], start: datetime, end: datetime) -> set[int]:
    """Unresolved incidents of correlation keys that have an active member, or whose newest member started between two times."""
    found: set[int] = set()
    unresolved = incidents.c.state.in_([IncidentState.OPEN, IncidentState.ACKNOWLEDGED])
    near = incidents.c.newest_alert_time.between(start, end)
    for part in split(sorted(keys)):
        statement = select(incidents.c.id).where(
            incidents.c.organization_id == organization_id,
            incidents.c.correlation_key.in_(part),
            unresolved,
            or_(incidents.c.active_alert_count > 0, near),
        )
        found |= {row.id for row in await tx.execute(statement)}
    return found


async def find_watched_ids(tx: Transaction, organization_id: int) -> list[int]:
    """Resolved incidents with active members, ascending."""
    statement = select(incidents.c.id).where(incidents.c.organization_id == organization_id, text(IS_WATCHED)).order_by(incidents.c.id)
    return [row.id for row in await tx.execute(statement)]


async def find_inactive_ids(tx: Transaction, organization_id: int, since: datetime, limit: int) -> list[int]:
    """Unresolved incidents that have had no active member since a time, longest first."""
    statement = (
        select(incidents.c.id)
        .where(incidents.c.organization_id == organization_id, text(IS_INACTIVE), incidents.c.inactive_time <= since)
        .order_by(incidents.c.inactive_time, incidents.c.id)
        .limit(limit)
    )
    return [row.id for row in await tx.execute(statement)]


async def find_ended_ids(tx: Transaction, organization_id: int, before: datetime, limit: int) -> list[int]:
    """Incidents that were resolved before a time and have no active member, longest first."""
    statement = (
        select(incidents.c.id)
        .where(incidents.c.organization_id == organization_id, incidents.c.resolve_time < before, incidents.c.active_alert_count == 0)
        .order_by(incidents.c.resolve_time, incidents.c.id)
        .limit(limit)
    )
    return [row.id for row in await tx.execute(statement)]


async def delete_incidents(tx: Transaction, organization_id: int, ids: Collection[int]) -> None:
    """Deletes incidents."""
    for part in split(sorted(ids)):
        await tx.execute(delete(incidents).where(incidents.c.organization_id == organization_id, incidents.c.id.in_(part)))


async def find_incidents(tx: Transaction, organization_id: int, ids: Collection[int]) -> list[Incident]:
    """Incidents by id, ascending; unknown ones are left out."""
    found = []
    for part in split(sorted(ids)):
        statement = select(incidents).where(incidents.c.organization_id == organization_id, incidents.c.id.in_(part))
        found += [read_incident(row) for row in await tx.execute(statement.order_by(incidents.c.id))]
    return found


async def list_incidents(tx: Transaction, organization_id: int, which: IncidentFilter) -> list[Incident]:
    """Incidents, newest first by start, then by id."""
    wanted: dict[ColumnElement[Any], object] = {
        incidents.c.state: which.state,
        incidents.c.severity: which.severity,
        incidents.c.primary_service_node_id: which.service_node_id,
        incidents.c.primary_ci_node_id: which.ci_node_id,
    }
    statement = select(incidents).where(incidents.c.organization_id == organization_id)
    for column, value in wanted.items():
        if value is not None:
            statement = statement.where(column == value)
    if which.start_time is not None:
        statement = statement.where(incidents.c.start_time >= which.start_time)
    if which.end_time is not None:
        statement = statement.where(incidents.c.start_time <= which.end_time)
    rows = await tx.execute(statement.order_by(incidents.c.start_time.desc(), incidents.c.id.desc()).limit(which.limit))
    return [read_incident(row) for row in rows]


def read_incident(row: Row[Any]) -> Incident:
    """A row as its model."""
    values = dict(row._mapping)
    classification = values["resolution_classification"]
    values |= {
        "severity": Severity(values["severity"]),
        "state": IncidentState(values["state"]),
        "resolution_classification": None if classification is None else Classification(classification),
    }
    return Incident(**values)


def split(values: Sequence[T]) -> list[Sequence[T]]:
    """The values in parts that one statement can carry."""
    return [values[start : start + VALUES_PER_STATEMENT] for start in range(0, len(values), VALUES_PER_STATEMENT)]
