"""Thresholds in the database: a row for each container for which somebody set any, with where its metrics stand."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, Table, delete, select, update

from lumetry_core.resources.model import Metric, Thresholds
from lumetry_core.resources.store.samples import IDS_PER_STATEMENT
from lumetry_core.resources.watch import Watch
from lumetry_core.runtime.database import Time, Transaction, metadata

resource_thresholds = Table(
    "resource_thresholds",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("container_id", BigInteger, primary_key=True, autoincrement=False),
    Column("cpu_threshold", Float, nullable=False),
    Column("memory_threshold", Float, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("is_cpu_alerting", Boolean, nullable=False),
    Column("cpu_streak", Integer, nullable=False),
    Column("is_memory_alerting", Boolean, nullable=False),
    Column("memory_streak", Integer, nullable=False),
    Column("last_alert_time", Time),
)
columns = resource_thresholds.c


async def read_thresholds(tx: Transaction, organization_id: int, container_id: int, *, lock: bool = False) -> Thresholds | None:
    """The thresholds of a container; None before anybody set them.

    Args:
        lock: Nobody else changes them until the transaction, which has to be a writing one, ends.
    """
    statement = select(resource_thresholds).where(columns.organization_id == organization_id, columns.container_id == container_id)
    row = (await tx.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else read_row(row)


async def list_enabled(tx: Transaction, organization_id: int) -> dict[int, Thresholds]:
    """The thresholds that are on, by container. Nobody else changes them until the transaction ends."""
    statement = select(resource_thresholds).where(columns.organization_id == organization_id, columns.is_enabled)
    rows = await tx.execute(statement.order_by(columns.container_id).with_for_update())
    return {row.container_id: read_row(row) for row in rows}


async def write_thresholds(tx: Transaction, organization_id: int, thresholds: Thresholds) -> None:
    """Writes the thresholds of a container, new ones and known ones."""
    insert = tx.insert(resource_thresholds)
    values = {
        "cpu_threshold": thresholds.cpu_threshold,
        "memory_threshold": thresholds.memory_threshold,
        "is_enabled": thresholds.is_enabled,
        **standing_of(thresholds),
    }
    statement = insert.on_conflict_do_update(index_elements=["organization_id", "container_id"], set_=values)
    await tx.execute(statement, {"organization_id": organization_id, "container_id": thresholds.container_id, **values})


async def write_standings(tx: Transaction, organization_id: int, changed: Sequence[Thresholds]) -> None:
    """Writes where metrics stand."""
    for thresholds in changed:
        await tx.execute(
            update(resource_thresholds)
            .where(columns.organization_id == organization_id, columns.container_id == thresholds.container_id)
            .values(standing_of(thresholds))
        )


async def delete_thresholds(tx: Transaction, organization_id: int, container_ids: Collection[int]) -> None:
    """Forgets the thresholds of containers that are no more."""
    wanted = sorted(container_ids)
    for start in range(0, len(wanted), IDS_PER_STATEMENT):
        part = wanted[start : start + IDS_PER_STATEMENT]
        await tx.execute(delete(resource_thresholds).where(columns.organization_id == organization_id, columns.container_id.in_(part)))


async def list_containers(tx: Transaction, organization_id: int) -> list[int]:
    """Every container that has thresholds."""
    rows = await tx.execute(select(columns.container_id).where(columns.organization_id == organization_id).order_by(columns.container_id))
    return [row.container_id for row in rows]


def standing_of(thresholds: Thresholds) -> dict[str, Any]:
    """The columns that samples change."""
    cpu, memory = thresholds.watches[Metric.CPU], thresholds.watches[Metric.MEMORY]
    return {
        "is_cpu_alerting": cpu.is_alerting,
        "cpu_streak": cpu.streak,
        "is_memory_alerting": memory.is_alerting,
        "memory_streak": memory.streak,
        "last_alert_time": thresholds.last_alert_time,
    }


def read_row(row: Any) -> Thresholds:  # noqa: ANN401 -- rows carry their columns as attributes
    """Thresholds from their row."""
    return Thresholds(
        container_id=row.container_id,
        cpu_threshold=row.cpu_threshold,
        memory_threshold=row.memory_threshold,
        is_enabled=row.is_enabled,
        watches={
            Metric.CPU: Watch(row.is_cpu_alerting, row.cpu_streak),
            Metric.MEMORY: Watch(row.is_memory_alerting, row.memory_streak),
        },
        last_alert_time=row.last_alert_time,
    )
