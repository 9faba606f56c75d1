"""When a failed attempt is made again, and when a receiver counts as out of reach (contract lumetry 14.4). Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lumetry_core.notifications.delivery import Delivery, DeliveryStatus, Lane
from lumetry_core.notifications.model import SendResult

PAUSES = (timedelta(seconds=10), timedelta(seconds=60), timedelta(minutes=5), timedelta(minutes=30))
"""Before the second to fifth attempt."""
SPREAD = 0.1
"""A pause is prolonged by at most this part of it, by the delivery's number, so that what failed together is not tried together."""
SPREAD_STEPS = 17
LONGEST_RETRY_AFTER = timedelta(minutes=30)
PROBE_PAUSES = tuple(timedelta(seconds=seconds) for seconds in (1, 2, 5, 10, 30))
"""Between attempts while a receiver cannot be reached; the last one repeats."""
OUT_OF_REACH_LIMIT = timedelta(hours=24)
"""A delivery whose receiver cannot be reached for so long has failed."""
FAILING_AFTER = 5
"""Attempts in a row that make a failing integration a system alert."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that was made."""

    delivery: Delivery
    result: SendResult
    time: datetime


def settle(attempt: Attempt) -> Delivery:
    """The delivery after an attempt, its lease given back."""
    delivery, result = attempt.delivery, attempt.result
    tried = replace(
        delivery,
        attempts=delivery.attempts + 1,
        status_code=result.status_code,
        last_error=result.error,
        lease_owner=None,
        lease_time=None,
        next_attempt_time=None,
    )
    if result.ok:
        return replace(tried, status=DeliveryStatus.SUCCESS, last_error=None, deliver_time=attempt.time)
    if result.is_final:
        return replace(tried, status=DeliveryStatus.FAILED)
    if not result.reached:
        if attempt.time - delivery.create_time >= OUT_OF_REACH_LIMIT:
            return replace(tried, status=DeliveryStatus.FAILED)
        return replace(tried, next_attempt_time=attempt.time)
    failures = delivery.failures + 1
    if failures > len(PAUSES):
        return replace(tried, failures=failures, status=DeliveryStatus.FAILED)
    return replace(tried, failures=failures, next_attempt_time=attempt.time + pause_after(delivery.id, failures, result))


def pause_after(delivery_id: int, failures: int, result: SendResult) -> timedelta:
    """How long to wait after so many failures: what the receiver asks for, if that is longer, within bounds."""
    pause = PAUSES[failures - 1]
    asked = timedelta(seconds=max(result.retry_after_seconds or 0.0, 0.0))
    return max(pause * (1 + SPREAD * (delivery_id % SPREAD_STEPS) / SPREAD_STEPS), min(asked, LONGEST_RETRY_AFTER))


def follow_lane(lane: Lane, attempt: Attempt, last_waiting: int) -> Lane:
    """The lane after an attempt.

    Args:
        last_waiting: The newest delivery that waits now; when the receiver is back, all up to it are sent in order.
    """
    result, now = attempt.result, attempt.time
    if result.ok:
        return reached(replace(lane, failures=0), last_waiting)
    failed = replace(lane, failures=lane.failures + 1)
    if result.reached:
        return reached(failed, last_waiting)
    if lane.outage_time is None:
        return replace(failed, outage_time=now, probe_time=now + PROBE_PAUSES[0], probes=1)
    if lane.probe_time is not None and now < lane.probe_time:  # was under way when the outage began
        return failed
    pause = PROBE_PAUSES[min(lane.probes, len(PROBE_PAUSES) - 1)]
    return replace(failed, probe_time=now + pause, probes=lane.probes + 1)


def reached(lane: Lane, last_waiting: int) -> Lane:
    """The lane once its receiver has answered."""
    if lane.outage_time is None:
        return lane
    return replace(lane, outage_time=None, probe_time=None, probes=0, strict_through=last_waiting)
