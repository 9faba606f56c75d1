"""Bindings of metrics."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, String, Table, Text, UniqueConstraint, delete, select

from lumetry_core.metrics.binding import MetricBinding
from lumetry_core.metrics.store.catalog import SortText
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

metric_bindings = Table(
    "metric_bindings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("metric_key", SortText, nullable=False),
    Column("node_id", BigInteger, nullable=False),
    Column("labels", Text, nullable=False),  # JSON, sorted by name
    Column("labels_digest", String(64), nullable=False),  # labels may be too long for an index
    Column("create_time", Time, nullable=False),
    UniqueConstraint("organization_id", "metric_key", "node_id", "labels_digest", name="uq_metric_bindings_same"),
    sqlite_autoincrement=True,
)


async def insert_binding(
    tx: Transaction, organization_id: int, metric_key: str, node_id: int, labels: Mapping[str, str], now: datetime
) -> MetricBinding | None:
    """Adds a binding; None, and nothing is added, when it repeats one."""
    written = msgspec.json.encode(dict(sorted(labels.items())))
    values = {
        "organization_id": organization_id,
        "metric_key": metric_key,
        "node_id": node_id,
        "labels": written.decode(),
        "labels_digest": hashlib.sha256(written).hexdigest(),
        "create_time": now,
    }
    added = tx.insert(metric_bindings).values(values).on_conflict_do_nothing().returning(metric_bindings)
    row = (await tx.execute(added)).one_or_none()
    return None if row is None else to_binding(row)


async def list_bindings(tx: Transaction, organization_id: int, metric_key: str) -> list[MetricBinding]:
    """The bindings of a metric, ascending by number."""
    columns = metric_bindings.c
    of_metric = (columns.organization_id == organization_id) & (columns.metric_key == metric_key)
    return [to_binding(row) for row in await tx.execute(select(metric_bindings).where(of_metric).order_by(columns.id))]


async def delete_binding(tx: Transaction, organization_id: int, metric_key: str, binding_id: int) -> MetricBinding | None:
    """Drops a binding of a metric and gives it; None when there is none."""
    columns = metric_bindings.c
    this = (columns.organization_id == organization_id) & (columns.metric_key == metric_key) & (columns.id == binding_id)
    row = (await tx.execute(delete(metric_bindings).where(this).returning(metric_bindings))).one_or_none()
    return None if row is None else to_binding(row)


def to_binding(row: Any) -> MetricBinding:  # noqa: ANN401 -- a row of the table
    """A row as a binding."""
    return MetricBinding(row.id, row.organization_id, row.metric_key, row.node_id, msgspec.json.decode(row.labels), row.create_time)
