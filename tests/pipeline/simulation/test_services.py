"""The same scripts on the real services: they do what their pure decisions say, and no crash changes what comes of it."""

import os
from pathlib import Path

import pytest

from lumetry_core.notifications.delivery import DeliveryStatus
from tests.pipeline.simulation import script
from tests.pipeline.simulation.delivery_invariants import check_deliveries, check_finished
from tests.pipeline.simulation.deployment import deploy
from tests.pipeline.simulation.incident_invariants import check_incidents
from tests.pipeline.simulation.outcome import describe_incidents, told_keys
from tests.pipeline.simulation.script import Mood, Script, Stage
from tests.pipeline.simulation.state import View
from tests.pipeline.simulation.world import World
from tests.pipeline.simulation.writing import write_script

SIMULATIONS = int(os.environ.get("LUMETRY_TEST_SIMULATIONS", "500")) // 30
LENGTH = 25


async def play(template: Path, folder: Path, told: Script, *, has_crashes: bool) -> View:
    """Plays a script to its end, and checks it on the way."""
    has_lost = any(step == script.Crash(Stage.RECORDING) or getattr(step, "mood", None) is Mood.MUTE for step, _ in told.steps)
    async with deploy(template, folder, told, has_crashes=has_crashes) as world:
        for step, lags in told.steps:
            await world.play_step(step, lags=lags)
            if not lags:
                view = await world.view()
                check_incidents(view)
                check_deliveries(view, has_lost=has_lost)
        await world.recover()
        view = await world.view()
        check_incidents(view)
        check_deliveries(view, has_lost=has_lost)
        check_finished(view)
        return view


@pytest.mark.parametrize("seed", range(SIMULATIONS))
async def test_play_on_the_services(sqlite_template: Path, tmp_path: Path, seed: int) -> None:
    """Incidents and what is told are those of the simulation in lists, whatever dies in between."""
    told = write_script(seed, LENGTH)
    try:
        expected = World(told, has_crashes=False).play(told).view()
        view = await play(sqlite_template, tmp_path, told, has_crashes=True)
        assert describe_incidents(view) == describe_incidents(expected)
        assert view.hints == expected.hints
        rows = (*view.deliveries.values(), *expected.deliveries.values())
        if not any(row.status is DeliveryStatus.FAILED for row in rows):
            assert told_keys(view.arrivals) == told_keys(expected.arrivals)
    except AssertionError as error:
        pytest.fail(f"{error}\n{told}", pytrace=False)
