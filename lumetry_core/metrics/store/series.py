"""Stored series."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, UniqueConstraint, select

from lumetry_core.metrics.definition import IDENTITY_BYTES
from lumetry_core.metrics.store.catalog import chunks
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

series = Table(
    "series",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("metric_id", BigInteger, nullable=False),
    Column("identity", LargeBinary(IDENTITY_BYTES), nullable=False),
    Column("labels", LargeBinary, nullable=False),
    Column("create_time", Time, nullable=False),
    UniqueConstraint("organization_id", "identity"),
    Index("ix_series_organization_metric", "organization_id", "metric_id"),
    sqlite_autoincrement=True,
)


async def find_by_identity(tx: Transaction, organization_id: int, identities: Collection[bytes]) -> dict[bytes, tuple[int, int]]:
    """Series and metric numbers of the identities that exist."""
    found = {}
    for chunk in chunks(sorted(identities)):
        rows = await tx.execute(
            select(series.c.identity, series.c.id, series.c.metric_id).where(
                series.c.organization_id == organization_id, series.c.identity.in_(chunk)
            )
        )
        found.update({row.identity: (row.id, row.metric_id) for row in rows})
    return found


async def insert_series(tx: Transaction, rows: Iterable[dict[str, Any]]) -> dict[bytes, tuple[int, int]]:
    """Registers series and gives their numbers; identities that another process registered first are not among them."""
    found = {}
    for chunk in chunks(list(rows)):
        statement = tx.insert(series).on_conflict_do_nothing().returning(series.c.identity, series.c.id, series.c.metric_id)
        found.update({row.identity: (row.id, row.metric_id) for row in await tx.execute(statement, chunk)})
    return found


async def read_metric_ids(tx: Transaction, series_ids: Sequence[int]) -> list[tuple[int, int]]:
    """Number and metric of each. Not by organization: the numbers come from entries of the inbox."""
    found: list[tuple[int, int]] = []
    for chunk in chunks(series_ids):
        rows = await tx.execute(select(series.c.id, series.c.metric_id).where(series.c.id.in_(chunk)))
        found += [(row.id, row.metric_id) for row in rows]
    return found


async def list_of_metric(tx: Transaction, organization_id: int, metric_id: int) -> list[tuple[int, bytes]]:
    """Number and packed labels of a metric's series, ascending by number."""
    rows = await tx.execute(
        select(series.c.id, series.c.labels)
        .where(series.c.organization_id == organization_id, series.c.metric_id == metric_id)
        .order_by(series.c.id)
    )
    return [(row.id, row.labels) for row in rows]


async def find_first_labels(tx: Transaction, organization_id: int, metric_id: int) -> bytes | None:
    """The packed labels of a metric's first series; None without any."""
    statement = select(series.c.labels).where(series.c.organization_id == organization_id, series.c.metric_id == metric_id)
    labels: bytes | None = (await tx.execute(statement.order_by(series.c.id).limit(1))).scalar_one_or_none()
    return labels
