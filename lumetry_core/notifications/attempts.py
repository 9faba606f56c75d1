"""When a dispatch is tried again, and what its end does to its target (contract monitoring 13.1). Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lumetry_core.notifications.dispatch import Dispatch, DispatchStatus
from lumetry_core.notifications.model import SendResult

QUICK = (timedelta(seconds=1), timedelta(seconds=5))
"""Before the second and third attempt."""
DURABLE = (timedelta(seconds=30), *(timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 16, 32, 60)))
"""Before the ones that follow; the last one repeats."""
JITTER = 0.1
LIFETIME = timedelta(hours=24)
LONGEST_RETRY_AFTER = timedelta(hours=1)
ASKS_FOR_TIME = frozenset({429, 503})
ENDS_QUICKLY = frozenset({400, 401, 403, 404, 405, 410, 413, 415, 422})
"""Answers after which more than the first attempts are useless."""
GONE = 410
FAILURES_LIMIT = 10
"""Deliveries in a row that fail in the end until a webhook is told no more."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An attempt that was made."""

    dispatch: Dispatch
    result: SendResult
    time: datetime


def follow(sent: Sent) -> Dispatch:
    """The dispatch after an attempt, its lease given back."""
    dispatch, result = sent.dispatch, sent.result
    tried = replace(
        dispatch,
        attempts=dispatch.attempts + 1,
        response_status=result.status_code,
        error=result.error,
        next_attempt_time=None,
        lease_owner=None,
        lease_time=None,
    )
    if result.ok:
        return replace(tried, status=DispatchStatus.DELIVERED, error=None, deliver_time=sent.time, body=None)
    pause = pause_after(tried, result)
    if pause is None or sent.time + pause > dispatch.create_time + LIFETIME:
        return fail(tried, result.error)
    return replace(tried, next_attempt_time=sent.time + pause)


def pause_after(tried: Dispatch, result: SendResult) -> timedelta | None:
    """How long to wait after an attempt that failed; None: there is no other."""
    if result.status_code == GONE or tried.is_test:
        return None
    asked = timedelta(seconds=max(result.retry_after_seconds or 0.0, 0.0)) if result.status_code in ASKS_FOR_TIME else timedelta()
    if tried.attempts <= len(QUICK):
        pause = QUICK[tried.attempts - 1]
    elif ends_quickly(result):
        return None
    else:
        pause = DURABLE[min(tried.attempts - len(QUICK) - 1, len(DURABLE) - 1)] * (1 + JITTER * spread(tried))
    return max(pause, min(asked, LONGEST_RETRY_AFTER))


def ends_quickly(result: SendResult) -> bool:
    """Whether trying for long is useless: the receiver refuses what it got, or cannot be asked at all."""
    return result.status_code in ENDS_QUICKLY or (result.status_code is None and result.is_final)


def is_durable(dispatch: Dispatch) -> bool:
    """Whether a dispatch has used up its quick attempts and waits for another."""
    return dispatch.status is DispatchStatus.PENDING and dispatch.attempts > len(QUICK)


def spread(tried: Dispatch) -> float:
    """Between -1 and 1, by the identity and the attempt, so that what failed together is not tried together."""
    return (int(tried.key[:8], 16) * 31 + tried.attempts * 7919) % 2001 / 1000 - 1


def fail(dispatch: Dispatch, error: str | None) -> Dispatch:
    """The dispatch, failed for good."""
    return replace(
        dispatch, status=DispatchStatus.FAILED, error=error, next_attempt_time=None, lease_owner=None, lease_time=None, body=None
    )


def count_failures(before: int, ended: Dispatch) -> int:
    """A webhook's failures in a row after a dispatch that may have ended."""
    if ended.status is DispatchStatus.DELIVERED:
        return 0
    return before + (ended.status is DispatchStatus.FAILED)
