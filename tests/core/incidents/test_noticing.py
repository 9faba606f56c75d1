from typing import Any

import pytest

from lumetry_core.alerts.model import AlertState, Eligibility
from lumetry_core.incidents.model import Classification
from lumetry_core.incidents.noticing import describe_alert, describe_incident, find_openers, first_shared, is_alone
from lumetry_core.incidents.timeline import correlated, opened, opened_as_follow_up, resolved
from lumetry_core.notices.model import NoticeDraft, NoticeKind, NoticeSeverity
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import system_caller
from tests.core.incidents.building import an_alert, an_incident

CRITICAL = an_alert(severity=Severity.CRITICAL)


def test_describe_incident_as_grave_as_it_is() -> None:
    """An opening is as grave as the incident, an end is news only."""
    incident = an_incident(12, severity=Severity.CRITICAL, primary_service_name="Shop")
    assert describe_incident(incident, opened(incident.incident_key, 7), "p") == NoticeDraft(
        kind=NoticeKind.INCIDENT_OPENED,
        severity=NoticeSeverity.CRITICAL,
        title="Incident INC-000012 opened: Shop",
        body="Incident INC-000012 opened by alert 7",
        resource_type="incident",
        resource_id="12",
        project_id="p",
        link="/incidents/12",
    )
    end = describe_incident(an_incident(1, primary_metric_key=None), resolved(system_caller(7), Classification.RESOLVED, "done"), None)
    assert (end.kind, end.severity, end.title) == (NoticeKind.INCIDENT_RESOLVED, NoticeSeverity.INFO, "Incident INC-000001 resolved")


def test_find_openers_of_each_incident() -> None:
    """The alerts that opened incidents; a follow-up has one as well."""
    first, second = an_incident(1), an_incident(2)
    shown = [
        (first, opened("INC-000001", 5)),
        (first, correlated(6)),
        (second, opened("INC-000002", 7)),
        (second, opened_as_follow_up(first)),
    ]
    assert find_openers(shown) == {1: {5}, 2: {7}}


@pytest.mark.parametrize(
    ("changes", "carried", "expected"),
    [
        ({}, set(), True),
        ({}, {1}, False),
        ({"severity": Severity.WARNING}, set(), False),
        ({"state": AlertState.CLOSED}, set(), False),
        ({"silence_id": 4}, set(), False),
        ({"incident_eligibility": Eligibility.MAINTENANCE_SUPPRESSED, "maintenance_window_id": 2}, set(), False),
        ({"incident_eligibility": Eligibility.POST_RESOLUTION_WATCH}, set(), True),
    ],
)
def test_is_alone_when_nothing_mutes_or_carries_it(changes: dict[str, Any], carried: set[int], expected: bool) -> None:
    """Critical, active, not muted and in no unresolved incident."""
    assert is_alone(an_alert(**{"severity": Severity.CRITICAL} | changes), carried) is expected


def test_describe_alert_with_its_own_title() -> None:
    """The title of what opened it, else its name."""
    assert describe_alert(CRITICAL, None) == NoticeDraft(
        kind=NoticeKind.ALERT_FIRED,
        severity=NoticeSeverity.CRITICAL,
        title="Critical alert: CPU is high",
        body="1 violation within 1 minute",
        resource_type="alert",
        resource_id="1",
        link="/alerts/1",
    )
    assert describe_alert(an_alert(title="Disk"), "p").title == "Warning alert: Disk"


def test_first_shared_passes_over_private_projects() -> None:
    """The first that is not private; None without one."""
    assert (first_shared(["a", "b"], {"a"}), first_shared(["a"], {"a"}), first_shared([], ())) == ("b", None, None)
