"""Hosts that points have named, and what their usual metrics say now."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from lumetry_core.metrics.codec import decode_payload
from lumetry_core.metrics.hosts import HOST_ID, Host
from lumetry_core.metrics.model import Integers, MetricInfo, SeriesInfo
from lumetry_core.metrics.rollup import RAW
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.metrics.service.stored import Columns, Selection, decode_raw
from lumetry_core.metrics.store import hosts as store
from lumetry_core.metrics.store import inbox as inbox_store
from lumetry_core.metrics.store import members as member_store
from lumetry_core.metrics.store import newest as newest_store
from lumetry_core.metrics.store import partitions as partition_store
from lumetry_core.metrics.store import segments as segment_store
from lumetry_core.metrics.store.newest import NEVER, PAGE_SERIES
from lumetry_core.runtime.clock import from_ms, to_ms
from lumetry_core.runtime.database import Transaction

MAX_UNSEALED_POINTS = 400_000
"""Of each partition so many of the newest points that are not in segments yet are looked at."""
MAX_ENTRIES = 100_000
INLINE_BYTES = 64 * 1024
"""Stored bytes up to which decoding is quicker than going to a thread."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A host's newest value of a metric; of several members the highest."""

    value: float
    time: datetime


async def list_hosts(tx: Transaction, organization_id: int) -> list[Host]:
    """All hosts that series of an organization have named, by id."""
    return await store.list_hosts(tx, organization_id)


async def read_newest_values(
    tx: Transaction, organization_id: int, metric_keys: Collection[str], span: timedelta, now: datetime
) -> dict[str, dict[str, Reading]]:
    """By metric and host: the newest values that are at most so old."""
    metrics = await find_metrics(tx, organization_id, metric_keys)
    found: dict[str, dict[str, Reading]] = {}
    start_ms, end_ms = to_ms(now - span), to_ms(now + span)
    for metric_key, metric in metrics.items():
        series = {each.id: each for each in await member_store.list_series(tx, organization_id, [metric.id]) if HOST_ID in each.labels}
        if series:
            wanted = Selection(np.array(sorted(series), np.int64), start_ms, end_ms)
            payloads = [
                segment.payload
                for segment in await segment_store.read_segments(tx, organization_id, metric.id, start_ms, end_ms)
                if segment.resolution == RAW
            ]
            unsealed = await read_unsealed(tx, metric)
            found[metric_key] = await pick(series, wanted, payloads, unsealed)
    return found


async def read_unsealed(tx: Transaction, metric: MetricInfo) -> list[bytes]:
    """The newest entries of a metric's partition that are not in segments yet."""
    position = (await partition_store.read_positions(tx, [metric.partition]))[0]
    points, first_offset = 0, position.next_offset
    for size in reversed(await inbox_store.list_sizes(tx, metric.partition, position.sealed_offset, position.next_offset, MAX_ENTRIES)):
        points += size.point_count
        if points > MAX_UNSEALED_POINTS:
            break
        first_offset = size.first_offset
    packed = await inbox_store.read_packed(tx, metric.partition, first_offset, position.next_offset, metric.organization_id)
    return [entry.payload for entry in packed]


async def pick(series: Mapping[int, SeriesInfo], wanted: Selection, segments: list[bytes], entries: list[bytes]) -> dict[str, Reading]:
    """The newest value of each host."""

    def decode() -> dict[str, Reading]:
        found = [wanted.of(decode_raw(payload)) for payload in segments] + [wanted.of(decode_payload(payload)) for payload in entries]
        return highest(series, found)

    size = sum(map(len, segments)) + sum(map(len, entries))
    return decode() if size <= INLINE_BYTES else await asyncio.to_thread(decode)


def highest(series: Mapping[int, SeriesInfo], found: Collection[Columns]) -> dict[str, Reading]:
    """By host: the highest of the newest values of its series, at the newest of their times."""
    ids = np.concatenate([columns[0] for columns in found]) if found else np.zeros(0, np.int64)
    if not len(ids):
        return {}
    times: Integers = np.concatenate([columns[1] for columns in found])
    values = np.concatenate([columns[2] for columns in found])
    order = np.lexsort((times, ids))  # stable: of points at one time the last accepted counts
    ids, times, values = ids[order], times[order], values[order]
    last = np.append(ids[1:] != ids[:-1], True)
    readings: dict[str, Reading] = {}
    for series_id, time_ms, value in zip(ids[last].tolist(), times[last].tolist(), values[last].tolist(), strict=True):
        host_id = series[series_id].labels[HOST_ID]
        before = readings.get(host_id)
        time = from_ms(time_ms)
        readings[host_id] = Reading(value, time) if before is None else Reading(max(value, before.value), max(time, before.time))
    return readings


async def read_last_times(tx: Transaction, organization_id: int, metric_keys: Collection[str]) -> dict[str, datetime]:
    """By host: the newest time of its series of some metrics, among points that are in segments."""
    metrics = await find_metrics(tx, organization_id, metric_keys)
    series = await member_store.list_series(tx, organization_id, [metric.id for metric in metrics.values()])
    hosts = {each.id: each.labels[HOST_ID] for each in series if HOST_ID in each.labels}
    if not hosts:
        return {}
    pages = {series_id // PAGE_SERIES for series_id in hosts}
    found: dict[str, int] = {}
    for (_, page), times in (await newest_store.read_pages(tx, organization_id, None, pages)).items():
        for series_id, host_id in hosts.items():
            if series_id // PAGE_SERIES == page:
                found[host_id] = max(found.get(host_id, NEVER), int(times[series_id % PAGE_SERIES]))
    return {host_id: from_ms(time_ms) for host_id, time_ms in found.items() if time_ms != NEVER}
