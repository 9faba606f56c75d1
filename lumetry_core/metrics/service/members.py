"""Series in the company of their metric's other series, and what is stored of them."""

import asyncio
from collections.abc import Collection

from lumetry_core.metrics.model import Integers, SeriesInfo
from lumetry_core.metrics.service.stored import Selection, decode_raw
from lumetry_core.metrics.store import members as member_store
from lumetry_core.runtime.database import Transaction


async def list_siblings(tx: Transaction, organization_id: int, series_ids: Collection[int]) -> list[SeriesInfo]:
    """All series of the metrics to which the given series belong, ascending by number: the order of their registration."""
    metric_ids = await member_store.list_metric_ids(tx, organization_id, series_ids)
    return await member_store.list_series(tx, organization_id, metric_ids)


async def list_metric_series(tx: Transaction, organization_id: int, metric_ids: Collection[int]) -> list[SeriesInfo]:
    """All series of metrics, ascending by number."""
    return await member_store.list_series(tx, organization_id, set(metric_ids))


async def find_series(tx: Transaction, organization_id: int, series_ids: Collection[int]) -> dict[int, SeriesInfo]:
    """The series that exist, by number."""
    return await member_store.find_series(tx, organization_id, series_ids)


async def sealed_times(
    tx: Transaction, organization_id: int, metric_ids: Collection[int], series_ids: Integers, start_ms: int, end_ms: int
) -> set[tuple[int, int]]:
    """Which (series, time) pairs of series of several metrics are in raw segments, in a range, both ends included."""
    payloads = await member_store.read_raw_payloads(tx, organization_id, metric_ids, start_ms, end_ms)

    def decode() -> set[tuple[int, int]]:
        wanted = Selection(series_ids, start_ms, end_ms)
        found: set[tuple[int, int]] = set()
        for payload in payloads:
            ids, times, _ = wanted.of(decode_raw(payload))
            found.update(zip(ids.tolist(), times.tolist(), strict=True))
        return found

    return await asyncio.to_thread(decode) if payloads else set()
