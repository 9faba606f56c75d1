"""Writes and reads the bindings of metrics (contract 5.7)."""

from collections.abc import Mapping
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.evaluation_version import read_evaluation_version
from lumetry_core.metrics.audit import audit_binding
from lumetry_core.metrics.binding import MetricBinding
from lumetry_core.metrics.labels import check_labels
from lumetry_core.metrics.service.catalog import find_metric
from lumetry_core.metrics.store import bindings as store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Fault, Faults, LumetryError, Reason, not_found

LARGEST_ID = 2**53 - 1


async def list_bindings(tx: Transaction, caller: Caller, metric_key: str) -> list[MetricBinding]:
    """The bindings of a metric, ascending by number. Fails with NOT_FOUND."""
    await find_metric(tx, caller.organization_id, metric_key)
    return await store.list_bindings(tx, caller.organization_id, metric_key)


async def bind(tx: Transaction, caller: Caller, metric_key: str, node_id: int, labels: Mapping[str, str], now: datetime) -> MetricBinding:
    """Binds a metric to a node. Fails with NOT_FOUND for the metric, VALIDATION_FAILED."""
    await read_evaluation_version(tx, caller.organization_id, hold=True)  # a definition is not removed meanwhile
    await find_metric(tx, caller.organization_id, metric_key)
    faults = Faults()
    faults.check(0 < node_id <= LARGEST_ID, "nodeId", f"must be between 1 and {LARGEST_ID}")
    check_labels(labels, "labels", faults)
    faults.raise_if_any()
    added = await store.insert_binding(tx, caller.organization_id, metric_key, node_id, labels, now)
    if added is None:
        repeated = Fault("nodeId", "is bound to the metric with these labels already")
        raise LumetryError(Reason.VALIDATION_FAILED, "The request is not valid.", faults=(repeated,))
    await record_audit(tx, caller, "MetricNodeBinding.Created", "MetricNodeBinding", added.id, now, None, audit_binding(added))
    return added


async def unbind(tx: Transaction, caller: Caller, metric_key: str, binding_id: int, now: datetime) -> None:
    """Removes a binding. Fails with NOT_FOUND, also for one of another metric."""
    await find_metric(tx, caller.organization_id, metric_key)
    removed = await store.delete_binding(tx, caller.organization_id, metric_key, binding_id)
    if removed is None:
        raise not_found("Binding", binding_id)
    await record_audit(tx, caller, "MetricNodeBinding.Removed", "MetricNodeBinding", removed.id, now, audit_binding(removed), None)
