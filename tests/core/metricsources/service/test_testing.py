"""What is tested, and with which secret."""

from dataclasses import replace
from typing import Any

import pytest

from lumetry_core.access.vault import Vault
from lumetry_core.collectors.config import Config, Polling
from lumetry_core.collectors.model import Status
from lumetry_core.metricsources.drafts import ConfigDraft, SourceDraft
from lumetry_core.metricsources.model import SourceTest, SourceTestStatus
from lumetry_core.metricsources.sealing import Candidate, Rules
from lumetry_core.metricsources.service import sources, testing
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.collectors.labour import add_collector, change_collector
from tests.core.metricsources.building import CALLER, OTHER, PROMETHEUS, RULES, World, changed


async def begin(world: World, source_id: int | None, draft: SourceDraft | None, rules: Rules = RULES) -> Candidate:
    """What the caller has to test."""
    async with world.database.write() as tx:
        candidate, test = await testing.begin_test(tx, CALLER, source_id, draft, rules, world.clock.now())
    assert test is None
    return candidate


async def refusal(world: World, source_id: int | None, draft: SourceDraft | None, rules: Rules = RULES) -> dict[str, str]:
    """Why nothing is tested, by path."""
    with pytest.raises(LumetryError) as caught:
        await begin(world, source_id, draft, rules)
    return {fault.path: fault.message for fault in caught.value.faults}


async def test_begin_of_a_saved_source(world: World) -> None:
    """It is tested as it is, with its secret; that it is disabled does not matter."""
    source = await world.create(changed(PROMETHEUS, is_enabled=False))
    assert await begin(world, source.id, None) == Candidate(source.definition, "hunter2", source.id)


async def test_begin_of_a_candidate(world: World) -> None:
    """It has the secret that is sent with it, and needs no name; a name that is taken is none of its business."""
    await world.create()
    assert (await begin(world, None, PROMETHEUS)).secret == "hunter2"
    assert (await begin(world, None, changed(PROMETHEUS, name="", secret=None))).secret == ""


async def test_begin_of_a_changed_source(world: World) -> None:
    """An absent secret is the stored one, which does not go to another place; an empty one is none."""
    source = await world.create()
    other_path = changed(PROMETHEUS, secret=None, config=ConfigDraft(base_url="http://prometheus:9090/other"))
    assert (await begin(world, source.id, other_path)).secret == "hunter2"
    assert (await begin(world, source.id, changed(PROMETHEUS, secret=""))).secret == ""
    elsewhere = changed(PROMETHEUS, secret=None, config=ConfigDraft(base_url="http://evil.example:9090"))
    assert await refusal(world, source.id, elsewhere) == {"secret": sources.ELSEWHERE}
    assert (await begin(world, source.id, changed(elsewhere, secret="other"))).secret == "other"


async def test_begin_checks_as_saving_does(world: World) -> None:
    """All faults, by their paths."""
    faults = await refusal(world, None, SourceDraft(type="nifi", collector_id="none"))
    assert faults == {
        "type": "cannot be polled: this deployment has no driver for nifi",
        "config.baseUrl": "is required",
        "items": "must have between 1 and 50 elements",
        "collectorId": "is no collector of this organization",
    }


async def test_begin_with_another_key(world: World) -> None:
    """A secret that cannot be opened has to be sent anew."""
    source = await world.create()
    rules = replace(RULES, vault=Vault(bytes(range(32))))
    assert await refusal(world, source.id, None, rules) == {
        "secret": "is stored but cannot be opened with the key of this core; send it anew"
    }
    assert (await begin(world, source.id, PROMETHEUS, rules)).secret == "hunter2"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"status": Status.REVOKED}, "Collector Edge is revoked."),
        ({"capabilities": ("poll:prometheus",)}, "Collector Edge cannot test metric sources."),
        ({"capabilities": ("source_test",)}, "Collector Edge cannot poll prometheus."),
        ({"config": Config(polling=Polling(enabled=False))}, "Polling is switched off in the configuration of collector Edge."),
    ],
)
async def test_begin_with_a_collector_that_cannot(world: World, clock: FakeClock, changes: dict[str, Any], error: str) -> None:
    """Whoever tests learns it at once."""
    collector = await add_collector(world.database, clock.now(), name="Edge")
    source = await world.create(changed(PROMETHEUS, collector_id=collector.id))
    await change_collector(world.database, collector, **changes)
    async with world.database.write() as tx:
        _, test = await testing.begin_test(tx, CALLER, source.id, None, RULES, clock.now())
    assert test == SourceTest(status=SourceTestStatus.FAILED, duration_ms=0, error=error)


async def test_begin_of_another_organization_finds_nothing(world: World, clock: FakeClock) -> None:
    """Nobody has others' secrets sent anywhere."""
    source = await world.create(PROMETHEUS, OTHER)
    with pytest.raises(LumetryError) as caught:
        await begin(world, source.id, None)
    assert caught.value.reason is Reason.NOT_FOUND
