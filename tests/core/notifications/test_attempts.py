from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lumetry_core.notifications.attempts import Sent, count_failures, follow
from lumetry_core.notifications.destinations import TargetKey, TargetKind
from lumetry_core.notifications.dispatch import Dispatch, DispatchStatus
from lumetry_core.notifications.model import SendResult

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
DISPATCH = Dispatch(
    id=1,
    key="7b0c3c52-5f0e-4f57-9d0e-0a6f0f7b3d11",
    target=TargetKey(7, TargetKind.CHANNEL, "4"),
    event="alert.fired",
    subject="alert:9",
    alert_id=9,
    next_attempt_time=NOW,
    lease_owner="core-1",
    lease_time=NOW,
    create_time=NOW,
    body=b"{}",
)
OK = SendResult(ok=True, status_code=204)
BROKEN = SendResult(ok=False, status_code=500, error="answered 500")


def walk(result: SendResult) -> list[float]:
    """Seconds before each further attempt until it is over."""
    dispatch, now, pauses = DISPATCH, NOW, []
    while dispatch.status is DispatchStatus.PENDING:
        dispatch = follow(Sent(dispatch, result, now))
        if dispatch.next_attempt_time is not None:
            pauses.append((dispatch.next_attempt_time - now).total_seconds())
            now = dispatch.next_attempt_time
    return pauses


def test_success_ends_it() -> None:
    """Nothing is left of lease, error and body."""
    assert follow(Sent(replace(DISPATCH, error="answered 500"), OK, NOW)) == replace(
        DISPATCH,
        status=DispatchStatus.DELIVERED,
        attempts=1,
        response_status=204,
        next_attempt_time=None,
        lease_owner=None,
        lease_time=None,
        deliver_time=NOW,
        body=None,
    )


def test_failures_are_tried_quickly_then_for_a_day() -> None:
    """1 s and 5 s; then 30 s doubling to 32 min and every hour, each within a tenth; all within 24 hours."""
    pauses = walk(BROKEN)
    assert pauses[:2] == [1, 5]
    expected = [30, 60, 120, 240, 480, 960, 1920]
    assert all(abs(pause - wanted) <= wanted * 0.1 for pause, wanted in zip(pauses[2:], expected, strict=False))
    assert all(abs(pause - 3600) <= 360 for pause in pauses[9:])
    assert sum(pauses) <= 24 * 3600
    assert 24 * 3600 - sum(pauses) < 3960
    assert len(set(pauses[9:])) > 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 415, 422])
def test_refusals_end_after_the_quick_attempts(status: int) -> None:
    """Three attempts are made."""
    assert walk(SendResult(ok=False, status_code=status, error="no", is_final=True)) == [1, 5]


def test_gone_ends_at_once() -> None:
    """410: one attempt."""
    assert walk(SendResult(ok=False, status_code=410, error="gone", is_final=True)) == []


def test_what_cannot_be_asked_ends_after_the_quick_attempts() -> None:
    """An address that is forbidden stays so; one that cannot be reached may come back."""
    assert walk(SendResult(ok=False, error="forbidden", is_final=True, reached=False)) == [1, 5]
    assert len(walk(SendResult(ok=False, error="the connection was refused", reached=False))) > 10


@pytest.mark.parametrize(("status", "asked", "pause"), [(429, 60, 60), (503, 90, 90), (503, 7200, 3600), (429, 0.1, 1), (500, 60, 1)])
def test_retry_after_is_honoured_up_to_an_hour(status: int, asked: float, pause: float) -> None:
    """Of the two answers that mean it; a shorter one changes nothing."""
    after = follow(Sent(DISPATCH, SendResult(ok=False, status_code=status, error="no", retry_after_seconds=asked), NOW))
    assert after.next_attempt_time == NOW + timedelta(seconds=pause)


def test_count_failures_by_ends_only() -> None:
    """What is tried again counts nothing; a success begins anew."""
    assert count_failures(3, DISPATCH) == 3
    assert count_failures(3, replace(DISPATCH, status=DispatchStatus.FAILED)) == 4
    assert count_failures(3, replace(DISPATCH, status=DispatchStatus.DELIVERED)) == 0
