"""Metrics that the product itself polls: their definitions before there are points, and how fresh they are (contract 5.2)."""

from collections.abc import Collection, Sequence
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.metrics.audit import audit_definition
from lumetry_core.metrics.definition import DEFAULT_NAMESPACE, Definition, pack_labels
from lumetry_core.metrics.managed import MANAGED, ManagedMetric, SyncStatus, managed_dimensions
from lumetry_core.metrics.model import DataStatus, MetricInfo
from lumetry_core.metrics.partition import partition_of
from lumetry_core.metrics.service.catalog import fields_by_points
from lumetry_core.metrics.store import catalog as catalog_store
from lumetry_core.metrics.store import managed as store
from lumetry_core.metrics.store import partitions as partition_store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction

KIND = "MetricDefinition"


async def define_missing(tx: Transaction, caller: Caller, wanted: Sequence[ManagedMetric], catalog_source: str, now: datetime) -> None:
    """Defines the metrics that are not defined yet; those that are stay as they are.

    The caller has raised the organization's evaluation version, so that none of them is removed meanwhile.
    """
    organization_id = caller.organization_id
    firsts: dict[str, ManagedMetric] = {}
    for metric in wanted:
        firsts.setdefault(metric.metric_key, metric)
    defined = await catalog_store.find_by_key(tx, organization_id, firsts)
    missing = [metric for key, metric in sorted(firsts.items()) if key not in defined]
    if not missing:
        return
    removed = await catalog_store.find_by_key(tx, organization_id, [metric.metric_key for metric in missing], removed=True)
    partitions = len(await partition_store.read_positions(tx))
    for metric in missing:
        values = fields_of(metric, catalog_source, removed.get(metric.metric_key), now)
        if metric.metric_key not in removed or not await catalog_store.restore_metric(tx, organization_id, values):
            partition = partition_of(organization_id, metric.metric_key, partitions)
            await catalog_store.insert_metric(tx, values | {"organization_id": organization_id, "partition": partition})
    made = await catalog_store.find_by_key(tx, organization_id, [metric.metric_key for metric in missing])
    for key in sorted(made):
        await record_audit(tx, caller, f"{KIND}.Created", KIND, made[key].id, now, None, audit_definition(made[key]))


def fields_of(metric: ManagedMetric, catalog_source: str, former: MetricInfo | None, now: datetime) -> dict[str, object]:
    """What a metric is that is to be polled."""
    by_points = fields_by_points(Definition(metric.metric_key, pack_labels({}), DEFAULT_NAMESPACE, catalog_source))
    dimension_keys = managed_dimensions(metric.labels)
    return by_points | {
        "unit": metric.unit,
        "management_mode": MANAGED,
        "catalog_source": catalog_source,
        "multidimensional": bool(dimension_keys),
        "dimension_keys": dimension_keys,
        "sync_status": SyncStatus.PENDING.value,
        "data_status": (DataStatus.ACTIVE if former and former.last_ingest_time else DataStatus.PENDING).value,
        "create_time": now,
        "update_time": now,
    }


async def note_sync(
    tx: Transaction,
    organization_id: int,
    metric_keys: Collection[str],
    status: SyncStatus,
    sync_time: datetime | None = None,
    only: Collection[SyncStatus] = (),
) -> None:
    """Notes how fresh what is known of metrics is.

    Args:
        sync_time: When a poll told it; None: none did.
        only: The states that change; empty: all.
    """
    await store.update_sync(tx, organization_id, metric_keys, store.sync_values(status.value, sync_time), [each.value for each in only])
