"""Writes and reads the bindings of metrics (contract 5.7). The nodes are another area's: who calls says which there are."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime

from lumetry_core.access.service.audit import Change, record_audit, record_audits, record_revisions
from lumetry_core.access.service.evaluation_version import read_evaluation_version
from lumetry_core.metrics.audit import audit_binding
from lumetry_core.metrics.binding import MetricBinding, NewBinding
from lumetry_core.metrics.dimension import dimension_key_of
from lumetry_core.metrics.labels import check_labels
from lumetry_core.metrics.service.catalog import find_metric
from lumetry_core.metrics.store import bindings as store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Fault, Faults, LumetryError, Reason, not_found

LARGEST_ID = 2**53 - 1
KIND = "MetricNodeBinding"

FindNodeNames = Callable[[Transaction, int, Collection[int]], Awaitable[Mapping[int, str]]]
"""Gives the names of the nodes of an organization that there are among numbers."""


async def list_bindings(tx: Transaction, caller: Caller, metric_key: str) -> list[MetricBinding]:
    """The bindings of a metric, ascending by number. Fails with NOT_FOUND."""
    await find_metric(tx, caller.organization_id, metric_key)
    return await store.list_bindings(tx, caller.organization_id, metric_key)


async def list_node_bindings(tx: Transaction, organization_id: int, node_id: int) -> list[MetricBinding]:
    """The bindings to a node, by metric and then by number."""
    return await store.list_of_node(tx, organization_id, node_id)


async def find_bindings(tx: Transaction, organization_id: int, metric_keys: Collection[str]) -> dict[str, list[MetricBinding]]:
    """The bindings of the metrics that have any."""
    found: dict[str, list[MetricBinding]] = {}
    for binding in await store.find_bindings(tx, organization_id, metric_keys):
        found.setdefault(binding.metric_key, []).append(binding)
    return found


async def find_member_labels(
    tx: Transaction, organization_id: int, metric_keys: Collection[str]
) -> dict[tuple[str, str | None], dict[str, str]]:
    """The labels that all stored series of a member share, by metric and dimension key."""
    shared: dict[tuple[str, str | None], dict[str, str]] = {}
    for metric_key, dimension_keys, multidimensional, labels in await store.list_member_series(tx, organization_id, metric_keys):
        member = (metric_key, dimension_key_of(labels, dimension_keys, multidimensional))
        known = shared.get(member)
        shared[member] = labels if known is None else dict(known.items() & labels.items())
    return shared


async def bind(
    tx: Transaction,
    caller: Caller,
    metric_key: str,
    node_id: int,
    labels: Mapping[str, str],
    find_nodes: FindNodeNames,
    now: datetime,
) -> MetricBinding:
    """Binds a metric to a node. Fails with NOT_FOUND for the metric, VALIDATION_FAILED."""
    await read_evaluation_version(tx, caller.organization_id, hold=True)  # a definition is not removed meanwhile
    await find_metric(tx, caller.organization_id, metric_key)
    faults = Faults()
    if not 0 < node_id <= LARGEST_ID:
        faults.add("nodeId", f"must be between 1 and {LARGEST_ID}")
    elif node_id not in await find_nodes(tx, caller.organization_id, [node_id]):
        faults.add("nodeId", f"node {node_id} does not exist")
    check_labels(labels, "labels", faults)
    faults.raise_if_any()
    added = await store.insert_bindings(tx, caller.organization_id, [NewBinding(metric_key, node_id, labels)], now)
    if not added:
        repeated = Fault("nodeId", "is bound to the metric with these labels already")
        raise LumetryError(Reason.VALIDATION_FAILED, "The request is not valid.", faults=(repeated,))
    await record_audit(tx, caller, f"{KIND}.Created", KIND, added[0].id, now, None, audit_binding(added[0]))
    return added[0]


async def bind_all(tx: Transaction, caller: Caller, wanted: Sequence[NewBinding], now: datetime) -> list[MetricBinding]:
    """Binds metrics and nodes that exist, with labels that were checked, and gives the bindings that are new.

    Each gets a history; the audit row is the caller's business.
    """
    added = await store.insert_bindings(tx, caller.organization_id, wanted, now)
    changes = [Change(f"{KIND}.Created", KIND, binding.id, None, audit_binding(binding)) for binding in added]
    await record_revisions(tx, caller, changes, now)
    return added


async def unbind(tx: Transaction, caller: Caller, metric_key: str, binding_id: int, now: datetime) -> None:
    """Removes a binding. Fails with NOT_FOUND, also for one of another metric."""
    await find_metric(tx, caller.organization_id, metric_key)
    removed = await store.delete_binding(tx, caller.organization_id, metric_key, binding_id)
    if removed is None:
        raise not_found("Binding", binding_id)
    await record_audit(tx, caller, f"{KIND}.Deleted", KIND, removed.id, now, audit_binding(removed), None)


async def unbind_node(tx: Transaction, caller: Caller, node_id: int) -> list[Change]:
    """Removes all bindings to a node; what is to be audited is given back."""
    removed = await store.list_of_node(tx, caller.organization_id, node_id)
    await store.delete_of_node(tx, caller.organization_id, node_id)
    return [Change(f"{KIND}.Deleted", KIND, binding.id, audit_binding(binding), None) for binding in removed]


async def unbind_all(tx: Transaction, caller: Caller, binding_ids: Collection[int], now: datetime) -> None:
    """Removes bindings, whether their metrics are defined or not; those that are gone already do not matter."""
    removed = await store.delete_bindings(tx, caller.organization_id, binding_ids)
    await record_audits(tx, caller, [Change(f"{KIND}.Deleted", KIND, each.id, audit_binding(each), None) for each in removed], now)
