"""The limit of series."""

from lumetry_core.collectors.agent.hostagent.limit import FORGOTTEN_SECONDS, SeriesLimit
from lumetry_core.collectors.agent.reading import Sample

A, B, C = (Sample("m", 1.0, {"process.executable": name}) for name in "abc")


def test_admit_over_the_limit() -> None:
    """The first series have a place and keep it; the others are left out and counted once, however often they come."""
    limit = SeriesLimit()
    assert limit.admit([A, B, C], 2, 0.0) == [A, B]
    assert limit.admit([C, B, A], 2, 60.0) == [B, A]
    assert (limit.sent_count, limit.dropped_count) == (2, 1)


def test_admit_after_a_series_ended() -> None:
    """A series without values for long gives its place to one that was left out."""
    limit = SeriesLimit()
    limit.admit([A, B], 1, 0.0)
    later = FORGOTTEN_SECONDS + 1
    assert limit.admit([B], 1, later) == [B]
    assert (limit.sent_count, limit.dropped_count) == (1, 0)


def test_admit_under_another_limit() -> None:
    """A lowered limit takes the newest places away, a raised one gives them back."""
    limit = SeriesLimit()
    limit.admit([A, B, C], 3, 0.0)
    assert limit.admit([A, B, C], 1, 1.0) == [A]
    assert (limit.sent_count, limit.dropped_count) == (1, 2)
    assert limit.admit([A, B, C], 3, 2.0) == [A, B, C]
    assert (limit.sent_count, limit.dropped_count) == (3, 0)


def test_admit_of_endless_series() -> None:
    """What is remembered of series that are left out has an end."""
    limit = SeriesLimit()
    limit.admit((Sample("m", 1.0, {"n": str(number)}) for number in range(1000)), 5, 0.0)
    assert (limit.sent_count, limit.dropped_count) == (5, 50)
