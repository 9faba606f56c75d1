"""Routing in lists: the product's own walk, over what it would have read from the store."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from lumetry_core.alerts.decisions import Transition
from lumetry_core.incidents.model import SEVERITY_RANK
from lumetry_core.notifications.circumstances import LastOpening
from lumetry_core.notifications.delivery import Cause, Delivery, DeliveryStatus, Lane
from lumetry_core.notifications.model import Integration, IntegrationType, Profile
from lumetry_core.notifications.service.facts import LONGEST_COOLDOWN, STORM_PERIOD, Known
from lumetry_core.notifications.service.recording import lease_first
from lumetry_core.notifications.service.repetitions import CANDIDATES, Unheard
from lumetry_core.notifications.service.routing import REPETITION_ROUND
from lumetry_core.notifications.service.walk import Walk
from lumetry_core.notifications.store.held import Held
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.queue import WorkItem
from tests.pipeline.simulation.ground import ORGANIZATION, START
from tests.pipeline.simulation.script import Setup
from tests.pipeline.simulation.state import State

OWNER = "core"


@dataclass(frozen=True, slots=True)
class Targets:
    """Who is told."""

    integrations: Mapping[int, Integration]
    profiles: Mapping[int, Profile]


def make_targets(setup: Setup) -> Targets:
    """The integrations and the default profile of a setup."""
    integrations = {
        number: Integration(
            id=number,
            organization_id=ORGANIZATION,
            name=f"i{number}",
            type=IntegrationType.WEBHOOK,
            endpoint_url="http://127.0.0.1:9",
            create_time=START,
            update_time=START,
        )
        for number in range(1, setup.integrations + 1)
    }
    profile = Profile(
        id=1,
        organization_id=ORGANIZATION,
        name="default",
        is_default=True,
        is_enabled=True,
        cooldown_minutes=setup.cooldown_minutes,
        notify_on_open=True,
        notify_on_escalate=True,
        notify_on_close=setup.notify_on_close,
        min_severity=Severity(setup.min_severity),
        integration_ids=tuple(integrations),
        create_time=START,
        update_time=START,
    )
    return Targets(integrations, {1: profile})


def wake_due(state: State, now: datetime) -> None:
    """Has routing look at what has waited long enough."""
    times = [held.due_time for held in state.held.values() if held.due_time is not None]
    if any(time <= now for time in (*times, *state.repeated.values())):
        state.routing.append(("due", 0))


def route_waiting(state: State, targets: Targets, now: datetime) -> list[Delivery]:
    """Works off the queue of routing; answers what may be sent at once."""
    queued, state.routing = state.routing, []
    items = [WorkItem(0, ORGANIZATION, kind, {"alert_id": number}, now) for kind, number in queued if kind not in ("due", "silence_ended")]
    silences = {str(number) for kind, number in queued if kind == "silence_ended"}
    waiting = in_order(each for each in state.held.values() if each.cause == "silence" and each.record_id in silences)
    unheard: list[Unheard] = []
    still: set[int] = set()
    if any(kind == "due" for kind, _ in queued):
        waiting += in_order(each for each in state.held.values() if each.due_time is not None and each.due_time <= now)
        due = {number for number, time in state.repeated.items() if time <= now}
        for number in due:
            del state.repeated[number]
        unheard, still = find_unheard(state, due)
    alert_ids = {item.payload["alert_id"] for item in items} | {each.alert_id for each in waiting}
    alert_ids |= {number for each in unheard for number in each.alert_ids}
    walk = Walk(gather(state, targets, alert_ids, now))
    walk.follow(items)
    for each in waiting:
        walk.look_again(each)
    for repeated in unheard:
        walk.tell_unheard(repeated)
    handed = record_round(state, walk)
    for number in walk.repeated | still:
        state.repeated.setdefault(number, now + REPETITION_ROUND)
    return handed


def in_order(waiting: Iterable[Held]) -> list[Held]:
    """What waits, an alert's opening before its escalation."""
    return sorted(waiting, key=lambda each: (each.alert_id, each.transition is not Transition.OPEN))


def is_repetition(delivery: Delivery) -> bool:
    """Whether it is an opening of an active alert that was not told because its incident had been."""
    is_skipped = delivery.status is DeliveryStatus.SKIPPED and delivery.reason is Cause.REPETITION
    return delivery.is_active and is_skipped and delivery.transition is Transition.OPEN


def find_unheard(state: State, incident_ids: Collection[int]) -> tuple[list[Unheard], set[int]]:
    """Where no page of an incident stands, or none as bad as what it stands for, and all that have repetitions still."""
    repeated: dict[tuple[int, int], list[Delivery]] = {}
    for delivery in state.deliveries.values():
        if delivery.incident_id in incident_ids and is_repetition(delivery):
            repeated.setdefault((delivery.incident_id or 0, delivery.integration_id), []).append(delivery)
    pages = read_pages(state, incident_ids)
    unheard = []
    for (incident_id, integration_id), rows in sorted(repeated.items()):
        ordered = sorted(rows, key=lambda row: (-SEVERITY_RANK[row.severity], row.alert_id))
        told = pages.get(incident_id, {}).get(integration_id, {})
        if max((SEVERITY_RANK[page] for page in told.values()), default=0) < SEVERITY_RANK[ordered[0].severity]:
            unheard.append(Unheard(incident_id, integration_id, tuple(row.alert_id for row in ordered[:CANDIDATES])))
    return unheard, {incident_id for incident_id, _ in repeated}


def read_pages(state: State, incident_ids: Collection[int]) -> dict[int, dict[int, dict[int, Severity]]]:
    """What stands of incidents."""
    pages: dict[int, dict[int, dict[int, Severity]]] = {}
    for row in state.deliveries.values():
        if row.incident_id in incident_ids and row.is_active and row.is_told and row.transition is not Transition.CLOSE:
            told = pages.setdefault(row.incident_id or 0, {}).setdefault(row.integration_id, {})
            if row.alert_id not in told or SEVERITY_RANK[row.severity] > SEVERITY_RANK[told[row.alert_id]]:
                told[row.alert_id] = row.severity
    return pages


def gather(state: State, targets: Targets, alert_ids: Collection[int], now: datetime) -> Known:
    """What routing must know of alerts and what surrounds them."""
    alerts = {number: state.alerts[number] for number in sorted(alert_ids)}
    of_alerts: dict[int, dict[tuple[int, Transition], Delivery]] = {}
    for row in state.deliveries.values():
        if row.alert_id in alerts:
            of_alerts.setdefault(row.alert_id, {})[row.integration_id, row.transition] = row
    pages = read_pages(state, {alert.incident_id for alert in alerts.values() if alert.incident_id is not None})
    held = {key: each for key, each in state.held.items() if key[0] in alerts}
    growing = pages.keys() | {each.incident_id for each in held.values() if each.incident_id is not None}
    since = now - STORM_PERIOD
    opened: dict[int, set[int]] = {}
    for row in state.deliveries.values():
        if row.incident_id in growing and row.transition is Transition.OPEN and row.create_time >= since:
            opened.setdefault(row.incident_id or 0, set()).add(row.alert_id)
    for each in state.held.values():
        if each.incident_id in growing and each.create_time >= since:
            opened.setdefault(each.incident_id or 0, set()).add(each.alert_id)
    return Known(
        organization_id=ORGANIZATION,
        now=now,
        alerts=alerts,
        incidents=state.incidents,
        profiles=dict(targets.profiles),
        integrations=dict(targets.integrations),
        fallback=None,
        profile_of_rule={},
        windows=state.windows,
        silences=[silence for silence in state.silences.values() if silence.is_active(now)],
        traces={},
        held=held,
        deliveries=of_alerts,
        pages=pages,
        opened=opened,
        last_openings=find_last_openings(state, now) if targets.profiles[1].cooldown_minutes else {},
        lanes=state.lanes,
    )


def find_last_openings(state: State, now: datetime) -> dict[str, LastOpening]:
    """The newest delivered opening of each cooldown."""
    found: list[tuple[datetime, int, Delivery]] = []
    for row in state.deliveries.values():
        counts = row.status is DeliveryStatus.SUCCESS or (row.status is DeliveryStatus.PENDING and not row.attempts)
        time = row.deliver_time or row.create_time
        if counts and row.cooldown_key is not None and row.transition is Transition.OPEN and time >= now - LONGEST_COOLDOWN:
            found.append((time, row.id, row))
    return {row.cooldown_key or "": LastOpening(row.id, row.alert_id, time) for time, _, row in sorted(found, key=lambda each: each[:2])}


def record_round(state: State, walk: Walk) -> list[Delivery]:
    """Keeps what a round decided; answers what is leased to its process."""
    prepared = lease_first(OWNER, walk.known, list(walk.changed.values()))
    for row in prepared:
        if row.status is DeliveryStatus.PENDING:
            state.lanes.setdefault(row.integration_id, Lane(ORGANIZATION, row.integration_id))
    stored = []
    for row in (*(each for each in prepared if not each.id), *(each for each in prepared if each.id)):
        kept = row if row.id else replace(row, id=len(state.deliveries) + 1)
        state.deliveries[kept.id] = kept
        stored.append(kept)
    for number, row in state.deliveries.items():
        if row.alert_id in walk.closed and row.is_active:
            state.deliveries[number] = replace(row, is_active=False)
    for key in walk.dropped - walk.waiting.keys():
        state.held.pop(key, None)
    state.held |= walk.waiting
    return [row for row in stored if row.status is DeliveryStatus.PENDING and row.lease_owner == OWNER]
