import pytest

from lumetry_core.alerts.model import Trigger


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        (Trigger(11, 5, 10), "11 violations within 10 minutes"),
        (Trigger(1, 1, 10), "1 violation within 10 minutes"),
        (Trigger(2, 1, 1), "2 violations within 1 minute"),
        (Trigger(1, 1, 1), "1 violation within 1 minute"),
    ],
)
def test_trigger_reason_counts_in_words(trigger: Trigger, expected: str) -> None:
    """One is singular."""
    assert trigger.reason == expected
