"""What sources and their polls mean for the catalog of metrics."""

from collections.abc import Collection
from datetime import datetime

from lumetry_core.metrics.managed import ManagedMetric, SyncStatus
from lumetry_core.metrics.service.managed import define_missing, note_sync
from lumetry_core.metrics.service.references import list_references, refer
from lumetry_core.metricsources.model import REFERRER, Definition
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction


async def bind_metrics(
    tx: Transaction, caller: Caller, source_id: int, before: Definition | None, after: Definition | None, now: datetime
) -> None:
    """Defines the metrics that a source comes to poll, and lets go of those that it does not poll any more.

    The caller has raised the organization's evaluation version.
    """
    organization_id = caller.organization_id
    old = before.metric_keys if before else frozenset()
    new = after.metric_keys if after else frozenset()
    if after is not None:
        wanted = [ManagedMetric(item.metric_key, item.unit, item.label_columns) for item in after.items]
        await define_missing(tx, caller, wanted, after.type.value, now)
    await refer(tx, organization_id, REFERRER, source_id, new)
    await note_sync(tx, organization_id, new - old, SyncStatus.PENDING)
    left = {key for key in old - new if not await is_polled(tx, organization_id, key)}
    await note_sync(tx, organization_id, left, SyncStatus.SYNCED)


async def is_polled(tx: Transaction, organization_id: int, metric_key: str) -> bool:
    """Whether any source polls a metric."""
    return any(kind == REFERRER for kind, _ in await list_references(tx, organization_id, metric_key))


async def note_polled(tx: Transaction, organization_id: int, definition: Definition, failed: Collection[str], now: datetime) -> None:
    """Notes which metrics a poll gave and which it could not."""
    good = definition.metric_keys.difference(failed)
    await note_sync(tx, organization_id, good, SyncStatus.SYNCED, now)
    await note_sync(tx, organization_id, definition.metric_keys - good, SyncStatus.FAILED)


async def note_stale(tx: Transaction, organization_id: int, metric_keys: Collection[str]) -> None:
    """Notes that the last good poll of metrics is long ago."""
    await note_sync(tx, organization_id, metric_keys, SyncStatus.STALE, only=[SyncStatus.SYNCED])
