from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lumetry_core.collectors.work import (
    KEPT_FINISHED,
    LEASE,
    MAX_LEASES,
    RETAKE,
    Outcome,
    Sample,
    WorkItem,
    WorkKind,
    due_time,
    enabled_kinds,
    find_obstacle,
    find_refusal,
    finish,
    is_held,
    is_hopeless,
    is_waiting,
    lease,
    requeue,
)

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
ITEM = WorkItem(1, 7, "i-1", "c-1", WorkKind.POLL, "poll:prometheus", "source:4", 10_000, NOW, NOW + timedelta(minutes=5))
MINE, OTHER = b"mine", b"other"


def test_enabled_kinds_follow_the_configuration() -> None:
    """Polling enables polls and source tests, notifications only themselves."""
    assert enabled_kinds(polling=False, notifications=False) == frozenset()
    assert enabled_kinds(polling=True, notifications=False) == {WorkKind.POLL, WorkKind.SOURCE_TEST}
    assert enabled_kinds(polling=False, notifications=True) == {WorkKind.NOTIFICATION}
    assert enabled_kinds(polling=True, notifications=True) == set(WorkKind)


def test_lease_holds_the_item_for_a_minute() -> None:
    """A leased item waits no more, and does again when the lease has ended."""
    held = lease(ITEM, MINE, NOW)
    assert (held.leases, held.lease_expire_time, due_time(held)) == (1, NOW + LEASE, NOW + LEASE)
    assert is_waiting(ITEM, NOW)
    assert is_held(held, NOW + LEASE - timedelta(milliseconds=1))
    assert not is_waiting(held, NOW)
    assert not is_held(held, NOW + LEASE)
    assert is_waiting(held, NOW + LEASE)


@pytest.mark.parametrize(
    ("item", "token", "after", "refusal"),
    [
        (lease(ITEM, MINE, NOW), MINE, timedelta(), None),
        (lease(ITEM, MINE, NOW), OTHER, timedelta(), "The token is not the claim's."),
        (lease(ITEM, MINE, NOW), MINE, LEASE, "The lease has ended."),
        (requeue(lease(ITEM, MINE, NOW)), MINE, LEASE, "The token is not the claim's."),
        (ITEM, MINE, timedelta(), "The token is not the claim's."),
        (finish(lease(ITEM, MINE, NOW), Outcome(succeeded=True), NOW), MINE, timedelta(), "The work is finished already."),
    ],
)
def test_find_refusal(item: WorkItem, token: bytes, after: timedelta, refusal: str | None) -> None:
    """Only the newest token finishes an item, once, while its lease lasts."""
    assert find_refusal(item, token, NOW + after) == refusal


def test_is_hopeless_when_expired_or_given_out_too_often() -> None:
    """An item that nobody holds ends with its time, or with its last lease."""
    assert not is_hopeless(ITEM, NOW)
    assert is_hopeless(ITEM, ITEM.expire_time)
    held = lease(replace(ITEM, expire_time=NOW + timedelta(seconds=1)), MINE, NOW)
    assert not is_hopeless(held, NOW + LEASE)
    assert is_waiting(held, NOW + LEASE)
    assert is_hopeless(held, NOW + LEASE + RETAKE)
    often = replace(ITEM, leases=MAX_LEASES)
    assert (is_hopeless(often, NOW), is_waiting(often, NOW)) == (True, False)


def test_finish_keeps_the_outcome_but_no_samples() -> None:
    """Samples are the handler's; the row says how it ended and when it may be forgotten."""
    sample = Sample("db.up", NOW, 1.0, {"job": "db"})
    finished = finish(lease(ITEM, MINE, NOW), Outcome(succeeded=True, samples=(sample,), sample_count=1), NOW)
    assert finished.outcome == Outcome(succeeded=True, sample_count=1)
    assert (finished.lease_expire_time, finished.finish_time, due_time(finished)) == (None, NOW, NOW + KEPT_FINISHED)
    assert (is_waiting(finished, NOW), is_held(finished, NOW), is_hopeless(finished, NOW + timedelta(days=1))) == (False, False, False)


@pytest.mark.parametrize(
    ("state", "kinds", "capabilities", "text"),
    [
        ("gone", (), (), "The collector does not exist."),
        ("revoked", tuple(WorkKind), ("poll:prometheus",), "Collector Edge is revoked."),
        ("pending", tuple(WorkKind), (), "Collector Edge has not enrolled yet."),
        ("offline", tuple(WorkKind), ("poll:prometheus",), "Collector Edge is offline."),
        ("suspected", tuple(WorkKind), (), "Collector Edge gets no work: two instances seem to run on its credential."),
        ("", (WorkKind.NOTIFICATION,), ("poll:prometheus",), "Polling is switched off in the configuration of collector Edge."),
        ("", tuple(WorkKind), ("poll:mysql",), "Collector Edge cannot poll prometheus."),
        ("", tuple(WorkKind), ("poll:prometheus",), None),
    ],
)
def test_find_obstacle_names_the_first(state: str, kinds: tuple[WorkKind, ...], capabilities: tuple[str, ...], text: str | None) -> None:
    """People learn what to mend."""
    found = find_obstacle(WorkKind.POLL, "poll:prometheus", name="Edge", state=state, kinds=kinds, capabilities=capabilities)
    assert found == text
