"""Settings and pure decisions about jobs."""

from datetime import timedelta

import pytest

from lumetry_core.evaluation.model import MAX_ATTEMPTS, Settings, backoff


def test_backoff_doubles() -> None:
    """One second after the first failure, then twice as long each time."""
    assert [backoff(attempts) for attempts in range(1, MAX_ATTEMPTS)] == [timedelta(seconds=seconds) for seconds in (1, 2, 4, 8)]


@pytest.mark.parametrize("seconds", [-1, 3601])
def test_settings_refuse_a_grace_out_of_range(seconds: int) -> None:
    """The contract bounds the grace period."""
    with pytest.raises(ValueError, match="grace_seconds"):
        Settings(grace_seconds=seconds)
