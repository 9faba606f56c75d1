"""Short scripts on the real services, each of what a simulation once showed to go wrong."""

from pathlib import Path

import pytest

from lumetry_core.alerts.maintenance import ScopeType
from tests.pipeline.simulation.delivery_invariants import check_pages
from tests.pipeline.simulation.deployment import deploy
from tests.pipeline.simulation.ground import STORM
from tests.pipeline.simulation.script import Close, Flash, Maintain, Open, Script, Setup, Step
from tests.pipeline.simulation.state import View

ALL = tuple(signal.number for signal in STORM)


async def play(template: Path, folder: Path, *steps: tuple[Step, bool]) -> tuple[View, View]:
    """Plays steps on the services; answers what there was before the last one, and what there is once it has been caught up with."""
    told = Script(0, Setup(), steps)
    async with deploy(template, folder, told, has_crashes=False) as world:
        for step, lags in steps[:-1]:
            await world.play_step(step, lags=lags)
        before = await world.view()
        await world.play_step(steps[-1][0], lags=False)
        return before, await world.view()


async def test_storm_while_its_page_closes(sqlite_template: Path, tmp_path: Path) -> None:
    """Openings that wait for a page which closes in the same round are a storm as well: one of them is told."""
    before, after = await play(sqlite_template, tmp_path, (Open((0,)), False), (Close((0,)), True), (Open(ALL), False))
    opened = frozenset(after.alerts.keys() - before.alerts.keys())
    assert len(opened) == len(ALL)
    check_pages(before, after, opened)
    assert {arrival.integration_id for arrival in after.arrivals if arrival.alert_id in opened} == {1, 2}


@pytest.mark.parametrize(
    "steps",
    [[(Flash(0), False)], [(Open((0,)), True), (Close((0,)), False)], [(Flash(12), False)]],
    ids=["at once", "before anybody looked", "without a key"],
)
async def test_alert_closes_under_maintenance(sqlite_template: Path, tmp_path: Path, steps: list[tuple[Step, bool]]) -> None:
    """What opens and closes under maintenance before correlation comes to it makes no incident, and nobody is told."""
    _, after = await play(sqlite_template, tmp_path, (Maintain(ScopeType.GLOBAL, minutes=60), False), *steps)
    (alert,) = after.alerts.values()
    assert (alert.is_active, alert.maintenance_window_id, alert.incident_id) == (False, 1, None)
    assert (after.incidents, after.arrivals) == ({}, ())
