"""Settings and pure decisions about jobs."""

from datetime import timedelta

import pytest

from lumetry_core.evaluation.model import MAX_ATTEMPTS, Settings, backoff


def test_backoff_doubles() -> None:
    """One second after the first failure, then twice as long each time."""
    assert [backoff(attempts) for attempts in range(1, MAX_ATTEMPTS)] == [timedelta(seconds=seconds) for seconds in (1, 2, 4, 8)]


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("grace_seconds", 0, 3600),
        ("compound_cycle_seconds", 10, 600),
        ("fleet_tick_seconds", 10, 600),
        ("fleet_staleness_seconds", 30, 3600),
        ("fleet_member_gone_minutes", 5, 10_080),
    ],
)
def test_settings_keep_to_their_ranges(name: str, least: int, most: int) -> None:
    """Both ends of each range of the contract are taken, what is beyond is refused."""
    for value in (least, most):
        assert getattr(Settings(**{name: value}), name) == value
    for value in (least - 1, most + 1):
        with pytest.raises(ValueError, match=f"{name} must be between {least} and {most}"):
            Settings(**{name: value})
