"""Series in the company of their metric's other series."""

from collections.abc import Collection

from lumetry_core.metrics.model import SeriesInfo
from lumetry_core.metrics.store import members as member_store
from lumetry_core.runtime.database import Transaction


async def list_siblings(tx: Transaction, organization_id: int, series_ids: Collection[int]) -> list[SeriesInfo]:
    """All series of the metrics to which the given series belong, ascending by number: the order of their registration."""
    metric_ids = await member_store.list_metric_ids(tx, organization_id, series_ids)
    return await member_store.list_series(tx, organization_id, metric_ids)


async def find_series(tx: Transaction, organization_id: int, series_ids: Collection[int]) -> dict[int, SeriesInfo]:
    """The series that exist, by number."""
    return await member_store.find_series(tx, organization_id, series_ids)
