"""A deployment in lists that plays a script: the product's pure decisions without any store."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Self, TypeVar

from lumetry_core.incidents.service.correlating import SWEEP
from lumetry_core.incidents.worker import SWEEP_INTERVAL
from lumetry_core.notifications.delivery import Delivery
from tests.pipeline.simulation import alerting, deeds, grouping, script, sending, telling
from tests.pipeline.simulation.ground import START, STEP
from tests.pipeline.simulation.script import Mood, Script, Stage, Step
from tests.pipeline.simulation.state import Arrival, State, View

T = TypeVar("T")
LULL = timedelta(seconds=2)
"""Longer than an opening waits to see a storm."""
TAKEOVER = timedelta(seconds=16)
"""Longer than the lease of a process that died."""


class World:
    """One process of everything, which dies and comes back where the script says so."""

    def __init__(self, told: Script, *, has_crashes: bool = True) -> None:
        self.state = State()
        self.now = START
        self.moods = dict.fromkeys(range(1, told.setup.integrations + 1), Mood.WELL)
        self.arrivals: list[Arrival] = []
        self._targets = telling.make_targets(told.setup)
        self._has_crashes = has_crashes
        self._crashes: set[Stage] = set()
        self._next_sweep = START

    def play(self, told: Script) -> Self:
        """Plays a script; after a step that is not lagging every stage catches up."""
        for step, lags in told.steps:
            self.play_step(step, lags=lags)
        self.recover()
        return self

    def play_step(self, step: Step, *, lags: bool) -> None:
        """Plays a step and what follows it."""
        self.do(step)
        if lags:
            self.pass_by()
        else:
            self.settle()

    def do(self, step: Step) -> None:
        """Plays a step; one that is not possible now does nothing."""
        match step:
            case script.Receiver(integration, mood):
                self.moods[integration] = mood
            case script.Crash(stage):
                if self._has_crashes:
                    self._crashes.add(stage)
            case script.Wait(seconds):
                self.now += timedelta(seconds=seconds)
            case _:
                deeds.do(step, self.state, self.now)

    def pass_by(self) -> None:
        """Time passes, and no stage comes to do anything."""
        self.now += STEP

    def settle(self) -> None:
        """Every stage catches up, until nothing is left to do but what later times bring."""
        self.work()
        for pause in (LULL, TAKEOVER):
            self.now += pause
            self.work()
        self.pass_by()

    def work(self) -> None:
        """One round of every stage."""
        self.run(Stage.UPKEEP, lambda state: alerting.keep_operations(state, self.now))
        if self.now >= self._next_sweep:
            self._next_sweep = self.now + SWEEP_INTERVAL
            if grouping.has_watched(self.state):
                self.state.correlation.append((SWEEP, 0))
        if self.state.correlation:
            self.run(Stage.CORRELATION, lambda state: grouping.correlate_waiting(state, self.now))
        telling.wake_due(self.state, self.now)
        handed = []
        if self.state.routing:
            handed = self.run(Stage.ROUTING, lambda state: telling.route_waiting(state, self._targets, self.now))
        self.send([(row, False) for row in handed])

    def run(self, stage: Stage, work: Callable[[State], T]) -> T:
        """Runs a round of a stage; when the process dies in it, first for nothing."""
        if stage in self._crashes:
            self._crashes.discard(stage)
            work(self.state.fork())
        return work(self.state)

    def send(self, claimed: list[tuple[Delivery, bool]]) -> None:
        """Sends what is leased, then what is due, until nothing is."""
        while True:
            attempts, returned = sending.send_all(claimed, self.moods, self.arrivals, self.now)
            if attempts and Stage.RECORDING in self._crashes:
                self._crashes.discard(Stage.RECORDING)
            elif attempts:
                sending.record(self.state, attempts, returned, self.now)
            claimed = sending.claim_due(self.state, self.now)
            if not claimed:
                return

    def recover(self) -> None:
        """All receivers are well, and time goes on until every retry was due."""
        self.moods = dict.fromkeys(self.moods, Mood.WELL)
        for _ in range(8):
            self.now += timedelta(minutes=10)
            self.settle()

    def view(self) -> View:
        """What the invariants are about."""
        state = self.state
        return View(
            self.now,
            dict(state.alerts),
            dict(state.incidents),
            dict(state.members),
            dict(state.deliveries),
            tuple(self.arrivals),
            tuple(state.silences.values()),
            frozenset(number for number, alert in state.alerts.items() if not alert.is_active and number not in state.seen),
            dict(Counter((each.type, each.key) for each in state.occurrences)),
        )
