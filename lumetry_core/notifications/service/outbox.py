"""Claims what is due, and records what became of it: deliveries, lanes, traces, timelines and the health of integrations."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lumetry_core.alerts.decisions import Explanation, Transition
from lumetry_core.alerts.service.decisions import read_explanations, record_gates
from lumetry_core.alerts.service.system_alerts import raise_system_alert
from lumetry_core.billing.model import Meter, Usage
from lumetry_core.billing.service.metering import count
from lumetry_core.incidents.service.telling import tell_sent
from lumetry_core.notifications.delivery import Cause, Delivery, DeliveryStatus, Lane
from lumetry_core.notifications.gates import conclude
from lumetry_core.notifications.model import FALLBACK_ID, Integration, LastStatus
from lumetry_core.notifications.retries import FAILING_AFTER, OUT_OF_REACH_LIMIT, Attempt, follow_lane, settle
from lumetry_core.notifications.service.integrations import FAILING, SUBJECT, end_failing, note_delivery
from lumetry_core.notifications.service.outages import tell_integration_failing, tell_integration_recovered
from lumetry_core.notifications.service.profiles import find_integrations
from lumetry_core.notifications.service.recording import CHANNEL, LEASE, shows
from lumetry_core.notifications.store import deliveries as store
from lumetry_core.notifications.store import lanes as lane_store
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Transaction

EXPIRED_AT_ONCE = 500
TOLD = {Transition.OPEN: "Opening", Transition.ESCALATE: "Escalation", Transition.CLOSE: "Close"}


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process is to send. `is_strict`: not before the ones that it was claimed with."""

    delivery: Delivery
    integration: Integration
    is_strict: bool = False


async def claim_due(
    tx: Transaction,
    owner: str,
    fallback: Integration | None,
    room: Callable[[int, int], int],
    busy: Collection[int],
    now: datetime,
) -> list[Claimed]:
    """Claims due deliveries of all organizations. Those for integrations that are gone or switched off are skipped.

    Args:
        room: How many more of an organization's integration may be sent at once.
        busy: Deliveries that this process has not finished with.
    """
    found = await lane_store.claim_due(tx, owner, now, now + LEASE, room, busy)
    claimed = []
    for organization_id in sorted({delivery.organization_id for delivery, _ in found}):
        own = [(delivery, is_strict) for delivery, is_strict in found if delivery.organization_id == organization_id]
        integrations = await find_integrations(tx, organization_id, {delivery.integration_id for delivery, _ in own})
        if fallback is not None:
            integrations[FALLBACK_ID] = fallback
        unwanted = []
        for delivery, is_strict in own:
            integration = integrations.get(delivery.integration_id)
            if integration is not None and integration.is_enabled:
                claimed.append(Claimed(delivery, integration, is_strict))
            else:
                unwanted.append(skip(delivery, Cause.DISABLED_INTEGRATION))
        await store.update_deliveries(tx, organization_id, unwanted)
        await retrace(tx, organization_id, unwanted, now)
        if unwanted:
            tx.wake(CHANNEL)  # what is skipped takes nobody's time, so the next may be claimed at once
    return claimed


async def renew(tx: Transaction, delivery: Delivery, now: datetime) -> bool:
    """Prolongs a lease; False when it is not this one any more."""
    return await lane_store.renew_lease(tx, delivery, now + LEASE)


async def hand_back(tx: Transaction, unsent: Sequence[Delivery], now: datetime) -> None:
    """Ends leases of deliveries that were not sent."""
    for delivery in unsent:
        await lane_store.renew_lease(tx, delivery, now)
    tx.wake(CHANNEL)


def skip(delivery: Delivery, cause: Cause) -> Delivery:
    """The delivery, not made for a cause."""
    return replace(delivery, status=DeliveryStatus.SKIPPED, reason=cause, next_attempt_time=None, lease_owner=None, lease_time=None)


async def record_attempts(tx: Transaction, organization_id: int, attempts: Sequence[Attempt], now: datetime) -> None:
    """Records attempts of one organization. One whose delivery somebody else has finished meanwhile changes nothing."""
    # Lanes before deliveries, as claims do, so that neither waits for the other.
    lanes = await lane_store.read_lanes(tx, organization_id, {attempt.delivery.integration_id for attempt in attempts}, lock=True)
    rows = await store.read_of_alerts(tx, organization_id, {attempt.delivery.alert_id for attempt in attempts}, lock=True)
    present = {row.id: row for row in rows}
    valid = [
        replace(attempt, delivery=present[attempt.delivery.id])
        for attempt in attempts
        if attempt.delivery.id in present and still_counts(attempt, present[attempt.delivery.id])
    ]
    settled = {attempt.delivery.id: settle(attempt) for attempt in valid}
    changed = settled | {row.id: row for row in follow_ups(rows, settled)}
    given_up = await follow_lanes(tx, lanes, valid, settled, now)
    if given_up:
        beside = await store.read_of_alerts(tx, organization_id, {row.alert_id for row in given_up.values()}, lock=True)
        changed |= given_up
        changed |= {row.id: row for row in follow_ups([row for row in beside if row.id not in changed], given_up)}
    await store.update_deliveries(tx, organization_id, list(changed.values()))
    await retrace(tx, organization_id, changed.values(), now)
    delivered = [row for row in settled.values() if row.status is DeliveryStatus.SUCCESS]
    if delivered:
        await count(tx, organization_id, [Usage(Meter.NOTIFICATIONS_SENT, len(delivered))], now)
    sent = [row for row in delivered if row.incident_id is not None]
    if sent:
        names = await read_names(tx, organization_id, sent)
        entries = [(row.incident_id or 0, row.integration_id or None, describe(row, names.get(row.integration_id, ""))) for row in sent]
        await tell_sent(tx, organization_id, entries, now)
    if any(row.next_attempt_time is None for row in settled.values()):
        tx.wake(CHANNEL)


def still_counts(attempt: Attempt, present: Delivery) -> bool:
    """Whether an attempt changes a delivery: what arrived always does, a failure only if nobody else has taken it over."""
    if present.status is not DeliveryStatus.PENDING:
        return False
    return attempt.result.ok or present.lease_owner == attempt.delivery.lease_owner


def follow_ups(rows: Iterable[Delivery], settled: dict[int, Delivery]) -> list[Delivery]:
    """What becomes of the rest where an opening finally failed.

    An escalation that waits for it is told as the opening, as one that comes later would be; without one the close is not sent.
    """
    lost = {
        (row.alert_id, row.integration_id): row
        for row in settled.values()
        if row.transition is Transition.OPEN and row.status is DeliveryStatus.FAILED
    }
    waiting = [row for row in rows if row.status is DeliveryStatus.PENDING and (row.alert_id, row.integration_id) in lost]
    risen = {(row.alert_id, row.integration_id): row for row in waiting if row.transition is Transition.ESCALATE}
    told_anew = [open_anew(lost[key], row) for key, row in risen.items()]
    unwanted = [row for row in waiting if row.transition is Transition.CLOSE and (row.alert_id, row.integration_id) not in risen]
    return [*told_anew, *(skip(row, Cause.OPENING_NOT_DELIVERED) for row in (*risen.values(), *unwanted))]


def open_anew(opening: Delivery, risen: Delivery) -> Delivery:
    """The opening, which failed, with what the escalation would have told."""
    return replace(risen, id=opening.id, transition=Transition.OPEN, cooldown_key=opening.cooldown_key, lease_owner=None, lease_time=None)


async def follow_lanes(
    tx: Transaction, lanes: Mapping[int, Lane], attempts: Sequence[Attempt], settled: dict[int, Delivery], now: datetime
) -> dict[int, Delivery]:
    """Notes how integrations are; answers deliveries given up because theirs has been out of reach for too long."""
    given_up: dict[int, Delivery] = {}
    changed = []
    results: dict[int, tuple[LastStatus, str | None]] = {}
    followed: list[tuple[Lane, Lane, Attempt]] = []
    for integration_id, before in lanes.items():
        own = sorted((each for each in attempts if each.delivery.integration_id == integration_id), key=lambda each: each.time)
        if not own:
            continue
        lane, last = before, own[-1].result
        is_out = lane.outage_time is not None
        last_waiting = await lane_store.last_waiting(tx, lane.organization_id, integration_id) if is_out else 0
        for attempt in own:
            lane = follow_lane(lane, attempt, last_waiting)
        if lane != before:
            changed.append(lane)
        if integration_id != FALLBACK_ID:
            results[integration_id] = (LastStatus.SUCCESS, None) if last.ok else (LastStatus.FAILED, last.error)
        followed.append((before, lane, own[-1]))
        if lane.outage_time is not None and now - lane.outage_time >= OUT_OF_REACH_LIMIT:
            since = now - OUT_OF_REACH_LIMIT
            expired = await lane_store.read_expired(tx, lane.organization_id, integration_id, since, EXPIRED_AT_ONCE)
            given_up |= {row.id: give_up(row, last.error) for row in expired if row.id not in settled}
    await lane_store.update_lanes(tx, changed)
    if results:
        await note_delivery(tx, attempts[0].delivery.organization_id, results, now)
    # After the integrations, which nobody switches off or deletes any more until the transaction ends.
    await note_health(tx, followed, now)
    return given_up


def give_up(delivery: Delivery, error: str | None) -> Delivery:
    """The delivery, failed for good."""
    return replace(delivery, status=DeliveryStatus.FAILED, last_error=error, next_attempt_time=None, lease_owner=None, lease_time=None)


async def note_health(tx: Transaction, followed: Sequence[tuple[Lane, Lane, Attempt]], now: datetime) -> None:
    """Raises a system alert for an integration that fails again and again, and closes it with the next success.

    Args:
        followed: Lanes of one organization before and after, each with its last attempt.
    """
    failing = [(lane, last) for before, lane, last in followed if lane.failures >= FAILING_AFTER and lane.failures > before.failures]
    well = [lane for before, lane, _ in followed if before.failures >= FAILING_AFTER and not lane.failures]
    named = [lane for lane, _ in failing] + well
    present = await find_integrations(tx, named[0].organization_id, {lane.integration_id for lane in named}) if named else {}
    for lane, last in failing:
        number = lane.integration_id
        if number == FALLBACK_ID or (number in present and present[number].is_enabled):
            since = f"{lane.failures} attempts in a row failed, the last with: {last.result.error}"
            message = f"Integration {number} does not get its notifications: {since}"
            raised = await raise_system_alert(tx, lane.organization_id, FAILING, Severity.CRITICAL, message, SUBJECT, str(number), now)
            if raised.occurrence_count == 1 and number in present:
                await tell_integration_failing(tx, present[number], last.result.error, now)
    for lane in well:
        number = lane.integration_id
        if await end_failing(tx, lane.organization_id, number, now) and number in present:
            await tell_integration_recovered(tx, present[number], now)


async def retrace(tx: Transaction, organization_id: int, changed: Iterable[Delivery], now: datetime) -> None:
    """Brings the traces of transitions up to what became of their deliveries."""
    keys = {(row.alert_id, transition) for row in changed for transition in (row.traced, row.transition)}
    if not keys:
        return
    traces = await read_explanations(tx, organization_id, keys)
    by_alert: dict[int, list[Delivery]] = {}
    for row in await store.read_of_alerts(tx, organization_id, {alert_id for alert_id, _ in keys}):
        by_alert.setdefault(row.alert_id, []).append(row)
    names = await read_names(tx, organization_id, [row for rows in by_alert.values() for row in rows])
    await record_gates(tx, organization_id, [retold(trace, by_alert.get(trace.alert_id, []), names, now) for trace in traces.values()])


def retold(trace: Explanation, of_alert: Sequence[Delivery], names: dict[int, str], now: datetime) -> Explanation:
    """A trace with what became of its deliveries."""
    return conclude(trace, trace.gates[3:-1], trace.summary, [row for row in of_alert if shows(trace, row)], names, now)


async def read_names(tx: Transaction, organization_id: int, rows: Iterable[Delivery]) -> dict[int, str]:
    """The names of the integrations of deliveries, by number."""
    found = await find_integrations(tx, organization_id, {row.integration_id for row in rows})
    return {FALLBACK_ID: "the fallback target"} | {number: integration.name for number, integration in found.items()}


def describe(delivery: Delivery, name: str) -> str:
    """What the timeline of an incident tells of a delivery."""
    return f"{TOLD[delivery.transition]} of alert {delivery.alert_id} delivered to {name or f'integration {delivery.integration_id}'}"
