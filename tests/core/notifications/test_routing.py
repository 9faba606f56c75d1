from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.alerts.decisions import Decision, Gate, Record, Transition, Verdict
from lumetry_core.notifications.circumstances import Cover, Facts, LastOpening, Page, Planned, Routing, Step, Told, choose, cooldown_key
from lumetry_core.notifications.delivery import Cause, DeliveryStatus
from lumetry_core.notifications.model import Integration, IntegrationType, Profile
from lumetry_core.notifications.routing import route
from lumetry_core.rules.model import Severity
from tests.core.incidents.building import NOW, ORGANIZATION, an_alert, an_incident

PENDING, SKIPPED, SUPPRESSED = DeliveryStatus.PENDING, DeliveryStatus.SKIPPED, DeliveryStatus.SUPPRESSED
WINDOW = Cover(Record("MaintenanceWindow", "12", "Planned"), "Covered by a Service window", NOW + timedelta(hours=1))
SILENCE = Cover(Record("Silence", "5", "Deploy"), "Matched by a silence", NOW + timedelta(hours=2))


def an_integration(number: int = 1, **changes: Any) -> Integration:
    values: dict[str, Any] = {
        "id": number,
        "organization_id": ORGANIZATION,
        "name": f"Target {number}",
        "type": IntegrationType.WEBHOOK,
        "endpoint_url": "https://example.com",
        "create_time": NOW,
        "update_time": NOW,
    }
    return Integration(**(values | changes))


def a_profile(number: int = 3, **changes: Any) -> Profile:
    values: dict[str, Any] = {
        "id": number,
        "organization_id": ORGANIZATION,
        "name": f"Profile {number}",
        "is_default": True,
        "is_enabled": True,
        "cooldown_minutes": 0,
        "notify_on_open": True,
        "notify_on_escalate": True,
        "notify_on_close": True,
        "min_severity": Severity.WARNING,
        "integration_ids": (1,),
        "create_time": NOW,
        "update_time": NOW,
    }
    return Profile(**(values | changes))


def some_facts(transition: Transition = Transition.OPEN, profile: Profile | None = None, **changes: Any) -> Facts:
    """An alert of a default profile with one integration; the profile may be another."""
    used = profile or a_profile()
    integrations = {number: an_integration(number) for number in used.integration_ids}
    severity = Severity.WARNING if transition is Transition.OPEN else Severity.CRITICAL
    values: dict[str, Any] = {
        "alert": an_alert(9012, severity=severity),
        "transition": transition,
        "now": NOW,
        "choice": choose(None, {used.id: used}, integrations, None),
        "profiles": {used.id: used},
        "integrations": integrations,
        "incident": an_incident(),
    }
    return Facts(**(values | changes))


def told(status: DeliveryStatus, severity: Severity = Severity.WARNING, reason: Cause | None = None) -> Told:
    return Told(31, 3, status, severity, reason)


def planned(routing: Routing) -> list[tuple[int, str, str, str | None]]:
    """Integration, transition, status and reason of what is planned."""
    return [(each.integration_id, each.transition.value, each.status.value, each.reason) for each in routing.deliveries]


def verdicts(routing: Routing) -> list[str]:
    return [decision.verdict.value for decision in routing.gates]


def test_choose_follows_the_routing_order() -> None:
    """The rule's profile comes first, then the default, then the fallback; disabled profiles are passed over."""
    integrations = {1: an_integration(1), 2: an_integration(2)}
    own, default = a_profile(4, is_default=False, integration_ids=(2,)), a_profile(3)
    both = {4: own, 3: default}
    fallback = an_integration(0)

    def chosen(rule_profile_id: int | None, profiles: dict[int, Profile], last: Integration | None) -> tuple[Step, int | None] | None:
        choice = choose(rule_profile_id, profiles, integrations, last)
        return None if choice is None else (choice.step, choice.profile_id)

    off = replace(own, is_enabled=False), replace(default, is_enabled=False)
    assert chosen(4, both, fallback) == (Step.RULE, 4)
    assert chosen(None, both, fallback) == (Step.DEFAULT, 3)
    assert chosen(99, both, fallback) == (Step.DEFAULT, 3)
    assert chosen(4, {4: off[0], 3: default}, fallback) == (Step.DEFAULT, 3)
    assert chosen(4, {4: off[0], 3: off[1]}, fallback) == (Step.FALLBACK, None)
    assert chosen(4, {4: off[0], 3: off[1]}, None) is None
    assert chosen(None, {}, None) is None


def test_cooldown_key_names_rule_metric_external_definition_or_monitor() -> None:
    """The first of them that the alert has, with its profile and member."""
    alert = an_alert(dimension_key="host.id=a")
    assert cooldown_key(3, alert) == "3|rule:17|host.id=a"
    assert cooldown_key(3, replace(alert, rule_id=None)) == "3|metric:cpu.usage|host.id=a"
    external = replace(alert, rule_id=None, metric_key=None, dimension_key=None, external_definition_id=8)
    assert cooldown_key(3, external) == "3|external:8|"
    monitor = replace(external, external_definition_id=None, entity_type="heartbeat", entity_id=6, alert_type="deadline_missed")
    assert cooldown_key(3, monitor) == "3|monitor:heartbeat:6:deadline_missed|"


def test_route_an_opening() -> None:
    """Every integration of the profile gets it."""
    routing = route(some_facts(profile=a_profile(integration_ids=(1, 2))))
    assert planned(routing) == [(1, "open", "Pending", None), (2, "open", "Pending", None)]
    assert verdicts(routing) == ["Passed", "Passed", "NotApplicable", "Passed", "Passed"]
    assert [decision.gate for decision in routing.gates] == list(Gate)[3:8]
    route_gate = routing.gates[-1]
    assert (route_gate.reason, route_gate.record) == (
        "By the default profile to Target 1, Target 2",
        Record("AlertingProfile", "3", "Profile 3"),
    )


def test_route_without_any_integration() -> None:
    """Nothing is sent, and the route says why."""
    routing = route(some_facts(choice=None))
    assert planned(routing) == []
    assert (verdicts(routing)[-1], routing.summary, routing.hold) == ("Blocked", "No integration is configured", None)


def test_route_under_maintenance_holds_back() -> None:
    """Maintenance comes before a silence, and the later gates are not reached."""
    routing = route(some_facts(window=WINDOW, silence=SILENCE))
    assert planned(routing) == [(1, "open", "Suppressed", "maintenance")]
    assert verdicts(routing) == ["Held", "NotReached", "NotReached", "NotReached", "NotReached"]
    assert routing.summary == "Held back by maintenance window 12 until 2026-06-01T09:00:00Z"
    assert routing.hold is Cause.MAINTENANCE
    assert routing.gates[0] == Decision(
        Gate.MAINTENANCE, Verdict.HELD, "Covered by a Service window", WINDOW.record, NOW, {"until": "2026-06-01T09:00:00Z"}
    )


def test_route_after_a_hold_keeps_its_entry() -> None:
    """The gate that held passes with the time of release."""
    before = route(some_facts(window=WINDOW)).gates[0]
    later = NOW + timedelta(hours=1)
    routing = route(some_facts(now=later, holds={Gate.MAINTENANCE: before}))
    assert routing.gates[0] == replace(
        before, verdict=Verdict.PASSED, details={"until": "2026-06-01T09:00:00Z", "releasedAt": "2026-06-01T09:00:00Z"}
    )
    assert planned(routing) == [(1, "open", "Pending", None)]


def test_route_after_two_holds_keeps_both_entries() -> None:
    """What a silence holds after maintenance has let go still tells when that was, once the silence ends too."""
    before = route(some_facts(window=WINDOW)).gates[0]
    between = route(some_facts(now=NOW + timedelta(minutes=5), silence=SILENCE, holds={Gate.MAINTENANCE: before}))
    holds = {Gate.MAINTENANCE: between.gates[0], Gate.SILENCE: between.gates[1]}
    routing = route(some_facts(now=NOW + timedelta(minutes=9), holds=holds))
    assert routing.gates[0] == between.gates[0]
    assert [gate.details["releasedAt"] for gate in routing.gates[:2]] == ["2026-06-01T08:05:00Z", "2026-06-01T08:09:00Z"]


def test_route_within_the_cooldown() -> None:
    """An opening less than the cooldown after a delivered one is skipped; at its end it is told. Escalations have none."""
    profile = a_profile(cooldown_minutes=30)
    last = LastOpening(30, 9011, NOW - timedelta(minutes=30) + timedelta(milliseconds=1))
    routing = route(some_facts(profile=profile, last_opening=last))
    assert planned(routing) == [(1, "open", "Skipped", "cooldown")]
    assert verdicts(routing) == ["Passed", "Passed", "Blocked", "NotReached", "NotReached"]
    assert routing.gates[2].details == {"deliveryId": 30, "alertId": 9011, "until": "2026-06-01T08:00:00.001Z"}
    over = replace(last, time=NOW - timedelta(minutes=30))
    assert planned(route(some_facts(profile=profile, last_opening=over))) == [(1, "open", "Pending", None)]
    escalation = some_facts(Transition.ESCALATE, profile, last_opening=last, earlier={(1, Transition.OPEN): told(PENDING)})
    assert planned(route(escalation)) == [(1, "escalate", "Pending", None)]


def test_route_within_the_cooldown_that_the_alert_itself_began() -> None:
    """What one integration was told of an alert does not keep another from being told of it later."""
    profile = a_profile(cooldown_minutes=30, integration_ids=(1, 2))
    own = LastOpening(30, 9012, NOW - timedelta(minutes=1))
    earlier = {(1, Transition.OPEN): told(DeliveryStatus.SUCCESS), (2, Transition.OPEN): told(SKIPPED, reason=Cause.REPETITION)}
    routing = route(some_facts(profile=profile, last_opening=own, earlier=earlier))
    assert planned(routing) == [(2, "open", "Pending", None)]


def test_route_below_the_least_severity() -> None:
    """The opening is skipped, its escalation is told as an opening, and its close where that was told."""
    profile = a_profile(min_severity=Severity.CRITICAL)
    opening = route(some_facts(profile=profile))
    assert planned(opening) == [(1, "open", "Skipped", "minSeverity")]
    assert (verdicts(opening)[-1], opening.summary) == ("Blocked", "Profile 'Profile 3' tells of Critical alerts only")
    earlier = {(1, Transition.OPEN): told(SKIPPED, reason=Cause.MIN_SEVERITY)}
    assert planned(route(some_facts(Transition.ESCALATE, profile, earlier=earlier))) == [(1, "open", "Pending", None)]
    assert planned(route(some_facts(Transition.CLOSE, profile, earlier=earlier))) == []


def test_route_with_switches_off() -> None:
    """Each switch stops its transition; without openings an escalation is told as such."""
    silent = a_profile(notify_on_open=False, notify_on_escalate=False, notify_on_close=False)
    opened = {(1, Transition.OPEN): told(DeliveryStatus.SUCCESS)}
    assert planned(route(some_facts(profile=silent))) == [(1, "open", "Skipped", "notifyOnOpen")]
    assert planned(route(some_facts(Transition.ESCALATE, silent, earlier=opened))) == [(1, "escalate", "Skipped", "notifyOnEscalate")]
    assert planned(route(some_facts(Transition.CLOSE, silent, earlier=opened))) == [(1, "close", "Skipped", "notifyOnClose")]
    unopened = {(1, Transition.OPEN): told(SKIPPED, reason=Cause.NOTIFY_ON_OPEN)}
    routing = route(some_facts(Transition.ESCALATE, a_profile(notify_on_open=False), earlier=unopened))
    assert planned(routing) == [(1, "escalate", "Pending", None)]


def test_route_in_the_watch_of_a_resolved_incident() -> None:
    """Escalations are not sent, closes are."""
    alert = an_alert(9012, severity=Severity.CRITICAL, watch_start_time=NOW, last_resolved_incident_id=1)
    opened = {(1, Transition.OPEN): told(DeliveryStatus.SUCCESS)}
    routing = route(some_facts(Transition.ESCALATE, alert=alert, earlier=opened))
    assert planned(routing) == [(1, "escalate", "Skipped", "watch")]
    assert routing.gates[3].record == Record("Incident", "1", "INC-000001")
    assert planned(route(some_facts(Transition.CLOSE, alert=alert, earlier=opened))) == [(1, "close", "Pending", None)]


def test_route_past_a_disabled_integration() -> None:
    """It is skipped, the others are told."""
    integrations = {1: an_integration(1, is_enabled=False), 2: an_integration(2)}
    profile = a_profile(integration_ids=(1, 2))
    routing = route(some_facts(profile=profile, choice=choose(None, {3: profile}, integrations, None), integrations=integrations))
    assert planned(routing) == [(1, "open", "Skipped", "disabledIntegration"), (2, "open", "Pending", None)]


def test_route_names_what_holds_back() -> None:
    """What is held back for all integrations names the cover, also where another record would have kept it from being told."""
    integrations = {1: an_integration(1, is_enabled=False), 2: an_integration(2)}
    profile = a_profile(integration_ids=(1, 2), min_severity=Severity.CRITICAL)
    choice = choose(None, {3: profile}, integrations, None)
    covered = route(some_facts(profile=profile, choice=choice, integrations=integrations, window=WINDOW))
    assert [(each.reason, each.record) for each in covered.deliveries] == [(Cause.MAINTENANCE, WINDOW.record)] * 2


def test_route_a_repetition_in_a_storm() -> None:
    """Where a page of the incident stands the opening waits; where none does it is told."""
    profile = a_profile(integration_ids=(1, 2))
    pages = {1: Page(9001, Severity.WARNING)}
    calm = route(some_facts(profile=profile, pages=pages))
    assert planned(calm) == [(1, "open", "Pending", None), (2, "open", "Pending", None)]
    storm = route(some_facts(profile=profile, pages=pages, is_storm=True))
    assert planned(storm) == [(1, "open", "Skipped", "repetition"), (2, "open", "Pending", None)]
    everywhere = route(some_facts(profile=profile, pages={1: pages[1], 2: pages[1]}, is_storm=True))
    assert verdicts(everywhere) == ["Passed", "Passed", "Held", "NotReached", "NotReached"]
    assert everywhere.gates[2].record == Record("Incident", "1", "INC-000001")
    assert everywhere.hold is Cause.REPETITION


def test_route_an_escalation_of_a_repetition() -> None:
    """It is told as an opening unless a critical page stands."""
    earlier = {(1, Transition.OPEN): told(SKIPPED, reason=Cause.REPETITION)}
    warned = some_facts(Transition.ESCALATE, earlier=earlier, pages={1: Page(9001, Severity.WARNING)})
    assert planned(route(warned)) == [(1, "open", "Pending", None)]
    alarmed = some_facts(Transition.ESCALATE, earlier=earlier, pages={1: Page(9001, Severity.CRITICAL)})
    assert planned(route(alarmed)) == [(1, "escalate", "Skipped", "repetition")]


def test_route_an_escalation_that_the_opening_told_already() -> None:
    """An alert that was critical when its held opening was told is not told again."""
    earlier = {(1, Transition.OPEN): told(PENDING, Severity.CRITICAL)}
    routing = route(some_facts(Transition.ESCALATE, earlier=earlier))
    assert planned(routing) == [(1, "escalate", "Skipped", "repetition")]
    assert (routing.gates[2].verdict, routing.summary) == (Verdict.BLOCKED, "The opening said Critical already")


def test_route_a_close_wherever_the_opening_went() -> None:
    """Also under maintenance, and where the route no longer leads."""
    earlier = {(1, Transition.OPEN): told(DeliveryStatus.SUCCESS), (2, Transition.OPEN): told(DeliveryStatus.FAILED)}
    integrations = {1: an_integration(1), 2: an_integration(2)}
    facts = some_facts(Transition.CLOSE, earlier=earlier, integrations=integrations, choice=None, window=WINDOW, silence=SILENCE)
    assert planned(route(facts)) == [(1, "close", "Pending", None)]


TRANSITIONS = st.sampled_from(Transition)
STATUSES = st.sampled_from(DeliveryStatus)
CAUSES = st.none() | st.sampled_from(Cause)
SEVERITIES = st.sampled_from(Severity)
TELLINGS = st.builds(Told, st.integers(1, 9), st.none() | st.just(3), STATUSES, SEVERITIES, CAUSES)


@st.composite
def any_facts(draw: st.DrawFn) -> Facts:
    """All that may come together, also what should not."""
    now: datetime = NOW
    profile = a_profile(
        is_enabled=draw(st.booleans()),
        cooldown_minutes=draw(st.integers(0, 60)),
        notify_on_open=draw(st.booleans()),
        notify_on_escalate=draw(st.booleans()),
        notify_on_close=draw(st.booleans()),
        min_severity=draw(SEVERITIES),
        integration_ids=(1, 2, 3),
    )
    integrations = {number: an_integration(number, is_enabled=draw(st.booleans())) for number in (0, 1, 2, 3)}
    watched = draw(st.booleans())
    alert = an_alert(
        9012,
        severity=draw(SEVERITIES),
        watch_start_time=now if watched else None,
        last_resolved_incident_id=1 if watched else None,
    )
    return Facts(
        alert=alert,
        transition=draw(TRANSITIONS),
        now=now,
        choice=choose(None, {3: profile}, integrations, draw(st.none() | st.just(integrations[0]))),
        profiles={3: profile},
        integrations=integrations,
        incident=draw(st.none() | st.just(an_incident())),
        window=draw(st.none() | st.just(WINDOW)),
        silence=draw(st.none() | st.just(SILENCE)),
        last_opening=draw(st.none() | st.builds(LastOpening, st.just(5), st.just(4), st.just(now - timedelta(minutes=20)))),
        earlier=draw(st.dictionaries(st.tuples(st.integers(0, 3), TRANSITIONS), TELLINGS)),
        pages=draw(st.dictionaries(st.integers(0, 3), st.builds(Page, st.just(9001), SEVERITIES))),
        is_storm=draw(st.booleans()),
    )


@given(any_facts())
def test_route_keeps_its_promises(facts: Facts) -> None:
    """Whatever comes together: five gates, no delivery twice, no close without its opening, nothing sent under a cover or in a cooldown."""
    routing = route(facts)
    sent: list[Planned] = [each for each in routing.deliveries if each.status is PENDING]
    assert [decision.gate for decision in routing.gates] == list(Gate)[3:8]
    keys = [(each.integration_id, each.transition) for each in routing.deliveries]
    assert len(keys) == len(set(keys))
    assert not any(facts.earlier[key].is_told for key in keys if key in facts.earlier)
    assert all(facts.integrations[each.integration_id].is_enabled for each in sent)
    assert all(each.reason is not None for each in routing.deliveries if each.status is not PENDING)
    if facts.transition is Transition.CLOSE:
        opened = {number for (number, transition), earlier in facts.earlier.items() if transition is Transition.OPEN and earlier.is_told}
        assert {each.integration_id for each in routing.deliveries} <= opened
        return
    if facts.window or facts.silence:
        assert not sent
        assert routing.hold in (Cause.MAINTENANCE, Cause.SILENCE)
    if facts.alert.watch_start_time:
        assert not sent
    if facts.transition is Transition.OPEN and facts.choice is not None and facts.choice.profile is not None and facts.last_opening:
        assert not sent or facts.now - facts.last_opening.time >= timedelta(minutes=facts.choice.profile.cooldown_minutes)
    closed = [decision for decision in routing.gates if decision.verdict in (Verdict.BLOCKED, Verdict.HELD)]
    assert len(closed) <= 1
    if closed:
        assert not sent
        after = routing.gates[routing.gates.index(closed[0]) + 1 :]
        assert {decision.verdict for decision in after} <= {Verdict.NOT_REACHED}


@given(any_facts())
def test_route_again_changes_nothing(facts: Facts) -> None:
    """What was sent once is not planned again when the same transition is decided again."""
    routing = route(facts)
    earlier = dict(facts.earlier)
    for each in routing.deliveries:
        earlier[each.integration_id, each.transition] = Told(77, each.profile_id, each.status, facts.alert.severity, each.reason)
    again = route(replace(facts, earlier=earlier))
    sent = {(each.integration_id, each.transition) for each in routing.deliveries if each.status is PENDING}
    assert not sent & {(each.integration_id, each.transition) for each in again.deliveries}
