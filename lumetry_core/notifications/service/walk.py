"""One round of routing in memory: takes items in order and decides each with what the ones before it have decided.

An opening that joins an incident of which somebody was told already waits a second. If its incident turns out to grow like a storm, it
is a repetition; otherwise it is told (ADR 0013).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from lumetry_core.alerts.decisions import Transition
from lumetry_core.alerts.model import Alert, AlertState
from lumetry_core.incidents.model import SEVERITY_RANK
from lumetry_core.notifications.circumstances import LastOpening, Planned, Routing, cooldown_key
from lumetry_core.notifications.delivery import Cause, Delivery, DeliveryStatus
from lumetry_core.notifications.routing import route
from lumetry_core.notifications.service.facts import Known
from lumetry_core.notifications.service.repetitions import Unheard
from lumetry_core.notifications.store.held import RELEASED, STORM, Held
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.queue import WorkItem

STORM_WAIT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Decided:
    """A transition whose routing was decided, with the alert as it is told."""

    alert: Alert
    transition: Transition
    routing: Routing


class Walk:
    """What a round decides.

    Attributes:
        decided: The newest decision of each transition.
        changed: Deliveries that are new (number 0) or changed, by alert, integration and transition.
        told: The alert of each of them as it is told.
        waiting: What waits from now on.
        dropped: What waits no longer.
        closed: Alerts that closed.
        risen: Alerts that escalated.
        repeated: Incidents that have repetitions.
    """

    def __init__(self, known: Known) -> None:
        self.known = known
        self.decided: dict[tuple[int, Transition], Decided] = {}
        self.changed: dict[tuple[int, int, Transition], Delivery] = {}
        self.told: dict[tuple[int, int, Transition], Alert] = {}
        self.waiting: dict[tuple[int, Transition], Held] = {}
        self.dropped: set[tuple[int, Transition]] = set()
        self.closed: set[int] = set()
        self.risen: set[int] = set()
        self.repeated: set[int] = set()

    def follow(self, items: Sequence[WorkItem]) -> None:
        """Takes the items of a round. Openings come first, the worst of them before others: it is the one to be told in a storm."""
        alerts = self.known.alerts
        known = [item for item in items if "alert_id" in item.payload and item.payload["alert_id"] in alerts]
        self.risen = {item.payload["alert_id"] for item in known if item.kind == "escalate" and not rises_from_info(item)}
        openings = [self.as_opened(alerts[item.payload["alert_id"]]) for item in known if item.kind == "open"]
        for alert in sorted(openings, key=lambda alert: -SEVERITY_RANK[alert.severity]):
            if alert.severity is Severity.INFO:
                self.hold_unheard(alert)
            else:
                self.open(alert)
        for item in known:
            alert = alerts[item.payload["alert_id"]]
            if item.kind == "escalate":
                opened = self.as_opened(alert)
                self.settle_storm(opened)
                severity = opened.severity if rises_from_info(item) else Severity.CRITICAL
                self.decide(replace(opened, severity=severity), Transition.ESCALATE)
            elif item.kind == "close":
                self.close(alert)
            elif item.kind == "release":
                for transition in (Transition.OPEN, Transition.ESCALATE):
                    held = self.known.held.get((alert.id, transition))
                    if held is not None and held.cause != STORM:
                        self.look_again(held)

    def as_opened(self, alert: Alert) -> Alert:
        """The alert as it was when it opened, whatever has happened to it since."""
        return replace(as_active(alert), severity=Severity.WARNING if alert.id in self.risen else alert.severity)

    def hold_unheard(self, alert: Alert) -> None:
        """Notes that something covers an alert of which no integration ever hears, as channels do once that is over."""
        window, silence = self.known.window_of(alert), self.known.silence_of(alert)
        cover = window or silence
        if cover is not None:
            cause = Cause.SILENCE if window is None else Cause.MAINTENANCE
            until = cover.until if window is None else None
            now = self.known.now
            self.wait(Held(self.known.organization_id, alert.id, Transition.OPEN, cause.value, cover.record.id, None, until, now))

    def open(self, alert: Alert, record_id: str = "") -> None:
        """Decides an opening, or makes it wait when somebody was told of its incident.

        Args:
            record_id: RELEASED: something has held it back until now.
        """
        choice = self.known.choice_of(alert)
        pages = self.known.pages_of(alert)
        targets = () if choice is None else choice.integrations
        if alert.incident_id is None or not any(target.id in pages for target in targets):
            self.decide(alert, Transition.OPEN)
            return
        self.wait(self.until_seen(alert, Transition.OPEN, record_id))

    def until_seen(self, alert: Alert, transition: Transition, record_id: str) -> Held:
        """The wait of a transition until it shows whether its incident is a storm."""
        now = self.known.now
        return Held(self.known.organization_id, alert.id, transition, STORM, record_id, alert.incident_id, now + STORM_WAIT, now)

    def close(self, alert: Alert) -> None:
        """Decides a close, after the opening if that still waits to see a storm."""
        self.settle_storm(as_active(alert))
        for transition in (Transition.OPEN, Transition.ESCALATE):
            self.drop(alert.id, transition)
        self.closed.add(alert.id)
        for told in self.known.pages.get(alert.incident_id or 0, {}).values():
            told.pop(alert.id, None)
        if alert.severity is not Severity.INFO:
            self.decide(alert, Transition.CLOSE)

    def settle_storm(self, alert: Alert) -> None:
        """Decides an opening now that waits to see a storm, as more has happened to its alert. `alert` as it is to be told."""
        held = self.known.held.get((alert.id, Transition.OPEN))
        if held is not None and held.cause == STORM:
            self.drop(alert.id, Transition.OPEN)
            self.decide(alert, Transition.OPEN)

    def look_again(self, held: Held) -> None:
        """Decides what waited, as far as it still does. What a cover held back is told only of alerts that are active."""
        alert = self.known.alerts.get(held.alert_id)
        if self.known.held.get((held.alert_id, held.transition)) is None:
            return
        self.drop(held.alert_id, held.transition)
        if alert is None:
            return
        opening = self.known.held.get((held.alert_id, Transition.OPEN))
        if held.cause == STORM:
            self.decide(as_active(alert), held.transition)
        elif not alert.is_active:
            return
        elif alert.severity is Severity.INFO:
            self.hold_unheard(alert)
        elif held.transition is Transition.OPEN:
            self.open(alert, RELEASED)
        elif opening is not None and opening.cause == STORM:
            self.wait(self.until_seen(alert, held.transition, RELEASED))
        else:
            self.decide(alert, held.transition)

    def tell_unheard(self, unheard: Unheard) -> None:
        """Tells one of the repetitions at an integration whose page is gone."""
        for alert_id in unheard.alert_ids:
            alert = self.known.alerts.get(alert_id)
            if alert is None or not alert.is_active:
                continue
            self.decide(alert, Transition.OPEN, [unheard.integration_id])
            told = self.known.deliveries.get(alert_id, {}).get((unheard.integration_id, Transition.OPEN))
            if told is not None and told.is_told:
                return

    def decide(self, alert: Alert, transition: Transition, without: Collection[int] = ()) -> None:
        """Decides a transition and notes what comes of it."""
        known = self.known
        facts = known.facts_of(alert, transition, without)
        routing = route(facts)
        self.decided[alert.id, transition] = Decided(alert, transition, routing)
        if transition is Transition.OPEN and alert.incident_id is not None:
            known.opened.setdefault(alert.incident_id, set()).add(alert.id)
        for planned in routing.deliveries:
            self.note(alert, transition, planned)
        if transition is not Transition.CLOSE and routing.hold in (Cause.MAINTENANCE, Cause.SILENCE):
            cover = facts.window or facts.silence
            until = routing.until if routing.hold is Cause.SILENCE else None
            record_id = "" if cover is None else cover.record.id
            held = Held(known.organization_id, alert.id, transition, routing.hold.value, record_id, alert.incident_id, until, known.now)
            self.wait(held)

    def note(self, alert: Alert, transition: Transition, planned: Planned) -> None:
        """Notes a delivery that was decided on."""
        known = self.known
        of_alert = known.deliveries.setdefault(alert.id, {})
        before = of_alert.get((planned.integration_id, planned.transition))
        delivery = draft_delivery(alert, transition, planned, before, self)
        of_alert[planned.integration_id, planned.transition] = delivery
        self.changed[alert.id, planned.integration_id, planned.transition] = delivery
        self.told[alert.id, planned.integration_id, planned.transition] = alert
        if delivery.status is DeliveryStatus.PENDING and delivery.transition is not Transition.CLOSE:
            if alert.incident_id is not None and alert.id not in self.closed:
                told = known.pages.setdefault(alert.incident_id, {}).setdefault(planned.integration_id, {})
                told[alert.id] = delivery.severity
            if delivery.transition is Transition.OPEN and delivery.cooldown_key is not None:
                known.last_openings[delivery.cooldown_key] = LastOpening(delivery.id, alert.id, known.now)
        if planned.reason is Cause.REPETITION and alert.incident_id is not None:
            self.repeated.add(alert.incident_id)
            opened = of_alert.get((planned.integration_id, Transition.OPEN))
            if transition is Transition.ESCALATE and opened is not None and not opened.is_told:
                risen = replace(opened, severity=alert.severity)
                of_alert[planned.integration_id, Transition.OPEN] = risen
                self.changed[alert.id, planned.integration_id, Transition.OPEN] = risen
                self.told[alert.id, planned.integration_id, Transition.OPEN] = alert

    def wait(self, held: Held) -> None:
        """Makes a transition wait."""
        key = (held.alert_id, held.transition)
        self.known.held[key] = held
        self.waiting[key] = held
        self.dropped.discard(key)
        if held.cause == STORM and held.incident_id is not None:
            self.known.opened.setdefault(held.incident_id, set()).add(held.alert_id)

    def drop(self, alert_id: int, transition: Transition) -> None:
        """Ends the wait of a transition, if it waits."""
        key = (alert_id, transition)
        if self.known.held.pop(key, None) is not None:
            self.waiting.pop(key, None)
            self.dropped.add(key)


def rises_from_info(item: WorkItem) -> bool:
    """Whether an alert rises out of what integrations do not hear of, so that its rise is their opening."""
    return bool(item.payload.get("from") == Severity.INFO)


def as_active(alert: Alert) -> Alert:
    """The alert as it was before it closed, if it did."""
    return alert if alert.is_active else replace(alert, state=AlertState.OPEN, end_time=None)


def draft_delivery(alert: Alert, transition: Transition, planned: Planned, before: Delivery | None, walk: Walk) -> Delivery:
    """The row of a planned delivery: a new one, or the one before, started anew."""
    is_pending = planned.status is DeliveryStatus.PENDING
    key = None if planned.profile_id is None or planned.transition is not Transition.OPEN else cooldown_key(planned.profile_id, alert)
    now = walk.known.now
    return Delivery(
        id=0 if before is None else before.id,
        organization_id=alert.organization_id,
        alert_id=alert.id,
        transition=planned.transition,
        traced=transition,
        profile_id=planned.profile_id,
        integration_id=planned.integration_id,
        incident_id=alert.incident_id,
        severity=alert.severity,
        cooldown_key=key,
        is_active=alert.id not in walk.closed,
        status=planned.status,
        attempts=0,
        failures=0,
        status_code=None,
        last_error=None,
        reason=planned.reason,
        record=planned.record,
        next_attempt_time=now if is_pending else None,
        lease_owner=None,
        lease_time=None,
        create_time=now if before is None or is_pending else before.create_time,
        deliver_time=None,
        content=None,
    )
