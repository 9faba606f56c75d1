"""Reading what is stored: segments and the inbox together."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from lumetry_core.metrics.codec import decode_payload, decode_segment
from lumetry_core.metrics.model import Floats, Integers, Newest, SeriesInfo
from lumetry_core.metrics.rollup import RAW, Points, Rollup, as_rollup, concatenate, keep_last
from lumetry_core.metrics.service.inbox import MAX_OFFSET, take_jobs
from lumetry_core.metrics.store import catalog as catalog_store
from lumetry_core.metrics.store import inbox as inbox_store
from lumetry_core.metrics.store import members as member_store
from lumetry_core.metrics.store import newest as newest_store
from lumetry_core.metrics.store import partitions as partition_store
from lumetry_core.metrics.store import segments as segment_store
from lumetry_core.metrics.store.inbox import PackedEntry
from lumetry_core.metrics.store.newest import NEVER
from lumetry_core.runtime.database import Transaction

Columns = tuple[Integers, Integers, Floats]
"""Series ids, times in ms and values."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredPoints:
    """What was read and is yet to be decoded, which is work for the processor only.

    `decode_raw` gives raw points sorted by series, then time, the last accepted value of each; `decode_rollups` the roll-ups that were read
    with their resolutions in seconds.
    """

    decode_raw: Callable[[], Points]
    decode_rollups: Callable[[], list[tuple[int, Rollup]]]
    payload_bytes: int

    def decode(self) -> Rollup:
        """All of it, raw points as buckets of one point each."""
        return concatenate([as_rollup(self.decode_raw()), *(rollup for _, rollup in self.decode_rollups())])


async def read_stored(
    tx: Transaction,
    organization_id: int,
    metric_id: int,
    partition: int,
    series_ids: Integers,
    start_ms: int,
    end_ms: int,
    *,
    before_offset: int | None = None,
    unsealed: Columns | None = None,
) -> StoredPoints:
    """Every accepted point of series of one metric in a range, both ends included; older ones are roll-ups.

    Args:
        before_offset: Jobs from this offset on do not count, as when they wait for evaluation; None: all do.
        unsealed: What `read_unsealed` gave for the same series and a range around this one, when many ranges are read in one transaction.
    """
    segments = await segment_store.read_segments(tx, organization_id, metric_id, start_ms, end_ms)
    entries: Sequence[PackedEntry] = ()
    if unsealed is None and before_offset is not None:
        unsealed = await read_unsealed(tx, organization_id, partition, series_ids, start_ms, end_ms, before_offset=before_offset)
    if unsealed is None:
        position = (await partition_store.read_positions(tx, [partition]))[0]
        entries = await inbox_store.read_packed(tx, partition, position.sealed_offset, MAX_OFFSET, organization_id)
    wanted = Selection(series_ids, start_ms, end_ms)

    def decode_points() -> Points:
        raw = [wanted.of(decode_raw(segment.payload)) for segment in segments if segment.resolution == RAW]
        raw += [wanted.of(decode_payload(entry.payload)) for entry in entries]
        if unsealed is not None:
            raw.append(wanted.of(unsealed))
        return keep_last(join([columns for columns in raw if len(columns[0])]))

    def decode_rollups() -> list[tuple[int, Rollup]]:
        return [(segment.resolution, wanted.of_rollup(segment.payload)) for segment in segments if segment.resolution != RAW]

    size = sum(len(segment.payload) for segment in segments) + sum(len(entry.payload) for entry in entries)
    return StoredPoints(decode_points, decode_rollups, size)


async def read_unsealed(
    tx: Transaction, organization_id: int, partition: int, series_ids: Integers, start_ms: int, end_ms: int, *, before_offset: int | None
) -> Columns:
    """Points of series in a range, both ends included, that are not in segments yet, in order of arrival.

    Args:
        before_offset: Jobs from this offset on do not count; None: all do.
    """
    wanted = Selection(series_ids, start_ms, end_ms)
    position = (await partition_store.read_positions(tx, [partition]))[0]
    before = MAX_OFFSET if before_offset is None else before_offset
    found = []
    for entry in await inbox_store.read_range(tx, partition, position.sealed_offset, before, organization_id):
        kept = take_jobs(entry, 0, before - entry.first_offset)
        found.append(wanted.of((kept.series_ids, kept.times_ms, kept.values)))
    points = join(found)
    return points.series_ids, points.times_ms, points.values


async def list_days(tx: Transaction, organization_id: int, metric_id: int, start_ms: int, end_ms: int) -> list[int]:
    """Days since the Unix epoch of which segments hold points of a metric, in a range, both ends included; ascending."""
    return await segment_store.list_days_of_metric(tx, organization_id, metric_id, start_ms, end_ms)


async def list_series(tx: Transaction, organization_id: int, metric_id: int) -> list[SeriesInfo]:
    """All series of a metric, ascending by number: the order of their registration."""
    return await member_store.list_series(tx, organization_id, [metric_id])


async def stored_times(
    tx: Transaction,
    organization_id: int,
    metric_id: int,
    series_ids: Integers,
    from_ms: int,
    to_ms: int,
    before_offset: int,
) -> tuple[Integers, Integers]:
    """Which (series, time) pairs were stored by earlier jobs of the metric's partition: parallel columns, unique, ascending.

    Only raw points count: what was rolled up is too old to be evaluated.

    Args:
        from_ms: Start of the range, included, as is `to_ms`.
        before_offset: Jobs from this offset on do not count.
    """
    metric = (await catalog_store.find_by_id(tx, organization_id, [metric_id]))[metric_id]
    wanted = Selection(series_ids, from_ms, to_ms)
    segments = await segment_store.read_segments(tx, organization_id, metric_id, from_ms, to_ms)
    found = [wanted.of(decode_raw(segment.payload)) for segment in segments if segment.resolution == RAW]
    position = (await partition_store.read_positions(tx, [metric.partition]))[0]
    for entry in await inbox_store.read_range(tx, metric.partition, position.sealed_offset, before_offset, organization_id):
        kept = take_jobs(entry, 0, before_offset - entry.first_offset)
        found.append(wanted.of((kept.series_ids, kept.times_ms, kept.values)))
    points = keep_last(join(found))
    return points.series_ids, points.times_ms


async def read_newest(tx: Transaction, organization_id: int, partitions: Collection[int] | None = None) -> Newest:
    """The newest time of each series among points that are in segments; `fold_unsealed` adds the rest."""
    return await newest_store.read_newest(tx, organization_id, partitions)


async def fold_unsealed(tx: Transaction, organization_id: int, newest: Newest, partitions: Collection[int] | None = None) -> Newest:
    """Moves a snapshot on by the evaluated points that are not in segments yet."""
    columns = [(newest.series_ids, newest.times_ms)]
    for position in await partition_store.read_positions(tx, partitions):
        for entry in await inbox_store.read_range(
            tx, position.partition, position.sealed_offset, position.committed_offset, organization_id
        ):
            evaluated = take_jobs(entry, 0, position.committed_offset - entry.first_offset)
            columns.append((evaluated.series_ids, evaluated.times_ms))
    return newest_of(np.concatenate([ids for ids, _ in columns]), np.concatenate([times for _, times in columns]))


def newest_of(series_ids: Integers, times_ms: Integers) -> Newest:
    """The newest time of each series."""
    newest = np.full(int(series_ids.max(initial=0)) + 1, NEVER)
    np.maximum.at(newest, series_ids, times_ms)
    present = np.flatnonzero(newest != NEVER)
    return Newest(present, newest[present])


class Selection:
    """Keeps points of some series in a range, both ends included."""

    def __init__(self, series_ids: Integers, start_ms: int, end_ms: int) -> None:
        self._is_wanted = np.zeros(int(series_ids.max(initial=0)) + 2, bool)
        self._is_wanted[series_ids] = True
        self._start_ms = start_ms
        self._end_ms = end_ms

    def mask(self, series_ids: Integers, times_ms: Integers) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which points are wanted."""
        known = self._is_wanted[np.minimum(series_ids, len(self._is_wanted) - 1)]
        wanted: np.ndarray[tuple[int], np.dtype[np.bool_]] = known & (times_ms >= self._start_ms) & (times_ms <= self._end_ms)
        return wanted

    def of(self, columns: Columns) -> Columns:
        """The wanted ones of raw points."""
        kept = self.mask(columns[0], columns[1])
        return columns[0][kept], columns[1][kept], columns[2][kept]

    def of_rollup(self, payload: bytes) -> Rollup:
        """The wanted buckets of a roll-up segment."""
        series_ids, times_ms, columns = decode_segment(payload)
        kept = self.mask(series_ids, times_ms)
        return Rollup(series_ids[kept], times_ms[kept], *(column[kept] for column in columns))


def decode_raw(payload: bytes) -> Columns:
    """A raw segment's columns."""
    series_ids, times_ms, columns = decode_segment(payload)
    return series_ids, times_ms, columns[0]


def join(found: Sequence[Columns]) -> Points:
    """Raw points one after another."""
    if not found:
        return Points(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    return Points(*(np.concatenate(columns) for columns in zip(*found, strict=True)))
