from datetime import UTC, datetime

import numpy as np

from lumetry_core.metrics.model import BatchHeader, Entry
from lumetry_core.metrics.service.recent import KEPT_POINTS, RecentEntries

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def entry(first_offset: int, jobs: int = 1, points: int = 1, partition: int = 0) -> Entry:
    header = BatchHeader("b", None, None, points, None, None, None)
    return Entry(
        organization_id=7,
        partition=partition,
        first_offset=first_offset,
        batches=[header] * jobs,
        create_time=NOW,
        series_ids=np.ones(points, np.int64),
        times_ms=np.arange(points, dtype=np.int64),
        values=np.zeros(points),
        batch_counts=np.array([points], np.int64),
    )


def offsets(entries: list[Entry]) -> list[int]:
    return [each.first_offset for each in entries]


def test_take_gives_consecutive_entries_once() -> None:
    """What was published is taken from its offset on, in order, and is gone then."""
    recent = RecentEntries()
    recent.publish([entry(1, jobs=2), entry(3)])
    assert offsets(recent.take(0, 1, 100)) == [1, 3]
    assert recent.take(0, 4, 100) == []


def test_take_passes_over_what_was_evaluated_already() -> None:
    """Entries below the wanted offset are dropped; one that does not start there is of no use."""
    recent = RecentEntries()
    recent.publish([entry(1), entry(2), entry(3, jobs=3)])
    assert offsets(recent.take(0, 2, 100)) == [2, 3]
    recent.publish([entry(6, jobs=3)])
    assert recent.take(0, 7, 100) == []


def test_take_stops_at_the_wanted_points() -> None:
    """At least one entry is taken, then as many as fit."""
    recent = RecentEntries()
    recent.publish([entry(1, points=10), entry(2, points=10), entry(3, points=10)])
    assert offsets(recent.take(0, 1, 5)) == [1]
    assert offsets(recent.take(0, 2, 20)) == [2, 3]


def test_publish_forgets_what_another_process_interrupted() -> None:
    """A gap means that others appended: entries before it are read from the inbox."""
    recent = RecentEntries()
    recent.publish([entry(1)])
    recent.publish([entry(5)])
    assert recent.take(0, 1, 100) == []
    assert offsets(recent.take(0, 5, 100)) == [5]


def test_publish_keeps_a_bounded_number_of_points_per_partition() -> None:
    """The oldest entries go; partitions do not disturb each other."""
    recent = RecentEntries()
    recent.publish([entry(1, points=KEPT_POINTS), entry(2, points=10), entry(1, points=5, partition=1)])
    assert recent.take(0, 1, KEPT_POINTS) == []
    assert offsets(recent.take(0, 2, KEPT_POINTS)) == [2]
    assert offsets(recent.take(1, 1, KEPT_POINTS)) == [1]


def test_reaches_beyond_what_was_taken() -> None:
    """Whether more is here is known without taking it, also where a gap comes first."""
    recent = RecentEntries()
    assert not recent.reaches_beyond(0, 1)
    recent.publish([entry(5, jobs=2)])
    assert [recent.reaches_beyond(0, offset) for offset in (1, 5, 6, 7)] == [True, True, True, False]
