"""Series and raw segments of many metrics at once."""

from collections.abc import Collection

import msgspec
from sqlalchemy import select

from lumetry_core.metrics.model import DAY_MS, SeriesInfo
from lumetry_core.metrics.rollup import RAW
from lumetry_core.metrics.store.catalog import chunks
from lumetry_core.metrics.store.segments import point_segments
from lumetry_core.metrics.store.series import series
from lumetry_core.runtime.database import Transaction

label_decoder = msgspec.msgpack.Decoder(dict[str, str])


async def list_metric_ids(tx: Transaction, organization_id: int, series_ids: Collection[int]) -> set[int]:
    """The metrics that series belong to."""
    found: set[int] = set()
    for chunk in chunks(sorted(series_ids)):
        rows = await tx.execute(
            select(series.c.metric_id).where(series.c.organization_id == organization_id, series.c.id.in_(chunk)).distinct()
        )
        found.update(rows.scalars())
    return found


async def list_series(tx: Transaction, organization_id: int, metric_ids: Collection[int]) -> list[SeriesInfo]:
    """All series of metrics, ascending by number."""
    found = []
    for chunk in chunks(sorted(metric_ids)):
        rows = await tx.execute(
            select(series.c.id, series.c.metric_id, series.c.labels).where(
                series.c.organization_id == organization_id, series.c.metric_id.in_(chunk)
            )
        )
        found += [SeriesInfo(row.id, row.metric_id, label_decoder.decode(row.labels)) for row in rows]
    return sorted(found, key=lambda info: info.id)


async def find_series(tx: Transaction, organization_id: int, series_ids: Collection[int]) -> dict[int, SeriesInfo]:
    """The series that exist, by number."""
    found = {}
    for chunk in chunks(sorted(series_ids)):
        rows = await tx.execute(
            select(series.c.id, series.c.metric_id, series.c.labels).where(
                series.c.organization_id == organization_id, series.c.id.in_(chunk)
            )
        )
        found.update({row.id: SeriesInfo(row.id, row.metric_id, label_decoder.decode(row.labels)) for row in rows})
    return found


async def read_raw_payloads(tx: Transaction, organization_id: int, metric_ids: Collection[int], start_ms: int, end_ms: int) -> list[bytes]:
    """Raw segments of metrics that may hold points in the range, both ends included."""
    columns = point_segments.c
    found: list[bytes] = []
    for chunk in chunks(sorted(metric_ids)):
        rows = await tx.execute(
            select(columns.payload).where(
                columns.organization_id == organization_id,
                columns.metric_id.in_(chunk),
                columns.day.between(start_ms // DAY_MS, end_ms // DAY_MS),
                columns.end_ms >= start_ms,
                columns.start_ms <= end_ms,
                columns.resolution == RAW,
            )
        )
        found += rows.scalars()
    return found
