"""Snapshot of the newest sealed time of each series, in pages."""

from collections.abc import Collection, Mapping

import numpy as np
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, select

from lumetry_core.metrics.codec import compression
from lumetry_core.metrics.model import Integers, Newest
from lumetry_core.runtime.database import Transaction, metadata

PAGE_SERIES = 1024
NEVER = -(2**63)

series_newest = Table(
    "series_newest",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("page", BigInteger, primary_key=True, autoincrement=False),
    Column("times", LargeBinary, nullable=False),
)


async def raise_newest(tx: Transaction, organization_id: int, partition: int, newest: Newest) -> None:
    """Moves series on. Only the owner of a partition does so, so no page is written by two at once."""
    pages = newest.series_ids // PAGE_SERIES
    stored = await read_pages(tx, organization_id, [partition], set(pages.tolist()))
    rows = []
    for page in np.unique(pages).tolist():
        times = stored.get((partition, page), np.full(PAGE_SERIES, NEVER))
        on_page = pages == page
        positions = newest.series_ids[on_page] % PAGE_SERIES
        times[positions] = np.maximum(times[positions], newest.times_ms[on_page])
        rows.append(
            {
                "organization_id": organization_id,
                "partition": partition,
                "page": page,
                "times": compression.compress(times.astype("<i8").tobytes()),
            }
        )
    statement = tx.insert(series_newest)
    statement = statement.on_conflict_do_update(
        index_elements=["organization_id", "partition", "page"], set_={"times": statement.excluded.times}
    )
    await tx.execute(statement, rows)


async def read_pages(
    tx: Transaction, organization_id: int, partitions: Collection[int] | None, pages: Collection[int] | None
) -> Mapping[tuple[int, int], Integers]:
    """Pages by partition and number; None: all."""
    columns = series_newest.c
    statement = select(columns.partition, columns.page, columns.times).where(columns.organization_id == organization_id)
    if partitions is not None:
        statement = statement.where(columns.partition.in_(sorted(partitions)))
    if pages is not None:
        statement = statement.where(columns.page.between(min(pages), max(pages)))
    return {
        (row.partition, row.page): np.frombuffer(compression.decompress(row.times), "<i8").astype(np.int64)
        for row in await tx.execute(statement)
    }


async def read_newest(tx: Transaction, organization_id: int, partitions: Collection[int] | None) -> Newest:
    """The snapshot of an organization, of some partitions or all."""
    pages = await read_pages(tx, organization_id, partitions, None)
    if not pages:
        return Newest(np.zeros(0, np.int64), np.zeros(0, np.int64))
    numbers = [np.arange(page * PAGE_SERIES, (page + 1) * PAGE_SERIES) for _, page in pages]
    series_ids, times = np.concatenate(numbers), np.concatenate(list(pages.values()))
    known = times != NEVER
    order = np.argsort(series_ids[known], kind="stable")
    return Newest(series_ids[known][order], times[known][order])
