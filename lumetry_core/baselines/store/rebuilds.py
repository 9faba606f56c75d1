"""Requests to learn again, and which partitions have done them."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, and_, delete, exists, func, select

from lumetry_core.baselines.model import Rebuild
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

rebuilds = Table(
    "baseline_rebuilds",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("profile_id", BigInteger),
    Column("metric_id", BigInteger),
    Column("start_ms", BigInteger),
    Column("end_ms", BigInteger),
    Column("include_violations", Boolean, nullable=False),
    Column("create_time", Time, nullable=False),
    Index("ix_baseline_rebuilds_organization", "organization_id", "id"),
    sqlite_autoincrement=True,
)
progress = Table(
    "baseline_rebuild_progress",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("rebuild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("partition", Integer, primary_key=True, autoincrement=False),
)


async def insert_rebuild(tx: Transaction, rebuild: Rebuild) -> int:
    """Adds a request, whose own number does not count, and answers the number given to it."""
    values = {
        "organization_id": rebuild.organization_id,
        "profile_id": rebuild.profile_id,
        "metric_id": rebuild.metric_id,
        "start_ms": rebuild.start_ms,
        "end_ms": rebuild.end_ms,
        "include_violations": rebuild.include_violations,
        "create_time": rebuild.create_time,
    }
    number: int = (await tx.execute(rebuilds.insert().values(values).returning(rebuilds.c.id))).scalar_one()
    return number


async def list_rebuilds(tx: Transaction, organization_id: int, partition: int | None) -> list[Rebuild]:
    """The requests, ascending by number; with a partition those that it has not done."""
    statement = select(rebuilds).where(rebuilds.c.organization_id == organization_id)
    if partition is not None:
        done = exists().where(
            progress.c.organization_id == organization_id, progress.c.rebuild_id == rebuilds.c.id, progress.c.partition == partition
        )
        statement = statement.where(~done)
    return [to_rebuild(row) for row in await tx.execute(statement.order_by(rebuilds.c.id))]


async def write_done(tx: Transaction, organization_id: int, rebuild_id: int, partition: int) -> None:
    """Notes that a partition has done a request; noting it again changes nothing."""
    values = {"organization_id": organization_id, "rebuild_id": rebuild_id, "partition": partition}
    await tx.execute(tx.insert(progress).values(values).on_conflict_do_nothing())


async def list_done(tx: Transaction, organization_id: int, partition_count: int) -> list[int]:
    """The requests that so many partitions have done, ascending."""
    statement = (
        select(progress.c.rebuild_id)
        .where(progress.c.organization_id == organization_id)
        .group_by(progress.c.rebuild_id)
        .having(func.count() >= partition_count)
        .order_by(progress.c.rebuild_id)
    )
    return list((await tx.execute(statement)).scalars())


async def delete_rebuild(tx: Transaction, organization_id: int, rebuild_id: int) -> None:
    """Removes a request with all that was noted of it."""
    for table, number in ((rebuilds, rebuilds.c.id), (progress, progress.c.rebuild_id)):
        await tx.execute(delete(table).where(and_(table.c.organization_id == organization_id, number == rebuild_id)))


def to_rebuild(row: Any) -> Rebuild:  # noqa: ANN401 -- rows carry their columns as attributes
    """A request from its row."""
    return Rebuild(
        id=row.id,
        organization_id=row.organization_id,
        profile_id=row.profile_id,
        metric_id=row.metric_id,
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        include_violations=row.include_violations,
        create_time=row.create_time,
    )
