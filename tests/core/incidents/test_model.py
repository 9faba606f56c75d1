from datetime import timedelta

import pytest

from lumetry_core.incidents.model import Incident
from tests.core.incidents.building import NOW, an_incident


@pytest.mark.parametrize(("number", "key"), [(1, "INC-000001"), (999_999, "INC-999999"), (1_234_567, "INC-1234567")])
def test_incident_key_has_at_least_six_digits(number: int, key: str) -> None:
    """Small numbers are padded, large ones not cut."""
    assert an_incident(number).incident_key == key


@pytest.mark.parametrize(
    ("incident", "expected"),
    [
        (an_incident(), timedelta(hours=2)),
        (an_incident(resolve_time=NOW + timedelta(hours=1)), timedelta(hours=1)),
        (an_incident(start_time=NOW + timedelta(hours=3)), timedelta()),
    ],
)
def test_duration_at_ends_with_the_resolution(incident: Incident, expected: timedelta) -> None:
    """It runs to now while there is no end, and is never negative for a start that lies ahead of the clock."""
    assert incident.duration_at(NOW + timedelta(hours=2)) == expected
