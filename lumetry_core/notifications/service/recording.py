"""Writes what a round of routing decided: the outbox, what waits, and the traces."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import msgspec

from lumetry_core.alerts.decisions import Explanation, Transition
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.service.decisions import read_explanations, record_gates
from lumetry_core.incidents.model import Incident
from lumetry_core.notifications.delivery import Delivery, DeliveryStatus
from lumetry_core.notifications.gates import conclude
from lumetry_core.notifications.model import Integration
from lumetry_core.notifications.payload import spell_alert, spell_incident
from lumetry_core.notifications.service.facts import Known
from lumetry_core.notifications.service.walk import Decided, Walk
from lumetry_core.notifications.store import deliveries as store
from lumetry_core.notifications.store import held as held_store
from lumetry_core.notifications.store.lanes import ensure_lanes
from lumetry_core.runtime.database import Transaction

CHANNEL = "deliveries"
"""Wakes those who send."""
LEASE = timedelta(seconds=15)
"""Longer than a receiver may take to answer: whoever takes over sends nothing twice that still may arrive."""
HANDED_PER_LANE = 8
"""What a round gives its own process to send at once, for each integration."""


async def record_round(tx: Transaction, owner: str, walk: Walk) -> list[tuple[Delivery, Integration]]:
    """Writes a round and answers the deliveries that are leased to its process."""
    known = walk.known
    prepared = lease_first(owner, known, [render(known, walk.told[key], delivery) for key, delivery in walk.changed.items()])
    pending = [delivery for delivery in prepared if delivery.status is DeliveryStatus.PENDING]
    await ensure_lanes(tx, known.organization_id, {delivery.integration_id for delivery in pending} - known.lanes.keys())
    stored = await store.insert_deliveries(tx, [delivery for delivery in prepared if not delivery.id])
    replaced = [delivery for delivery in prepared if delivery.id]
    await store.update_deliveries(tx, known.organization_id, replaced)
    await store.end_alerts(tx, known.organization_id, walk.closed)
    for delivery in (*stored, *replaced):
        known.deliveries[delivery.alert_id][delivery.integration_id, delivery.transition] = delivery
    await held_store.drop(tx, known.organization_id, walk.dropped - walk.waiting.keys())
    await held_store.hold(tx, list(walk.waiting.values()))
    names = known.names()
    known.traces |= await read_explanations(tx, known.organization_id, walk.decided.keys() - known.traces.keys())
    traces = [trace for decided in walk.decided.values() if (trace := explain(known, decided, names)) is not None]
    await record_gates(tx, known.organization_id, traces)
    if pending:
        tx.wake(CHANNEL)
    return [
        (delivery, known.integrations[delivery.integration_id])
        for delivery in (*stored, *replaced)
        if delivery.status is DeliveryStatus.PENDING and delivery.lease_owner == owner
    ]


def render(known: Known, alert: Alert, delivery: Delivery) -> Delivery:
    """The delivery with what it tells, as things stand at the transition."""
    if delivery.status is not DeliveryStatus.PENDING or delivery.content is not None:
        return delivery
    incident = known.incidents.get(alert.incident_id or 0)
    return replace(delivery, content=spell_content(alert, incident))


def spell_content(alert: Alert, incident: Incident | None) -> bytes:
    """An alert and its incident as they are told."""
    return msgspec.json.encode({"alert": spell_alert(alert), "incident": None if incident is None else spell_incident(incident)})


def lease_first(owner: str, known: Known, drafts: list[Delivery]) -> list[Delivery]:
    """Leases to this process what it may send at once: nothing that waits for another delivery, nor in lanes where order counts.

    What a collector delivers goes the way of what is claimed.
    """
    handed: dict[int, int] = {}
    leased = []
    for delivery in drafts:
        lane = known.lanes.get(delivery.integration_id)
        count = handed.get(delivery.integration_id, 0)
        integration = known.integrations.get(delivery.integration_id)
        is_ours = delivery.status is DeliveryStatus.PENDING and (integration is None or integration.collector_id is None)
        if is_ours and (lane is None or not lane.is_strict) and count < HANDED_PER_LANE:
            others = known.deliveries[delivery.alert_id].items()
            if not any(is_before(other, delivery) for (integration_id, _), other in others if integration_id == delivery.integration_id):
                handed[delivery.integration_id] = count + 1
                leased.append(replace(delivery, lease_owner=owner, lease_time=known.now + LEASE))
                continue
        leased.append(delivery)
    return leased


def is_before(other: Delivery, delivery: Delivery) -> bool:
    """Whether another delivery to the same integration must end before this one is sent."""
    if other.status is not DeliveryStatus.PENDING or other.transition is delivery.transition:
        return False
    return ORDER[other.transition] < ORDER[delivery.transition]


ORDER = {Transition.OPEN: 0, Transition.ESCALATE: 1, Transition.CLOSE: 2}


def explain(known: Known, decided: Decided, names: Mapping[int, str]) -> Explanation | None:
    """The trace of a decided transition; None when its beginning was never recorded."""
    alert_id, transition = decided.alert.id, decided.transition
    before = known.traces.get((alert_id, transition))
    if before is None:
        return None
    shown = [delivery for delivery in known.deliveries.get(alert_id, {}).values() if shows(before, delivery)]
    return conclude(before, decided.routing.gates, decided.routing.summary, shown, names, known.now)


def shows(trace: Explanation, delivery: Delivery) -> bool:
    """Whether a delivery belongs to a trace: it came of the transition, or tells it."""
    return trace.transition in (delivery.traced, delivery.transition)
