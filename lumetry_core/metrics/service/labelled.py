"""Reading those series of a metric that bear certain labels."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from lumetry_core.metrics.model import Floats, Integers
from lumetry_core.metrics.rollup import Rollup, roll_up
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.metrics.service.stored import read_stored
from lumetry_core.metrics.store import members as member_store
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Transaction

INLINE_BYTES = 64 * 1024
"""Stored bytes up to which decoding is quicker than going to a thread."""


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """Points that belong together, ascending in time, each time once."""

    times_ms: Integers
    values: Floats


async def read_labelled(
    tx: Transaction,
    organization_id: int,
    metric_key: str,
    wanted: Mapping[str, str],
    start_time: datetime,
    end_time: datetime,
    *,
    step: timedelta | None,
    name_of: Callable[[Mapping[str, str]], str] = lambda _labels: "",
) -> dict[str, Member]:
    """The points, or their means per step, of the series of a metric that bear these labels, in a range, both ends included.

    Nothing of a metric that nobody knows.

    Args:
        step: Whole seconds; None: points as stored.
        name_of: What series of these labels belong to; points of one time and name become their mean.
    """
    metric = (await find_metrics(tx, organization_id, [metric_key])).get(metric_key)
    if metric is None:
        return {}
    names = {
        each.id: name_of(each.labels)
        for each in await member_store.list_series(tx, organization_id, [metric.id])
        if wanted.items() <= each.labels.items()
    }
    if not names:
        return {}
    ids = np.array(sorted(names), np.int64)
    stored = await read_stored(tx, organization_id, metric.id, metric.partition, ids, to_ms(start_time), to_ms(end_time))
    step_ms = 1 if step is None else int(step.total_seconds()) * 1000

    def decode() -> dict[str, Member]:
        return join_members(stored.decode(), names, step_ms)

    return decode() if stored.payload_bytes <= INLINE_BYTES else await asyncio.to_thread(decode)


def join_members(points: Rollup, names: Mapping[int, str], step_ms: int) -> dict[str, Member]:
    """The points of the series of each name, by name."""
    if not len(points.series_ids):
        return {}
    keys = sorted(set(names.values()))
    present = np.unique(points.series_ids)
    of_present = np.array([keys.index(names[series_id]) for series_id in present.tolist()], np.int64)
    members = of_present[np.searchsorted(present, points.series_ids)]
    joined = roll_up(Rollup(members, points.times_ms, *points.columns), step_ms)
    with np.errstate(over="ignore", invalid="ignore"):
        means = np.nan_to_num(joined.sums / joined.counts)
    found = {}
    for number in np.unique(joined.series_ids).tolist():
        own = joined.series_ids == number
        found[keys[number]] = Member(joined.times_ms[own], means[own])
    return found
