"""Bindings of metrics."""

import hashlib
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Index, String, Table, Text, UniqueConstraint, delete, select

from lumetry_core.metrics.binding import MetricBinding, NewBinding
from lumetry_core.metrics.definition import unpack_labels
from lumetry_core.metrics.store.catalog import IS_DEFINED, SortText, chunks, metrics
from lumetry_core.metrics.store.series import series
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
    Index("ix_metric_bindings_organization_id_node_id", "organization_id", "node_id"),
    sqlite_autoincrement=True,
)


async def insert_bindings(tx: Transaction, organization_id: int, wanted: Iterable[NewBinding], now: datetime) -> list[MetricBinding]:
    """Adds bindings and gives them, ascending by number; those that repeat one are left out."""
    added: list[MetricBinding] = []
    for chunk in chunks([to_row(organization_id, binding, now) for binding in wanted]):
        statement = tx.insert(metric_bindings).on_conflict_do_nothing().returning(metric_bindings)
        added += [to_binding(row) for row in await tx.execute(statement, chunk)]
    return sorted(added, key=lambda binding: binding.id)


def to_row(organization_id: int, binding: NewBinding, now: datetime) -> dict[str, Any]:
    """A new binding as columns."""
    written = msgspec.json.encode(dict(sorted(binding.labels.items())))
    return {
        "organization_id": organization_id,
        "metric_key": binding.metric_key,
        "node_id": binding.node_id,
        "labels": written.decode(),
        "labels_digest": hashlib.sha256(written).hexdigest(),
        "create_time": now,
    }


async def list_bindings(tx: Transaction, organization_id: int, metric_key: str) -> list[MetricBinding]:
    """The bindings of a metric, ascending by number."""
    columns = metric_bindings.c
    of_metric = (columns.organization_id == organization_id) & (columns.metric_key == metric_key)
    return [to_binding(row) for row in await tx.execute(select(metric_bindings).where(of_metric).order_by(columns.id))]


async def find_bindings(tx: Transaction, organization_id: int, metric_keys: Collection[str]) -> list[MetricBinding]:
    """The bindings of metrics."""
    columns = metric_bindings.c
    found: list[MetricBinding] = []
    for chunk in chunks(list(metric_keys)):
        statement = select(metric_bindings).where(columns.organization_id == organization_id, columns.metric_key.in_(chunk))
        found += [to_binding(row) for row in await tx.execute(statement)]
    return found


async def list_of_node(tx: Transaction, organization_id: int, node_id: int) -> list[MetricBinding]:
    """The bindings to a node, by metric and then by number."""
    columns = metric_bindings.c
    statement = select(metric_bindings).where(columns.organization_id == organization_id, columns.node_id == node_id)
    return [to_binding(row) for row in await tx.execute(statement.order_by(columns.metric_key, columns.id))]


async def delete_of_node(tx: Transaction, organization_id: int, node_id: int) -> None:
    """Drops the bindings to a node."""
    columns = metric_bindings.c
    await tx.execute(delete(metric_bindings).where(columns.organization_id == organization_id, columns.node_id == node_id))


async def list_member_series(
    tx: Transaction, organization_id: int, metric_keys: Collection[str]
) -> list[tuple[str, list[str], bool, dict[str, str]]]:
    """The series of defined metrics: key, dimension keys, whether it has members, and the series' labels."""
    columns = (metrics.c.metric_key, metrics.c.dimension_keys, metrics.c.multidimensional, series.c.labels)
    found = []
    for chunk in chunks(list(metric_keys)):
        statement = (
            select(*columns)
            .join(series, (series.c.organization_id == organization_id) & (series.c.metric_id == metrics.c.id))
            .where(metrics.c.organization_id == organization_id, metrics.c.metric_key.in_(chunk), IS_DEFINED)
        )
        rows = await tx.execute(statement)
        found += [
            (row.metric_key, msgspec.json.decode(row.dimension_keys, type=list[str]), row.multidimensional, unpack_labels(row.labels))
            for row in rows
        ]
    return found


async def delete_binding(tx: Transaction, organization_id: int, metric_key: str, binding_id: int) -> MetricBinding | None:
    """Drops a binding of a metric and gives it; None when there is none."""
    columns = metric_bindings.c
    this = (columns.organization_id == organization_id) & (columns.metric_key == metric_key) & (columns.id == binding_id)
    row = (await tx.execute(delete(metric_bindings).where(this).returning(metric_bindings))).one_or_none()
    return None if row is None else to_binding(row)


async def delete_bindings(tx: Transaction, organization_id: int, ids: Collection[int]) -> list[MetricBinding]:
    """Drops bindings and gives those that there were, ascending by number."""
    columns = metric_bindings.c
    removed: list[MetricBinding] = []
    for chunk in chunks(sorted(ids)):
        these = (columns.organization_id == organization_id) & columns.id.in_(chunk)
        removed += [to_binding(row) for row in await tx.execute(delete(metric_bindings).where(these).returning(metric_bindings))]
    return sorted(removed, key=lambda binding: binding.id)


def to_binding(row: Any) -> MetricBinding:  # noqa: ANN401 -- a row of the table
    """A row as a binding."""
    return MetricBinding(row.id, row.organization_id, row.metric_key, row.node_id, msgspec.json.decode(row.labels), row.create_time)
