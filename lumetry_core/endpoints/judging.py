"""What a result makes of its endpoint (contract monitoring 5.4)."""

from dataclasses import dataclass, replace

from lumetry_core.endpoints.model import RECENT_RESULTS, AlertState, Config, Progress, Result, Status


@dataclass(frozen=True, slots=True)
class Judgement:
    """The endpoint's progress after a result, and what follows from it."""

    progress: Progress
    is_edge: bool
    """From success to failure: an incident of its day."""
    has_changed: bool
    """The status is another one."""
    starts_alert: bool
    """The failure threshold was reached."""
    is_firing: bool
    """Failing, and the failure threshold is reached: the alert is open, or opens again after somebody closed it."""
    ends_alert: bool
    """The recovery threshold was reached."""


def judge(before: Progress, result: Result, config: Config) -> Judgement:
    """Takes a result. The status flips with every one; thresholds govern only the alert."""
    status = Status.UP if result.is_success else Status.DOWN
    failures = 0 if result.is_success else before.consecutive_failures + 1
    successes = before.consecutive_successes + 1 if result.is_success else 0
    was_alerting = before.alert_state is AlertState.ALERTING
    is_firing = not result.is_success and failures >= config.failure_threshold
    ends = was_alerting and successes >= config.recovery_threshold
    is_alerting = (was_alerting or is_firing) and not ends
    progress = replace(
        before,
        status=status,
        alert_state=AlertState.ALERTING if is_alerting else AlertState.NORMAL,
        consecutive_failures=failures,
        consecutive_successes=successes,
        last_check_time=result.time,
        last_response_ms=result.response_ms,
        last_http_status=result.http_status,
        last_error=result.error,
        recent_ms=(*before.recent_ms, result.response_ms)[-RECENT_RESULTS:],
    )
    return Judgement(
        progress=progress,
        is_edge=before.status is Status.UP and status is Status.DOWN,
        has_changed=before.status is not status,
        starts_alert=is_firing and not was_alerting,
        is_firing=is_firing,
        ends_alert=ends,
    )


def reset(before: Progress) -> Progress:
    """An endpoint that is now another one: nothing is known of it."""
    return replace(before, status=Status.UNKNOWN, alert_state=AlertState.NORMAL, consecutive_failures=0, consecutive_successes=0)
