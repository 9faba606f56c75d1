"""Incidents and the counter of each organization."""

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from sqlalchemy import BigInteger, Column, ColumnElement, Index, Integer, Row, String, Table, Text, bindparam, select, update

from lumetry_core.incidents.model import Classification, Incident, IncidentFilter, IncidentState
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

VALUES_PER_STATEMENT = 5000
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
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    Index("uq_incidents_organization_number", "organization_id", "number", unique=True),
    Index("ix_incidents_organization_start", "organization_id", "start_time", "id"),
    Index("ix_incidents_organization_state", "organization_id", "state", "start_time", "id"),
    Index("ix_incidents_organization_severity", "organization_id", "severity", "start_time", "id"),
    Index("ix_incidents_organization_service", "organization_id", "primary_service_node_id", "start_time", "id"),
    Index("ix_incidents_organization_ci", "organization_id", "primary_ci_node_id", "start_time", "id"),
    Index("ix_incidents_organization_key", "organization_id", "correlation_key", "state"),
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


async def lock_incidents(tx: Transaction, organization_id: int, ids: Collection[int], keys: Collection[str]) -> list[Incident]:
    """Incidents by id, and the unresolved ones of correlation keys, ascending by id, kept from changing until the transaction ends."""
    found: dict[int, Incident] = {}
    unresolved = incidents.c.state.in_([IncidentState.OPEN, IncidentState.ACKNOWLEDGED])
    conditions: list[tuple[ColumnElement[bool], ...]] = [(incidents.c.id.in_(part),) for part in split(sorted(ids))]
    conditions += [(incidents.c.correlation_key.in_(part), unresolved) for part in split(sorted(keys))]
    for condition in conditions:
        statement = select(incidents).where(incidents.c.organization_id == organization_id, *condition).order_by(incidents.c.id)
        rows = await tx.execute(statement.with_for_update())
        found |= {row.id: read_incident(row) for row in rows}
    return [found[number] for number in sorted(found)]


async def find_incident(tx: Transaction, organization_id: int, incident_id: int) -> Incident | None:
    """One incident."""
    row = (
        await tx.execute(select(incidents).where(incidents.c.organization_id == organization_id, incidents.c.id == incident_id))
    ).one_or_none()
    return None if row is None else read_incident(row)


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
