"""The state machine against the contract, sentence by sentence, and against the naive oracle."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumetry_core.evaluation.compile import compile_rule
from lumetry_core.evaluation.machine import START, Counted, State, Step, is_idle, judge, restart_counting, step
from lumetry_core.rules.model import Direction, Rule, Severity
from tests.core.evaluation.building import level, rule
from tests.core.evaluation.oracle import Oracle

SECOND = 1000
MINUTE = 60 * SECOND
GRACE = 120 * SECOND


@dataclass
class Run:
    """Feeds a machine points given in minutes and keeps what it says."""

    of: Rule
    state: State = START
    newest: int = -(10**9)
    log: list[str] = field(default_factory=list)
    alert_count: int = 0
    counts: dict[int, int] = field(default_factory=dict)

    def feed(self, *points: tuple[float, float]) -> "Run":
        for minutes, value in points:
            self.take(round(minutes * MINUTE), value)
        return self

    def take(self, time: int, value: float) -> Step:
        self.newest = max(self.newest, time)
        is_late = self.newest - time > GRACE
        watch = compile_rule(self.of, None, GRACE)
        assert watch.limits is not None
        verdict = judge(watch, watch.limits, value)
        done = step(watch, self.state, time, verdict, newest=self.newest, is_late=is_late, handle=self.alert_count + 1)
        self.state = done.state
        self.note(time, done)
        return done

    def note(self, time: int, done: Step) -> None:
        at = f"{time / MINUTE:g}"
        if done.opened:
            self.alert_count += 1
            self.counts[done.opened.handle] = len(done.opened.carried)
            name = "Critical" if done.opened.level.rank else "Warning"
            self.log.append(f"{at} open {name} {len(done.opened.carried)}")
        elif done.violated and done.violated.handle:
            self.counts[done.violated.handle] += 1
            self.log.append(f"{at} join{' late' if done.violated.is_late else ''}")
        elif done.violated:
            self.log.append(f"{at} violation{' late' if done.violated.is_late else ''}")
        if done.escalated:
            self.counts[done.escalated.handle] += len(done.escalated.carried)
            self.log.append(f"{at} escalate {done.escalated.violations}")
        if done.closed:
            self.log.append(f"{at} close")


@pytest.mark.parametrize(
    ("direction", "value", "breaches"),
    [
        (Direction.ABOVE, 10.0, False),
        (Direction.ABOVE, 10.5, True),
        (Direction.ABOVE, -5.0, False),
        (Direction.BELOW, 0.0, False),
        (Direction.BELOW, -0.5, True),
        (Direction.BELOW, 50.0, False),
        (Direction.BOTH, 10.5, True),
        (Direction.BOTH, -0.5, True),
        (Direction.BOTH, 10.0, False),
        (Direction.BOTH, 0.0, False),
    ],
)
def test_step_at_limits(direction: Direction, value: float, breaches: bool) -> None:
    """Only values strictly beyond a limit of the direction breach."""
    run = Run(rule(direction=direction, static_upper=10.0, static_lower=0.0)).feed((0, value))
    assert run.log == (["0 open Warning 1"] if breaches else [])


def test_step_counts_within_the_window_both_ends_included() -> None:
    """Three violations exactly one window apart, end to end, trigger; a millisecond more does not."""
    of = rule(level(trigger_count=3, trigger_window_minutes=10))
    assert Run(of).feed((0, 11), (4, 11), (10, 11)).log == ["0 violation", "4 violation", "10 open Warning 3"]
    apart = Run(of).feed((0, 11), (4, 11))
    apart.take(10 * MINUTE + 1, 11)
    assert apart.log == ["0 violation", "4 violation", "10 violation"]


def test_step_while_open_joins_and_escalates_once() -> None:
    """New violations join; the critical level counts the alert's own; severity never goes down; the alert stays one."""
    of = rule(
        level(trigger_count=1),
        level(Severity.CRITICAL, static_upper=20.0, trigger_count=2, trigger_window_minutes=5),
    )
    run = Run(of).feed((0, 21), (1, 11), (2, 21), (3, 21), (4, 11))
    assert run.log == ["0 open Warning 1", "1 join", "2 join", "2 escalate 2", "3 join", "4 join"]
    assert run.counts == {1: 5}


def test_step_opens_at_the_most_severe_level() -> None:
    """When both levels trigger at once the alert opens at the critical one, with the violations that carry that trigger."""
    of = rule(
        level(trigger_count=3, trigger_window_minutes=10),
        level(Severity.CRITICAL, static_upper=20.0, trigger_count=1),
    )
    run = Run(of).feed((0, 11), (1, 11), (2, 21))
    assert run.log == ["0 violation", "1 violation", "2 open Critical 1"]
    assert run.state.loose == (Counted(0, 0), Counted(MINUTE, 0))


def test_step_violations_of_a_closed_alert_never_count_again() -> None:
    """After recovery the count starts from zero, although the old violations are within the window."""
    of = rule(level(trigger_count=2, trigger_window_minutes=60, recovery_minutes=1))
    run = Run(of).feed((0, 11), (1, 11), (2, 5), (3, 11), (4, 11))
    assert run.log == ["0 violation", "1 open Warning 2", "2 close", "3 violation", "4 open Warning 2"]


def test_step_recovers_after_the_quiet_period() -> None:
    """The first clear point at or after the quiet period closes; an earlier one does not."""
    of = rule(level(recovery_minutes=5))
    run = Run(of).feed((0, 11), (1, 11), (5, 5))
    run.take(6 * MINUTE - 1, 5)
    assert run.log == ["0 open Warning 1", "1 join"]
    assert run.feed((6, 5)).log[-1] == "6 close"


def test_step_with_recovery_zero_closes_at_the_first_clear_point() -> None:
    """No quiet period, no waiting."""
    assert Run(rule(level(recovery_minutes=0))).feed((0, 11), (0.5, 5)).log == ["0 open Warning 1", "0.5 close"]


def test_step_neutral_point_prolongs_but_never_opens() -> None:
    """Between recovery limit and limit a point is neither violation nor clear; on the recovery limit it is clear."""
    of = rule(level(recovery_minutes=2, recovery_upper=8.0))
    run = Run(of).feed((0, 9), (1, 11), (2, 9), (3, 8), (4, 8))
    assert run.log == ["1 open Warning 1", "4 close"]


def test_step_without_auto_recover_stays_open() -> None:
    """Only people close such alerts."""
    assert Run(rule(level(recovery_minutes=0), auto_recover=False)).feed((0, 11), (100, 5)).log == ["0 open Warning 1"]


def test_step_out_of_order_point_counts_at_the_newest_end_too() -> None:
    """A point that is not late completes a window that ends at the newest point; its own time becomes the start."""
    of = rule(level(trigger_count=3, trigger_window_minutes=2))
    run = Run(of).feed((1, 11), (2, 11), (0.5, 11))
    assert run.log == ["1 violation", "2 violation", "0.5 open Warning 3"]


def test_step_clear_point_behind_the_newest_does_not_close() -> None:
    """Only the newest point of the series can close."""
    run = Run(rule(level(recovery_minutes=1))).feed((0, 11), (2, 11), (1.5, 5), (3, 5))
    assert run.log == ["0 open Warning 1", "2 join", "3 close"]


def test_step_exactly_at_the_grace_is_not_late() -> None:
    """A distance of exactly the grace period counts; a millisecond more is late and carries no weight."""
    run = Run(rule()).feed((10, 5), (8, 11))
    assert run.log == ["8 open Warning 1"]
    late = Run(rule()).feed((10, 5))
    late.take(8 * MINUTE - 1, 11)
    assert late.log == ["7.99998 violation late"]
    assert late.state.loose == ()


def test_step_late_violation_joins_the_alert_around_it() -> None:
    """Late evidence inside the alert's time joins; before the first violation it does not; it never escalates."""
    of = rule(level(recovery_minutes=60), level(Severity.CRITICAL, static_upper=20.0, trigger_count=1))
    run = Run(of).feed((0, 11), (10, 11), (5, 21), (-1, 21))
    assert run.log == ["0 open Warning 1", "10 join", "5 join late", "-1 violation late"]


def test_restart_counting_keeps_the_alert() -> None:
    """A new epoch forgets what counted, the alert's own violations too."""
    of = rule(level(), level(Severity.CRITICAL, static_upper=20.0, trigger_count=2, trigger_window_minutes=5))
    run = Run(of).feed((0, 21))
    run.state = restart_counting(run.state)
    assert run.feed((1, 21), (2, 21)).log == ["0 open Warning 1", "1 join", "2 join", "2 escalate 2"]


def test_is_idle_once_no_window_reaches_back() -> None:
    """State that no point to come can notice may be dropped."""
    of = rule(level(trigger_count=5, trigger_window_minutes=3))
    watch = compile_rule(of, None, GRACE)
    state = Run(of).feed((0, 11)).state
    assert not is_idle(watch, state, 5 * MINUTE)
    assert is_idle(watch, state, 5 * MINUTE + 1)


LIMITS = st.sampled_from([10.0, 12.0, 15.0])
LEVELS = st.builds(
    lambda first, second, windows, recoveries, kind, recovery: {
        "W": (level(trigger_count=first, trigger_window_minutes=windows[0], recovery_minutes=recoveries[0], recovery_upper=recovery),),
        "C": (level(Severity.CRITICAL, trigger_count=second, trigger_window_minutes=windows[1], recovery_minutes=recoveries[1]),),
        "WC": (
            level(trigger_count=first, trigger_window_minutes=windows[0], recovery_minutes=recoveries[0], recovery_upper=recovery),
            level(
                Severity.CRITICAL,
                static_upper=20.0,
                trigger_count=second,
                trigger_window_minutes=windows[1],
                recovery_minutes=recoveries[1],
            ),
        ),
    }[kind],
    st.integers(1, 4),
    st.integers(1, 3),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
    st.sampled_from(["W", "C", "WC", "WC"]),
    st.sampled_from([None, 8.0]),
)
RULES = st.builds(lambda levels, recovers: rule(*levels, auto_recover=recovers), LEVELS, st.sampled_from([True, True, True, False]))
STEPS = st.lists(
    st.tuples(st.sampled_from([1, 1, 1, 1, 2, 3, -1, -2, -3, -5, -8]), st.sampled_from([5.0, 8.0, 9.0, 10.0, 11.0, 11.0, 21.0, 21.0])),
    max_size=60,
)


@settings(max_examples=600, deadline=None)
@given(RULES, STEPS)
def test_step_agrees_with_the_oracle(of: Rule, moves: list[tuple[int, float]]) -> None:
    """On any series, in any order, the machine records what counting over the whole history gives."""
    oracle = Oracle(of, GRACE)
    run = Run(of)
    seen: set[int] = set()
    newest = 0
    for move, value in moves:
        time = newest + move * 30 * SECOND
        if time in seen:
            continue
        seen.add(time)
        newest = max(newest, time)
        run.newest = max(run.newest, newest)
        before = len(oracle.alerts), [alert.end for alert in oracle.alerts], [list(alert.reasons) for alert in oracle.alerts]
        oracle.take(time, value, newest)
        done = run.take(time, value)
        opened = len(oracle.alerts) > before[0]
        assert bool(done.opened) == opened
        if done.opened:
            assert (done.opened.level.rank, len(done.opened.carried)) == oracle.alerts[-1].reasons[-1]
        escalated = [
            alert.reasons[-1] for alert, reasons in zip(oracle.alerts, before[2], strict=False) if len(alert.reasons) > len(reasons)
        ]
        assert ([(done.escalated.level.rank, done.escalated.violations)] if done.escalated else []) == escalated
        closed = [alert.end for alert, end in zip(oracle.alerts, before[1], strict=False) if alert.end != end]
        assert ([time] if done.closed else []) == closed
        if not (done.violated and done.violated.is_late and done.violated.handle is None):
            last = oracle.violations[-1].alert if done.violated else None
            joined = oracle.alerts.index(last) + 1 if last else None
            assert (done.violated.handle if done.violated else None) == joined


def test_step_counts_back_over_window_and_grace() -> None:
    """A point just not late still sees violations a whole window before it."""
    of = rule(level(trigger_count=2, trigger_window_minutes=4))
    assert Run(of).feed((0, 11), (6, 11), (4, 11)).log == ["0 violation", "6 violation", "4 open Warning 2"]
    assert Run(of).feed((0, 11), (6, 5), (4, 11)).log == ["0 violation", "4 open Warning 2"]
