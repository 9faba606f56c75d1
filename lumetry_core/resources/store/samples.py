"""Samples in the database: the newest of each container, and all that were taken lately."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Float, Integer, Table, delete, select

from lumetry_core.resources.model import Latest, Sample
from lumetry_core.runtime.database import Time, Transaction, metadata

COUNTERS = ("net_rx_bytes", "net_tx_bytes", "block_read_bytes", "block_write_bytes")
KEY = ("organization_id", "container_id")
IDS_PER_STATEMENT = 500


def sample_columns() -> tuple[Column[Any], ...]:
    """The columns of a sample's values."""
    return (
        Column("cpu_percent", Float, nullable=False),
        Column("memory_used", BigInteger, nullable=False),
        Column("memory_limit", BigInteger, nullable=False),
        *(Column(name, BigInteger, nullable=False) for name in COUNTERS),
    )


resource_latest = Table(
    "resource_latest",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("container_id", BigInteger, primary_key=True, autoincrement=False),
    Column("sample_time", Time, nullable=False),
    *sample_columns(),
    Column("cpu_count", Integer, nullable=False),
    Column("net_rx_rate", Float, nullable=False),
    Column("net_tx_rate", Float, nullable=False),
)
resource_samples = Table(
    "resource_samples",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("container_id", BigInteger, primary_key=True, autoincrement=False),
    Column("sample_time", Time, primary_key=True),
    *sample_columns(),
    sqlite_with_rowid=False,
)


async def write_round(tx: Transaction, organization_id: int, latest: Sequence[Latest]) -> None:
    """Writes the samples of a round, at most one of each container."""
    if not latest:
        return
    ordered = sorted(latest, key=lambda each: each.sample.container_id)
    rows = [{"organization_id": organization_id, **values_of(each.sample)} for each in ordered]
    await tx.execute(tx.insert(resource_samples).on_conflict_do_nothing(), rows)
    insert = tx.insert(resource_latest)
    written = {name: getattr(insert.excluded, name) for name in (column.name for column in resource_latest.columns) if name not in KEY}
    statement = insert.on_conflict_do_update(index_elements=KEY, set_=written)
    extras = [{"cpu_count": each.cpu_count, "net_rx_rate": each.net_rx_rate, "net_tx_rate": each.net_tx_rate} for each in ordered]
    await tx.execute(statement, [row | extra for row, extra in zip(rows, extras, strict=True)])


async def read_latest(tx: Transaction, organization_id: int, container_ids: Collection[int]) -> dict[int, Latest]:
    """The newest samples of containers; those without are left out."""
    columns = resource_latest.c
    wanted = sorted(container_ids)
    found: dict[int, Latest] = {}
    for start in range(0, len(wanted), IDS_PER_STATEMENT):
        part = wanted[start : start + IDS_PER_STATEMENT]
        statement = select(resource_latest).where(columns.organization_id == organization_id, columns.container_id.in_(part))
        for row in await tx.execute(statement):
            found[row.container_id] = Latest(read_sample(row), row.cpu_count, row.net_rx_rate, row.net_tx_rate)
    return found


async def list_samples(tx: Transaction, organization_id: int, container_id: int, since: datetime) -> list[Sample]:
    """The samples of a container since a time, oldest first."""
    columns = resource_samples.c
    statement = (
        select(resource_samples)
        .where(columns.organization_id == organization_id, columns.container_id == container_id, columns.sample_time >= since)
        .order_by(columns.sample_time)
    )
    return [read_sample(row) for row in await tx.execute(statement)]


async def list_sampled(tx: Transaction, organization_id: int) -> list[int]:
    """Every container of which there is anything."""
    columns = resource_latest.c
    statement = select(columns.container_id).where(columns.organization_id == organization_id).order_by(columns.container_id)
    return [row.container_id for row in await tx.execute(statement)]


async def delete_latest(tx: Transaction, organization_id: int, container_ids: Collection[int]) -> None:
    """Forgets containers of which nothing else is left."""
    columns = resource_latest.c
    await tx.execute(
        delete(resource_latest).where(columns.organization_id == organization_id, columns.container_id.in_(sorted(container_ids)))
    )


async def drop_samples(tx: Transaction, organization_id: int, container_id: int, before: datetime | None, limit: int) -> int:
    """Forgets at most so many samples of a container, those before a time or, with None, any; answers how many."""
    columns = resource_samples.c
    statement = select(columns.sample_time).where(columns.organization_id == organization_id, columns.container_id == container_id)
    if before is not None:
        statement = statement.where(columns.sample_time < before)
    times = [row.sample_time for row in await tx.execute(statement.order_by(columns.sample_time).limit(limit))]
    if times:
        await tx.execute(
            delete(resource_samples).where(
                columns.organization_id == organization_id, columns.container_id == container_id, columns.sample_time <= times[-1]
            )
        )
    return len(times)


def values_of(sample: Sample) -> dict[str, Any]:
    """The columns of a sample."""
    return {
        "container_id": sample.container_id,
        "sample_time": sample.time,
        "cpu_percent": sample.cpu_percent,
        "memory_used": sample.memory_used,
        "memory_limit": sample.memory_limit,
        **{name: getattr(sample, name) for name in COUNTERS},
    }


def read_sample(row: Any) -> Sample:  # noqa: ANN401 -- rows carry their columns as attributes
    """A sample from its row."""
    return Sample(
        container_id=row.container_id,
        time=row.sample_time,
        cpu_percent=row.cpu_percent,
        memory_used=row.memory_used,
        memory_limit=row.memory_limit,
        net_rx_bytes=row.net_rx_bytes,
        net_tx_bytes=row.net_tx_bytes,
        block_read_bytes=row.block_read_bytes,
        block_write_bytes=row.block_write_bytes,
    )
