from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lumetry_core.collectors.config import Config
from lumetry_core.collectors.model import (
    ApplyStatus,
    Collector,
    Heartbeat,
    Installation,
    Status,
    after_heartbeat,
    enrolled,
    is_online,
    may_enroll,
    must_rotate,
)

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
PENDING = Collector(organization_id=1, id="c", name="web", status=Status.PENDING, create_time=NOW, created_by=None)
INSTALLATION = Installation("installation", "web-1", "0.1.0", ("host_metrics",))
ACTIVE = enrolled(PENDING, INSTALLATION, NOW)


def beat(instance_id: str, *, send_time: datetime = NOW) -> Heartbeat:
    return Heartbeat(instance_id, "0.2.0", 5, 2, send_time, 1, ("host_metrics", "relay"))


@pytest.mark.parametrize(
    ("collector", "installation_id", "after", "allowed"),
    [
        (PENDING, "any", timedelta(0), True),
        (ACTIVE, "installation", timedelta(minutes=10), True),
        (ACTIVE, "installation", timedelta(minutes=10, milliseconds=1), False),
        (ACTIVE, "another", timedelta(0), False),
        (replace(ACTIVE, status=Status.DUPLICATE_SUSPECTED), "installation", timedelta(minutes=1), True),
        (replace(ACTIVE, status=Status.REVOKED), "installation", timedelta(0), False),
    ],
)
def test_may_enroll_once_and_repeats_for_ten_minutes(collector: Collector, installation_id: str, after: timedelta, allowed: bool) -> None:
    """The token is single use; the same installation may repeat it within ten minutes, both ends included."""
    assert may_enroll(collector, installation_id, NOW + after) is allowed


def test_enrolled_keeps_the_first_time() -> None:
    """A repetition renews the credential but not the enrollment."""
    later = NOW + timedelta(minutes=3)
    assert enrolled(ACTIVE, INSTALLATION, later) == replace(ACTIVE, credential_time=later)


def test_after_heartbeat_takes_over_what_the_instance_tells() -> None:
    """Figures and the skew of the clock are those of the heartbeat."""
    now = NOW + timedelta(seconds=30)
    assert after_heartbeat(ACTIVE, beat("a", send_time=NOW + timedelta(seconds=31, milliseconds=500)), now) == replace(
        ACTIVE,
        version="0.2.0",
        capabilities=("host_metrics", "relay"),
        queue_depth=5,
        dropped_count=2,
        clock_skew_ms=1500,
        config_revision_applied=1,
        config_apply_status=ApplyStatus.APPLIED,
        last_seen_time=now,
        instance_id="a",
        instance_time=now,
    )


def statuses(*beats: tuple[int, str]) -> list[Status]:
    collector = ACTIVE
    seen = []
    for seconds, instance_id in beats:
        collector = after_heartbeat(collector, beat(instance_id), NOW + timedelta(seconds=seconds))
        seen.append(collector.status)
    return seen


def test_after_heartbeat_of_a_restart_suspects_nothing() -> None:
    """Another instance that stays is a restart."""
    assert statuses((0, "a"), (30, "b"), (60, "b"), (90, "c")) == [Status.ACTIVE] * 4


def test_after_heartbeat_of_alternating_instances_suspects_a_duplicate_until_one_stays() -> None:
    """Two instances within three intervals are suspicious until ten minutes have passed with one."""
    assert statuses((0, "a"), (15, "b"), (90, "a"), (600, "a"), (689, "a"), (690, "a")) == [
        Status.ACTIVE,
        Status.ACTIVE,
        Status.DUPLICATE_SUSPECTED,
        Status.DUPLICATE_SUSPECTED,
        Status.DUPLICATE_SUSPECTED,
        Status.ACTIVE,
    ]


def test_after_heartbeat_of_three_instances_in_turn_suspects_a_duplicate() -> None:
    """More than two are told apart as well."""
    assert statuses((0, "a"), (10, "b"), (20, "c"), (30, "a"))[-1] is Status.DUPLICATE_SUSPECTED


def test_after_heartbeat_of_endless_restarts_remembers_a_few() -> None:
    """An instance that is new every time is a restart every time, and memory stays bounded."""
    collector = ACTIVE
    for number in range(50):
        collector = after_heartbeat(collector, beat(str(number)), NOW + timedelta(seconds=number))
    assert (collector.status, len(collector.recent_instances)) == (Status.ACTIVE, 8)


def test_after_heartbeat_of_an_instance_that_returns_late_suspects_nothing() -> None:
    """Beyond three intervals an earlier instance counts as a restart."""
    assert statuses((0, "a"), (30, "b"), (91, "a")) == [Status.ACTIVE] * 3


@pytest.mark.parametrize(
    ("collector", "seconds", "online"),
    [
        (ACTIVE, 0, False),
        (replace(ACTIVE, last_seen_time=NOW), 90, True),
        (replace(ACTIVE, last_seen_time=NOW), 90.001, False),
        (replace(ACTIVE, last_seen_time=NOW, heartbeat_interval_seconds=10, config=Config(10)), 30, True),
        (replace(ACTIVE, last_seen_time=NOW, heartbeat_interval_seconds=10, config=Config(10)), 31, False),
        (replace(ACTIVE, last_seen_time=NOW, heartbeat_interval_seconds=10), 31, True),
        (replace(ACTIVE, last_seen_time=NOW, config=Config(10)), 31, True),
        (replace(ACTIVE, last_seen_time=NOW, status=Status.REVOKED), 0, False),
    ],
)
def test_is_online_for_three_intervals(collector: Collector, seconds: float, online: bool) -> None:
    """The newest heartbeat counts for three intervals, the end included."""
    assert is_online(collector, NOW + timedelta(seconds=seconds)) is online


@pytest.mark.parametrize(("days", "rotate"), [(89.9, False), (90, True)])
def test_must_rotate_after_ninety_days(days: float, rotate: bool) -> None:
    """Age of the credential decides, not that of the enrollment."""
    assert must_rotate(ACTIVE.credential_time, NOW + timedelta(days=days)) is rotate
