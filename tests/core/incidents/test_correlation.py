from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumetry_core.alerts.model import Alert, AlertState, Eligibility
from lumetry_core.incidents.correlation import Placement, Standing, correlate, follow
from lumetry_core.incidents.keys import Anchor, correlation_key_of
from lumetry_core.incidents.model import SEVERITY_RANK, Incident, IncidentState, Joining, JoinReason, Member
from lumetry_core.rules.model import SEVERITIES, Severity
from tests.core.incidents.building import NOW, an_alert, an_incident

WINDOW = timedelta(minutes=30)
CPU = Anchor(None, "cpu.usage")
SERVICE = {"related_service_id": 42, "related_service_name": "Mobile Banking"}
CI = {"related_ci_id": 51, "related_ci_name": "srv-1"}
LATER = NOW + timedelta(hours=5)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def test_correlate_opens_an_incident_without_candidate() -> None:
    """The first alert gives the incident its severity, start and metric."""
    alert = an_alert(9012, severity=Severity.CRITICAL, violation_count=11)
    standings, placements = correlate([alert], [], WINDOW, LATER)
    assert [standing.incident for standing in standings] == [
        Incident(
            id=0,
            organization_id=7,
            number=0,
            correlation_key="metric:cpu.usage",
            primary_metric_key="cpu.usage",
            severity=Severity.CRITICAL,
            start_time=NOW,
            newest_alert_id=9012,
            newest_alert_time=NOW,
            alert_count=1,
            active_alert_count=1,
            violation_count=11,
            create_time=LATER,
            update_time=LATER,
        )
    ]
    assert [standing.active for standing in standings] == [{CPU: 1}]
    assert placements == [Placement(0, alert, Joining(JoinReason.OPENED, WINDOW))]


@pytest.mark.parametrize(
    ("context", "key", "centre"),
    [
        (SERVICE | CI, "service:42", (42, "Mobile Banking", 51, "srv-1", None)),
        (SERVICE, "service:42", (42, "Mobile Banking", None, None, None)),
        (CI, "ci:51", (None, None, 51, "srv-1", None)),
        ({}, "metric:cpu.usage", (None, None, None, None, "cpu.usage")),
        ({"metric_key": None}, None, (None, None, None, None, None)),
    ],
)
def test_correlate_gives_an_incident_its_centre(context: dict[str, Any], key: str | None, centre: tuple[object, ...]) -> None:
    """The first member's service and configuration item, with their names; the metric only without both."""
    (standing,), _ = correlate([an_alert(**context)], [], WINDOW, LATER)
    incident = standing.incident
    assert incident.correlation_key == key
    assert centre == (
        incident.primary_service_node_id,
        incident.primary_service_name,
        incident.primary_ci_node_id,
        incident.primary_ci_name,
        incident.primary_metric_key,
    )


@pytest.mark.parametrize(
    ("start", "active", "reason"),
    [
        (minutes(30), {}, JoinReason.WINDOW_MATCH),
        (minutes(-30), {}, JoinReason.WINDOW_MATCH),
        (minutes(30), {CPU: 1}, JoinReason.WINDOW_MATCH),
        (minutes(30) + timedelta(milliseconds=1), {}, JoinReason.OPENED),
        (minutes(-30) - timedelta(milliseconds=1), {}, JoinReason.OPENED),
        (minutes(31), {CPU: 1}, JoinReason.ACTIVE_MEMBER_MATCH),
        (minutes(-90), {CPU: 1}, JoinReason.ACTIVE_MEMBER_MATCH),
        (minutes(31), {CPU: 0}, JoinReason.OPENED),
        (minutes(31), {Anchor(None, "disk.used"): 1}, JoinReason.OPENED),
        (minutes(31), {Anchor(51, None): 1}, JoinReason.OPENED),
    ],
)
def test_correlate_joins_within_the_window_or_beside_an_active_member(
    start: timedelta, active: dict[Anchor, int], reason: JoinReason
) -> None:
    """The window has both ends and both directions; an active member of the same metric makes it wider, another does not."""
    standing = Standing(an_incident(active_alert_count=sum(active.values())), active)
    _, (placement,) = correlate([an_alert(start_time=NOW + start)], [standing], WINDOW, LATER)
    if reason is JoinReason.OPENED:
        assert placement.joining == Joining(reason, WINDOW)
    else:
        assert placement.joining == Joining(reason, WINDOW, 101, NOW, abs(start))


@pytest.mark.parametrize(
    ("context", "active", "reason"),
    [
        (CI, {Anchor(51, None): 2}, JoinReason.ACTIVE_MEMBER_MATCH),
        (CI, {Anchor(52, None): 1, CPU: 1}, JoinReason.OPENED),
        ({}, {CPU: 1}, JoinReason.ACTIVE_MEMBER_MATCH),
        ({"metric_key": None}, {CPU: 1, Anchor(51, None): 1}, JoinReason.OPENED),
    ],
)
def test_correlate_looks_for_an_active_member_on_the_same_node(
    context: dict[str, Any], active: dict[Anchor, int], reason: JoinReason
) -> None:
    """Within a service it is the configuration item that counts, without one the metric, and nothing else."""
    standing = Standing(an_incident(correlation_key="service:42"), active)
    alert = an_alert(start_time=NOW + minutes(31), **{**SERVICE, **context})
    _, (placement,) = correlate([alert], [standing], WINDOW, LATER)
    assert placement.joining.reason is reason


def test_correlate_finds_a_member_of_the_same_round_active() -> None:
    """What joins is found active by what comes later, on its own node only."""
    first = an_alert(1, **SERVICE, **CI)
    later = [an_alert(number, start_time=NOW + minutes(40), **SERVICE, related_ci_id=ci) for number, ci in ((2, 51), (3, 52))]
    _, placements = correlate([first, *later], [], WINDOW, LATER)
    assert [(placement.alert.id, placement.position, placement.joining.reason) for placement in placements] == [
        (1, 0, JoinReason.OPENED),
        (2, 0, JoinReason.ACTIVE_MEMBER_MATCH),
        (3, 0, JoinReason.WINDOW_MATCH),
    ]


def test_correlate_sends_simultaneous_alerts_where_one_of_them_belongs() -> None:
    """Who finds an incident takes those along that start with it; of two such incidents the one with the newer member is taken."""
    old = Standing(an_incident(1, correlation_key="service:42"), {Anchor(51, None): 1})
    newer = Standing(an_incident(2, correlation_key="service:42", newest_alert_time=NOW + minutes(5)), {Anchor(53, None): 1})
    at = NOW + minutes(60)
    for numbers in permutations((1, 2, 3)):
        alerts = [an_alert(number, start_time=at, **SERVICE, related_ci_id=ci) for number, ci in zip(numbers, (51, 52, 53), strict=True)]
        standings, placements = correlate(alerts, [old, newer], WINDOW, LATER)
        assert ({placement.position for placement in placements}, len(standings)) == ({1}, 2)


def test_correlate_counts_a_member() -> None:
    """An older, worse alert moves the start and the severity, not the newest member."""
    alert = an_alert(5, start_time=NOW - minutes(3), severity=Severity.CRITICAL, violation_count=4, state=AlertState.CLOSED)
    (standing,), (placement,) = correlate([alert], [Standing(an_incident(), {CPU: 1})], WINDOW, LATER)
    assert standing.active == {CPU: 1}
    assert standing.incident == an_incident(
        severity=Severity.CRITICAL, start_time=NOW - minutes(3), alert_count=2, violation_count=5, update_time=LATER
    )
    assert placement.raised_from is Severity.WARNING


def test_correlate_joins_the_candidate_with_the_newest_member() -> None:
    """Of two candidates the one whose newest member started last is joined, whichever comes first."""
    older = an_incident(1, newest_alert_time=NOW - minutes(20), active_alert_count=0)
    newer = an_incident(2, newest_alert_time=NOW + minutes(20), active_alert_count=0)
    for incidents, position in (([older, newer], 1), ([newer, older], 0)):
        _, (placement,) = correlate([an_alert()], [Standing(incident) for incident in incidents], WINDOW, LATER)
        assert placement.position == position


@pytest.mark.parametrize(
    "incident",
    [
        an_incident(state=IncidentState.RESOLVED),
        an_incident(correlation_key="metric:other"),
        an_incident(correlation_key=None),
    ],
)
def test_correlate_ignores_what_is_no_candidate(incident: Incident) -> None:
    """Resolved incidents and those of other keys stay as they are."""
    standings, (placement,) = correlate([an_alert()], [Standing(incident, {CPU: 1})], WINDOW, LATER)
    assert (standings[0], placement.position) == (Standing(incident, {CPU: 1}), 1)


@pytest.mark.parametrize("state", [IncidentState.OPEN, IncidentState.ACKNOWLEDGED])
def test_correlate_joins_an_unresolved_incident(state: IncidentState) -> None:
    """An acknowledged incident takes members and stays acknowledged."""
    (standing,), _ = correlate([an_alert()], [Standing(an_incident(state=state))], WINDOW, LATER)
    assert (standing.incident.state, standing.incident.alert_count) == (state, 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"incident_id": 3},
        {"incident_eligibility": Eligibility.MAINTENANCE_SUPPRESSED},
        {"incident_eligibility": Eligibility.POST_RESOLUTION_WATCH},
    ],
)
def test_correlate_leaves_out_who_does_not_wait(changes: dict[str, object]) -> None:
    """Members of an incident and alerts that something holds back are not placed."""
    assert correlate([an_alert(**changes)], [], WINDOW, LATER) == ([], [])


def a_member(**changes: Any) -> Member:
    values: dict[str, Any] = {
        "incident_id": 1,
        "alert_id": 1,
        "alert_time": NOW,
        "metric_key": "cpu.usage",
        "is_active": True,
        "violation_count": 1,
        "severity": Severity.WARNING,
        "joining": Joining(JoinReason.OPENED, WINDOW),
        "join_time": NOW,
    }
    return Member(**(values | changes))


@pytest.mark.parametrize(
    ("alert", "incident"),
    [
        (an_alert(), an_incident(violation_count=9)),
        (an_alert(violation_count=5), an_incident(violation_count=13, update_time=LATER)),
        (an_alert(state=AlertState.ACKNOWLEDGED), an_incident(violation_count=9)),
        (an_alert(state=AlertState.CLOSED), an_incident(violation_count=9, active_alert_count=0, inactive_time=LATER, update_time=LATER)),
        (an_alert(severity=Severity.CRITICAL), an_incident(violation_count=9, severity=Severity.CRITICAL, update_time=LATER)),
    ],
)
def test_follow_counts_the_difference(alert: Alert, incident: Incident) -> None:
    """Only what changed since the member was counted last changes its incident, and repeating it changes nothing."""
    followed, member = follow(Standing(an_incident(violation_count=9), {CPU: 1}), a_member(), alert, LATER)
    assert followed == Standing(incident, {CPU: incident.active_alert_count})
    assert follow(followed, member, alert, LATER + minutes(1)) == (followed, member)


def test_follow_counts_resolved_incidents() -> None:
    """The close of a watched alert lowers the active count of its resolved incident."""
    resolved = an_incident(state=IncidentState.RESOLVED)
    followed, _ = follow(Standing(resolved), a_member(), an_alert(state=AlertState.CLOSED), LATER)
    assert (followed.incident.state, followed.incident.active_alert_count) == (IncidentState.RESOLVED, 0)


def test_follow_tells_since_when_nothing_is_active() -> None:
    """The close of the last active member starts the time, a later change keeps it, a new active member ends it."""
    closed = an_alert(state=AlertState.CLOSED)
    followed, member = follow(Standing(an_incident()), a_member(), closed, LATER)
    again, _ = follow(followed, member, replace(closed, violation_count=5), LATER + minutes(1))
    assert again.incident.inactive_time == LATER
    (joined,), _ = correlate([an_alert(2)], [again], WINDOW, LATER + minutes(2))
    assert joined.incident.inactive_time is None


severities = st.sampled_from(SEVERITIES)
starts = st.integers(min_value=0, max_value=200).map(lambda count: NOW + minutes(count))
dimension_keys = st.sampled_from([None, "host.id=a", "host.id=b", "host.id=", "mount=/"])
metric_keys = st.sampled_from(["cpu.usage", "disk.used", "", None])
contexts = st.sampled_from([{}, CI, {"related_ci_id": 52}, SERVICE, SERVICE | CI, SERVICE | {"related_ci_id": 52}])
states = st.sampled_from(list(AlertState))


@st.composite
def alerts(draw: st.DrawFn, times: st.SearchStrategy[object] = starts) -> list[Alert]:
    """Alerts with distinct numbers, some of one host or metric and some of nothing known."""
    count = draw(st.integers(min_value=1, max_value=12))
    return [
        an_alert(
            number + 1,
            start_time=draw(times),
            severity=draw(severities),
            dimension_key=draw(dimension_keys),
            metric_key=draw(metric_keys),
            **draw(contexts),
            state=draw(states),
            violation_count=draw(st.integers(min_value=0, max_value=9)),
        )
        for number in range(count)
    ]


def place_in_batches(batches: list[list[Alert]]) -> tuple[list[Incident], dict[int, set[int]], list[tuple[Severity, Severity]]]:
    """Correlates batch after batch; tells the incidents, the alerts of each, by position, and each severity before and after."""
    standings: list[Standing] = []
    groups: dict[int, set[int]] = {}
    severities_seen = []
    for batch in batches:
        before = standings
        standings, placements = correlate(batch, before, WINDOW, LATER)
        severities_seen += [(old.incident.severity, new.incident.severity) for old, new in zip(before, standings, strict=False)]
        for placement in placements:
            groups.setdefault(placement.position, set()).add(placement.alert.id)
    return [standing.incident for standing in standings], groups, severities_seen


def partition(groups: dict[int, set[int]]) -> set[frozenset[int]]:
    return {frozenset(members) for members in groups.values()}


@settings(deadline=None)
@given(alerts(), st.randoms(use_true_random=False))
def test_correlate_does_not_depend_on_the_order_within_a_round(batch: list[Alert], random: Random) -> None:
    """Alerts that wait together are grouped alike, in whatever order they were enqueued."""
    shuffled = list(batch)
    random.shuffle(shuffled)
    assert correlate(shuffled, [], WINDOW, LATER) == correlate(batch, [], WINDOW, LATER)


@settings(deadline=None)
@given(alerts(times=st.just(NOW)), st.randoms(use_true_random=False), st.integers(min_value=0, max_value=12))
def test_correlate_groups_simultaneous_alerts_alike_over_rounds(batch: list[Alert], random: Random, cut: int) -> None:
    """Simultaneous alerts are grouped alike, whether they come in one round or two and in whatever order."""
    shuffled = list(batch)
    random.shuffle(shuffled)
    _, together, _ = place_in_batches([batch])
    _, apart, _ = place_in_batches([shuffled[:cut], shuffled[cut:]])
    assert partition(apart) == partition(together)


@settings(deadline=None)
@given(alerts(times=st.sampled_from([NOW, NOW + minutes(31), NOW + minutes(70)])), alerts(), st.randoms(use_true_random=False))
def test_correlate_does_not_depend_on_who_was_noticed_first(earlier: list[Alert], batch: list[Alert], random: Random) -> None:
    """Alerts that got their numbers in another order come to the same incidents, which have the same centres and counts."""
    standings, _ = correlate([replace(alert, id=alert.id + 100) for alert in earlier], [], WINDOW, LATER)
    numbers = [alert.id for alert in batch]
    random.shuffle(numbers)
    renumbered = {number: replace(alert, id=number) for number, alert in zip(numbers, batch, strict=True)}
    original = {number: alert.id for number, alert in zip(numbers, batch, strict=True)}

    def outcome(alerts: list[Alert], names: dict[int, int]) -> dict[int, tuple[Incident, frozenset[int]]]:
        after, placements = correlate(alerts, standings, WINDOW, LATER)
        members: dict[int, set[int]] = {}
        for placement in placements:
            members.setdefault(placement.position, set()).add(names[placement.alert.id])
        return {min(of_it): (replace(after[position].incident, newest_alert_id=0), frozenset(of_it)) for position, of_it in members.items()}

    assert outcome(list(renumbered.values()), original) == outcome(batch, {alert.id: alert.id for alert in batch})


@settings(deadline=None)
@given(st.lists(alerts(), max_size=4))
def test_correlate_places_an_alert_once(batches: list[list[Alert]]) -> None:
    """Each waiting alert is in exactly one incident, repetitions included, and the counters say the same."""
    distinct = {alert.id: alert for batch in batches for alert in batch}
    doubled = [*distinct.values(), *distinct.values()]
    incidents, groups, _ = place_in_batches([doubled])
    placed = [number for members in groups.values() for number in members]
    assert sorted(placed) == sorted(distinct)
    for position, members in groups.items():
        of_group = [distinct[number] for number in members]
        assert incidents[position].alert_count == len(of_group)
        assert incidents[position].active_alert_count == sum(alert.is_active for alert in of_group)
        assert incidents[position].violation_count == sum(alert.violation_count for alert in of_group)
        assert incidents[position].start_time == min(alert.start_time for alert in of_group)
        assert incidents[position].newest_alert_time == max(alert.start_time for alert in of_group)


@settings(deadline=None)
@given(alerts(), st.integers(min_value=0, max_value=12))
def test_correlate_never_lowers_a_severity(batch: list[Alert], cut: int) -> None:
    """An incident is as severe as its worst member, and a later round only raises it."""
    incidents, groups, seen = place_in_batches([batch[:cut], batch[cut:]])
    assert all(SEVERITY_RANK[before] <= SEVERITY_RANK[after] for before, after in seen)
    by_id = {alert.id: alert for alert in batch}
    for position, members in groups.items():
        worst = max((by_id[number].severity for number in members), key=SEVERITY_RANK.__getitem__)
        assert incidents[position].severity is worst


@settings(deadline=None)
@given(alerts())
def test_correlate_groups_only_what_shares_a_key(batch: list[Alert]) -> None:
    """Members of an incident share its key; an alert without key stays alone."""
    standings, placements = correlate(batch, [], WINDOW, LATER)
    for placement in placements:
        incident = standings[placement.position].incident
        assert incident.correlation_key == correlation_key_of(placement.alert)
        assert incident.correlation_key is not None or incident.alert_count == 1
