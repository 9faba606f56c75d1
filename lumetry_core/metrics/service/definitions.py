"""Writes and reads definitions of metrics (contract 5.6).

Every write raises the organization's evaluation version first: points are judged by the definitions of that version, and nobody comes to
refer to a metric while its definition is removed.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.evaluation_version import raise_evaluation_version
from lumetry_core.metrics.audit import audit_definition, audit_entity, entity_of
from lumetry_core.metrics.definition import DEFAULT_NAMESPACE, DEFAULT_SOURCE, Definition, pack_labels
from lumetry_core.metrics.draft import MetricDraft
from lumetry_core.metrics.model import CATALOG_CHANNEL, DataStatus, MetricFields, MetricInfo
from lumetry_core.metrics.partition import partition_of
from lumetry_core.metrics.service import catalog
from lumetry_core.metrics.service.bindings import unbind
from lumetry_core.metrics.service.catalog import fields_by_points
from lumetry_core.metrics.service.references import list_references
from lumetry_core.metrics.store import bindings as binding_store
from lumetry_core.metrics.store import catalog as catalog_store
from lumetry_core.metrics.store import partitions as partition_store
from lumetry_core.metrics.store import series as series_store
from lumetry_core.metrics.validation import check_fields, check_metric_key
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found
from lumetry_core.runtime.paging import read_page

DEFAULT_PAGE_SIZE = 25
KIND = "MetricDefinition"
"""As what a definition uses a baseline profile, and as what it is audited."""
MAX_NAMED = 20
"""References named in a refusal."""

FindProfile = Callable[[Transaction, int, int | None], Awaitable[object | None]]
"""Gives the baseline profile of an organization by its number (None: the default one), or None."""
ClaimProfile = Callable[[Transaction, int, str, int, int | None], Awaitable[None]]
"""Notes that (kind, number) of an organization uses a baseline profile; None: none any more."""


async def list_definitions(tx: Transaction, caller: Caller, search: str, page: int, page_size: int) -> tuple[list[MetricInfo], int]:
    """A page of definitions by display name, then key, and how many match. Fails with VALIDATION_FAILED."""
    faults = Faults()
    faults.check("\0" not in search, "search", "must not contain the character NUL")
    part = read_page(page, page_size, default_size=DEFAULT_PAGE_SIZE, faults=faults)
    faults.raise_if_any()
    return await catalog.search(tx, caller.organization_id, search, part)


async def get_definition(tx: Transaction, organization_id: int, metric_id: int) -> MetricInfo:
    """Reads one definition. Fails with NOT_FOUND."""
    metric = await catalog_store.find_defined(tx, organization_id, metric_id)
    if metric is None:
        raise not_found("Metric definition", metric_id)
    return metric


async def create(
    tx: Transaction, caller: Caller, draft: MetricDraft, find_profile: FindProfile, claim_profile: ClaimProfile, now: datetime
) -> MetricInfo:
    """Defines a metric. Fails with VALIDATION_FAILED.

    A metric whose definition was removed comes back under its number, with data if it ever had any.
    """
    organization_id = caller.organization_id
    await raise_evaluation_version(tx, organization_id)
    faults = Faults()
    key = check_metric_key(draft.metric_key, faults)
    if not faults:
        faults.check(not await catalog_store.find_by_key(tx, organization_id, [key]), "metricKey", f"metric {key} is defined already")
    written = await check(tx, caller, draft, key, find_profile, faults)
    former = (await catalog_store.find_by_key(tx, organization_id, [key], removed=True)).get(key)
    values = columns_of(written) | {
        "metric_key": key,
        "catalog_source": "manual",
        "data_status": (DataStatus.ACTIVE if former and former.last_ingest_time else DataStatus.PENDING).value,
        "create_time": now,
        "update_time": now,
    }
    if former is None or not await catalog_store.restore_metric(tx, organization_id, values):
        first = Definition(key, pack_labels({}), DEFAULT_NAMESPACE, DEFAULT_SOURCE)
        partition = partition_of(organization_id, key, len(await partition_store.read_positions(tx)))
        values = fields_by_points(first) | values | {"organization_id": organization_id, "partition": partition}
        faults.check(await catalog_store.insert_metric(tx, values), "metricKey", f"metric {key} is defined already")
        faults.raise_if_any()
    created = (await catalog_store.find_by_key(tx, organization_id, [key]))[key]
    await claim_profile(tx, organization_id, KIND, created.id, created.fleet.baseline.baseline_profile_id)
    await record_audit(tx, caller, f"{KIND}.Created", KIND, created.id, now, None, audit_definition(created))
    await audit_entities(tx, caller, None, created, now)
    return created


async def update(
    tx: Transaction,
    caller: Caller,
    metric_id: int,
    draft: MetricDraft,
    find_profile: FindProfile,
    claim_profile: ClaimProfile,
    now: datetime,
) -> MetricInfo:
    """Replaces what people write of a metric; absent fields take their defaults. Fails with NOT_FOUND, VALIDATION_FAILED."""
    organization_id = caller.organization_id
    await raise_evaluation_version(tx, organization_id)
    before = await get_definition(tx, organization_id, metric_id)
    faults = Faults()
    faults.check(draft.metric_key in (None, before.metric_key), "metricKey", f"cannot be changed from {before.metric_key}")
    written = await check(tx, caller, draft, before.metric_key, find_profile, faults)
    values = columns_of(written) | {"metric_key": before.metric_key, "update_time": now}
    await catalog_store.update_metric(tx, organization_id, values)
    after = await get_definition(tx, organization_id, metric_id)
    await claim_profile(tx, organization_id, KIND, metric_id, after.fleet.baseline.baseline_profile_id)
    await record_audit(tx, caller, f"{KIND}.Updated", KIND, metric_id, now, audit_definition(before), audit_definition(after))
    await audit_entities(tx, caller, before, after, now)
    return after


async def remove(tx: Transaction, caller: Caller, metric_id: int, claim_profile: ClaimProfile, now: datetime) -> None:
    """Removes a definition and its bindings; points and series stay. Fails with NOT_FOUND, CONFLICT while anything refers to it.

    The next point of any of its series, or of a new one, registers the metric anew under its number: in the mode that the point gives it
    when its series is new, else in the one that the metric's first series gives it.
    """
    organization_id = caller.organization_id
    await raise_evaluation_version(tx, organization_id)
    metric = await get_definition(tx, organization_id, metric_id)
    refuse_if_used(metric, await list_references(tx, organization_id, metric.metric_key))
    for binding in await binding_store.list_bindings(tx, organization_id, metric.metric_key):
        await unbind(tx, caller, metric.metric_key, binding.id, now)
    labels = await series_store.find_first_labels(tx, organization_id, metric_id) or pack_labels({})
    left = fields_by_points(Definition(metric.metric_key, labels, DEFAULT_NAMESPACE, metric.source))
    await catalog_store.remove_metric(tx, organization_id, left | {"data_status": DataStatus.PENDING.value}, now)
    await claim_profile(tx, organization_id, KIND, metric_id, None)
    await record_audit(tx, caller, f"{KIND}.Deleted", KIND, metric_id, now, audit_definition(metric), None)
    await audit_entities(tx, caller, metric, None, now)
    tx.wake(CATALOG_CHANNEL)


def refuse_if_used(metric: MetricInfo, references: Sequence[tuple[str, int]]) -> None:
    """Fails with CONFLICT, naming what refers to a metric."""
    if not references:
        return
    named = [f"{kind} {number}" for kind, number in references[:MAX_NAMED]]
    if len(references) > MAX_NAMED:
        named.append(f"{len(references) - MAX_NAMED} more")
    message = f"Metric {metric.metric_key} cannot be deleted while it is used by {', '.join(named)}."
    raise LumetryError(Reason.CONFLICT, message, type="Metric definition", id=str(metric.id), state="used")


async def check(
    tx: Transaction, caller: Caller, draft: MetricDraft, metric_key: str, find_profile: FindProfile, faults: Faults
) -> MetricFields:
    """Checks a draft with all that must be looked up. Fails with VALIDATION_FAILED."""
    written = check_fields(draft, metric_key, faults)
    profile_id = written.fleet.baseline.baseline_profile_id
    if profile_id is not None and await find_profile(tx, caller.organization_id, profile_id) is None:
        faults.add("baselineConfig.baselineProfileId", f"baseline profile {profile_id} does not exist")
    faults.raise_if_any()
    return written


def columns_of(written: MetricFields) -> dict[str, object]:
    """What people write of a metric, by column."""
    return {field.name: getattr(written, field.name) for field in fields(MetricFields)}


async def audit_entities(tx: Transaction, caller: Caller, before: MetricInfo | None, after: MetricInfo | None, now: datetime) -> None:
    """Keeps the history of what is measured when a metric comes to measure something else."""
    old = entity_of(before) if before else None
    new = entity_of(after) if after else None
    if old == new:
        return
    if before and old:
        await record_audit(tx, caller, "MetricEntity.Removed", "MetricEntity", old, now, audit_entity(before), None)
    if after and new:
        await record_audit(tx, caller, "MetricEntity.Created", "MetricEntity", new, now, None, audit_entity(after))
