from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from lumetry_core.containers.model import Container, ContainerState, Health, Transition
from lumetry_core.containers.shares import Share, count_seconds, measure
from lumetry_core.uptime.model import DayCount

NOW = datetime(2026, 6, 2, 8, 0, tzinfo=UTC)
SHOP = Container(
    id=1,
    organization_id=7,
    external_id="a1",
    name="shop",
    image="shop:1",
    image_id="i",
    state=ContainerState.RUNNING,
    first_seen_time=NOW - timedelta(hours=10),
    last_state_change_time=NOW - timedelta(hours=10),
    counted_time=NOW - timedelta(hours=10),
)
HOUR_MS = 3_600_000


def move(hours_ago: float, before: ContainerState, after: ContainerState, *, absent: float | None = None) -> Transition:
    return Transition(
        organization_id=7,
        container_id=1,
        previous_state=before,
        new_state=after,
        previous_health=None,
        new_health=None,
        time=NOW - timedelta(hours=hours_ago),
        absent_since=None if absent is None else NOW - timedelta(hours=absent),
    )


def test_measure_without_transitions() -> None:
    """What was before a container was first seen does not count."""
    assert measure(SHOP, [], NOW - timedelta(hours=24), NOW) == Share(10 * HOUR_MS, 10 * HOUR_MS)
    assert measure(SHOP, [], NOW - timedelta(hours=4), NOW) == Share(4 * HOUR_MS, 4 * HOUR_MS)
    assert measure(replace(SHOP, first_seen_time=NOW), [], NOW - timedelta(hours=4), NOW) == Share()


def test_measure_an_outage() -> None:
    """Time between an end and the next start is not up, wherever the window begins."""
    story = [
        move(2, ContainerState.EXITED, ContainerState.RUNNING),
        move(5, ContainerState.RUNNING, ContainerState.EXITED),
        move(10, ContainerState.CREATED, ContainerState.RUNNING),
    ]
    assert measure(SHOP, story, NOW - timedelta(hours=24), NOW) == Share(7 * HOUR_MS, 10 * HOUR_MS)
    assert measure(SHOP, story, NOW - timedelta(hours=3), NOW) == Share(2 * HOUR_MS, 3 * HOUR_MS)
    assert measure(SHOP, story[:1], NOW - timedelta(hours=3), NOW) == Share(2 * HOUR_MS, 3 * HOUR_MS)


def test_measure_unhealthy() -> None:
    """Running but unhealthy is not up; completed is."""
    assert measure(replace(SHOP, health=Health.UNHEALTHY), [], NOW - timedelta(hours=1), NOW) == Share(0, HOUR_MS)
    assert measure(replace(SHOP, state=ContainerState.COMPLETED), [], NOW - timedelta(hours=1), NOW) == Share(HOUR_MS, HOUR_MS)


def test_measure_without_time_in_archive() -> None:
    """The time in which a record was archived is not observed."""
    story = [
        move(1, ContainerState.EXITED, ContainerState.RUNNING, absent=5),
        move(6, ContainerState.RUNNING, ContainerState.EXITED),
    ]
    assert measure(SHOP, story, NOW - timedelta(hours=24), NOW) == Share(5 * HOUR_MS, 6 * HOUR_MS)
    gone = replace(SHOP, archive_time=NOW - timedelta(hours=4))
    assert measure(gone, [], NOW - timedelta(hours=24), NOW) == Share(6 * HOUR_MS, 6 * HOUR_MS)


def test_count_seconds_of_two_days() -> None:
    """Seconds belong to the UTC day in which they passed; what is less than a second is counted next time."""
    container = replace(SHOP, counted_time=datetime(2026, 6, 1, 23, 59, 30, tzinfo=UTC))
    until = datetime(2026, 6, 2, 0, 0, 40, 500_000, tzinfo=UTC)
    assert count_seconds(container, until) == (
        [DayCount(1, date(2026, 6, 1), 30, 30), DayCount(1, date(2026, 6, 2), 40, 40)],
        datetime(2026, 6, 2, 0, 0, 40, tzinfo=UTC),
    )
    assert count_seconds(container, container.counted_time - timedelta(seconds=9)) == ([], container.counted_time)
    down = replace(container, state=ContainerState.EXITED)
    assert count_seconds(down, container.counted_time + timedelta(seconds=2))[0] == [DayCount(1, date(2026, 6, 1), 0, 2)]
