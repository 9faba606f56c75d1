"""The state machine of contract monitoring 6.4: what a ping, a passed deadline or a person makes of a heartbeat. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lumetry_core.heartbeats.model import AlertState, AlertType, Heartbeat, Outcome, PingKind, Run, Status

MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Move:
    """What follows from an event."""

    heartbeat: Heartbeat
    runs: tuple[Run, ...] = ()
    """Runs that were opened or ended by it."""
    good: int = 0
    total: int = 0
    """What it adds to the day: finished runs, and the good ones of them."""
    incidents: int = 0
    failing: AlertType | None = None
    """What is now wrong, whether or not it was before."""
    recovers: bool = False
    """All that was wrong is right again."""


def ping(heartbeat: Heartbeat, kind: PingKind, exit_code: int | None, payload: str | None, now: datetime) -> Move:
    """A ping came. `exit_code` counts for that kind only."""
    if kind is PingKind.LOG:
        return Move(heartbeat)
    if kind is PingKind.START:
        return start(heartbeat, payload, now)
    if kind is PingKind.SUCCESS:
        return succeed(heartbeat, None, payload, now)
    if kind is PingKind.EXIT_CODE and exit_code == 0:
        return succeed(heartbeat, 0, payload, now)
    return fail(heartbeat, exit_code if kind is PingKind.EXIT_CODE else None, payload, now)


def succeed(heartbeat: Heartbeat, exit_code: int | None, payload: str | None, now: datetime) -> Move:
    """The job ended well, which ends all that was wrong."""
    run = end_run(heartbeat, Outcome.SUCCESS, exit_code, payload, now)
    deadline = now + heartbeat.span
    after = replace(
        heartbeat,
        status=Status.UP,
        alert_state=AlertState.NORMAL,
        last_ping_time=now,
        deadline=deadline,
        due_time=deadline,
        run_start_time=None,
        open_run=None,
        run_count=max(heartbeat.run_count, run.number),
        last_exit_code=heartbeat.last_exit_code if exit_code is None else exit_code,
        last_duration_ms=heartbeat.last_duration_ms if run.duration_ms is None else run.duration_ms,
        consecutive_failures=0,
        consecutive_successes=heartbeat.consecutive_successes + 1,
        ended_well=True,
    )
    return Move(after, (run,), good=1, total=1, recovers=heartbeat.alert_state is AlertState.ALERTING)


def fail(heartbeat: Heartbeat, exit_code: int | None, payload: str | None, now: datetime) -> Move:
    """The job ended badly. It did report, so its next deadline is watched."""
    run = end_run(heartbeat, Outcome.FAILURE, exit_code, payload, now)
    deadline = now + heartbeat.span
    after = replace(
        heartbeat,
        status=Status.UP,
        alert_state=AlertState.ALERTING,
        last_ping_time=now,
        deadline=deadline,
        due_time=deadline,
        run_start_time=None,
        open_run=None,
        run_count=max(heartbeat.run_count, run.number),
        last_exit_code=exit_code,
        last_duration_ms=heartbeat.last_duration_ms if run.duration_ms is None else run.duration_ms,
        consecutive_failures=heartbeat.consecutive_failures + 1,
        consecutive_successes=0,
        ended_well=False,
    )
    return Move(after, (run,), total=1, incidents=int(heartbeat.ended_well), failing=AlertType.EXIT_CODE_FAILURE)


def start(heartbeat: Heartbeat, payload: str | None, now: datetime) -> Move:
    """The job begins to run; a run that was open never ended."""
    number = heartbeat.run_count + 1
    opened = Run(number, now, None, None, None, Outcome.IN_PROGRESS, payload)
    lost = heartbeat.open_run is not None
    deadline = now + heartbeat.span
    after = replace(
        heartbeat,
        status=Status.STARTED,
        deadline=deadline,
        due_time=deadline,
        run_start_time=now,
        open_run=number,
        run_count=number,
        ended_well=heartbeat.ended_well and not lost,
    )
    if not lost:
        return Move(after, (opened,))
    closed = end_run(heartbeat, Outcome.TIMEOUT, None, None, now)
    return Move(after, (closed, opened), total=1, incidents=int(heartbeat.ended_well))


def miss(heartbeat: Heartbeat, now: datetime) -> Move:
    """The deadline passed. Counts one failure of the day, whether or not a run was open."""
    if heartbeat.status not in (Status.UP, Status.STARTED):
        return Move(heartbeat)
    runs = () if heartbeat.open_run is None else (end_run(heartbeat, Outcome.TIMEOUT, None, None, now),)
    after = replace(
        heartbeat,
        status=Status.DOWN,
        alert_state=AlertState.ALERTING,
        due_time=now + heartbeat.span,
        run_start_time=None,
        open_run=None,
        consecutive_failures=heartbeat.consecutive_failures + 1,
        consecutive_successes=0,
        ended_well=False,
    )
    return Move(after, runs, total=1, incidents=int(heartbeat.ended_well), failing=AlertType.DEADLINE_MISSED)


def end_run(heartbeat: Heartbeat, outcome: Outcome, exit_code: int | None, payload: str | None, now: datetime) -> Run:
    """The open run, ended; without one, a run of which only the end is known. How long a lost run took is not known either."""
    if heartbeat.open_run is None:
        return Run(heartbeat.run_count + 1, None, now, None, exit_code, outcome, payload)
    began = heartbeat.run_start_time or now
    duration = None if outcome is Outcome.TIMEOUT else max((now - began) // MILLISECOND, 0)
    return Run(heartbeat.open_run, began, now, duration, exit_code, outcome, payload)


def pause(heartbeat: Heartbeat, now: datetime) -> Heartbeat:
    """Nobody watches it any more. A run that is open may still end."""
    if heartbeat.status is Status.PAUSED:
        return heartbeat
    return replace(heartbeat, status=Status.PAUSED, alert_state=AlertState.NORMAL, deadline=None, due_time=None, update_time=now)


def resume(heartbeat: Heartbeat, now: datetime) -> Heartbeat:
    """It is watched again, from now on."""
    deadline = now + heartbeat.span
    return replace(heartbeat, status=Status.UP, deadline=deadline, due_time=deadline, update_time=now)


def redefine(heartbeat: Heartbeat, *, name: str, interval: int, grace: int, node_id: int | None, now: datetime) -> Heartbeat:
    """A person changed it. A running deadline moves with interval and grace."""
    after = replace(heartbeat, name=name, interval_seconds=interval, grace_seconds=grace, topology_node_id=node_id, update_time=now)
    if heartbeat.deadline is None or heartbeat.status not in (Status.UP, Status.STARTED):
        return after
    deadline = heartbeat.deadline - heartbeat.span + after.span
    return replace(after, deadline=deadline, due_time=deadline)


def look_again(heartbeat: Heartbeat, closed_time: datetime | None, now: datetime, *, is_active: bool) -> tuple[bool, datetime]:
    """What a look at a heartbeat that is down decides: whether its alert is due anew, and when the next look is (contract 9.5).

    Args:
        closed_time: When a person last closed the alert.
        is_active: Whether the alert is open.
    """
    if is_active:  # a person who closes it from now on is heard of in time, as the alert comes back so much after that
        return False, now + heartbeat.span
    back = now if closed_time is None else closed_time + heartbeat.span
    return (True, now + heartbeat.span) if back <= now else (False, back)
