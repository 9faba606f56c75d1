from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lumetry_core.fleet.model import MemberState, OpenAlert, Patience, Run, Verdict
from lumetry_core.fleet.ticking import Gone, Opened, Raised, Recovered, Seen, Step, advance
from lumetry_core.metrics.fleet_contract import Analysis

MINUTE = 60_000
PEER, BASELINE = Analysis.PEER, Analysis.BASELINE
BOTH = Patience({PEER: 3, BASELINE: 2}, 2, 10 * MINUTE)
ONE = Patience({PEER: 3}, 2, 10 * MINUTE)
LETTERS = {"n": Verdict.NORMAL, "w": Verdict.WARNING, "c": Verdict.CRITICAL, "u": Verdict.UNJUDGED}


def play(ticks: str, patience: Patience = ONE, state: MemberState | None = None) -> tuple[list[tuple[int, Step]], MemberState]:
    """Runs a tick a minute: words of a letter for each analysis, `-` for a tick without a value. Alerts get the number of their tick."""
    state = state or MemberState()
    steps: list[tuple[int, Step]] = []
    for number, word in enumerate(ticks.split(), start=1):
        verdicts = {analysis: LETTERS.get(letter, Verdict.UNJUDGED) for analysis, letter in zip(patience.open_ticks, word, strict=False)}
        seen = None if word == "-" else Seen(number * MINUTE - 5000, verdicts)
        state, step = advance(state, number * MINUTE, seen, patience, 0)
        if step is not None:
            steps.append((number, step))
        if isinstance(step, Opened):
            state = MemberState(state.runs, state.normal_ticks, state.last_time_ms, OpenAlert(number, step.is_critical))
    return steps, state


def run(ticks: int, start: int, *, critical: bool = False) -> Run:
    return Run(ticks, start * MINUTE, start * MINUTE - 5000, critical)


def test_advance_opens_after_outliers_in_a_row_and_closes_after_normal_ticks() -> None:
    """Two outliers are not three, a normal tick starts again, and the alert lasts until enough normal ticks came in a row."""
    steps, state = play("w w n w w w w n w n n")
    assert steps == [(6, Opened(PEER, False, {PEER: run(3, 4)})), (11, Recovered(2))]
    assert state.is_idle


def test_advance_disregards_ticks_without_a_value() -> None:
    """Missing values count neither way, when opening and when closing."""
    assert play("w - w - - w n - n")[0] == [(6, Opened(PEER, False, {PEER: run(3, 1)})), (9, Recovered(2))]


def test_advance_disregards_an_analysis_that_could_not_judge() -> None:
    """Without enough peers nothing is said: a run goes on, and a normal tick needs the word of every analysis."""
    assert play("w u w u w u n u n")[0] == [(5, Opened(PEER, False, {PEER: run(3, 1)})), (9, Recovered(2))]
    assert play("wu wu wu nu nu nu nn nn", BOTH)[0] == [(3, Opened(PEER, False, {PEER: run(3, 1)})), (8, Recovered(2))]


def test_advance_opens_one_alert_for_both_analyses() -> None:
    """The first analysis to have its run opens it, with what the other found so far; both must be normal for it to close."""
    steps, _ = play("wn ww ww nw nn nn", BOTH)
    assert steps == [(3, Opened(PEER, False, {PEER: run(3, 1), BASELINE: run(2, 2)})), (6, Recovered(2))]
    assert play("nw nw wn wn nn nw nn nn", BOTH)[0] == [(2, Opened(BASELINE, False, {BASELINE: run(2, 1)})), (8, Recovered(2))]


def test_advance_raises_severity_once_and_never_lowers_it() -> None:
    """A critical outlier raises an open alert; one within the run opens it as critical."""
    steps, state = play("w w w w c c w")
    assert steps == [(3, Opened(PEER, False, {PEER: run(3, 1)})), (5, Raised(PEER, 5))]
    assert state.alert == OpenAlert(3, True)
    assert play("c w w")[0] == [(3, Opened(PEER, True, {PEER: run(3, 1, critical=True)}))]


def test_advance_closes_when_the_member_is_gone() -> None:
    """A member without a value for long enough is gone, exactly at the distance; without an alert it is merely forgotten."""
    steps, state = play("w w w " + "- " * 10)
    assert steps == [(3, Opened(PEER, False, {PEER: run(3, 1)})), (13, Gone())]
    assert state == MemberState()
    assert play("w w " + "- " * 10 + "w w") == ([], MemberState({PEER: run(2, 13)}, 0, 14 * MINUTE - 5000))


def test_advance_does_not_hold_our_own_absence_against_a_member() -> None:
    """Time before the first tick after an interruption is nobody's absence."""
    state = MemberState({}, 0, 0, OpenAlert(1, False))
    assert advance(state, 60 * MINUTE, None, ONE, 60 * MINUTE) == (state, None)
    assert advance(state, 69 * MINUTE, None, ONE, 60 * MINUTE) == (state, None)
    assert advance(state, 70 * MINUTE, None, ONE, 60 * MINUTE) == (MemberState(), Gone())


words = st.lists(st.sampled_from(["-", *(first + second for first in "nwcu" for second in "nwcu")]), max_size=60)


@given(words)
def test_advance_opens_and_closes_in_turn(ticks: list[str]) -> None:
    """An alert opens only when none is open, rises at most once, and closes at most once."""
    steps, state = play(" ".join(ticks), BOTH)
    is_open = rises = 0
    for _, step in steps:
        if isinstance(step, Opened):
            assert not is_open
            is_open, rises = 1, int(step.is_critical)
        elif isinstance(step, Raised):
            assert (is_open, rises) == (1, 0)
            rises = 1
        else:
            assert is_open
            is_open = 0
    assert (state.alert is not None) == bool(is_open)


@given(words)
def test_advance_is_the_same_with_missing_ticks_in_between(ticks: list[str]) -> None:
    """Ticks without a value change nothing as long as the member is not gone."""
    kept = [word for word in ticks if word != "-"]
    spread = " - ".join(kept)
    assert [step_of(step) for _, step in play(spread, BOTH)[0]] == [step_of(step) for _, step in play(" ".join(kept), BOTH)[0]]


def step_of(step: Step) -> object:
    """A step without its times."""
    return (type(step), {name: each.ticks for name, each in step.runs.items()}) if isinstance(step, Opened) else step


class Member(RuleBasedStateMachine):
    """A member of whom ticks are told by the letters of the contract, against a model that counts from the whole history."""

    @initialize(open_ticks=st.integers(1, 4), close_ticks=st.integers(1, 4))
    def begin(self, open_ticks: int, close_ticks: int) -> None:
        self.patience = Patience({PEER: open_ticks}, close_ticks, 5 * MINUTE)
        self.state = MemberState()
        self.tick = 0
        self.history: list[Verdict] = []
        """Verdicts that count, since the last opening or closing for closing and opening."""
        self.silent = 0

    @rule(letter=st.sampled_from("nwcu"))
    def see(self, letter: str) -> None:
        self.tick += 1
        self.silent = 0
        verdict = LETTERS[letter]
        if verdict is not Verdict.UNJUDGED:
            self.history.append(verdict)
        self.move(Seen(self.tick * MINUTE, {PEER: verdict}))

    @rule()
    def miss(self) -> None:
        self.tick += 1
        self.silent += 1
        self.move(None)

    @rule()
    def close_by_hand(self) -> None:
        """A person's close makes counts start from zero, as the caller then forgets the state."""
        if self.state.alert is not None:
            self.state, self.history = MemberState(), []

    def move(self, seen: Seen | None) -> None:
        was_open = self.state.alert
        self.state, step = advance(self.state, self.tick * MINUTE, seen, self.patience, 0)
        needed = self.patience.open_ticks[PEER]
        tail = self.history[-needed:]
        if was_open is None:
            is_due = len(tail) == needed and all(verdict.is_outlier for verdict in tail) and seen is not None
            assert isinstance(step, Opened) == is_due
            if isinstance(step, Opened):
                assert step.is_critical == (Verdict.CRITICAL in tail)
                self.state = MemberState(self.state.runs, 0, self.state.last_time_ms, OpenAlert(1, step.is_critical))
        else:
            normal = self.history[-self.patience.close_ticks :]
            is_normal = len(normal) == self.patience.close_ticks and all(verdict is Verdict.NORMAL for verdict in normal)
            assert isinstance(step, Recovered) == (is_normal and seen is not None)
            assert isinstance(step, Gone) == (self.silent >= 5)
        if isinstance(step, Recovered) or self.silent >= 5:
            self.history = []

    @invariant()
    def nothing_is_remembered_in_vain(self) -> None:
        if hasattr(self, "state") and self.state.is_idle:
            assert not self.state.runs


TestMember = Member.TestCase


@pytest.mark.parametrize("runs", [{}, {PEER: Run(1, 0, 0, False)}])
def test_is_idle_without_run_and_alert(runs: Mapping[Analysis, Run]) -> None:
    """Only what may still matter is remembered."""
    assert MemberState(runs).is_idle == (not runs)
    assert not MemberState(runs, alert=OpenAlert(1, False)).is_idle
