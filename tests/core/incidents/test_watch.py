from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.alerts.model import Alert, AlertState, Eligibility, SourceKind
from lumetry_core.incidents.model import Classification, IncidentState
from lumetry_core.incidents.watch import (
    FollowUp,
    Reopening,
    WatchRules,
    describe_reopening,
    find_firing,
    is_persistent,
    is_watched,
    judge,
    leave,
    open_follow_up,
    read_rules,
    reopen,
)
from lumetry_core.rules.model import Severity
from tests.core.incidents.building import NOW, an_alert, an_incident

RULES = read_rules(OrganizationSettings())
RESOLVED = an_incident(
    state=IncidentState.RESOLVED,
    resolve_time=NOW,
    resolved_by_user_name="anna",
    resolve_note="done",
    resolution_classification=Classification.RESOLVED,
    active_alert_count_at_resolution=1,
    acknowledge_time=NOW,
    acknowledged_by_user_name="bert",
    acknowledge_note="on it",
)


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def spans(settle: int, horizon: int, persistence: int) -> WatchRules:
    return WatchRules(timedelta(minutes=settle), timedelta(minutes=horizon), timedelta(minutes=persistence))


def test_read_rules_defaults_to_the_contract() -> None:
    """10, 60 and 120 minutes (contract lumetry 20)."""
    assert spans(10, 60, 120) == RULES


@pytest.mark.parametrize(
    ("evidence", "now", "rules", "expected"),
    [
        ({}, 600, RULES, None),
        ({7: 9.99}, 600, RULES, None),
        ({7: 10}, 10, RULES, Reopening(7, at(10))),
        ({7: 60}, 60, RULES, Reopening(7, at(60))),
        ({7: 60.01}, 61, RULES, None),
        ({7: 60.01}, 119.99, RULES, None),
        ({7: 60.01}, 120, RULES, FollowUp((7,))),
        ({9: 20, 8: 15, 7: 15}, 21, RULES, Reopening(7, at(15))),
        ({9: 70, 7: 130, 8: 5}, 130, RULES, FollowUp((7, 9))),
        ({9: 70, 7: 60}, 130, RULES, Reopening(7, at(60))),
        ({7: 10}, 119, spans(10, 0, 120), None),
        ({7: 10}, 120, spans(10, 0, 120), FollowUp((7,))),
        ({7: 0}, 1, spans(0, 0, 1), FollowUp((7,))),
        ({7: 0}, 0, spans(0, 1, 1), Reopening(7, at(0))),
        ({7: 25}, 30, spans(30, 20, 1), None),
        ({7: 30}, 30, spans(30, 20, 1), FollowUp((7,))),
    ],
)
def test_judge_by_the_time_of_the_evidence(
    evidence: dict[int, float], now: float, rules: WatchRules, expected: Reopening | FollowUp | None
) -> None:
    """Nothing before the settle time, reopening up to the horizon, a follow-up past it once the threshold is over; bounds count in."""
    assert judge(RESOLVED, {alert_id: at(minutes) for alert_id, minutes in evidence.items()}, rules, at(now)) == expected


@pytest.mark.parametrize("classification", list(Classification))
def test_judge_lets_final_classifications_rest(classification: Classification) -> None:
    """Accepted risks and maintenance are neither reopened nor followed up."""
    resolved = replace(RESOLVED, resolution_classification=classification)
    rests = classification in (Classification.ACCEPTED_RISK, Classification.MAINTENANCE)
    assert (judge(resolved, {7: at(20)}, RULES, at(21)) is None) is rests
    assert (judge(resolved, {7: at(130)}, RULES, at(131)) is None) is rests


def test_judge_makes_one_follow_up_of_a_resolution() -> None:
    """Once there is one, others with evidence join it, however old that is; nothing reopens any more."""
    assert judge(replace(RESOLVED, follow_up_incident_id=9), {8: at(30)}, RULES, at(150)) == FollowUp((8,))


def test_judge_leaves_unresolved_incidents() -> None:
    """What was reopened meanwhile is no longer watched."""
    assert judge(an_incident(), {7: at(20)}, RULES, at(21)) is None


@given(
    st.dictionaries(st.integers(1, 5), st.integers(0, 300).map(at)),
    st.builds(spans, st.integers(0, 90), st.integers(0, 90), st.integers(1, 200)),
    st.integers(0, 300).map(at),
)
def test_judge_only_by_evidence_that_counts(evidence: dict[int, datetime], rules: WatchRules, now: datetime) -> None:
    """Whatever the spans are, a verdict names evidence that rule 2 or 3 allows, and early evidence alone has none."""
    judged = judge(RESOLVED, evidence, rules, now)
    counted = {alert_id for alert_id, time in evidence.items() if time >= NOW + rules.settle}
    if isinstance(judged, Reopening):
        assert judged.alert_id in counted
        assert judged.evidence_time == evidence[judged.alert_id] <= NOW + rules.horizon
        assert rules.horizon
    elif isinstance(judged, FollowUp):
        assert (set(judged.alert_ids), now >= NOW + rules.persistence) == (counted, True)
    else:
        assert not counted or now < NOW + rules.persistence


def test_reopen_clears_what_is_over() -> None:
    """Owner and resolution are gone, the counter rises, and the reason tells whole minutes."""
    reopening = Reopening(9012, at(10.99))
    assert reopen(RESOLVED, reopening, at(11)) == an_incident(
        reopen_count=1,
        last_reopen_time=at(11),
        reopen_reason="Alert 9012 still active 10 minutes after resolution",
        update_time=at(11),
    )
    assert describe_reopening(RESOLVED, Reopening(1, at(0))) == "Alert 1 still active 0 minutes after resolution"


def test_open_follow_up_keeps_the_centre() -> None:
    """Key, nodes and names are those of the incident; severity and times those of the alerts, which have still to join."""
    incident = replace(RESOLVED, primary_service_node_id=42, primary_service_name="Shop", correlation_key="service:42", severity="Critical")
    alerts = [an_alert(2, start_time=at(5)), an_alert(1, start_time=at(3))]
    follow_up = open_follow_up(incident, alerts, at(130))
    assert follow_up == an_incident(
        0,
        correlation_key="service:42",
        primary_service_node_id=42,
        primary_service_name="Shop",
        severity=Severity.WARNING,
        start_time=at(3),
        newest_alert_id=2,
        newest_alert_time=at(5),
        alert_count=0,
        active_alert_count=0,
        violation_count=0,
        follow_up_of_incident_id=1,
        create_time=at(130),
        update_time=at(130),
    )


def test_leave_counts_the_active_ones_down() -> None:
    """What the incident spanned stays counted."""
    left = leave(replace(RESOLVED, alert_count=3, active_alert_count=2), 2, at(130))
    assert left == replace(RESOLVED, alert_count=3, active_alert_count=0, inactive_time=at(130), update_time=at(130))


WATCHED = an_alert(incident_id=1, incident_eligibility=Eligibility.POST_RESOLUTION_WATCH, watch_start_time=NOW, last_resolved_incident_id=1)


@pytest.mark.parametrize(
    ("alert", "expected"),
    [
        (WATCHED, True),
        (replace(WATCHED, state=AlertState.CLOSED), False),
        (replace(WATCHED, incident_eligibility=Eligibility.MAINTENANCE_SUPPRESSED), False),
        (replace(WATCHED, incident_eligibility=None), False),
        (replace(WATCHED, last_resolved_incident_id=2), False),
    ],
)
def test_is_watched_while_nothing_covers_it(alert: Alert, expected: bool) -> None:
    """Maintenance lets a watch wait; a closed alert or another incident's is none of ours."""
    assert is_watched(alert, RESOLVED) is expected


def test_find_firing_takes_alerts_without_violations() -> None:
    """External alerts and monitors that are active are evidence now."""
    kinds = list(SourceKind)
    alerts = [replace(WATCHED, id=number, source_kind=kind) for number, kind in enumerate(kinds)]
    assert find_firing([*alerts, replace(WATCHED, id=9, source_kind=SourceKind.EXTERNAL, state=AlertState.CLOSED)], at(5)) == {
        kinds.index(SourceKind.EXTERNAL): at(5),
        kinds.index(SourceKind.MONITOR): at(5),
    }


@pytest.mark.parametrize(("minutes", "expected"), [(119.99, False), (120, True)])
def test_is_persistent_from_the_threshold_on(minutes: float, expected: bool) -> None:
    """A watch as old as the threshold is worth a hint."""
    assert is_persistent(WATCHED, RULES, at(minutes)) is expected
