"""The outbox in the database: deliveries that were made, wait, or were decided against."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    select,
    text,
    update,
)

from lumetry_core.alerts.decisions import Record, Transition
from lumetry_core.notifications.delivery import Cause, Delivery, DeliveryFilter, DeliveryStatus
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

IS_WAITING = "status = 'Pending'"
"""Spelled out, as neither database uses a partial index for a parameter."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("alert_id", BigInteger, nullable=False),
    Column("transition", String(20), nullable=False),
    Column("traced", String(20), nullable=False),
    Column("profile_id", BigInteger),
    Column("integration_id", BigInteger, nullable=False),  # 0: the deployment's fallback, as NULL would not be unique
    Column("incident_id", BigInteger),
    Column("severity", String(20), nullable=False),
    Column("cooldown_key", Text),
    Column("is_active", Boolean, nullable=False),
    Column("status", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("status_code", Integer),
    Column("last_error", Text),
    Column("reason", String(40)),
    Column("record_type", String(40)),
    Column("record_id", String(100)),
    Column("record_name", Text),
    Column("next_attempt_time", Time),
    Column("lease_owner", String(40)),
    Column("lease_time", Time),
    Column("create_time", Time, nullable=False),
    Column("deliver_time", Time),
    Column("content", LargeBinary),
    UniqueConstraint("organization_id", "alert_id", "transition", "integration_id"),
    Index("ix_deliveries_organization_id_create_time", "organization_id", "create_time", "id"),
    Index("ix_deliveries_organization_id_incident_id", "organization_id", "incident_id"),
    Index("ix_deliveries_organization_id_cooldown_key", "organization_id", "cooldown_key", "deliver_time"),
    Index(
        "ix_deliveries_waiting",
        "organization_id",
        "integration_id",
        "id",
        sqlite_where=text(IS_WAITING),
        postgresql_where=text(IS_WAITING),
    ),
    sqlite_autoincrement=True,
)

PARTS = 1000
"""Numbers in one statement."""


def parts(values: Iterable[Any]) -> Iterator[list[Any]]:
    """The values, ascending, in portions that one statement can carry."""
    ordered = sorted(set(values))
    for start in range(0, len(ordered), PARTS):
        yield ordered[start : start + PARTS]


async def insert_deliveries(tx: Transaction, drafts: Sequence[Delivery]) -> list[Delivery]:
    """Adds deliveries under new numbers, which rise in their order."""
    if not drafts:
        return []
    numbers = await take_ids(tx, len(drafts))
    added = [replace(draft, id=number) for draft, number in zip(drafts, numbers, strict=True)]
    await tx.execute(deliveries.insert(), [write_row(delivery) for delivery in added])
    return added


async def take_ids(tx: Transaction, count: int) -> list[int]:
    """Numbers for new rows, ascending, never given before: asking for those that an insert gave runs row by row on SQLite."""
    if tx.is_postgresql:
        sequence = func.nextval(func.pg_get_serial_sequence("deliveries", "id"))
        rows = await tx.execute(select(sequence).select_from(func.generate_series(1, count)))
        return sorted(row[0] for row in rows)
    last = (await tx.execute(text("SELECT seq FROM sqlite_sequence WHERE name = 'deliveries'"))).scalar_one_or_none() or 0
    return list(range(last + 1, last + count + 1))


async def update_deliveries(tx: Transaction, organization_id: int, changed: Sequence[Delivery]) -> None:
    """Replaces rows by number."""
    if not changed:
        return
    statement = (
        update(deliveries)
        .where(deliveries.c.organization_id == organization_id, deliveries.c.id == bindparam("of_id"))
        .values({name: bindparam(f"new_{name}") for name in CHANGEABLE})
    )
    rows = []
    for delivery in changed:
        row = write_row(delivery)
        rows.append({"of_id": delivery.id} | {f"new_{name}": row[name] for name in CHANGEABLE})
    await tx.execute(statement, rows)


async def end_alerts(tx: Transaction, organization_id: int, alert_ids: Collection[int]) -> None:
    """Notes that alerts are not active any more."""
    for part in parts(alert_ids):
        of_alerts = (deliveries.c.organization_id == organization_id, deliveries.c.alert_id.in_(part))
        await tx.execute(update(deliveries).where(*of_alerts, deliveries.c.is_active).values(is_active=False))


async def find_delivery(tx: Transaction, organization_id: int, delivery_id: int) -> Delivery | None:
    """The delivery of a number."""
    statement = select(deliveries).where(deliveries.c.organization_id == organization_id, deliveries.c.id == delivery_id)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else read_row(row)


async def read_of_alerts(tx: Transaction, organization_id: int, alert_ids: Collection[int], *, lock: bool = False) -> list[Delivery]:
    """Reads all deliveries of alerts, by number, ascending.

    Args:
        lock: Keeps others from changing them until the transaction ends.
    """
    found = []
    for part in parts(alert_ids):
        statement = select(deliveries).where(deliveries.c.organization_id == organization_id, deliveries.c.alert_id.in_(part))
        statement = statement.order_by(deliveries.c.id)
        found += [read_row(row) for row in await tx.execute(statement.with_for_update() if lock else statement)]
    return found


async def read_standing(tx: Transaction, organization_id: int, incident_ids: Collection[int]) -> list[tuple[int, int, int, Severity]]:
    """Incident, integration, alert and severity of what was told, or is being told, of alerts of incidents that are still active."""
    found = []
    columns = (deliveries.c.incident_id, deliveries.c.integration_id, deliveries.c.alert_id, deliveries.c.severity)
    for part in parts(incident_ids):
        statement = select(*columns).where(
            deliveries.c.organization_id == organization_id,
            deliveries.c.incident_id.in_(part),
            deliveries.c.is_active,
            deliveries.c.status.in_((DeliveryStatus.PENDING, DeliveryStatus.SUCCESS)),
            deliveries.c.transition != Transition.CLOSE,
        )
        found += [(row.incident_id, row.integration_id, row.alert_id, Severity(row.severity)) for row in await tx.execute(statement)]
    return found


async def read_repeated(tx: Transaction, organization_id: int, incident_ids: Collection[int]) -> list[tuple[int, int, Severity]]:
    """Incident, integration and worst severity of openings of active alerts that were not told because their incident had been."""
    found = []
    worst = func.min(deliveries.c.severity).label("worst")  # by the alphabet Critical comes first
    for part in parts(incident_ids):
        statement = select(deliveries.c.incident_id, deliveries.c.integration_id, worst).where(
            *is_repetition(organization_id), deliveries.c.incident_id.in_(part)
        )
        statement = statement.group_by(deliveries.c.incident_id, deliveries.c.integration_id)
        found += [(row.incident_id, row.integration_id, Severity(row.worst)) for row in await tx.execute(statement)]
    return sorted(found)


async def read_repetitions(tx: Transaction, organization_id: int, incident_id: int, integration_id: int, limit: int) -> list[int]:
    """Reads the alerts of these openings in one incident at one integration, the worst and then the oldest first."""
    statement = (
        select(deliveries.c.alert_id)
        .where(*is_repetition(organization_id), deliveries.c.incident_id == incident_id, deliveries.c.integration_id == integration_id)
        .order_by(deliveries.c.severity, deliveries.c.alert_id)
        .limit(limit)
    )
    return list((await tx.execute(statement)).scalars())


def is_repetition(organization_id: int) -> tuple[ColumnElement[bool], ...]:
    """The conditions of openings of active alerts that were not told because their incident had been."""
    return (
        deliveries.c.organization_id == organization_id,
        deliveries.c.is_active,
        deliveries.c.status == DeliveryStatus.SKIPPED,
        deliveries.c.reason == Cause.REPETITION,
        deliveries.c.transition == Transition.OPEN,
    )


async def read_opened_since(tx: Transaction, organization_id: int, incident_ids: Collection[int], since: datetime) -> set[tuple[int, int]]:
    """Incident and alert of the openings that were decided since a time."""
    found: set[tuple[int, int]] = set()
    for part in parts(incident_ids):
        statement = (
            select(deliveries.c.incident_id, deliveries.c.alert_id)
            .where(
                deliveries.c.organization_id == organization_id,
                deliveries.c.incident_id.in_(part),
                deliveries.c.transition == Transition.OPEN,
                deliveries.c.create_time >= since,
            )
            .distinct()
        )
        found |= {(row.incident_id, row.alert_id) for row in await tx.execute(statement)}
    return found


async def read_last_openings(
    tx: Transaction, organization_id: int, keys: Collection[str], since: datetime
) -> dict[str, tuple[int, int, datetime]]:
    """Number, alert and time of the newest opening delivered since a time with each cooldown key; the first attempt of one counts too."""
    found: dict[str, tuple[int, int, datetime]] = {}
    time = func.coalesce(deliveries.c.deliver_time, deliveries.c.create_time)
    for part in parts(keys):
        statement = select(deliveries.c.cooldown_key, deliveries.c.id, deliveries.c.alert_id, time.label("time")).where(
            deliveries.c.organization_id == organization_id,
            deliveries.c.cooldown_key.in_(part),
            deliveries.c.transition == Transition.OPEN,
            time >= since,
            (deliveries.c.status == DeliveryStatus.SUCCESS)
            | ((deliveries.c.status == DeliveryStatus.PENDING) & (deliveries.c.attempts == 0)),
        )
        for row in await tx.execute(statement.order_by(time, deliveries.c.id)):
            found[row.cooldown_key] = (row.id, row.alert_id, row.time)
    return found


async def select_deliveries(tx: Transaction, organization_id: int, wanted: DeliveryFilter) -> list[Delivery]:
    """Reads the newest matching deliveries, by creation and then by number, both descending, without their content."""
    columns = [column for column in deliveries.c if column.name != "content"]
    statement = (
        select(*columns)
        .where(deliveries.c.organization_id == organization_id, *read_conditions(wanted))
        .order_by(deliveries.c.create_time.desc(), deliveries.c.id.desc())
        .limit(wanted.limit)
    )
    return [read_row(row) for row in await tx.execute(statement)]


def read_conditions(wanted: DeliveryFilter) -> Iterable[ColumnElement[bool]]:
    """The conditions of a filter."""
    exact = {deliveries.c.alert_id: wanted.alert_id, deliveries.c.integration_id: wanted.integration_id, deliveries.c.status: wanted.status}
    for column, value in exact.items():
        if value is not None:
            yield column == value
    if wanted.start_time is not None:
        yield deliveries.c.create_time >= wanted.start_time
    if wanted.end_time is not None:
        yield deliveries.c.create_time <= wanted.end_time


FIELDS = tuple(item.name for item in fields(Delivery) if item.name != "record")
CHANGEABLE = tuple(
    column.name for column in deliveries.c if column.name not in ("id", "organization_id", "alert_id", "transition", "integration_id")
)


def write_row(delivery: Delivery) -> dict[str, Any]:
    """A delivery as it is stored."""
    record = delivery.record
    return {name: getattr(delivery, name) for name in FIELDS} | {
        "record_type": record.type if record else None,
        "record_id": record.id if record else None,
        "record_name": record.name if record else None,
    }


def read_row(row: Row[Any]) -> Delivery:
    """A delivery from its row."""
    values = row._mapping
    given: dict[str, Any] = {name: values.get(name) for name in FIELDS}
    given |= {
        "transition": Transition(row.transition),
        "traced": Transition(row.traced),
        "severity": Severity(row.severity),
        "status": DeliveryStatus(row.status),
        "reason": None if row.reason is None else Cause(row.reason),
        "record": None if row.record_type is None else Record(row.record_type, row.record_id or "", row.record_name or ""),
    }
    return Delivery(**given)
