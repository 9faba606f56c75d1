"""Reading series for people (contract 5.4)."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from lumetry_core.metrics.definition import unpack_labels
from lumetry_core.metrics.dimension import dimension_key_of
from lumetry_core.metrics.model import Floats, Integers, MetricInfo
from lumetry_core.metrics.rollup import Rollup, roll_up
from lumetry_core.metrics.service.catalog import find_metric
from lumetry_core.metrics.service.stored import read_stored
from lumetry_core.metrics.store import series as series_store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults

DEFAULT_RANGE = timedelta(hours=24)
MAX_ELEMENTS = 50_000
INLINE_BYTES = 64 * 1024
"""Stored bytes up to which decoding is quicker than going to a thread."""


@dataclass(frozen=True, slots=True, eq=False)
class SeriesPoints:
    """Points as columns, ascending by time, then member. `members` are positions in `dimension_keys`, which ascend."""

    multidimensional: bool
    times_ms: Integers
    values: Floats
    members: Integers
    dimension_keys: list[str]


async def query_series(
    tx: Transaction,
    caller: Caller,
    metric_key: str,
    start_time: datetime | None,
    end_time: datetime | None,
    *,
    dimension_key: str | None,
    step: timedelta | None,
    now: datetime,
) -> SeriesPoints:
    """Reads a metric's points in a range, both ends included, or their means per step.

    Args:
        start_time: None: 24 hours before the end.
        end_time: None: now.
        dimension_key: Keeps one member; None: all. An empty one keeps points without any dimension.
        step: Whole seconds; None: points as stored.

    Fails with NOT_FOUND, VALIDATION_FAILED.
    """
    metric = await find_metric(tx, caller.organization_id, metric_key)
    end_ms = to_ms(end_time or now)
    start_ms = to_ms(start_time) if start_time else end_ms - int(DEFAULT_RANGE.total_seconds() * 1000)
    faults = Faults()
    faults.check(start_ms <= end_ms, "from", "must not be after to")
    faults.check(
        step is None or (step >= timedelta(seconds=1) and not step.microseconds), "stepSeconds", "must be whole seconds, at least 1"
    )
    faults.raise_if_any()
    members = await read_members(tx, metric, dimension_key)
    series_ids = np.array(sorted(members), np.int64)
    stored = await read_stored(tx, metric.organization_id, metric.id, metric.partition, series_ids, start_ms, end_ms)
    step_ms = None if step is None else int(step.total_seconds()) * 1000
    if stored.payload_bytes <= INLINE_BYTES:
        found = arrange(stored.decode(), members, step_ms)
    else:
        found = await asyncio.to_thread(lambda: arrange(stored.decode(), members, step_ms))
    faults.check(
        len(found.times_ms) <= MAX_ELEMENTS,
        "from",
        f"the range holds more than {MAX_ELEMENTS} elements; ask for a shorter range or give stepSeconds",
    )
    faults.raise_if_any()
    return SeriesPoints(metric.multidimensional, found.times_ms, found.values, found.members, found.dimension_keys)


async def read_members(tx: Transaction, metric: MetricInfo, dimension_key: str | None) -> dict[int, str]:
    """The wanted series of a metric with their dimension keys."""
    members = {
        series_id: dimension_key_of(unpack_labels(labels), metric.dimension_keys, metric.multidimensional) or ""
        for series_id, labels in await series_store.list_of_metric(tx, metric.organization_id, metric.id)
    }
    if dimension_key is None:
        return members
    return {series_id: key for series_id, key in members.items() if key == dimension_key}


@dataclass(frozen=True, slots=True, eq=False)
class Arranged:
    """Elements in order of the answer."""

    times_ms: Integers
    values: Floats
    members: Integers
    dimension_keys: list[str]


def arrange(stored: Rollup, members: dict[int, str], step_ms: int | None) -> Arranged:
    """Orders stored points by time, then member, or takes means over the series of each member per step."""
    present = np.unique(stored.series_ids)
    keys = sorted({members[series_id] for series_id in present.tolist()})
    position = {key: number for number, key in enumerate(keys)}
    of_present = np.array([position[members[series_id]] for series_id in present.tolist()], np.int64)
    member_column = of_present[np.searchsorted(present, stored.series_ids)]
    if step_ms is not None:
        stored = roll_up(Rollup(member_column, stored.times_ms, *stored.columns), step_ms)
        member_column = stored.series_ids
    with np.errstate(over="ignore", invalid="ignore"):
        means = np.nan_to_num(stored.sums / stored.counts) if len(stored.counts) else stored.sums
    order = np.lexsort((member_column, stored.times_ms))
    return Arranged(stored.times_ms[order], means[order], member_column[order], keys)
