"""Containers in the database."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, delete, func, select, update

from lumetry_core.containers.model import Container, ContainerState, Health
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

containers = Table(
    "containers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("image", Text, nullable=False),
    Column("image_id", Text, nullable=False),
    Column("image_digests", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("health", String(20)),
    Column("has_health_check", Boolean, nullable=False),
    Column("orchestration_group", Text),
    Column("orchestration_unit", Text),
    Column("custom_group", Text),
    Column("is_ignored", Boolean, nullable=False),
    Column("alert_severity", String(20), nullable=False),
    Column("restart_threshold", Integer, nullable=False),
    Column("alert_channels", Text),
    Column("first_seen_time", Time, nullable=False),
    Column("last_state_change_time", Time, nullable=False),
    Column("archive_time", Time),
    Column("runtime_type", String(20), nullable=False),
    Column("error_detail", Text),
    Column("controller_kind", Text),
    Column("namespace", Text),
    Column("pod_count", Integer, nullable=False),
    Column("ready_count", Integer, nullable=False),
    Column("exit_code", Integer),
    Column("oom_killed", Boolean, nullable=False),
    Column("topology_node_id", BigInteger),
    Column("labels", Text, nullable=False),
    Column("counted_time", Time, nullable=False),
    Index("ix_containers_organization_external", "organization_id", "external_id"),
    Index("ix_containers_organization_state", "organization_id", "state", "last_state_change_time"),
    Index("ix_containers_organization_archive", "organization_id", "archive_time"),
    sqlite_autoincrement=True,
)
IDS_PER_STATEMENT = 5000

texts_decoder = msgspec.json.Decoder(tuple[str, ...])
labels_decoder = msgspec.json.Decoder(dict[str, str])


async def insert_container(tx: Transaction, container: Container) -> int:
    """Adds a container, whose own number does not count, and answers the number given to it."""
    values = {"organization_id": container.organization_id, **columns_of(container)}
    number: int = (await tx.execute(containers.insert().values(values).returning(containers.c.id))).scalar_one()
    return number


async def update_container(tx: Transaction, container: Container) -> None:
    """Writes everything of a container."""
    columns = containers.c
    await tx.execute(
        update(containers)
        .where(columns.organization_id == container.organization_id, columns.id == container.id)
        .values(columns_of(container))
    )


async def set_counted(tx: Transaction, organization_id: int, container_ids: Collection[int], moment: datetime) -> None:
    """Remembers up to when the seconds of containers are counted."""
    columns = containers.c
    await tx.execute(
        update(containers)
        .where(columns.organization_id == organization_id, columns.id.in_(sorted(container_ids)))
        .values(counted_time=moment)
    )


async def delete_containers(tx: Transaction, organization_id: int, container_ids: Collection[int]) -> None:
    """Removes containers."""
    columns = containers.c
    await tx.execute(delete(containers).where(columns.organization_id == organization_id, columns.id.in_(sorted(container_ids))))


async def find_containers(tx: Transaction, organization_id: int, container_ids: Collection[int]) -> dict[int, Container]:
    """Containers by number; unknown ones are left out."""
    found: dict[int, Container] = {}
    ordered = sorted(container_ids)
    for start in range(0, len(ordered), IDS_PER_STATEMENT):
        statement = select(containers).where(
            containers.c.organization_id == organization_id, containers.c.id.in_(ordered[start : start + IDS_PER_STATEMENT])
        )
        found |= {row.id: read_row(row) for row in await tx.execute(statement)}
    return found


async def find_by_external_id(tx: Transaction, organization_id: int, external_id: str) -> Container | None:
    """The container with an engine's number: the one that is there, else the one archived last."""
    columns = containers.c
    statement = (
        select(containers)
        .where(columns.organization_id == organization_id, columns.external_id == external_id)
        .order_by(columns.archive_time.is_not(None), columns.archive_time.desc(), columns.id.desc())
        .limit(1)
    )
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else read_row(row)


async def list_containers(
    tx: Transaction,
    organization_id: int,
    *,
    archived: bool = False,
    ignored: bool = False,
    states: Collection[ContainerState] = (),
    changed_before: datetime | None = None,
    health: Health | None = None,
) -> list[Container]:
    """Containers by name.

    Args:
        archived: Those that are gone too.
        ignored: Those that are ignored too.
        states: Only in one of these; none: in any.
        changed_before: Only those whose state stands since then or longer.
        health: Only those whose check says so.
    """
    columns = containers.c
    statement = select(containers).where(columns.organization_id == organization_id)
    if not archived:
        statement = statement.where(columns.archive_time.is_(None))
    if not ignored:
        statement = statement.where(columns.is_ignored.is_(False))
    if states:
        statement = statement.where(columns.state.in_([state.value for state in sorted(states)]))
    if changed_before is not None:
        statement = statement.where(columns.last_state_change_time <= changed_before)
    if health is not None:
        statement = statement.where(columns.health == health.value)
    rows = await tx.execute(statement.order_by(columns.name, columns.id))
    return [read_row(row) for row in rows]


async def count_archived(tx: Transaction, organization_id: int) -> int:
    """How many containers are gone whose records are kept, ignored ones left out."""
    columns = containers.c
    statement = select(func.count()).where(
        columns.organization_id == organization_id, columns.archive_time.is_not(None), columns.is_ignored.is_(False)
    )
    number: int = (await tx.execute(statement)).scalar_one()
    return number


async def list_archived_before(tx: Transaction, organization_id: int, before: datetime, limit: int) -> list[int]:
    """Numbers of containers that were archived before a time, at most so many."""
    columns = containers.c
    statement = (
        select(columns.id)
        .where(columns.organization_id == organization_id, columns.archive_time < before)
        .order_by(columns.archive_time)
        .limit(limit)
    )
    return list((await tx.execute(statement)).scalars())


def columns_of(container: Container) -> dict[str, Any]:
    """The columns of a container, its number and organization left out."""
    return {
        "external_id": container.external_id,
        "name": container.name,
        "image": container.image,
        "image_id": container.image_id,
        "image_digests": msgspec.json.encode(container.image_digests).decode(),
        "state": container.state.value,
        "health": None if container.health is None else container.health.value,
        "has_health_check": container.has_health_check,
        "orchestration_group": container.orchestration_group,
        "orchestration_unit": container.orchestration_unit,
        "custom_group": container.custom_group,
        "is_ignored": container.is_ignored,
        "alert_severity": container.alert_severity.value,
        "restart_threshold": container.restart_threshold,
        "alert_channels": container.alert_channels,
        "first_seen_time": container.first_seen_time,
        "last_state_change_time": container.last_state_change_time,
        "archive_time": container.archive_time,
        "runtime_type": container.runtime_type,
        "error_detail": container.error_detail,
        "controller_kind": container.controller_kind,
        "namespace": container.namespace,
        "pod_count": container.pod_count,
        "ready_count": container.ready_count,
        "exit_code": container.exit_code,
        "oom_killed": container.oom_killed,
        "topology_node_id": container.topology_node_id,
        "labels": msgspec.json.encode(container.labels).decode(),
        "counted_time": container.counted_time,
    }


def read_row(row: Any) -> Container:  # noqa: ANN401 -- rows carry their columns as attributes
    """A container from its row."""
    return Container(
        id=row.id,
        organization_id=row.organization_id,
        external_id=row.external_id,
        name=row.name,
        image=row.image,
        image_id=row.image_id,
        image_digests=texts_decoder.decode(row.image_digests),
        state=ContainerState(row.state),
        health=None if row.health is None else Health(row.health),
        has_health_check=row.has_health_check,
        orchestration_group=row.orchestration_group,
        orchestration_unit=row.orchestration_unit,
        custom_group=row.custom_group,
        is_ignored=row.is_ignored,
        alert_severity=Severity(row.alert_severity),
        restart_threshold=row.restart_threshold,
        alert_channels=row.alert_channels,
        first_seen_time=row.first_seen_time,
        last_state_change_time=row.last_state_change_time,
        archive_time=row.archive_time,
        runtime_type=row.runtime_type,
        error_detail=row.error_detail,
        controller_kind=row.controller_kind,
        namespace=row.namespace,
        pod_count=row.pod_count,
        ready_count=row.ready_count,
        exit_code=row.exit_code,
        oom_killed=row.oom_killed,
        topology_node_id=row.topology_node_id,
        labels=labels_decoder.decode(row.labels),
        counted_time=row.counted_time,
    )
