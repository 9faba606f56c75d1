from dataclasses import replace
from datetime import timedelta

import pytest

from lumetry_core.alerts.decisions import Transition
from lumetry_core.notifications.delivery import Delivery, DeliveryStatus, Lane
from lumetry_core.notifications.model import SendResult
from lumetry_core.notifications.retries import Attempt, follow_lane, pause_after, settle
from lumetry_core.rules.model import Severity
from tests.core.incidents.building import NOW, ORGANIZATION

DELIVERY = Delivery(
    id=17,
    organization_id=ORGANIZATION,
    alert_id=9012,
    transition=Transition.OPEN,
    traced=Transition.OPEN,
    profile_id=3,
    integration_id=7,
    incident_id=1,
    severity=Severity.WARNING,
    cooldown_key="3|rule:17|",
    is_active=True,
    status=DeliveryStatus.PENDING,
    attempts=0,
    failures=0,
    status_code=None,
    last_error=None,
    reason=None,
    record=None,
    next_attempt_time=NOW,
    lease_owner="core-1",
    lease_time=NOW + timedelta(seconds=15),
    create_time=NOW,
    deliver_time=None,
    content=b"{}",
)
BROKEN = SendResult(ok=False, status_code=500, error="answered 500")
UNREACHABLE = SendResult(ok=False, error="connection refused", reached=False)
OK = SendResult(ok=True, status_code=204)
LANE = Lane(ORGANIZATION, 7)


def test_settle_a_success() -> None:
    """It ends, and its lease with it."""
    settled = settle(Attempt(replace(DELIVERY, last_error="answered 500", failures=2, attempts=2), OK, NOW))
    assert settled == replace(
        DELIVERY,
        status=DeliveryStatus.SUCCESS,
        attempts=3,
        failures=2,
        status_code=204,
        next_attempt_time=None,
        lease_owner=None,
        lease_time=None,
        deliver_time=NOW,
    )


def test_settle_failures() -> None:
    """Four are followed by another attempt, the fifth is the last; a refusal ends it at once."""
    waits = []
    delivery = DELIVERY
    for _ in range(5):
        delivery = settle(Attempt(delivery, BROKEN, NOW))
        waits.append(delivery.next_attempt_time and delivery.next_attempt_time - NOW)
    assert waits == [timedelta(seconds=10), timedelta(seconds=60), timedelta(minutes=5), timedelta(minutes=30), None]
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.FAILED, 5)
    assert settle(Attempt(DELIVERY, replace(BROKEN, is_final=True), NOW)).status is DeliveryStatus.FAILED


def test_settle_what_did_not_reach_the_receiver() -> None:
    """It uses up no attempt, and fails after a day."""
    settled = settle(Attempt(DELIVERY, UNREACHABLE, NOW + timedelta(hours=23)))
    assert (settled.status, settled.attempts, settled.failures) == (DeliveryStatus.PENDING, 1, 0)
    assert settle(Attempt(DELIVERY, UNREACHABLE, NOW + timedelta(hours=24))).status is DeliveryStatus.FAILED


@pytest.mark.parametrize(("asked", "expected"), [(None, 10), (5, 10), (45, 45), (7200, 1800), (-3, 10)])
def test_pause_after_what_the_receiver_asks_for(asked: float | None, expected: float) -> None:
    """Longer than ours it is kept, up to half an hour."""
    assert pause_after(17, 1, replace(BROKEN, retry_after_seconds=asked)) == timedelta(seconds=expected)


def test_pause_after_is_spread() -> None:
    """What failed together is not tried together."""
    assert pause_after(18, 2, BROKEN) != pause_after(17, 2, BROKEN)
    assert all(timedelta(seconds=60) <= pause_after(number, 2, BROKEN) <= timedelta(seconds=66) for number in range(100))


def test_follow_a_lane_through_an_outage() -> None:
    """Probes get rarer, attempts that were under way change nothing, and what waited is sent in order afterwards."""
    lane, now, pauses = LANE, NOW, []
    for _ in range(7):
        lane = follow_lane(lane, Attempt(DELIVERY, UNREACHABLE, now), 0)
        assert lane.probe_time is not None
        pauses.append((lane.probe_time - now).total_seconds())
        lane = replace(follow_lane(lane, Attempt(DELIVERY, UNREACHABLE, now), 0), failures=lane.failures)
        now = lane.probe_time or now
    assert pauses == [1, 2, 5, 10, 30, 30, 30]
    assert follow_lane(lane, Attempt(DELIVERY, OK, now), 40) == replace(LANE, strict_through=40)
    answered = follow_lane(lane, Attempt(DELIVERY, BROKEN, now), 40)
    assert (answered.outage_time, answered.strict_through, answered.failures) == (None, 40, 8)
