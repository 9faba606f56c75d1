"""What samples come to over spans of time: a row for each granularity, container and span, added to with every sample."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Float, Integer, String, Table, delete, func, select

from lumetry_core.resources.model import SPANS, Granularity, Mean, Sample, start_of_span
from lumetry_core.resources.store.samples import COUNTERS, IDS_PER_STATEMENT
from lumetry_core.runtime.database import Time, Transaction, metadata

SUMS = ("sample_count", "cpu_sum", "memory_used_sum", "memory_limit_sum")

resource_spans = Table(
    "resource_spans",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("granularity", String(3), primary_key=True),
    Column("container_id", BigInteger, primary_key=True, autoincrement=False),
    Column("start_time", Time, primary_key=True),
    Column("sample_count", Integer, nullable=False),
    Column("cpu_sum", Float, nullable=False),
    Column("memory_used_sum", Float, nullable=False),
    Column("memory_limit_sum", Float, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in COUNTERS),
    sqlite_with_rowid=False,
)


async def add_samples(tx: Transaction, organization_id: int, samples: Sequence[Sample]) -> None:
    """Adds samples to their spans of every granularity, in one statement: means are summed up, of counters the last stands."""
    if not samples:
        return
    insert = tx.insert(resource_spans)
    statement = insert.on_conflict_do_update(
        index_elements=["organization_id", "granularity", "container_id", "start_time"],
        set_={
            **{name: resource_spans.c[name] + getattr(insert.excluded, name) for name in SUMS},
            **{name: getattr(insert.excluded, name) for name in COUNTERS},
        },
    )
    rows = [
        {
            "organization_id": organization_id,
            "granularity": granularity,
            "container_id": sample.container_id,
            "start_time": start_of_span(sample.time, length),
            "sample_count": 1,
            "cpu_sum": sample.cpu_percent,
            "memory_used_sum": sample.memory_used,
            "memory_limit_sum": sample.memory_limit,
            "net_rx_bytes": sample.net_rx_bytes,
            "net_tx_bytes": sample.net_tx_bytes,
            "block_read_bytes": sample.block_read_bytes,
            "block_write_bytes": sample.block_write_bytes,
        }
        for granularity, length in SPANS.items()
        for sample in sorted(samples, key=lambda sample: sample.container_id)
    ]
    await tx.execute(statement, rows)


async def list_spans(tx: Transaction, organization_id: int, container_id: int, granularity: Granularity, since: datetime) -> list[Sample]:
    """The spans of a container that start at a time or later, oldest first, as samples of their starts."""
    columns = resource_spans.c
    statement = (
        select(resource_spans)
        .where(
            columns.organization_id == organization_id,
            columns.granularity == granularity,
            columns.container_id == container_id,
            columns.start_time >= since,
        )
        .order_by(columns.start_time)
    )
    return [read_span(row) for row in await tx.execute(statement)]


async def read_means(
    tx: Transaction, organization_id: int, container_ids: Collection[int], granularity: Granularity, since: datetime
) -> list[Mean]:
    """What containers used on average in spans that start at a time or later; those without a sample are left out."""
    columns = resource_spans.c
    wanted = sorted(container_ids)
    count = func.sum(columns.sample_count)
    means: list[Mean] = []
    for start in range(0, len(wanted), IDS_PER_STATEMENT):
        statement = (
            select(
                columns.container_id,
                (func.sum(columns.cpu_sum) / count).label("cpu"),
                (func.sum(columns.memory_used_sum) / count).label("used"),
                (func.sum(columns.memory_limit_sum) / count).label("limit"),
            )
            .where(
                columns.organization_id == organization_id,
                columns.granularity == granularity,
                columns.container_id.in_(wanted[start : start + IDS_PER_STATEMENT]),
                columns.start_time >= since,
            )
            .group_by(columns.container_id)
        )
        means += [Mean(row.container_id, row.cpu, row.used, row.limit) for row in await tx.execute(statement)]
    return means


async def drop_spans(
    tx: Transaction, organization_id: int, container_id: int, granularity: Granularity, before: datetime | None, limit: int
) -> int:
    """Forgets at most so many spans of a container, those that start before a time or, with None, any; answers how many."""
    columns = resource_spans.c
    same = (columns.organization_id == organization_id, columns.granularity == granularity, columns.container_id == container_id)
    statement = select(columns.start_time).where(*same)
    if before is not None:
        statement = statement.where(columns.start_time < before)
    starts = [row.start_time for row in await tx.execute(statement.order_by(columns.start_time).limit(limit))]
    if starts:
        await tx.execute(delete(resource_spans).where(*same, columns.start_time <= starts[-1]))
    return len(starts)


def read_span(row: Any) -> Sample:  # noqa: ANN401 -- rows carry their columns as attributes
    """A span as a sample of its start: means, and the last value of counters."""
    count = row.sample_count
    return Sample(
        container_id=row.container_id,
        time=row.start_time,
        cpu_percent=round(row.cpu_sum / count, 2),
        memory_used=round(row.memory_used_sum / count),
        memory_limit=round(row.memory_limit_sum / count),
        net_rx_bytes=row.net_rx_bytes,
        net_tx_bytes=row.net_tx_bytes,
        block_read_bytes=row.block_read_bytes,
        block_write_bytes=row.block_write_bytes,
    )
