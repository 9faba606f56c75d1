"""Keeping stored points few and small: compaction, roll-ups, retention; and stale metrics.

Segments are merged in three steps like sealing: read, merge (work for the processor only), store. Storing fails when another process has
replaced a source meanwhile, so nothing is lost or doubled without a lease.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from lumetry_core.access.service.settings import read_settings
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.metrics.codec import decode_segment, encode_segment
from lumetry_core.metrics.model import DAY_MS
from lumetry_core.metrics.rollup import FIVE_MINUTES, HOUR, RAW, Points, Rollup, as_rollup, concatenate, keep_last, roll_up
from lumetry_core.metrics.settings import Settings
from lumetry_core.metrics.store import catalog as catalog_store
from lumetry_core.metrics.store import receipts as receipt_store
from lumetry_core.metrics.store import segments as segment_store
from lumetry_core.metrics.store.segments import Group, Segment
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Transaction

RECEIPT_DURATION = timedelta(hours=24)
MIN_RUN = 8
"""Segments of one level that are merged into one of the next."""
MAX_SEGMENT_POINTS = 1_000_000
"""Raw segments do not grow beyond this by merging."""
LARGE_POINTS = MAX_SEGMENT_POINTS // MIN_RUN
"""Average size from which merging is not worth it."""
CLOSED_LEVEL = 9
"""Level of a segment that holds all of a past day."""
CLOSED_AFTER = timedelta(hours=1)


class SegmentsChanged(Exception):  # noqa: N818 -- an event, not a fault
    """A source was replaced meanwhile: nothing of the transaction may stay."""


@dataclass(frozen=True, slots=True)
class Work:
    """Segments to merge: all sources of a group at `resolution` and coarser that belong together."""

    resolution: int
    sources: Sequence[Segment]
    level: int


@dataclass(frozen=True, slots=True)
class Merged:
    """What replaces the sources."""

    organization_id: int
    source_ids: Sequence[int]
    result: Segment


async def find_compaction(tx: Transaction, organization_id: int, now: datetime, limit: int) -> list[Work]:
    """Runs of small segments of recent days."""
    today = to_ms(now) // DAY_MS
    groups = await segment_store.list_levels(tx, organization_id, today - 1, min_count=MIN_RUN, max_average=LARGE_POINTS, limit=limit)
    return [work for group in groups if (work := await read_run(tx, group, (group.level or 0) + 1))]


async def find_closed_days(tx: Transaction, organization_id: int, now: datetime, limit: int) -> list[Work]:
    """Past days that lie in several raw segments."""
    before = to_ms(now - CLOSED_AFTER) // DAY_MS
    groups = await segment_store.list_days(tx, organization_id, RAW, before, min_count=2, max_average=MAX_SEGMENT_POINTS // 2, limit=limit)
    return [work for group in groups if (work := await read_run(tx, group, CLOSED_LEVEL))]


async def read_run(tx: Transaction, group: Group, level: int) -> Work | None:
    """The oldest raw segments of a group that together are not too large; later ones keep winning over them."""
    run: list[Segment] = []
    points = 0
    for segment in await segment_store.read_group(tx, group, [RAW]):
        points += segment.point_count
        if points > MAX_SEGMENT_POINTS:
            break
        run.append(segment)
    return Work(RAW, run, level) if len(run) > 1 else None


async def find_rollups(tx: Transaction, organization_id: int, settings: Settings, now: datetime, limit: int) -> list[Work]:
    """Days old enough for a coarser resolution, with what that resolution already holds of them."""
    today = to_ms(now) // DAY_MS
    found = []
    for finer, coarser, days in ((RAW, FIVE_MINUTES, settings.points_days), (FIVE_MINUTES, HOUR, settings.five_minute_days)):
        groups = await segment_store.list_days(tx, organization_id, finer, today - days, min_count=1, max_average=None, limit=limit)
        found += [Work(coarser, await segment_store.read_group(tx, group, [finer, coarser]), 0) for group in groups]
    return found


def merge(work: Work) -> Merged:
    """Makes one segment of the sources."""
    rollup = join_raw(work.sources) if work.resolution == RAW else coarsen(work.sources, work.resolution)
    columns = (rollup.sums,) if work.resolution == RAW else rollup.columns
    first = work.sources[0]
    return Merged(
        first.organization_id,
        [source.id for source in work.sources],
        Segment(
            id=0,
            organization_id=first.organization_id,
            metric_id=first.metric_id,
            resolution=work.resolution,
            day=first.day,
            level=work.level,
            sequence=max(source.sequence for source in work.sources),
            start_ms=int(rollup.times_ms.min()),
            end_ms=int(rollup.times_ms.max()),
            point_count=len(rollup.times_ms),
            payload=encode_segment(rollup.series_ids, rollup.times_ms, *columns),
        ),
    )


def join_raw(sources: Sequence[Segment]) -> Rollup:
    """Points of raw segments, ascending by sequence: the last of repeated ones stays."""
    decoded = [decode_segment(source.payload) for source in sources]
    return as_rollup(
        keep_last(
            Points(
                np.concatenate([series_ids for series_ids, _, _ in decoded]),
                np.concatenate([times for _, times, _ in decoded]),
                np.concatenate([columns[0] for _, _, columns in decoded]),
            )
        )
    )


def coarsen(sources: Sequence[Segment], resolution: int) -> Rollup:
    """Statistics of sources of any finer resolution."""
    raw = [source for source in sources if source.resolution == RAW]
    parts = [join_raw(raw)] if raw else []
    for source in sources:
        if source.resolution != RAW:
            series_ids, times_ms, columns = decode_segment(source.payload)
            parts.append(Rollup(series_ids, times_ms, *columns))
    return roll_up(concatenate(parts), resolution * 1000)


async def replace_segments(tx: Transaction, merged: Merged) -> None:
    """Puts the result in the place of its sources. Raises `SegmentsChanged`, which rolls everything back."""
    if await segment_store.delete_by_id(tx, merged.organization_id, merged.source_ids) != len(merged.source_ids):
        raise SegmentsChanged
    await segment_store.insert_segments(tx, [merged.result])


async def list_organization_ids(tx: Transaction) -> list[int]:
    """Organizations that have metrics."""
    return await catalog_store.list_organization_ids(tx)


async def drop_old(tx: Transaction, organization_id: int, settings: Settings, now: datetime) -> None:
    """Drops receipts and roll-ups past their time and marks metrics without points as stale."""
    await receipt_store.delete_before(tx, organization_id, now - RECEIPT_DURATION)
    await segment_store.delete_days(tx, organization_id, to_ms(now) // DAY_MS - settings.hour_days, HOUR)
    defaults = OrganizationSettings(catalog_stale_after_hours=settings.stale_after_hours)
    own = await read_settings(tx, organization_id, defaults)
    await catalog_store.mark_stale(tx, organization_id, now - own.stale_after)


async def enforce_cap(tx: Transaction, max_bytes: int) -> int | None:
    """Drops the oldest days of all organizations until their segments fit; gives the first day kept, None when all fitted."""
    organization_ids = await list_organization_ids(tx)
    sizes: dict[int, int] = {}
    for organization_id in organization_ids:
        for day, size in await segment_store.sum_bytes_by_day(tx, organization_id):
            sizes[day] = sizes.get(day, 0) + size
    total = sum(sizes.values())
    if not max_bytes or total <= max_bytes:
        return None
    first_kept = min(sizes)
    for day in sorted(sizes):
        if total <= max_bytes:
            break
        total -= sizes[day]
        first_kept = day + 1
    for organization_id in organization_ids:
        await segment_store.delete_days(tx, organization_id, first_kept)
    return first_kept
