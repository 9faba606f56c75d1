import pytest

from lumetry_core.incidents import timeline
from lumetry_core.incidents.model import Classification, Entry, EntryType, SourceType
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import Caller, CredentialKind, system_caller

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
