"""Monitors in the database."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
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
    UniqueConstraint,
    bindparam,
    delete,
    func,
    select,
    type_coerce,
    update,
)

from lumetry_core.alerts.monitors import Entity, EntityType
from lumetry_core.certificates.model import AlertType, Monitor, Source, Status
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

certificate_monitors = Table(
    "certificate_monitors",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("hostname", String(255), nullable=False),
    Column("port", Integer, nullable=False),
    Column("source", String(20), nullable=False),
    Column("status", String(20), nullable=False),
    Column("check_interval_seconds", Integer, nullable=False),
    Column("warning_thresholds", Text, nullable=False),
    Column("conditions", Text, nullable=False),
    Column("last_alerted_threshold", Integer),
    Column("last_check_time", Time),
    Column("next_check_time", Time),
    Column("last_error", Text),
    Column("latest_check_id", BigInteger),
    Column("endpoint_id", BigInteger),
    Column("external_id", Text),
    Column("container_id", BigInteger),
    Column("container_name", Text),
    Column("alert_channels", Text, nullable=False),
    Column("topology_node_id", BigInteger),
    Column("inherited_node_id", BigInteger),
    Column("epoch", BigInteger, nullable=False),
    Column("create_time", Time, nullable=False),
    UniqueConstraint("organization_id", "hostname", "port", name="uq_certificate_monitors_target"),
    Index("ix_certificate_monitors_container", "organization_id", "container_id"),
    Index("ix_certificate_monitors_due", "next_check_time"),
    sqlite_autoincrement=True,
)
columns = certificate_monitors.c

IDS_PER_STATEMENT = 5000
TARGET = ("organization_id", "hostname", "port")


async def insert_monitor(tx: Transaction, monitor: Monitor) -> int | None:
    """Adds a monitor, whose own number does not count, and answers the number given to it; None when host and port are watched already."""
    statement = tx.insert(certificate_monitors).values(write_row(monitor)).on_conflict_do_nothing(index_elements=TARGET)
    number: int | None = (await tx.execute(statement.returning(columns.id))).scalar_one_or_none()
    return number


async def update_monitors(tx: Transaction, monitors: Iterable[Monitor]) -> None:
    """Writes all of monitors but the claim on them."""
    rows = [
        {f"new_{name}": value for name, value in write_row(monitor).items() if name not in UNCHANGED}
        | {"of_organization": monitor.organization_id, "of_id": monitor.id}
        for monitor in monitors
    ]
    if not rows:
        return
    statement = (
        update(certificate_monitors)
        .where(columns.organization_id == bindparam("of_organization"), columns.id == bindparam("of_id"))
        .values({name: bindparam(f"new_{name}", type_=columns[name].type) for name in columns.keys() if name not in UNCHANGED})  # noqa: SIM118 -- a column is no name
    )
    await tx.execute(statement, rows)


async def touch(tx: Transaction, organization_id: int, ids: Collection[int], now: datetime) -> None:
    """Notes that monitors were looked at."""
    if ids:
        await tx.execute(
            update(certificate_monitors)
            .where(columns.organization_id == organization_id, columns.id.in_(sorted(ids)))
            .values(last_check_time=now)
        )


async def delete_monitors(tx: Transaction, organization_id: int, ids: Collection[int]) -> None:
    """Removes monitors."""
    await tx.execute(delete(certificate_monitors).where(columns.organization_id == organization_id, columns.id.in_(sorted(ids))))


async def read_monitors(tx: Transaction, organization_id: int, ids: Collection[int], *, lock: bool = False) -> dict[int, Monitor]:
    """Monitors by number; unknown ones are left out.

    Args:
        lock: Keeps others from changing them until the transaction ends.
    """
    statement = (
        select(certificate_monitors).where(columns.organization_id == organization_id, columns.id.in_(sorted(ids))).order_by(columns.id)
    )
    rows = await tx.execute(statement.with_for_update() if lock else statement)
    return {row.id: read_row(row) for row in rows}


async def read_targets(tx: Transaction, organization_id: int, hostnames: Collection[str], *, lock: bool = False) -> list[Monitor]:
    """The monitors of hosts, on any port."""
    statement = (
        select(certificate_monitors)
        .where(columns.organization_id == organization_id, columns.hostname.in_(sorted(hostnames)))
        .order_by(columns.id)
    )
    return [read_row(row) for row in await tx.execute(statement.with_for_update() if lock else statement)]


async def read_of_containers(tx: Transaction, organization_id: int, container_ids: Collection[int]) -> list[Monitor]:
    """The monitors that labels of containers ask for; nobody else changes them until the transaction ends."""
    statement = (
        select(certificate_monitors)
        .where(
            columns.organization_id == organization_id,
            columns.container_id.in_(sorted(container_ids)),
            columns.source == Source.LABEL,
        )
        .order_by(columns.id)
        .with_for_update()
    )
    return [read_row(row) for row in await tx.execute(statement)]


async def list_monitors(tx: Transaction, organization_id: int, status: Status | None, source: Source | None) -> list[Monitor]:
    """All monitors that fit, by host and port."""
    statement = select(certificate_monitors).where(columns.organization_id == organization_id)
    if status is not None:
        statement = statement.where(columns.status == status)
    if source is not None:
        statement = statement.where(columns.source == source)
    return [read_row(row) for row in await tx.execute(statement.order_by(columns.hostname, columns.port))]


async def list_abandoned(tx: Transaction, organization_id: int, before: datetime, limit: int) -> list[Monitor]:
    """Monitors that HTTPS checks made, and none has refreshed since a time."""
    statement = (
        select(certificate_monitors)
        .where(
            columns.organization_id == organization_id,
            columns.source == Source.AUTO,
            func.coalesce(columns.last_check_time, columns.create_time) < before,
        )
        .order_by(columns.id)
        .limit(limit)
    )
    return [read_row(row) for row in await tx.execute(statement)]


async def count_monitors(tx: Transaction, organization_id: int) -> int:
    """How many there are."""
    found: int = (
        await tx.execute(select(func.count()).select_from(certificate_monitors).where(columns.organization_id == organization_id))
    ).scalar_one()
    return found


async def is_due(tx: Transaction, now: datetime) -> bool:
    """Whether any monitor, of whichever organization, is due."""
    return (await tx.execute(select(columns.id).where(columns.next_check_time <= now).limit(1))).first() is not None


async def claim_due(tx: Transaction, lease_time: datetime, limit: int, now: datetime) -> list[Monitor]:
    """Takes the monitors that have waited longest, of every organization; nobody else takes them before `lease_time`."""
    due = select(columns.id).where(columns.next_check_time <= now).order_by(columns.next_check_time, columns.id).limit(limit)
    statement = (
        update(certificate_monitors)
        .where(columns.id.in_(due.with_for_update(skip_locked=True).scalar_subquery()))
        .values(next_check_time=lease_time, epoch=columns.epoch + 1)
        .returning(*columns)
    )
    return sorted((read_row(row) for row in await tx.execute(statement)), key=lambda monitor: monitor.id)


async def pull_back(tx: Transaction, latest: datetime, now: datetime) -> None:
    """Makes due now what is due later than an interval after a time."""
    ahead = type_coerce(columns.next_check_time, BigInteger) - columns.check_interval_seconds * 1000
    await tx.execute(update(certificate_monitors).where(ahead > to_ms(latest)).values(next_check_time=now))


UNCHANGED = frozenset({"id", "organization_id", "hostname", "port", "create_time", "epoch"})


def write_row(monitor: Monitor) -> dict[str, Any]:
    """The columns of a monitor but its number."""
    return {
        "organization_id": monitor.organization_id,
        "hostname": monitor.hostname,
        "port": monitor.port,
        "source": monitor.source,
        "status": monitor.status,
        "check_interval_seconds": monitor.check_interval_seconds,
        "warning_thresholds": encode(monitor.warning_thresholds),
        "conditions": encode(monitor.conditions),
        "last_alerted_threshold": monitor.last_alerted_threshold,
        "last_check_time": monitor.last_check_time,
        "next_check_time": monitor.next_check_time,
        "last_error": monitor.last_error,
        "latest_check_id": monitor.latest_check_id,
        "endpoint_id": monitor.endpoint_id,
        "external_id": monitor.external_id,
        "container_id": monitor.container.id if monitor.container else None,
        "container_name": monitor.container.name if monitor.container else None,
        "alert_channels": encode(monitor.alert_channels),
        "topology_node_id": monitor.topology_node_id,
        "inherited_node_id": monitor.inherited_node_id,
        "epoch": monitor.epoch,
        "create_time": monitor.create_time,
    }


def encode(values: Sequence[object]) -> str:
    """A list as a column holds it."""
    return msgspec.json.encode(list(values)).decode()


thresholds_decoder = msgspec.json.Decoder(tuple[int, ...])
conditions_decoder = msgspec.json.Decoder(tuple[AlertType, ...])
channels_decoder = msgspec.json.Decoder(tuple[str, ...])


def read_row(row: Any) -> Monitor:  # noqa: ANN401 -- rows carry their columns as attributes
    """A monitor from its row."""
    container = None if row.container_id is None else Entity(EntityType.CONTAINER, row.container_id, row.container_name or "")
    return Monitor(
        id=row.id,
        organization_id=row.organization_id,
        hostname=row.hostname,
        port=row.port,
        source=Source(row.source),
        status=Status(row.status),
        check_interval_seconds=row.check_interval_seconds,
        warning_thresholds=thresholds_decoder.decode(row.warning_thresholds),
        conditions=conditions_decoder.decode(row.conditions),
        last_alerted_threshold=row.last_alerted_threshold,
        last_check_time=row.last_check_time,
        next_check_time=row.next_check_time,
        last_error=row.last_error,
        latest_check_id=row.latest_check_id,
        endpoint_id=row.endpoint_id,
        external_id=row.external_id,
        container=container,
        alert_channels=channels_decoder.decode(row.alert_channels),
        topology_node_id=row.topology_node_id,
        inherited_node_id=row.inherited_node_id,
        epoch=row.epoch,
        create_time=row.create_time,
    )
