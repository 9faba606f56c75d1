"""Monitors that people make, change and delete (contract monitoring 7.2)."""

from dataclasses import replace
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.certificates.drafts import (
    MonitorChange,
    MonitorDraft,
    check_interval,
    check_target,
    check_thresholds,
    read_interval,
    read_thresholds,
)
from lumetry_core.certificates.hostnames import spell_url
from lumetry_core.certificates.model import CHANNEL, LEASE, Monitor, Source
from lumetry_core.certificates.service.removing import DELETED, remove
from lumetry_core.certificates.store import monitors as store
from lumetry_core.certificates.telling import tell_monitor
from lumetry_core.feed.service import tell
from lumetry_core.runtime.addresses import Policy, find_url_fault
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Fault, Faults, LumetryError, Reason, not_found
from lumetry_core.topology.service.nodes import find_nodes

ENTITY = "CertificateMonitor"
KIND = "Certificate"


async def create_monitor(tx: Transaction, caller: Caller, draft: MonitorDraft, policy: Policy, now: datetime) -> Monitor:
    """Adds a monitor, claimed for the caller, who makes its first check and records it with `recording.record_looks`.

    Fails with VALIDATION_FAILED (also with the code `url_not_allowed`), CONFLICT (`already_auto_detected`, `duplicate_monitor`).
    """
    faults = Faults()
    hostname, port = check_target(draft, faults)
    interval, thresholds = read_interval(draft, faults), read_thresholds(draft, faults)
    await check_node(tx, caller.organization_id, draft.topology_node_id, faults)
    faults.raise_if_any()
    fault = find_url_fault(spell_url(hostname, port), policy)
    if fault is not None:
        raise LumetryError(Reason.VALIDATION_FAILED, f"hostname {fault}", faults=(Fault("hostname", fault),), code="url_not_allowed")
    monitor = Monitor(
        id=0,
        organization_id=caller.organization_id,
        hostname=hostname,
        port=port,
        source=Source.STANDALONE,
        check_interval_seconds=interval,
        warning_thresholds=thresholds,
        topology_node_id=draft.topology_node_id,
        next_check_time=now + LEASE,
        create_time=now,
    )
    number = await store.insert_monitor(tx, monitor)
    if number is None:
        found = await store.read_targets(tx, caller.organization_id, [hostname])
        raise refuse_duplicate(next((each for each in found if each.port == port), None), monitor)
    created = replace(monitor, id=number)
    await tell(tx, caller.organization_id, [tell_monitor("certificate.created", created)], now)
    await record_audit(tx, caller, f"{ENTITY}.Created", ENTITY, created.id, now, after=audited(created))
    return created


async def update_monitor(tx: Transaction, caller: Caller, monitor_id: int, change: MonitorChange, now: datetime) -> Monitor:
    """Changes what is given. Fails with NOT_FOUND, VALIDATION_FAILED. What it means for status and alerts the next check tells, at once."""
    before = await lock_monitor(tx, caller.organization_id, monitor_id)
    faults = Faults()
    interval = check_interval(change.check_interval_seconds, before.check_interval_seconds, faults)
    thresholds = check_thresholds(change.warning_thresholds, before.warning_thresholds, faults)
    await check_node(tx, caller.organization_id, change.topology_node_id, faults)
    faults.raise_if_any()
    node_id = None if change.clears_node else change.topology_node_id or before.topology_node_id
    after = replace(before, check_interval_seconds=interval, warning_thresholds=thresholds, topology_node_id=node_id)
    if after == before:
        return before
    if after.is_scheduled:
        after = replace(after, next_check_time=now)
        tx.wake(CHANNEL)
    await store.update_monitors(tx, [after])
    await tell(tx, caller.organization_id, [tell_monitor("certificate.updated", after)], now)
    await record_audit(tx, caller, f"{ENTITY}.Updated", ENTITY, monitor_id, now, audited(before), audited(after))
    return after


async def delete_monitor(tx: Transaction, caller: Caller, monitor_id: int, now: datetime) -> None:
    """Removes a monitor and resolves its alerts. Fails with NOT_FOUND, CONFLICT (`cannot_delete_auto`)."""
    monitor = await lock_monitor(tx, caller.organization_id, monitor_id)
    if monitor.source is Source.AUTO:
        message = "This certificate is watched because endpoint checks see it; it goes with them."
        raise LumetryError(Reason.CONFLICT, message, code="cannot_delete_auto")
    await remove(tx, caller.organization_id, [monitor], DELETED, now)
    await record_audit(tx, caller, f"{ENTITY}.Deleted", ENTITY, monitor_id, now, before=audited(monitor))


async def lock_monitor(tx: Transaction, organization_id: int, monitor_id: int) -> Monitor:
    """One monitor, which nobody else changes until the transaction ends. Fails with NOT_FOUND."""
    monitor = (await store.read_monitors(tx, organization_id, [monitor_id], lock=True)).get(monitor_id)
    if monitor is None:
        raise not_found(KIND, monitor_id)
    return monitor


async def check_node(tx: Transaction, organization_id: int, node_id: int | None, faults: Faults) -> None:
    """Notes a node that the topology does not have."""
    if node_id is not None:
        faults.check(node_id in await find_nodes(tx, organization_id, [node_id], hold=True), "topology_node_id", "is not a topology node")


def refuse_duplicate(found: Monitor | None, wanted: Monitor) -> LumetryError:
    """The failure for a host and port that are watched already."""
    if found is not None and found.source is Source.AUTO:
        return LumetryError(
            Reason.CONFLICT, f"Endpoint checks watch the certificate of {wanted.name} already.", code="already_auto_detected"
        )
    return LumetryError(Reason.CONFLICT, f"The certificate of {wanted.name} is watched already.", code="duplicate_monitor")


def audited(monitor: Monitor) -> dict[str, object]:
    """What the audit log keeps of a monitor, in the contract's words."""
    return {
        "hostname": monitor.hostname,
        "port": monitor.port,
        "source": monitor.source.value,
        "check_interval_seconds": monitor.check_interval_seconds,
        "warning_thresholds": list(monitor.warning_thresholds),
        "topology_node_id": monitor.topology_node_id,
    }
