"""Who refers to metrics."""

from collections.abc import Collection

from sqlalchemy import BigInteger, Column, Index, String, Table, delete, select

from lumetry_core.metrics.store.catalog import SortText
from lumetry_core.runtime.database import Transaction, metadata

metric_references = Table(
    "metric_references",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(40), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("metric_key", SortText, primary_key=True),
    Index("ix_metric_references_organization_key", "organization_id", "metric_key", "kind", "number"),
)


async def replace_references(tx: Transaction, organization_id: int, kind: str, number: int, metric_keys: Collection[str]) -> None:
    """Writes down all metrics to which something refers."""
    columns = metric_references.c
    this = (columns.organization_id == organization_id) & (columns.kind == kind) & (columns.number == number)
    await tx.execute(delete(metric_references).where(this))
    rows = [{"organization_id": organization_id, "kind": kind, "number": number, "metric_key": key} for key in sorted(set(metric_keys))]
    if rows:
        await tx.execute(metric_references.insert(), rows)


async def list_references(tx: Transaction, organization_id: int, metric_key: str) -> list[tuple[str, int]]:
    """Kind and number of all that refers to a metric, ascending."""
    columns = metric_references.c
    rows = await tx.execute(
        select(columns.kind, columns.number)
        .where(columns.organization_id == organization_id, columns.metric_key == metric_key)
        .order_by(columns.kind, columns.number)
    )
    return [(row.kind, row.number) for row in rows]
