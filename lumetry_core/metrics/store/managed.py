"""Metrics that the product itself polls, in the catalog."""

from collections.abc import Collection
from datetime import datetime

import msgspec
from sqlalchemy import update

from lumetry_core.metrics.store.catalog import IS_DEFINED, chunks, metrics
from lumetry_core.runtime.database import Transaction


async def update_sync(
    tx: Transaction, organization_id: int, metric_keys: Collection[str], values: dict[str, object], only: Collection[str] = ()
) -> None:
    """Writes columns of the defined metrics among some keys, or of those of them whose metadata are in one of some states."""
    state = metrics.c.sync_status.in_(only) if only else IS_DEFINED
    for chunk in chunks(sorted(metric_keys)):
        this = (metrics.c.organization_id == organization_id) & metrics.c.metric_key.in_(chunk) & IS_DEFINED
        await tx.execute(update(metrics).where(this & state).values(values))


async def update_dimensions(tx: Transaction, organization_id: int, metric_id: int, dimension_keys: Collection[str]) -> None:
    """Makes a metric multidimensional."""
    values = {"multidimensional": True, "dimension_keys": msgspec.json.encode(sorted(dimension_keys)).decode()}
    await tx.execute(update(metrics).where(metrics.c.organization_id == organization_id, metrics.c.id == metric_id).values(values))


def sync_values(status: str, sync_time: datetime | None) -> dict[str, object]:
    """How fresh metadata are, by column; without a time the last one stays."""
    return {"sync_status": status} | ({} if sync_time is None else {"last_sync_time": sync_time})
