"""Thousands of simulated deployments in lists: whatever happens in whatever order, what is decided stays true to the contract."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random

import pytest

from lumetry_core.notifications.delivery import DeliveryStatus
from tests.pipeline.simulation import script
from tests.pipeline.simulation.delivery_invariants import check_covered, check_deliveries, check_finished, check_pages
from tests.pipeline.simulation.ground import STORM
from tests.pipeline.simulation.incident_invariants import check_hints, check_history, check_incidents, check_suppression
from tests.pipeline.simulation.outcome import describe_incidents, told_keys
from tests.pipeline.simulation.script import Mood, Script, Stage, Step
from tests.pipeline.simulation.state import State
from tests.pipeline.simulation.world import T, World
from tests.pipeline.simulation.writing import write_script

SIMULATIONS = int(os.environ.get("LUMETRY_TEST_SIMULATIONS", "500"))
PARTS = 4
"""Tests among which the seeds are divided."""


class Watched(World):
    """A world whose invariants are checked after every round and whenever it has caught up."""

    def __init__(self, told: Script, *, has_crashes: bool = True) -> None:
        super().__init__(told, has_crashes=has_crashes)
        self._has_lost = any(step == script.Crash(Stage.RECORDING) or is_muting(step) for step, _ in told.steps)

    def run(self, stage: Stage, work: Callable[[State], T]) -> T:
        if stage not in (Stage.CORRELATION, Stage.ROUTING):
            return super().run(stage, work)
        before = self.view()
        done = super().run(stage, work)
        after = self.view()
        if stage is Stage.CORRELATION:
            check_suppression(before, after)
            check_history(before, after)
        else:
            check_covered(before, after)
        return done

    def play_step(self, step: Step, *, lags: bool) -> None:
        before = self.view()
        super().play_step(step, lags=lags)
        if lags:
            return
        self.check()
        opened = frozenset(self.state.alerts.keys() - before.alerts.keys())
        if isinstance(step, script.Open) and len(opened) == len(STORM):
            check_pages(before, self.view(), opened)

    def recover(self) -> None:
        super().recover()
        self.check()
        check_finished(self.view())
        assert not [lane for lane in self.state.lanes.values() if lane.outage_time is not None], "an outage does not end"

    def check(self) -> None:
        """Checks a world that has caught up."""
        view = self.view()
        check_incidents(view)
        check_deliveries(view, has_lost=self._has_lost)
        check_hints(self.state.occurrences)


def is_muting(step: Step) -> bool:
    """Whether a receiver loses its voice."""
    return isinstance(step, script.Receiver) and step.mood is Mood.MUTE


def seeds_of(part: int, step: int = PARTS) -> range:
    """The seeds that one test plays."""
    return range(part, SIMULATIONS, step)


@contextmanager
def telling(told: Script) -> Iterator[None]:
    """Prints the script of a simulation that shows a defect."""
    try:
        yield
    except AssertionError as error:
        pytest.fail(f"{error}\n{told}", pytrace=False)


@pytest.mark.parametrize("part", range(PARTS))
def test_play_keeps_the_invariants(part: int) -> None:
    """Whatever happens to alerts, topology, maintenance, people, receivers, the clock and the process: what the contract says holds.

    A process that dies changes nothing: not the incidents, and not what arrives, as long as no receiver refuses for good.
    """
    for seed in seeds_of(part):
        told = write_script(seed)
        with telling(told):
            crashed = Watched(told).play(told)
            smooth = World(told, has_crashes=False).play(told)
            assert crashed.state.incidents == smooth.state.incidents
            rows = (*crashed.state.deliveries.values(), *smooth.state.deliveries.values())
            if not any(row.status is DeliveryStatus.FAILED for row in rows):
                assert told_keys(crashed.view().arrivals) == told_keys(smooth.view().arrivals)


@pytest.mark.parametrize("part", range(PARTS))
def test_play_simultaneous_alerts_in_another_order(part: int) -> None:
    """Which of simultaneous alerts is noticed first changes no incident."""
    for seed in seeds_of(part, 2 * PARTS):
        told = write_script(seed)
        with telling(told):
            expected = describe_incidents(World(told).play(told).view())
            mixed = mix(told)
            assert describe_incidents(World(mixed).play(mixed).view()) == expected


def mix(told: Script) -> Script:
    """The script with its simultaneous alerts in another order."""
    random = Random(told.seed)
    steps = []
    for step, lags in told.steps:
        mixed = replace(step, signals=tuple(random.sample(step.signals, len(step.signals)))) if isinstance(step, script.Open) else step
        steps.append((mixed, lags))
    return replace(told, steps=tuple(steps))
