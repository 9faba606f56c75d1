"""Reading the catalog, and registering what is seen for the first time (contract 4.3, 5.1)."""

from collections.abc import Collection, Mapping
from datetime import datetime

from lumetry_core.metrics.definition import Definition, unpack_labels
from lumetry_core.metrics.dimension import dimensions_of_first_point
from lumetry_core.metrics.fleet_contract import NO_FLEET
from lumetry_core.metrics.hosts import hosts_of
from lumetry_core.metrics.model import DataStatus, MetricInfo
from lumetry_core.metrics.partition import partition_of
from lumetry_core.metrics.service.modes import settle_modes
from lumetry_core.metrics.store import catalog as catalog_store
from lumetry_core.metrics.store import hosts as host_store
from lumetry_core.metrics.store import series as series_store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found
from lumetry_core.runtime.paging import Page, read_page

DEFAULT_PAGE_SIZE = 20
MAX_SEARCHED = 255
"""Neither keys nor display names are longer."""


async def find_metrics(tx: Transaction, organization_id: int, keys: Collection[str]) -> dict[str, MetricInfo]:
    """The metrics that are defined, by key."""
    return await catalog_store.find_by_key(tx, organization_id, keys)


async def find_metric(tx: Transaction, organization_id: int, metric_key: str) -> MetricInfo:
    """The metric of a key. Fails with NOT_FOUND unless it is defined."""
    found = {} if "\0" in metric_key else await catalog_store.find_by_key(tx, organization_id, [metric_key])
    if metric_key not in found:
        raise not_found("Metric", metric_key.replace("\0", "\ufffd"))
    return found[metric_key]


async def find_metrics_by_id(tx: Transaction, organization_id: int, metric_ids: Collection[int]) -> dict[int, MetricInfo]:
    """The metrics that stored points name, by number: also those whose definition is removed."""
    return await catalog_store.find_by_id(tx, organization_id, metric_ids)


async def list_fleet_metrics(tx: Transaction, organization_id: int) -> list[MetricInfo]:
    """The active metrics whose members are compared with peers or their past, ascending by number."""
    return await catalog_store.list_fleets(tx, organization_id)


async def list_metrics(
    tx: Transaction, caller: Caller, query: str, *, is_evaluable: bool | None, page: int, page_size: int
) -> tuple[list[MetricInfo], int]:
    """A page of the catalog and how many match over all pages (contract 5.3). Fails with VALIDATION_FAILED."""
    faults = Faults()
    faults.check("\0" not in query, "q", "must not contain the character NUL")
    chosen = read_page(page, page_size, default_size=DEFAULT_PAGE_SIZE, faults=faults)
    faults.raise_if_any()
    return await search(tx, caller.organization_id, query, chosen, is_evaluable=is_evaluable)


async def search(
    tx: Transaction, organization_id: int, query: str, page: Page, *, is_evaluable: bool | None = None
) -> tuple[list[MetricInfo], int]:
    """A page of the defined metrics whose key or display name has a part, and how many there are."""
    text = query.strip()
    if len(text) > MAX_SEARCHED:  # and SQLite refuses patterns without end
        return [], 0
    return await catalog_store.list_page(tx, organization_id, text, is_evaluable=is_evaluable, offset=page.offset, limit=page.size)


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
    hosts = hosts_of((unpack_labels(definition.labels) for definition in missing.values()), now)
    if hosts:
        await host_store.insert_hosts(tx, organization_id, hosts.values())
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
    await settle_modes(tx, found, firsts)
    missing = [definition for key, definition in firsts.items() if key not in found]
    if not missing:
        return found
    rows = {first.metric_key: new_metric(organization_id, first, partition_count, now) for first in missing}
    await catalog_store.insert_metrics(tx, rows.values())
    found |= await catalog_store.find_by_key(tx, organization_id, rows)
    removed = [row for key, row in rows.items() if key not in found]
    for row in removed:
        await catalog_store.restore_metric(tx, organization_id, row)
    return found | await catalog_store.find_by_key(tx, organization_id, [str(row["metric_key"]) for row in removed])


def new_metric(organization_id: int, first: Definition, partition_count: int, now: datetime) -> dict[str, object]:
    """The catalog entry that a metric gets with its first point."""
    return {
        **fields_by_points(first),
        "organization_id": organization_id,
        "data_status": DataStatus.ACTIVE.value,
        "partition": partition_of(organization_id, first.metric_key, partition_count),
        "create_time": now,
        "update_time": now,
        "last_ingest_time": now,
    }


def fields_by_points(first: Definition) -> dict[str, object]:
    """What a metric is of which nothing but a point is known."""
    dimension_keys = dimensions_of_first_point(unpack_labels(first.labels))
    return {
        "metric_key": first.metric_key,
        "display_name": first.metric_key,
        "description": "",
        "unit": "",
        "metric_type": "gauge",
        "namespace": first.namespace,
        "source": first.source,
        "management_mode": "EXTERNALLY_MANAGED",
        "catalog_source": first.catalog_source,
        "multidimensional": bool(dimension_keys),
        "dimension_keys": dimension_keys,
        "is_active": True,
        "sync_status": "SYNCED",
        "last_sync_time": None,
        "entity_type": "",
        "entity_identifier": "",
        "metadata": {},
        "fleet": NO_FLEET,
    }
