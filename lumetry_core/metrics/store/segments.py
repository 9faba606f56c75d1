"""Segments of points: packed, one metric and one UTC day each, at a resolution.

Of several raw segments that hold a point for the same series and time, the one with the higher `sequence` wins.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, delete, func, select

from lumetry_core.metrics.model import DAY_MS
from lumetry_core.metrics.store.catalog import chunks
from lumetry_core.runtime.database import Id, Transaction, metadata

point_segments = Table(
    "point_segments",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("metric_id", BigInteger, nullable=False),
    Column("resolution", Integer, nullable=False),
    Column("day", Integer, nullable=False),
    Column("level", Integer, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("point_count", Integer, nullable=False),
    Column("byte_count", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Index("ix_point_segments_organization_metric", "organization_id", "metric_id", "day", "end_ms"),
    Index(
        "ix_point_segments_organization_day",
        "organization_id",
        "resolution",
        "day",
        "metric_id",
        "level",
        "point_count",
        "byte_count",
    ),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stored segment. `day` counts from the Unix epoch; `end_ms` is the time of its last point or bucket."""

    id: int
    organization_id: int
    metric_id: int
    resolution: int
    day: int
    level: int
    sequence: int
    start_ms: int
    end_ms: int
    point_count: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Group:
    """Segments of one metric and day that are to become one; `level` None: of all levels."""

    organization_id: int
    metric_id: int
    day: int
    level: int | None


async def insert_segments(tx: Transaction, segments: Iterable[Segment]) -> None:
    """Stores segments; their `id` is given by the database."""
    columns = [column.name for column in point_segments.c if column.name not in ("id", "byte_count")]
    rows = [{**{name: getattr(segment, name) for name in columns}, "byte_count": len(segment.payload)} for segment in segments]
    for chunk in chunks(rows):
        await tx.execute(point_segments.insert(), chunk)


async def read_segments(tx: Transaction, organization_id: int, metric_id: int, start_ms: int, end_ms: int) -> list[Segment]:
    """Segments of a metric that may hold points in the range, both ends included, ascending by sequence."""
    columns = point_segments.c
    return await read_where(
        tx,
        columns.organization_id == organization_id,
        columns.metric_id == metric_id,
        columns.day >= start_ms // DAY_MS,
        columns.day <= end_ms // DAY_MS,
        columns.end_ms >= start_ms,
        columns.start_ms <= end_ms,
    )


async def list_days_of_metric(tx: Transaction, organization_id: int, metric_id: int, start_ms: int, end_ms: int) -> list[int]:
    """Days of which a metric has segments, in a range, both ends included; ascending."""
    columns = point_segments.c
    where = (
        columns.organization_id == organization_id,
        columns.metric_id == metric_id,
        columns.day.between(start_ms // DAY_MS, end_ms // DAY_MS),
    )
    return list((await tx.execute(select(columns.day).where(*where).distinct().order_by(columns.day))).scalars())


async def read_group(tx: Transaction, group: Group, resolutions: Collection[int]) -> list[Segment]:
    """Segments of a group at any of the resolutions, ascending by sequence."""
    columns = point_segments.c
    where = [
        columns.organization_id == group.organization_id,
        columns.metric_id == group.metric_id,
        columns.day == group.day,
        columns.resolution.in_(sorted(resolutions)),
    ]
    if group.level is not None:
        where.append(columns.level == group.level)
    return await read_where(tx, *where)


async def read_where(tx: Transaction, *conditions: Any) -> list[Segment]:  # noqa: ANN401 -- SQL conditions
    """Segments under conditions, ascending by sequence."""
    shown = [column for column in point_segments.c if column.name != "byte_count"]
    rows = await tx.execute(select(*shown).where(*conditions).order_by(point_segments.c.sequence, point_segments.c.id))
    return [Segment(**row._mapping) for row in rows]


async def list_levels(tx: Transaction, organization_id: int, from_day: int, *, min_count: int, max_average: int, limit: int) -> list[Group]:
    """Metrics and days with at least `min_count` raw segments of one level, none of them large."""
    columns = point_segments.c
    rows = await tx.execute(
        select(columns.metric_id, columns.day, columns.level)
        .where(columns.organization_id == organization_id, columns.resolution == 0, columns.day >= from_day)
        .group_by(columns.metric_id, columns.day, columns.level)
        .having((func.count() >= min_count) & (func.sum(columns.point_count) < max_average * func.count()))
        .limit(limit)
    )
    return [Group(organization_id, row.metric_id, row.day, row.level) for row in rows]


async def list_days(
    tx: Transaction, organization_id: int, resolution: int, before_day: int, *, min_count: int, max_average: int | None, limit: int
) -> list[Group]:
    """Metrics and days before a day with at least `min_count` segments of a resolution, oldest first."""
    columns = point_segments.c
    having = func.count() >= min_count
    if max_average is not None:
        having &= func.sum(columns.point_count) < max_average * func.count()
    rows = await tx.execute(
        select(columns.metric_id, columns.day)
        .where(columns.organization_id == organization_id, columns.resolution == resolution, columns.day < before_day)
        .group_by(columns.day, columns.metric_id)
        .having(having)
        .order_by(columns.day, columns.metric_id)
        .limit(limit)
    )
    return [Group(organization_id, row.metric_id, row.day, None) for row in rows]


async def delete_by_id(tx: Transaction, organization_id: int, ids: Sequence[int]) -> int:
    """Drops segments and says how many there were."""
    dropped = 0
    for chunk in chunks(ids):
        statement = delete(point_segments).where(point_segments.c.organization_id == organization_id, point_segments.c.id.in_(chunk))
        dropped += (await tx.execute(statement)).rowcount
    return dropped


async def delete_days(tx: Transaction, organization_id: int, before_day: int, resolution: int | None = None) -> int:
    """Drops what lies before a day, at one resolution or at all, and says how many segments."""
    statement = delete(point_segments).where(point_segments.c.organization_id == organization_id, point_segments.c.day < before_day)
    if resolution is not None:
        statement = statement.where(point_segments.c.resolution == resolution)
    return (await tx.execute(statement)).rowcount


async def sum_bytes_by_day(tx: Transaction, organization_id: int) -> list[tuple[int, int]]:
    """Days and the bytes stored for them, ascending."""
    columns = point_segments.c
    rows = await tx.execute(
        select(columns.day, func.sum(columns.byte_count).label("size"))
        .where(columns.organization_id == organization_id)
        .group_by(columns.day)
        .order_by(columns.day)
    )
    return [(row.day, int(row.size)) for row in rows]
