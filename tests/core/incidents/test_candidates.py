from datetime import timedelta

import pytest

from lumetry_core.incidents.candidates import CandidateType, Occurrence, persistent_watch, reopened_incident, repeated_non_impact
from tests.core.incidents.building import NOW, an_alert, an_incident


def test_persistent_watch_tells_its_age() -> None:
    """Minutes since the watch began, and the resolved incident."""
    incident = an_incident()
    alert = an_alert(9012, watch_start_time=NOW)
    assert persistent_watch(incident, alert, NOW + timedelta(minutes=120, seconds=59)) == Occurrence(
        CandidateType.PERSISTENT_WATCH, incident, 9012, "Alert 9012 is still active 120 minutes after the resolution of INC-000001"
    )


def test_reopened_incident_tells_the_reason() -> None:
    """The reason of the reopening."""
    incident = an_incident(reopen_reason="Alert 5 still active 10 minutes after resolution")
    summary = "INC-000001 was reopened: Alert 5 still active 10 minutes after resolution"
    assert reopened_incident(incident, 5) == Occurrence(CandidateType.REOPENED_INCIDENT, incident, 5, summary)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_repeated_non_impact_from_the_third_on(count: int) -> None:
    """Two are none; every further one is."""
    incident = an_incident()
    summary = f"{count} resolutions without impact within 30 days, the last of INC-000001"
    expected = Occurrence(CandidateType.REPEATED_NON_IMPACT, incident, None, summary)
    assert repeated_non_impact(incident, count) == (expected if count > 2 else None)


@pytest.mark.parametrize(("correlation_key", "key"), [("ci:51", "ci:51"), (None, "incident:1")])
def test_occurrences_of_strangers_have_their_own_key(correlation_key: str | None, key: str) -> None:
    """An incident that belongs with no other shares no hint."""
    assert reopened_incident(an_incident(correlation_key=correlation_key), 5).key == key
