"""Making, changing, pausing and removing heartbeats (contract monitoring 6.2)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.alerts.monitors import EntityType
from lumetry_core.alerts.service.monitors import end_for_entities
from lumetry_core.feed.service import tell
from lumetry_core.heartbeats import machine
from lumetry_core.heartbeats.drafts import HeartbeatDraft, merge
from lumetry_core.heartbeats.model import QUEUE, Heartbeat, Status
from lumetry_core.heartbeats.store import heartbeats as store
from lumetry_core.heartbeats.wording import tell_change, tell_definition
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found
from lumetry_core.runtime.identifiers import new_uuid
from lumetry_core.runtime.queue import enqueue
from lumetry_core.topology.service.nodes import find_nodes
from lumetry_core.uptime.model import MonitorType
from lumetry_core.uptime.service import forget

ENTITY = "Heartbeat"


async def create_heartbeat(tx: Transaction, caller: Caller, draft: HeartbeatDraft, now: datetime) -> Heartbeat:
    """Adds a heartbeat, which is watched from its first ping on. Fails with VALIDATION_FAILED."""
    faults = Faults()
    given = merge(draft, None, faults)
    await check_node(tx, caller.organization_id, draft.topology_node_id, faults)
    faults.raise_if_any()
    heartbeat = Heartbeat(
        id=0,
        organization_id=caller.organization_id,
        uuid=new_uuid(),
        name=given.name,
        interval_seconds=given.interval,
        grace_seconds=given.grace,
        topology_node_id=given.node_id,
        create_time=now,
        update_time=now,
    )
    created = replace(heartbeat, id=await store.insert_heartbeat(tx, heartbeat))
    await tell(tx, caller.organization_id, [tell_definition("heartbeat.created", created)], now)
    await record_audit(tx, caller, f"{ENTITY}.Created", ENTITY, created.id, now, after=audited(created))
    return created


async def update_heartbeat(tx: Transaction, caller: Caller, heartbeat_id: int, draft: HeartbeatDraft, now: datetime) -> Heartbeat:
    """Changes what is given of a heartbeat; a running deadline moves along. Fails with NOT_FOUND, VALIDATION_FAILED."""
    before = await lock_heartbeat(tx, caller.organization_id, heartbeat_id)
    faults = Faults()
    given = merge(draft, before, faults)
    await check_node(tx, caller.organization_id, draft.topology_node_id, faults)
    faults.raise_if_any()
    after = machine.redefine(before, name=given.name, interval=given.interval, grace=given.grace, node_id=given.node_id, now=now)
    await store.update_heartbeat(tx, after)
    await tell(tx, caller.organization_id, [tell_definition("heartbeat.updated", after)], now)
    await record_audit(tx, caller, f"{ENTITY}.Updated", ENTITY, heartbeat_id, now, audited(before), audited(after))
    return after


async def pause_heartbeat(tx: Transaction, caller: Caller, heartbeat_id: int, now: datetime) -> Heartbeat:
    """Stops watching a heartbeat and resolves its alerts; one that is paused stays as it is. Fails with NOT_FOUND."""
    before = await lock_heartbeat(tx, caller.organization_id, heartbeat_id)
    if before.status is Status.PAUSED:
        return before
    await end_for_entities(tx, caller.organization_id, EntityType.HEARTBEAT, [heartbeat_id], "The heartbeat was paused", now)
    return await change(tx, caller, before, machine.pause, "Paused", now)


async def resume_heartbeat(tx: Transaction, caller: Caller, heartbeat_id: int, now: datetime) -> Heartbeat:
    """Watches a paused heartbeat again, from now on. Fails with NOT_FOUND, CONFLICT (code `not_paused`)."""
    before = await lock_heartbeat(tx, caller.organization_id, heartbeat_id)
    if before.status is not Status.PAUSED:
        raise LumetryError(Reason.CONFLICT, f"Heartbeat '{before.name}' is not paused.", code="not_paused")
    return await change(tx, caller, before, machine.resume, "Resumed", now)


async def delete_heartbeat(tx: Transaction, caller: Caller, heartbeat_id: int, now: datetime) -> None:
    """Removes a heartbeat, resolves its alerts and has its pings and runs removed. Fails with NOT_FOUND."""
    organization_id = caller.organization_id
    before = await lock_heartbeat(tx, organization_id, heartbeat_id)
    await end_for_entities(tx, organization_id, EntityType.HEARTBEAT, [heartbeat_id], "The heartbeat was deleted", now)
    await store.delete_heartbeat(tx, organization_id, heartbeat_id)
    await forget(tx, organization_id, MonitorType.HEARTBEAT, [heartbeat_id])
    await enqueue(tx, organization_id, QUEUE, [("removed", {"heartbeat_id": heartbeat_id})], now)
    await tell(tx, organization_id, [("heartbeat.deleted", {"heartbeat_id": heartbeat_id})], now)
    await record_audit(tx, caller, f"{ENTITY}.Deleted", ENTITY, heartbeat_id, now, before=audited(before))


async def change(
    tx: Transaction, caller: Caller, before: Heartbeat, become: Callable[[Heartbeat, datetime], Heartbeat], verb: str, now: datetime
) -> Heartbeat:
    """Writes what a person made of a heartbeat, and tells it."""
    after = become(before, now)
    await store.update_heartbeat(tx, after)
    await tell(tx, caller.organization_id, tell_change(before, after), now)
    await record_audit(tx, caller, f"{ENTITY}.{verb}", ENTITY, before.id, now, audited(before), audited(after))
    return after


async def lock_heartbeat(tx: Transaction, organization_id: int, heartbeat_id: int) -> Heartbeat:
    """One heartbeat, which nobody else changes until the transaction ends. Fails with NOT_FOUND."""
    heartbeat = await store.read_heartbeat(tx, organization_id, heartbeat_id, lock=True)
    if heartbeat is None:
        raise not_found(ENTITY, heartbeat_id)
    return heartbeat


async def check_node(tx: Transaction, organization_id: int, node_id: int | None, faults: Faults) -> None:
    """Notes a topology node that is not in the graph."""
    if node_id is not None:
        found = await find_nodes(tx, organization_id, [node_id], hold=True)
        faults.check(node_id in found, "topology_node_id", "is no node of the topology")


def audited(heartbeat: Heartbeat) -> dict[str, object]:
    """What the audit log keeps of a heartbeat, in the contract's words; whoever knows the UUID may ping, so it stays out."""
    return {
        "name": heartbeat.name,
        "interval_seconds": heartbeat.interval_seconds,
        "grace_seconds": heartbeat.grace_seconds,
        "topology_node_id": heartbeat.topology_node_id,
        "status": heartbeat.status.value,
    }
