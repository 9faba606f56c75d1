from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumetry_core.alerts.model import Alert, AlertState, Eligibility
from lumetry_core.incidents.correlation import Placement, correlate, correlation_key_of, follow
from lumetry_core.incidents.model import SEVERITY_RANK, Incident, IncidentState, Joining, JoinReason, Member
from lumetry_core.rules.model import Severity
from tests.core.incidents.building import NOW, an_alert, an_incident

WINDOW = timedelta(minutes=30)
LATER = NOW + timedelta(hours=5)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


@pytest.mark.parametrize(
    ("dimension_key", "metric_key", "expected"),
    [
        (None, "cpu.usage", "metric:cpu.usage"),
        ("host.id=srv-1", "cpu.usage", "host:srv-1"),
        ("device=sda|host.id=srv-1|mount=/var", "disk.used", "host:srv-1"),
        ("host.id=a=b%7Cc%257C", "cpu.usage", "host:a=b|c%7C"),
        ("other.host.id=srv-1", "cpu.usage", "metric:cpu.usage"),
        ("mount=host.id=srv-1", "cpu.usage", "metric:cpu.usage"),
        ("host.id=", "cpu.usage", "metric:cpu.usage"),
        ("host.id=  ", "cpu.usage", "metric:cpu.usage"),
        ("host.id", "cpu.usage", "metric:cpu.usage"),
        ("host.id=srv-1", None, "host:srv-1"),
        (None, None, None),
        ("", "", None),
    ],
)
def test_correlation_key_of_an_alert(dimension_key: str | None, metric_key: str | None, expected: str | None) -> None:
    """The host decides, else the metric; without both there is no key."""
    assert correlation_key_of(an_alert(dimension_key=dimension_key, metric_key=metric_key)) == expected


def test_correlate_opens_an_incident_without_candidate() -> None:
    """The first alert gives the incident its severity, start and metric."""
    alert = an_alert(9012, severity=Severity.CRITICAL, violation_count=11)
    incidents, placements = correlate([alert], [], WINDOW, LATER)
    assert incidents == [
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
    assert placements == [Placement(0, alert, Joining(JoinReason.OPENED, WINDOW))]


@pytest.mark.parametrize(
    ("start", "active_count", "reason"),
    [
        (minutes(30), 0, JoinReason.WINDOW_MATCH),
        (minutes(-30), 0, JoinReason.WINDOW_MATCH),
        (minutes(30), 1, JoinReason.WINDOW_MATCH),
        (minutes(30) + timedelta(milliseconds=1), 0, JoinReason.OPENED),
        (minutes(-30) - timedelta(milliseconds=1), 0, JoinReason.OPENED),
        (minutes(31), 1, JoinReason.ACTIVE_MEMBER_MATCH),
        (minutes(-90), 1, JoinReason.ACTIVE_MEMBER_MATCH),
    ],
)
def test_correlate_joins_within_the_window_or_beside_an_active_member(start: timedelta, active_count: int, reason: JoinReason) -> None:
    """The window has both ends and both directions; an active member makes it wider."""
    incident = an_incident(active_alert_count=active_count)
    _, (placement,) = correlate([an_alert(start_time=NOW + start)], [incident], WINDOW, LATER)
    if reason is JoinReason.OPENED:
        assert placement.joining == Joining(reason, WINDOW)
    else:
        assert placement.joining == Joining(reason, WINDOW, 101, NOW, abs(start))


def test_correlate_counts_a_member() -> None:
    """An older, worse alert moves the start and the severity, not the newest member."""
    alert = an_alert(5, start_time=NOW - minutes(3), severity=Severity.CRITICAL, violation_count=4, state=AlertState.CLOSED)
    (incident,), (placement,) = correlate([alert], [an_incident()], WINDOW, LATER)
    assert incident == an_incident(
        severity=Severity.CRITICAL, start_time=NOW - minutes(3), alert_count=2, violation_count=5, update_time=LATER
    )
    assert placement.raised_from is Severity.WARNING


def test_correlate_joins_the_candidate_with_the_newest_member() -> None:
    """Of two candidates the one whose newest member started last is joined, whichever comes first."""
    older = an_incident(1, newest_alert_time=NOW - minutes(20), active_alert_count=0)
    newer = an_incident(2, newest_alert_time=NOW + minutes(20), active_alert_count=0)
    for incidents, position in (([older, newer], 1), ([newer, older], 0)):
        _, (placement,) = correlate([an_alert()], incidents, WINDOW, LATER)
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
    incidents, (placement,) = correlate([an_alert()], [incident], WINDOW, LATER)
    assert (incidents[0], placement.position) == (incident, 1)


@pytest.mark.parametrize("state", [IncidentState.OPEN, IncidentState.ACKNOWLEDGED])
def test_correlate_joins_an_unresolved_incident(state: IncidentState) -> None:
    """An acknowledged incident takes members and stays acknowledged."""
    (incident,), _ = correlate([an_alert()], [an_incident(state=state)], WINDOW, LATER)
    assert (incident.state, incident.alert_count) == (state, 2)


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
        (an_alert(state=AlertState.CLOSED), an_incident(violation_count=9, active_alert_count=0, update_time=LATER)),
        (an_alert(severity=Severity.CRITICAL), an_incident(violation_count=9, severity=Severity.CRITICAL, update_time=LATER)),
    ],
)
def test_follow_counts_the_difference(alert: Alert, incident: Incident) -> None:
    """Only what changed since the member was counted last changes its incident, and repeating it changes nothing."""
    followed, member = follow(an_incident(violation_count=9), a_member(), alert, LATER)
    assert followed == incident
    assert follow(followed, member, alert, LATER + minutes(1)) == (followed, member)


def test_follow_counts_resolved_incidents() -> None:
    """The close of a watched alert lowers the active count of its resolved incident."""
    resolved = an_incident(state=IncidentState.RESOLVED)
    followed, _ = follow(resolved, a_member(), an_alert(state=AlertState.CLOSED), LATER)
    assert (followed.state, followed.active_alert_count) == (IncidentState.RESOLVED, 0)


severities = st.sampled_from(list(Severity))
starts = st.integers(min_value=0, max_value=200).map(lambda count: NOW + minutes(count))
dimension_keys = st.sampled_from([None, "host.id=a", "host.id=b", "host.id=", "mount=/"])
metric_keys = st.sampled_from(["cpu.usage", "disk.used", "", None])
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
            state=draw(states),
            violation_count=draw(st.integers(min_value=0, max_value=9)),
        )
        for number in range(count)
    ]


def place_in_batches(batches: list[list[Alert]]) -> tuple[list[Incident], dict[int, set[int]], list[tuple[Severity, Severity]]]:
    """Correlates batch after batch; tells the incidents, the alerts of each, by position, and each severity before and after."""
    incidents: list[Incident] = []
    groups: dict[int, set[int]] = {}
    severities_seen = []
    for batch in batches:
        before = incidents
        incidents, placements = correlate(batch, before, WINDOW, LATER)
        severities_seen += [(old.severity, new.severity) for old, new in zip(before, incidents, strict=False)]
        for placement in placements:
            groups.setdefault(placement.position, set()).add(placement.alert.id)
    return incidents, groups, severities_seen


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
    incidents, placements = correlate(batch, [], WINDOW, LATER)
    for placement in placements:
        incident = incidents[placement.position]
        assert incident.correlation_key == correlation_key_of(placement.alert)
        assert incident.correlation_key is not None or incident.alert_count == 1
