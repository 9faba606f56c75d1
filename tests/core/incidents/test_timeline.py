from datetime import UTC, datetime

import pytest

from lumetry_core.incidents import timeline
from lumetry_core.incidents.model import Classification, Entry, EntryType, Incident, SourceType
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import Caller, CredentialKind, system_caller
from tests.core.incidents.building import NOW, an_incident

ANNA = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=3, user_name="anna")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            timeline.opened("INC-000001", 9012),
            (EntryType.INCIDENT_OPENED, SourceType.ALERT, 9012, "Incident INC-000001 opened by alert 9012"),
        ),
        (timeline.correlated(9012), (EntryType.ALERT_CORRELATED, SourceType.ALERT, 9012, "Alert 9012 correlated into incident")),
        (
            timeline.severity_changed(9012, Severity.WARNING, Severity.CRITICAL),
            (EntryType.SEVERITY_CHANGED, SourceType.ALERT, 9012, "Severity raised from Warning to Critical by alert 9012"),
        ),
        (timeline.alert_closed(9012), (EntryType.ALERT_CLOSED, SourceType.ALERT, 9012, "Alert 9012 closed")),
        (
            timeline.watch_started(9012),
            (
                EntryType.POST_RESOLUTION_WATCH_STARTED,
                SourceType.ALERT,
                9012,
                "Alert 9012 is still active and is watched after resolution",
            ),
        ),
        (timeline.acknowledged(ANNA, None), (EntryType.ACKNOWLEDGED, SourceType.USER, 3, "Acknowledged by anna")),
        (timeline.acknowledged(ANNA, "on it"), (EntryType.ACKNOWLEDGED, SourceType.USER, 3, "Acknowledged by anna: on it")),
        (
            timeline.resolved(ANNA, Classification.NO_IMPACT, "fan replaced"),
            (EntryType.RESOLVED, SourceType.USER, 3, "Resolved as NoImpact by anna: fan replaced"),
        ),
        (
            timeline.resolved(system_caller(7), Classification.RESOLVED, "quiet"),
            (EntryType.RESOLVED, SourceType.SYSTEM, None, "Resolved as Resolved: quiet"),
        ),
    ],
)
def test_entries_tell_what_happened(entry: Entry, expected: tuple[EntryType, SourceType, int | None, str]) -> None:
    """Each entry names its type, its source and a text for people."""
    assert entry == Entry(*expected)


MOMENT = datetime(2026, 6, 1, 8, 0, 0, 250_000, tzinfo=UTC)
RESOLVED = an_incident(
    acknowledge_time=MOMENT,
    acknowledged_by_user_name="bert",
    acknowledge_note="on it",
    resolve_time=MOMENT,
    resolved_by_user_name="anna",
    resolve_note="fan replaced",
    resolution_classification=Classification.NO_IMPACT,
    active_alert_count_at_resolution=2,
)
REASON = "Reopened: Alert 5 still active 10 minutes after resolution"
ACKNOWLEDGEMENT = "Acknowledged at 2026-06-01T08:00:00.250Z by bert: on it"


@pytest.mark.parametrize(
    ("before", "message"),
    [
        (
            RESOLVED,
            f"{REASON}. {ACKNOWLEDGEMENT}. Resolved as NoImpact at 2026-06-01T08:00:00.250Z with 2 active alerts by anna: fan replaced",
        ),
        (
            an_incident(
                resolve_time=NOW,
                resolve_note="quiet",
                resolution_classification=Classification.RESOLVED,
                active_alert_count_at_resolution=1,
            ),
            f"{REASON}. Resolved as Resolved at 2026-06-01T08:00:00Z with 1 active alert: quiet",
        ),
    ],
)
def test_reopened_keeps_what_the_incident_loses(before: Incident, message: str) -> None:
    """Owner and resolution with their notes live on in the text."""
    after = an_incident(reopen_reason="Alert 5 still active 10 minutes after resolution")
    assert timeline.reopened(before, after, 5) == Entry(EntryType.REOPENED, SourceType.ALERT, 5, message)


def test_follow_ups_name_each_other() -> None:
    """Each timeline names the other incident, which is its source."""
    first, second = an_incident(1), an_incident(2)
    assert timeline.followed_up(second) == Entry(EntryType.FOLLOW_UP_CREATED, SourceType.INCIDENT, 2, "Followed up by incident INC-000002")
    assert timeline.opened_as_follow_up(first) == Entry(
        EntryType.FOLLOW_UP_CREATED, SourceType.INCIDENT, 1, "Created as follow-up of incident INC-000001"
    )
