from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lumetry_core.heartbeats import machine
from lumetry_core.heartbeats.machine import Move
from lumetry_core.heartbeats.model import AlertState, AlertType, Heartbeat, Outcome, PingKind, Run, Status
from tests.core.heartbeats.building import START, after, heartbeat, pinged


@pytest.mark.parametrize("status", Status)
def test_ping_success_from_any_status(status: Status) -> None:
    """A success makes any heartbeat, new and paused ones included, up with a new deadline and a finished run."""
    before = heartbeat(status=status, alert_state=AlertState.ALERTING, consecutive_failures=3)
    move = machine.ping(before, PingKind.SUCCESS, None, "done", START)
    assert move == Move(
        replace(
            before,
            status=Status.UP,
            alert_state=AlertState.NORMAL,
            last_ping_time=START,
            deadline=after(minutes=12),
            due_time=after(minutes=12),
            run_count=1,
            consecutive_failures=0,
            consecutive_successes=1,
            ended_well=True,
        ),
        (Run(1, None, START, None, None, Outcome.SUCCESS, "done"),),
        good=1,
        total=1,
        recovers=True,
    )


def test_ping_exit_code_zero() -> None:
    """Exit code 0 is a success that is remembered as such."""
    move = machine.ping(pinged(kind=PingKind.EXIT_CODE, exit_code=3), PingKind.EXIT_CODE, 0, None, after(minutes=1))
    assert (move.heartbeat.status, move.heartbeat.last_exit_code, move.recovers) == (Status.UP, 0, True)
    assert move.runs == (Run(2, None, after(minutes=1), None, 0, Outcome.SUCCESS),)


def test_ping_success_after_start() -> None:
    """From a start on the run has a duration, and its end closes it."""
    started = machine.ping(pinged(), PingKind.START, None, None, after(minutes=1)).heartbeat
    assert (started.status, started.last_ping_time, started.run_start_time) == (Status.STARTED, START, after(minutes=1))
    assert started.deadline == after(minutes=13)
    move = machine.ping(started, PingKind.SUCCESS, None, None, after(minutes=3, milliseconds=250))
    assert move.runs == (Run(2, after(minutes=1), after(minutes=3, milliseconds=250), 120_250, None, Outcome.SUCCESS),)
    assert (move.heartbeat.last_duration_ms, move.heartbeat.open_run, move.heartbeat.run_start_time) == (120_250, None, None)


def test_ping_start_after_start() -> None:
    """A second start gives the open run up: it counts as one that did not end well."""
    started = machine.ping(pinged(), PingKind.START, None, None, after(minutes=1)).heartbeat
    move = machine.ping(started, PingKind.START, None, None, after(minutes=2))
    assert move.runs == (
        Run(2, after(minutes=1), after(minutes=2), None, None, Outcome.TIMEOUT),
        Run(3, after(minutes=2), None, None, None, Outcome.IN_PROGRESS),
    )
    assert (move.good, move.total, move.incidents, move.failing) == (0, 1, 1, None)


@pytest.mark.parametrize(("kind", "code", "kept"), [(PingKind.EXIT_CODE, 137, 137), (PingKind.FAIL, None, None)])
def test_ping_failure(kind: PingKind, code: int | None, kept: int | None) -> None:
    """A failed run leaves the job up, as it did report, and alerts."""
    move = machine.ping(replace(pinged(), last_exit_code=0), kind, code, "why", after(minutes=5))
    assert move == Move(
        replace(
            pinged(),
            alert_state=AlertState.ALERTING,
            last_ping_time=after(minutes=5),
            deadline=after(minutes=17),
            due_time=after(minutes=17),
            run_count=2,
            last_exit_code=kept,
            consecutive_failures=1,
            consecutive_successes=0,
            ended_well=False,
        ),
        (Run(2, None, after(minutes=5), None, kept, Outcome.FAILURE, "why"),),
        total=1,
        incidents=1,
        failing=AlertType.EXIT_CODE_FAILURE,
    )


def test_ping_failure_after_failure() -> None:
    """An incident of the day is the edge from good to bad alone."""
    failed = machine.ping(pinged(), PingKind.FAIL, None, None, after(minutes=1)).heartbeat
    assert machine.ping(failed, PingKind.FAIL, None, None, after(minutes=2)).incidents == 0


def test_ping_log() -> None:
    """A text changes nothing."""
    assert machine.ping(pinged(), PingKind.LOG, None, "text", after(minutes=1)) == Move(pinged())


def test_miss_waiting() -> None:
    """A deadline that passes without a ping makes the heartbeat down; no run is invented, the day has one failure more."""
    move = machine.miss(pinged(), after(minutes=12))
    assert move == Move(
        replace(
            pinged(),
            status=Status.DOWN,
            alert_state=AlertState.ALERTING,
            due_time=after(minutes=24),
            consecutive_failures=1,
            consecutive_successes=0,
            ended_well=False,
        ),
        total=1,
        incidents=1,
        failing=AlertType.DEADLINE_MISSED,
    )


def test_miss_running() -> None:
    """A started job that does not end in time loses its run; both together count once."""
    started = machine.ping(pinged(), PingKind.START, None, None, after(minutes=1)).heartbeat
    move = machine.miss(started, after(minutes=13))
    assert move.runs == (Run(2, after(minutes=1), after(minutes=13), None, None, Outcome.TIMEOUT),)
    assert (move.total, move.heartbeat.open_run, move.heartbeat.run_start_time) == (1, None, None)


@pytest.mark.parametrize("status", [Status.NEW, Status.DOWN, Status.PAUSED])
def test_miss_unwatched(status: Status) -> None:
    """What is not waited for misses nothing."""
    assert machine.miss(heartbeat(status=status), START) == Move(heartbeat(status=status))


def test_ping_with_clock_set_back() -> None:
    """A run whose end lies before its start took no time."""
    started = machine.ping(heartbeat(), PingKind.START, None, None, START).heartbeat
    [run] = machine.ping(started, PingKind.SUCCESS, None, None, after(hours=-1)).runs
    assert run.duration_ms == 0


def test_pause_and_resume() -> None:
    """A pause waits for nothing, and its end waits from then on; a run that was open may still end with its duration."""
    started = machine.ping(pinged(), PingKind.START, None, None, after(minutes=1)).heartbeat
    paused = machine.pause(started, after(minutes=2))
    assert (paused.status, paused.deadline, paused.due_time, paused.update_time) == (Status.PAUSED, None, None, after(minutes=2))
    assert machine.pause(paused, after(minutes=3)) is paused
    resumed = machine.resume(paused, after(hours=1))
    assert (resumed.status, resumed.deadline, resumed.due_time) == (Status.UP, after(minutes=72), after(minutes=72))
    [run] = machine.ping(paused, PingKind.SUCCESS, None, None, after(minutes=5)).runs
    assert run.duration_ms == 240_000


def redefined(before: Heartbeat, **changes: Any) -> Heartbeat:
    values = {"name": before.name, "interval": 600, "grace": 120, "node_id": None, "now": after(minutes=1), **changes}
    return machine.redefine(before, **values)


def test_redefine_moves_deadline() -> None:
    """A running deadline is counted anew from the ping or start that set it."""
    assert redefined(pinged(), interval=60, grace=0).deadline == after(minutes=1)
    started = machine.ping(pinged(), PingKind.START, None, None, after(minutes=1)).heartbeat
    assert redefined(started, interval=1200).deadline == after(minutes=23)
    assert redefined(pinged(), name="other") == replace(pinged(), name="other", update_time=after(minutes=1))


def test_redefine_after_resume() -> None:
    """A deadline that a resumption set counts from there, not from a ping before the pause."""
    resumed = machine.resume(machine.pause(pinged(), after(minutes=1)), after(hours=5))
    assert redefined(resumed, interval=60, grace=0).deadline == after(hours=5, minutes=1)


@pytest.mark.parametrize("status", [Status.NEW, Status.DOWN, Status.PAUSED])
def test_redefine_unwatched(status: Status) -> None:
    """Without a running deadline none begins."""
    assert redefined(heartbeat(status=status), interval=60, grace=0).deadline is None


def test_look_again() -> None:
    """While its alert is open a look changes nothing; after a person closed it, it comes back when the job was silent as long as it may."""
    down = machine.miss(pinged(), after(minutes=12)).heartbeat
    now = after(minutes=24)
    assert machine.look_again(down, None, now, is_active=True) == (False, after(minutes=36))
    assert machine.look_again(down, after(minutes=20), now, is_active=False) == (False, after(minutes=32))
    assert machine.look_again(down, after(minutes=20), after(minutes=32), is_active=False) == (True, after(minutes=44))


class Life(RuleBasedStateMachine):
    """A heartbeat through pings, silences, pauses and clocks that move either way, beside what must be true of it."""

    @initialize(interval=st.integers(60, 604_800), share=st.floats(0, 1))
    def begin(self, interval: int, share: float) -> None:
        self.now = START
        self.heartbeat = heartbeat(interval_seconds=interval, grace_seconds=int(interval * share))
        self.runs: dict[int, Run] = {}
        self.good = self.total = self.incidents = 0
        self.alerts: set[AlertType] = set()
        self.finished: list[bool] = []

    def take(self, move: Move) -> None:
        for run in move.runs:
            known = self.runs.get(run.number)
            assert known is None or known.outcome is Outcome.IN_PROGRESS, "a run ends once"
            self.runs[run.number] = run
        self.good += move.good
        self.total += move.total
        self.incidents += move.incidents
        if move.total:
            self.finished.append(bool(move.good))
        if move.recovers:
            self.alerts.clear()
        if move.failing is not None:
            self.alerts.add(move.failing)
        self.heartbeat = move.heartbeat

    @rule(seconds=st.integers(-100_000, 2_000_000))
    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(kind=st.sampled_from(PingKind), code=st.integers(0, 255))
    def ping(self, kind: PingKind, code: int) -> None:
        before = self.heartbeat
        self.take(machine.ping(before, kind, code if kind is PingKind.EXIT_CODE else None, None, self.now))
        if kind is PingKind.LOG:
            assert self.heartbeat is before
        else:
            assert self.heartbeat.status is (Status.STARTED if kind is PingKind.START else Status.UP)
            assert self.heartbeat.deadline == self.now + before.span

    @precondition(lambda self: self.heartbeat.deadline is not None and self.now >= self.heartbeat.deadline)
    @rule()
    def miss(self) -> None:
        before = self.heartbeat
        self.take(machine.miss(before, self.now))
        if before.status in (Status.UP, Status.STARTED):
            assert self.heartbeat.status is Status.DOWN
        else:
            assert self.heartbeat is before

    @rule()
    def pause(self) -> None:
        self.heartbeat = machine.pause(self.heartbeat, self.now)
        self.alerts.clear()

    @precondition(lambda self: self.heartbeat.status is Status.PAUSED)
    @rule()
    def resume(self) -> None:
        self.heartbeat = machine.resume(self.heartbeat, self.now)

    @rule(interval=st.integers(60, 604_800))
    def redefine(self, interval: int) -> None:
        node = self.heartbeat.topology_node_id
        self.heartbeat = machine.redefine(self.heartbeat, name="x", interval=interval, grace=0, node_id=node, now=self.now)

    @invariant()
    def holds(self) -> None:
        beat = self.heartbeat
        watched = beat.status in (Status.UP, Status.STARTED)
        assert (beat.status in (Status.NEW, Status.PAUSED)) == (beat.due_time is None)
        assert not watched or beat.deadline == beat.due_time is not None
        assert (beat.alert_state is AlertState.ALERTING) == bool(self.alerts)
        open_runs = [number for number, run in self.runs.items() if run.outcome is Outcome.IN_PROGRESS]
        assert open_runs == ([] if beat.open_run is None else [beat.open_run])
        assert (beat.open_run is None) == (beat.run_start_time is None)
        assert sorted(self.runs) == list(range(1, beat.run_count + 1))
        assert beat.consecutive_failures == 0 or beat.consecutive_successes == 0
        assert self.total == len(self.finished)
        assert self.good == sum(self.finished)
        edges = sum(earlier and not later for earlier, later in zip(self.finished, self.finished[1:], strict=False))
        assert self.incidents == edges
        assert all(run.duration_ms is None or run.duration_ms >= 0 for run in self.runs.values())


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_life_is_pure() -> None:
    """An event leaves what it was given as it was."""
    before = pinged()
    copy: datetime | None = before.deadline
    machine.miss(before, after(hours=1))
    assert (before, before.deadline) == (pinged(), copy)
