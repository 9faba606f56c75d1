from typing import Any

import pytest

from lumetry_core.feed.registry import INCIDENT_TYPES
from lumetry_core.incidents.model import Classification
from lumetry_core.sessions.announcing import TEXTS, describe
from lumetry_core.sessions.model import Reference, ReferenceType
from tests.core.incidents.building import an_incident


@pytest.mark.parametrize(
    ("event", "changes", "alert_ids", "text"),
    [
        ("opened", {}, (), "INC-000001 opened: Warning"),
        ("acknowledged", {"acknowledged_by_user_name": "ann"}, (), "INC-000001 was acknowledged by ann"),
        ("acknowledged", {"acknowledge_note": "mine"}, (), "INC-000001 was acknowledged\n\nmine"),
        ("alert_correlated", {}, (5,), "INC-000001 got alert 5"),
        ("alert_correlated", {}, (5, 6), "INC-000001 got 2 alerts: 5, 6"),
        ("reopened", {}, (), "INC-000001 was reopened: Warning"),
        (
            "resolved",
            {"resolved_by_user_name": "ann", "resolution_classification": Classification.NO_IMPACT, "resolve_note": "fan replaced"},
            (),
            "INC-000001 was resolved by ann as NoImpact\n\nfan replaced",
        ),
    ],
)
def test_describe_events(event: str, changes: dict[str, Any], alert_ids: tuple[int, ...], text: str) -> None:
    """Each in plain words, pointing to the incident and its alerts."""
    references = [Reference(ReferenceType.INCIDENT, "1", "INC-000001"), *(Reference(ReferenceType.ALERT, str(each)) for each in alert_ids)]
    assert describe(f"incident.{event}", an_incident(**changes), alert_ids) == (text, tuple(references))


def test_describe_names_some_of_many_alerts() -> None:
    """A storm does not fill the message."""
    text, references = describe("incident.alert_correlated", an_incident(), range(1, 1001))
    assert text.startswith("INC-000001 got 1000 alerts: 1, 2, ")
    assert text.endswith("20, …")
    assert len(references) == 21


def test_every_event_has_words() -> None:
    """What the feed hands over can be written."""
    assert TEXTS.keys() == INCIDENT_TYPES
