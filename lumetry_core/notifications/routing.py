"""Whom to tell of a transition, and why (not): the gates from maintenance to route (contract lumetry 14.4, 19.2). Pure.

The answer depends on nothing but `Facts`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lumetry_core.alerts.decisions import Decision, Gate, Record, Transition
from lumetry_core.incidents.model import SEVERITY_RANK
from lumetry_core.notifications.circumstances import Cover, Facts, Planned, Routing, Step, Told
from lumetry_core.notifications.delivery import Cause, DeliveryStatus
from lumetry_core.notifications.gates import NO_INTEGRATION, blocked, held, not_applicable, not_reached, passed, released
from lumetry_core.notifications.model import Integration, Profile
from lumetry_core.runtime.clock import spell_time


@dataclass(frozen=True, slots=True)
class Telling:
    """What one integration is (not) told. `is_held`: it may be told later."""

    integration: Integration
    profile_id: int | None
    transition: Transition
    cause: Cause | None = None
    reason: str = ""
    record: Record | None = None
    is_held: bool = False


def route(facts: Facts) -> Routing:
    """Decides about one transition."""
    if facts.transition is Transition.CLOSE:
        return route_close(facts)
    tellings = [] if facts.choice is None else [tell(facts, integration) for integration in facts.choice.integrations]
    judged: list[Decision] = []
    for judge in (judge_maintenance, judge_silence, judge_cooldown, judge_watch, judge_route):
        decision, stop = judge(facts, tellings)
        judged.append(decision)
        if stop is not None:
            return stopped(facts, judged, stop, tellings)
    deliveries = (plan(facts, telling) for telling in tellings)
    unsent = next((telling.reason for telling in tellings if telling.cause is not None), "")
    is_held = any(telling.cause is Cause.REPETITION and telling.is_held for telling in tellings)
    return Routing(tuple(judged), keep_new(facts, deliveries), unsent, Cause.REPETITION if is_held else None)


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a transition goes no further."""

    cause: Cause | None
    summary: str
    until: datetime | None = None
    is_held: bool = False


Judged = tuple[Decision, Stop | None]


def judge_maintenance(facts: Facts, _tellings: Sequence[Telling]) -> Judged:
    """Gate 4."""
    return judge_cover(facts, Gate.MAINTENANCE, Cause.MAINTENANCE, facts.window, "No maintenance window covers the alert")


def judge_silence(facts: Facts, _tellings: Sequence[Telling]) -> Judged:
    """Gate 5."""
    return judge_cover(facts, Gate.SILENCE, Cause.SILENCE, facts.silence, "No silence matches the alert")


def judge_cover(facts: Facts, gate: Gate, cause: Cause, cover: Cover | None, otherwise: str) -> Judged:
    """A gate that holds back as long as something covers the alert."""
    if cover is None:
        return free(facts, gate, passed(gate, otherwise, None, facts.now)), None
    details = {} if cover.until is None else {"until": spell_time(cover.until)}
    what = {Cause.MAINTENANCE: "maintenance window", Cause.SILENCE: "silence"}[cause]
    until = "" if cover.until is None else f" until {spell_time(cover.until)}"
    summary = f"Held back by {what} {cover.record.id}{until}"
    return held(gate, cover.reason, cover.record, facts.now, **details), Stop(cause, summary, cover.until, is_held=True)


def judge_cooldown(facts: Facts, tellings: Sequence[Telling]) -> Judged:
    """Gate 6: the cooldown, and repetitions."""
    gate, now = Gate.COOLDOWN, facts.now
    profile = None if facts.choice is None else facts.choice.profile
    last = facts.last_opening
    if last is not None and last.alert_id == facts.alert.id:
        last = None  # what another integration was told of this very alert
    if facts.transition is Transition.OPEN and facts.choice is not None and profile is not None and last is not None:
        end = last.time + timedelta(minutes=profile.cooldown_minutes)
        if now < end:
            reason = (
                f"Alert {last.alert_id} was told of the same at {spell_time(last.time)}, the cooldown is {profile.cooldown_minutes} min"
            )
            details = {"deliveryId": last.delivery_id, "alertId": last.alert_id, "until": spell_time(end)}
            return blocked(gate, reason, facts.choice.record, now, **details), Stop(Cause.COOLDOWN, reason)
    repeated = [telling for telling in tellings if telling.cause is Cause.REPETITION]
    if repeated and len(repeated) == len(tellings):
        first = repeated[0]
        if first.is_held:
            return held(gate, first.reason, first.record, now), Stop(Cause.REPETITION, first.reason, is_held=True)
        return blocked(gate, first.reason, first.record, now), Stop(Cause.REPETITION, first.reason)
    if repeated:
        reason = "A repetition for some of the integrations"
        return passed(gate, reason, repeated[0].record, now, repetitions=[telling.integration.id for telling in repeated]), None
    if facts.transition is Transition.ESCALATE:
        return free(facts, gate, not_applicable(gate, "Escalations have no cooldown", now)), None
    if profile is None or not profile.cooldown_minutes:
        return free(facts, gate, not_applicable(gate, "No cooldown is set", now)), None
    reason = f"Nothing with the same key was delivered in the last {profile.cooldown_minutes} min"
    return free(facts, gate, passed(gate, reason, Record("AlertingProfile", str(profile.id), profile.name), now)), None


def judge_watch(facts: Facts, _tellings: Sequence[Telling]) -> Judged:
    """Gate 7."""
    gate, alert = Gate.POST_RESOLUTION_WATCH, facts.alert
    if alert.watch_start_time is None:
        return passed(gate, "Not in the watch of a resolved incident", None, facts.now), None
    number = alert.last_resolved_incident_id
    name = facts.incident.incident_key if facts.incident is not None and facts.incident.id == number else ""
    reason = f"In the watch of resolved incident {name or number}, during which nobody is told of it"
    return blocked(gate, reason, Record("Incident", str(number), name), facts.now), Stop(Cause.WATCH, reason)


def judge_route(facts: Facts, tellings: Sequence[Telling]) -> Judged:
    """Gate 8: the routing order, the least severity and the switches."""
    gate, choice, now = Gate.ROUTE, facts.choice, facts.now
    if choice is None:
        return blocked(gate, NO_INTEGRATION, None, now), Stop(None, NO_INTEGRATION)
    step = {
        Step.RULE: "By the rule's profile",
        Step.DEFAULT: "By the default profile",
        Step.FALLBACK: "By the deployment's fallback target",
    }[choice.step]
    filtered = [telling for telling in tellings if telling.cause in FILTERS]
    open_to = [telling for telling in tellings if telling.cause is not Cause.REPETITION]
    details = {"step": choice.step.value, "integrationIds": [telling.integration.id or None for telling in tellings]}
    if filtered and len(filtered) == len(open_to) and filtered[0].cause is not None:
        reason = filtered[0].reason
        return blocked(gate, reason, choice.record, now, **details), Stop(filtered[0].cause, reason)
    names = ", ".join(telling.integration.name for telling in tellings)
    return passed(gate, f"{step} to {names}" if names else f"{step}, which has no integration", choice.record, now, **details), None


FILTERS = frozenset({Cause.MIN_SEVERITY, Cause.NOTIFY_ON_OPEN, Cause.NOTIFY_ON_ESCALATE, Cause.NOTIFY_ON_CLOSE})


def free(facts: Facts, gate: Gate, decision: Decision) -> Decision:
    """The decision of a gate that lets through; one that held until now, or earlier, keeps its entry."""
    before = facts.holds.get(gate)
    return decision if before is None else released(before, facts.now)


NOT_REACHED_BEFORE_DELIVERY = tuple(not_reached(gate) for gate in tuple(Gate)[3:-1])


def stopped(facts: Facts, judged: Sequence[Decision], stop: Stop, tellings: Sequence[Telling]) -> Routing:
    """The routing of a transition that goes no further: each integration gets a row that says why."""
    rest = NOT_REACHED_BEFORE_DELIVERY[len(judged) :]
    deliveries: list[Planned] = []
    if stop.cause is not None:
        status = DeliveryStatus.SUPPRESSED if stop.cause in (Cause.MAINTENANCE, Cause.SILENCE) else DeliveryStatus.SKIPPED
        record = judged[-1].record
        deliveries = [
            Planned(
                telling.integration.id,
                telling.profile_id,
                facts.transition,
                status,
                stop.cause,
                telling.record if telling.record is not None and telling.cause is stop.cause else record,
            )
            for telling in tellings
        ]
    return Routing((*judged, *rest), keep_new(facts, deliveries), stop.summary, stop.cause if stop.is_held else None, stop.until)


def tell(facts: Facts, integration: Integration) -> Telling:
    """What an integration of the route is (not) told of an opening or escalation, when no gate stops it for all."""
    choice, alert = facts.choice, facts.alert
    profile = None if choice is None else choice.profile
    profile_id = None if profile is None else profile.id
    opened = facts.earlier.get((integration.id, Transition.OPEN))
    told = tell_as(facts.transition, opened, profile)

    def skip(cause: Cause, reason: str, record: Record | None, *, is_held: bool = False) -> Telling:
        return Telling(integration, profile_id, told, cause, reason, record, is_held)

    repetition = find_repetition(facts, integration, opened, told)
    if repetition is not None:
        reason, record, is_held = repetition
        return skip(Cause.REPETITION, reason, record, is_held=is_held)
    if profile is not None:
        record = Record("AlertingProfile", str(profile.id), profile.name)
        if SEVERITY_RANK[alert.severity] < SEVERITY_RANK[profile.min_severity]:
            return skip(Cause.MIN_SEVERITY, f"Profile '{profile.name}' tells of {profile.min_severity} alerts only", record)
        if told is Transition.OPEN and not profile.notify_on_open:
            return skip(Cause.NOTIFY_ON_OPEN, f"Profile '{profile.name}' does not tell of openings", record)
        if told is Transition.ESCALATE and not profile.notify_on_escalate:
            return skip(Cause.NOTIFY_ON_ESCALATE, f"Profile '{profile.name}' does not tell of escalations", record)
    return disabled(integration, profile_id, told) or Telling(integration, profile_id, told)


def tell_as(transition: Transition, opened: Told | None, profile: Profile | None) -> Transition:
    """An escalation is told as an opening where the opening was not delivered, unless openings are not wanted."""
    if transition is Transition.ESCALATE and not (opened is not None and opened.is_told) and (profile is None or profile.notify_on_open):
        return Transition.OPEN
    return transition


def find_repetition(
    facts: Facts, integration: Integration, opened: Told | None, told: Transition
) -> tuple[str, Record | None, bool] | None:
    """Why an integration need not be told again, the record that says so, and whether it may be told later; None: it is news."""
    if told is Transition.ESCALATE and opened is not None and opened.is_told and opened.severity is facts.alert.severity:
        return f"The opening said {opened.severity} already", Record("Delivery", str(opened.delivery_id), ""), False
    page = facts.pages.get(integration.id)
    was_repetition = opened is not None and opened.reason is Cause.REPETITION
    if page is None or told is not Transition.OPEN or not (facts.is_storm or was_repetition):
        return None
    if facts.transition is Transition.ESCALATE and SEVERITY_RANK[page.severity] < SEVERITY_RANK[facts.alert.severity]:
        return None
    incident = facts.incident
    record = None if incident is None else Record("Incident", str(incident.id), incident.incident_key)
    name = "the incident" if incident is None else incident.incident_key
    return f"{name} grows fast, and alert {page.alert_id} of it was told already", record, True


def disabled(integration: Integration, profile_id: int | None, told: Transition) -> Telling | None:
    """What becomes of a transition at an integration that is switched off; None: it is on."""
    if integration.is_enabled:
        return None
    record = Record("AlertingIntegration", str(integration.id), integration.name)
    return Telling(integration, profile_id, told, Cause.DISABLED_INTEGRATION, f"Integration '{integration.name}' is disabled", record)


def plan(facts: Facts, telling: Telling) -> Planned:
    """The delivery of a telling. What is not told is noted under the transition itself."""
    if telling.cause is None:
        return Planned(telling.integration.id, telling.profile_id, telling.transition, DeliveryStatus.PENDING)
    return Planned(telling.integration.id, telling.profile_id, facts.transition, DeliveryStatus.SKIPPED, telling.cause, telling.record)


def keep_new(facts: Facts, deliveries: Iterable[Planned]) -> tuple[Planned, ...]:
    """Leaves out what was delivered or tried before; only an escalation revives an opening that failed."""
    kept = []
    for planned in deliveries:
        earlier = facts.earlier.get((planned.integration_id, planned.transition))
        is_failed = earlier is not None and earlier.status is DeliveryStatus.FAILED
        revives = is_failed and facts.transition is Transition.ESCALATE and planned.status is DeliveryStatus.PENDING
        if earlier is None or revives or not (earlier.is_told or is_failed):
            kept.append(planned)
    return tuple(kept)


def route_close(facts: Facts) -> Routing:
    """A close goes where the opening went, whatever has changed since."""
    now = facts.now
    always = "A close is told wherever the opening was"
    judged = [not_applicable(gate, always, now) for gate in (Gate.MAINTENANCE, Gate.SILENCE, Gate.COOLDOWN, Gate.POST_RESOLUTION_WATCH)]
    tellings = [
        tell_close(facts, integration_id, told)
        for (integration_id, transition), told in facts.earlier.items()
        if transition is Transition.OPEN and told.is_told and integration_id in facts.integrations
    ]
    if not tellings:
        reason = "The opening was delivered nowhere"
        return Routing((*judged, blocked(Gate.ROUTE, reason, None, now)), (), reason)
    first = facts.profiles.get(tellings[0].profile_id or 0)
    record = None if first is None else Record("AlertingProfile", str(first.id), first.name)
    switched_off = [telling for telling in tellings if telling.cause is Cause.NOTIFY_ON_CLOSE]
    if len(switched_off) == len(tellings):
        reason = switched_off[0].reason
        decision = blocked(Gate.ROUTE, reason, switched_off[0].record, now)
    else:
        reason = next((telling.reason for telling in tellings if telling.cause is not None), "")
        names = ", ".join(telling.integration.name for telling in tellings)
        decision = passed(Gate.ROUTE, f"To where the opening went: {names}", record, now)
    deliveries = keep_new(facts, [plan(facts, telling) for telling in tellings])
    return Routing((*judged, decision), deliveries, reason)


def tell_close(facts: Facts, integration_id: int, told: Told) -> Telling:
    """What an integration that got the opening is (not) told of the close."""
    integration = facts.integrations[integration_id]
    profile = facts.profiles.get(told.profile_id or 0)
    if profile is not None and not profile.notify_on_close:
        record = Record("AlertingProfile", str(profile.id), profile.name)
        reason = f"Profile '{profile.name}' does not tell of closes"
        return Telling(integration, told.profile_id, Transition.CLOSE, Cause.NOTIFY_ON_CLOSE, reason, record)
    return disabled(integration, told.profile_id, Transition.CLOSE) or Telling(integration, told.profile_id, Transition.CLOSE)
