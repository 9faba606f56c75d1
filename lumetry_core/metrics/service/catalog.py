"""Reading the catalog, and registering what is seen for the first time (contract 4.3, 5.1)."""

from collections.abc import Collection, Mapping
from datetime import datetime

from lumetry_core.metrics.definition import Definition, unpack_labels
from lumetry_core.metrics.dimension import dimensions_of_first_point
from lumetry_core.metrics.model import DataStatus, MetricInfo
from lumetry_core.metrics.partition import partition_of
from lumetry_core.metrics.store import catalog as catalog_store
from lumetry_core.metrics.store import series as series_store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.paging import read_page

DEFAULT_PAGE_SIZE = 20


async def find_metrics(tx: Transaction, organization_id: int, keys: Collection[str]) -> dict[str, MetricInfo]:
    """The metrics that exist, by key."""
    return await catalog_store.find_by_key(tx, organization_id, keys)


async def find_metrics_by_id(tx: Transaction, organization_id: int, metric_ids: Collection[int]) -> dict[int, MetricInfo]:
    """The metrics that exist, by number."""
    return await catalog_store.find_by_id(tx, organization_id, metric_ids)


async def list_metrics(
    tx: Transaction, caller: Caller, query: str, *, is_evaluable: bool | None, page: int, page_size: int
) -> tuple[list[MetricInfo], int]:
    """A page of the catalog and how many match over all pages (contract 5.3). Fails with VALIDATION_FAILED."""
    faults = Faults()
    chosen = read_page(page, page_size, default_size=DEFAULT_PAGE_SIZE, faults=faults)
    faults.raise_if_any()
    text = query.strip()
    return await catalog_store.list_page(
        tx, caller.organization_id, text, is_evaluable=is_evaluable, offset=chosen.offset, limit=chosen.size
    )


async def register_series(
    tx: Transaction, organization_id: int, definitions: Mapping[bytes, Definition], partition_count: int, now: datetime
) -> dict[bytes, tuple[int, int]]:
    """Finds or registers series and, where needed, their metrics.

    Concurrent registrations of a metric are in turn because appends lock its partition first; a conflict is read again all the same.

    Args:
        definitions: By identity, in order of arrival: the first one of a new metric decides its mode.

    Returns:
        Series and metric number of each identity.
    """
    found = await series_store.find_by_identity(tx, organization_id, definitions)
    missing = {identity: definition for identity, definition in definitions.items() if identity not in found}
    if not missing:
        return found
    metrics = await register_metrics(tx, organization_id, missing, partition_count, now)
    rows = [
        {
            "organization_id": organization_id,
            "metric_id": metrics[definition.metric_key].id,
            "identity": identity,
            "labels": definition.labels,
            "create_time": now,
        }
        for identity, definition in missing.items()
    ]
    found |= await series_store.insert_series(tx, rows)
    lost = [identity for identity in missing if identity not in found]
    return found | await series_store.find_by_identity(tx, organization_id, lost)


async def register_metrics(
    tx: Transaction, organization_id: int, definitions: Mapping[bytes, Definition], partition_count: int, now: datetime
) -> dict[str, MetricInfo]:
    """Finds or registers the metrics of series."""
    firsts: dict[str, Definition] = {}
    for definition in definitions.values():
        firsts.setdefault(definition.metric_key, definition)
    found = await catalog_store.find_by_key(tx, organization_id, firsts)
    missing = [definition for key, definition in firsts.items() if key not in found]
    if not missing:
        return found
    await catalog_store.insert_metrics(tx, [new_metric(organization_id, first, partition_count, now) for first in missing])
    return found | await catalog_store.find_by_key(tx, organization_id, [first.metric_key for first in missing])


def new_metric(organization_id: int, first: Definition, partition_count: int, now: datetime) -> dict[str, object]:
    """The catalog entry that a metric gets with its first point."""
    dimension_keys = dimensions_of_first_point(unpack_labels(first.labels))
    return {
        "organization_id": organization_id,
        "metric_key": first.metric_key,
        "display_name": first.metric_key,
        "description": "",
        "unit": "",
        "metric_type": "gauge",
        "namespace": first.namespace,
        "source": first.source,
        "management_mode": "EXTERNALLY_MANAGED",
        "catalog_source": "api",
        "multidimensional": bool(dimension_keys),
        "dimension_keys": dimension_keys,
        "is_active": True,
        "data_status": DataStatus.ACTIVE.value,
        "sync_status": "SYNCED",
        "partition": partition_of(organization_id, first.metric_key, partition_count),
        "create_time": now,
        "update_time": now,
        "last_ingest_time": now,
    }
