"""The catalog."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, UniqueConstraint, case, func, select, update
from sqlalchemy.dialects import postgresql

from lumetry_core.metrics.model import DataStatus, MetricInfo
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

CHUNK = 1000
"""Values in one IN list; databases limit the parameters of a statement."""
SORT_LENGTH = 255
SortText = String(SORT_LENGTH).with_variant(postgresql.VARCHAR(SORT_LENGTH, collation="C"), "postgresql")
"""Text that both databases order by code point."""

metrics = Table(
    "metrics",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("metric_key", SortText, nullable=False),
    Column("display_name", String(255), nullable=False),
    Column("sort_name", SortText, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("unit", String(64), nullable=False),
    Column("metric_type", String(20), nullable=False),
    Column("namespace", String(128), nullable=False),
    Column("source", String(128), nullable=False),
    Column("management_mode", String(40), nullable=False),
    Column("catalog_source", String(40), nullable=False),
    Column("multidimensional", Boolean, nullable=False),
    Column("dimension_keys", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("data_status", String(20), nullable=False),
    Column("sync_status", String(20), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    Column("last_sync_time", Time),
    Column("last_ingest_time", Time),
    UniqueConstraint("organization_id", "metric_key"),
    Index("ix_metrics_organization_sort_name", "organization_id", "sort_name", "metric_key"),
    sqlite_autoincrement=True,
)

SHOWN = [column for column in metrics.c if column.name not in ("sort_name", "search_text")]


async def insert_metrics(tx: Transaction, infos: Iterable[dict[str, Any]]) -> None:
    """Registers metrics; the ones whose key another process registered first are left as they are."""
    rows = []
    for info in infos:
        name = info["display_name"] or info["metric_key"]
        rows.append(
            {
                **info,
                "dimension_keys": msgspec.json.encode(info["dimension_keys"]).decode(),
                "sort_name": name.casefold()[:SORT_LENGTH],
                "search_text": f"{info['metric_key'].casefold()}\n{info['display_name'].casefold()}",
            }
        )
    if rows:
        await tx.execute(tx.insert(metrics).on_conflict_do_nothing(), rows)


async def find_by_key(tx: Transaction, organization_id: int, keys: Collection[str]) -> dict[str, MetricInfo]:
    """The metrics that exist, by key."""
    found = {}
    for chunk in chunks(sorted(keys)):
        rows = await tx.execute(select(*SHOWN).where(metrics.c.organization_id == organization_id, metrics.c.metric_key.in_(chunk)))
        found.update({row.metric_key: to_metric(row) for row in rows})
    return found


async def find_by_id(tx: Transaction, organization_id: int, metric_ids: Collection[int]) -> dict[int, MetricInfo]:
    """The metrics that exist, by number."""
    found = {}
    for chunk in chunks(sorted(metric_ids)):
        rows = await tx.execute(select(*SHOWN).where(metrics.c.organization_id == organization_id, metrics.c.id.in_(chunk)))
        found.update({row.id: to_metric(row) for row in rows})
    return found


async def list_page(
    tx: Transaction, organization_id: int, query: str, *, is_evaluable: bool | None, offset: int, limit: int
) -> tuple[list[MetricInfo], int]:
    """A page of the catalog by name, then key, and how many match over all pages."""
    where = [metrics.c.organization_id == organization_id]
    if query:
        where.append(metrics.c.search_text.contains(query.casefold(), autoescape=True))
    if is_evaluable is not None:
        evaluable = metrics.c.is_active & (metrics.c.data_status == DataStatus.ACTIVE)
        where.append(evaluable if is_evaluable else ~evaluable)
    total = (await tx.execute(select(func.count()).select_from(metrics).where(*where))).scalar_one()
    rows = await tx.execute(select(*SHOWN).where(*where).order_by(metrics.c.sort_name, metrics.c.metric_key).offset(offset).limit(limit))
    return [to_metric(row) for row in rows], total


async def note_ingestion(tx: Transaction, organization_id: int, metric_ids: Collection[int], now: datetime) -> None:
    """Records that points arrive; metrics without data so far have data now."""
    had_none = metrics.c.data_status.in_([DataStatus.PENDING, DataStatus.STALE])
    for chunk in chunks(sorted(metric_ids)):
        await tx.execute(
            update(metrics)
            .where(metrics.c.organization_id == organization_id, metrics.c.id.in_(chunk))
            .values(last_ingest_time=now, data_status=case((had_none, DataStatus.ACTIVE.value), else_=metrics.c.data_status))
        )


async def mark_stale(tx: Transaction, organization_id: int, before: datetime) -> int:
    """Marks metrics without a point since `before` and says how many."""
    marked = await tx.execute(
        update(metrics)
        .where(
            metrics.c.organization_id == organization_id,
            metrics.c.data_status == DataStatus.ACTIVE,
            metrics.c.last_ingest_time < before,
        )
        .values(data_status=DataStatus.STALE.value)
    )
    return marked.rowcount


async def list_organization_ids(tx: Transaction) -> list[int]:
    """Organizations that have metrics, ascending."""
    rows = await tx.execute(select(metrics.c.organization_id).distinct().order_by(metrics.c.organization_id))
    return list(rows.scalars())


def to_metric(row: Any) -> MetricInfo:  # noqa: ANN401 -- a row of SHOWN
    """A row as a catalog entry."""
    fields = dict(row._mapping)
    fields["dimension_keys"] = tuple(msgspec.json.decode(fields["dimension_keys"]))
    fields["data_status"] = DataStatus(fields["data_status"]) if row.is_active else DataStatus.INACTIVE
    return MetricInfo(**fields)


def chunks(values: Sequence[Any]) -> list[Sequence[Any]]:
    """The values in pieces that fit into one statement."""
    return [values[start : start + CHUNK] for start in range(0, len(values), CHUNK)]
