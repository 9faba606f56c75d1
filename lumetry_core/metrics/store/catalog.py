"""The catalog.

The row of a metric stays when its definition is removed, because stored series and points name its number; it is hidden, and reset to
what a metric is when points register it, until points or people bring it back.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    case,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql

from lumetry_core.metrics.fleet_contract import Analysis, FleetContract
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
    Column("entity_type", String(64), nullable=False, server_default=text("''")),
    Column("entity_identifier", String(200), nullable=False, server_default=text("''")),
    Column("metadata", Text, nullable=False, server_default="{}"),  # JSON
    Column("fleet", Text, nullable=False, server_default="{}"),  # JSON; what is not there has its default
    Column("delete_time", Time),  # the definition is removed
    UniqueConstraint("organization_id", "metric_key"),
    Index("ix_metrics_organization_sort_name", "organization_id", "sort_name", "metric_key"),
    sqlite_autoincrement=True,
)

SHOWN = [column for column in metrics.c if column.name not in ("sort_name", "search_text", "delete_time")]
DOCUMENTS = ("dimension_keys", "metadata", "fleet")
"""Columns that hold JSON."""
IS_DEFINED = metrics.c.delete_time.is_(None)
fleet_decoder = msgspec.json.Decoder(FleetContract)


async def insert_metrics(tx: Transaction, infos: Iterable[dict[str, Any]]) -> None:
    """Registers metrics; the ones whose key is there already, also removed ones, are left as they are."""
    rows = [to_row(info) for info in infos]
    if rows:
        await tx.execute(tx.insert(metrics).on_conflict_do_nothing(), rows)


async def insert_metric(tx: Transaction, info: dict[str, Any]) -> bool:
    """Adds a metric; False, and nothing is added, when its key is there already."""
    added = tx.insert(metrics).values(to_row(info)).on_conflict_do_nothing().returning(metrics.c.id)
    return (await tx.execute(added)).first() is not None


def to_row(info: dict[str, Any]) -> dict[str, Any]:
    """Fields of a metric, key and display name among them, as columns."""
    name = info["display_name"] or info["metric_key"]
    documents = {column: msgspec.json.encode(info[column]).decode() for column in DOCUMENTS if column in info}
    return {
        **info,
        **documents,
        "sort_name": name.casefold()[:SORT_LENGTH],
        "search_text": f"{info['metric_key'].casefold()}\n{info['display_name'].casefold()}",
    }


async def update_metric(tx: Transaction, organization_id: int, info: dict[str, Any]) -> bool:
    """Writes fields of the defined metric with their key; False when there is none."""
    return await update_row(tx, organization_id, info, is_defined=True)


async def restore_metric(tx: Transaction, organization_id: int, info: dict[str, Any]) -> bool:
    """Brings the removed metric with the key of the fields back with them; False when there is none."""
    return await update_row(tx, organization_id, info | {"delete_time": None}, is_defined=False)


async def remove_metric(tx: Transaction, organization_id: int, info: dict[str, Any], now: datetime) -> bool:
    """Hides the defined metric with the key of the fields, which it has when it comes back; False when there is none."""
    return await update_row(tx, organization_id, info | {"delete_time": now}, is_defined=True)


async def update_row(tx: Transaction, organization_id: int, info: dict[str, Any], *, is_defined: bool) -> bool:
    """Writes fields of a metric that is, or is not, removed."""
    state = IS_DEFINED if is_defined else ~IS_DEFINED
    this = (metrics.c.organization_id == organization_id) & (metrics.c.metric_key == info["metric_key"]) & state
    return (await tx.execute(update(metrics).where(this).values(to_row(info)))).rowcount == 1


async def find_by_key(tx: Transaction, organization_id: int, keys: Collection[str], *, removed: bool = False) -> dict[str, MetricInfo]:
    """The metrics that are defined (or, instead, removed), by key."""
    state = ~IS_DEFINED if removed else IS_DEFINED
    found = {}
    for chunk in chunks(sorted(keys)):
        rows = await tx.execute(select(*SHOWN).where(metrics.c.organization_id == organization_id, metrics.c.metric_key.in_(chunk), state))
        found.update({row.metric_key: to_metric(row) for row in rows})
    return found


async def find_defined(tx: Transaction, organization_id: int, metric_id: int) -> MetricInfo | None:
    """The metric of a number, unless its definition is removed."""
    statement = select(*SHOWN).where(metrics.c.organization_id == organization_id, metrics.c.id == metric_id, IS_DEFINED)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else to_metric(row)


async def find_by_id(tx: Transaction, organization_id: int, metric_ids: Collection[int]) -> dict[int, MetricInfo]:
    """The metrics that stored points name, by number: removed ones too."""
    found = {}
    for chunk in chunks(sorted(metric_ids)):
        rows = await tx.execute(select(*SHOWN).where(metrics.c.organization_id == organization_id, metrics.c.id.in_(chunk)))
        found.update({row.id: to_metric(row) for row in rows})
    return found


async def list_page(
    tx: Transaction, organization_id: int, query: str, *, is_evaluable: bool | None, offset: int, limit: int
) -> tuple[list[MetricInfo], int]:
    """A page of the catalog by name, then key, and how many match over all pages."""
    where = [metrics.c.organization_id == organization_id, IS_DEFINED]
    if query:
        where.append(metrics.c.search_text.contains(query.casefold(), autoescape=True))
    if is_evaluable is not None:
        evaluable = metrics.c.is_active & (metrics.c.data_status == DataStatus.ACTIVE)
        where.append(evaluable if is_evaluable else ~evaluable)
    total = (await tx.execute(select(func.count()).select_from(metrics).where(*where))).scalar_one()
    rows = await tx.execute(select(*SHOWN).where(*where).order_by(metrics.c.sort_name, metrics.c.metric_key).offset(offset).limit(limit))
    return [to_metric(row) for row in rows], total


async def list_fleets(tx: Transaction, organization_id: int) -> list[MetricInfo]:
    """The active metrics whose members are compared, ascending by number."""
    is_analysed = or_(*(metrics.c.fleet.contains(f'"{analysis}"') for analysis in Analysis))
    where = (metrics.c.organization_id == organization_id, IS_DEFINED, metrics.c.is_active, metrics.c.multidimensional, is_analysed)
    return [to_metric(row) for row in await tx.execute(select(*SHOWN).where(*where).order_by(metrics.c.id))]


async def note_ingestion(tx: Transaction, organization_id: int, metric_ids: Collection[int], now: datetime) -> None:
    """Records that points arrive; metrics without data so far have data now, and removed ones are registered anew."""
    had_none = metrics.c.data_status.in_([DataStatus.PENDING, DataStatus.STALE])
    registered_now = {name: case((IS_DEFINED, metrics.c[name]), else_=literal(now, Time)) for name in ("create_time", "update_time")}
    for chunk in chunks(sorted(metric_ids)):
        await tx.execute(
            update(metrics)
            .where(metrics.c.organization_id == organization_id, metrics.c.id.in_(chunk))
            .values(
                last_ingest_time=now,
                data_status=case((had_none, DataStatus.ACTIVE.value), else_=metrics.c.data_status),
                delete_time=None,
                **registered_now,
            )
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
    fields["metadata"] = msgspec.json.decode(fields["metadata"])
    fields["fleet"] = fleet_decoder.decode(fields["fleet"])
    fields["data_status"] = DataStatus(fields["data_status"]) if row.is_active else DataStatus.INACTIVE
    return MetricInfo(**fields)


def chunks(values: Sequence[Any]) -> list[Sequence[Any]]:
    """The values in pieces that fit into one statement."""
    return [values[start : start + CHUNK] for start in range(0, len(values), CHUNK)]
