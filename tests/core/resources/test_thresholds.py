"""Thresholds: setting them, firing, recovering, and what ends it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from lumetry_core.access.service.history import list_audit_logs
from lumetry_core.access.trail import AuditFilter
from lumetry_core.alerts.model import Alert, AlertState
from lumetry_core.alerts.service.handling import close
from lumetry_core.containers.model import Container, ContainerState
from lumetry_core.resources.model import Metric, ThresholdDraft, Thresholds
from lumetry_core.resources.service.thresholds import get_thresholds, update_thresholds
from lumetry_core.resources.watch import Watch
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.resources.building import GIB, World


@pytest.fixture
async def shop(world: World) -> Container:
    """A container whose thresholds are on, sampled once."""
    container = await world.run("shop", alert_severity=Severity.CRITICAL, alert_channels="ops, night")
    await world.set_thresholds(container, cpu_threshold=100.0, memory_threshold=50.0, is_enabled=True)
    await world.sample()
    return container


async def use(world: World, percent: float, rounds: int) -> None:
    """So many rounds in which the container uses so much of a processor."""
    world.engine.percent["ext-shop"] = percent
    await world.sample(rounds)


async def standing(world: World, container: Container) -> list[Metric]:
    async with world.database.read() as tx:
        return (await get_thresholds(tx, world.organization_id, container.id)).alerting


def short(alert: Alert) -> tuple[Any, ...]:
    return alert.alert_type, alert.state, alert.severity


OPEN, CLOSED, CRITICAL = AlertState.OPEN, AlertState.CLOSED, Severity.CRITICAL


async def test_get_before_anybody_set_any(world: World) -> None:
    """The usual thresholds are 90, 90 and off."""
    container = await world.run("shop")
    async with world.database.read() as tx:
        found = await get_thresholds(tx, world.organization_id, container.id)
    assert found == Thresholds(container.id, 90.0, 90.0, is_enabled=False)


async def test_update_any_subset(world: World) -> None:
    """What a draft has not stays as it is; each change is in the audit log."""
    container = await world.run("shop")
    await world.set_thresholds(container, cpu_threshold=150.0)
    await world.set_thresholds(container, memory_threshold=80.5, is_enabled=True)
    assert await world.set_thresholds(container) == Thresholds(container.id, 150.0, 80.5, is_enabled=True)
    async with world.database.read() as tx:
        logs, _ = await list_audit_logs(tx, world.caller, AuditFilter(entity_type="ContainerThresholds"), 0, 0)
    assert [(log.entry.action, json.loads(log.entry.new_values_json or "")) for log in reversed(logs)] == [
        ("ContainerThresholds.Updated", {"cpu_threshold": 150, "mem_threshold": 90, "enabled": False}),
        ("ContainerThresholds.Updated", {"cpu_threshold": 150, "mem_threshold": 80.5, "enabled": True}),
        ("ContainerThresholds.Updated", {"cpu_threshold": 150, "mem_threshold": 80.5, "enabled": True}),
    ]


async def test_update_out_of_range(world: World) -> None:
    """Both faults are named under the code of the contract, and nothing changes."""
    container = await world.run("shop")
    with pytest.raises(LumetryError) as failed:
        await world.set_thresholds(container, cpu_threshold=float("nan"), memory_threshold=100.5, is_enabled=True)
    assert (failed.value.reason, failed.value.metadata) == (Reason.VALIDATION_FAILED, {"code": "invalid_threshold"})
    assert failed.value.faults == (
        Fault("cpu_threshold", "must be a number from 1 to 1000"),
        Fault("mem_threshold", "must be a number from 1 to 100"),
    )
    async with world.database.read() as tx:
        assert not (await get_thresholds(tx, world.organization_id, container.id)).is_enabled


async def test_update_unknown_container(world: World) -> None:
    """A container of nobody, or of another organization, does not exist."""
    foreign = await world.run("foreign", organization_id=world.organization_id)
    stranger = replace(world.caller, organization_id=world.organization_id + 1)
    for caller, number in ((world.caller, 999), (stranger, foreign.id)):
        async with world.database.write() as tx:
            with pytest.raises(LumetryError, match="does not exist"):
                await update_thresholds(tx, caller, number, ThresholdDraft(), world.clock.now())


async def test_fires_and_recovers(world: World, shop: Container, clock: FakeClock) -> None:
    """Two high samples fire, three low ones recover; alert and events say so in the contract's words."""
    await use(world, 120, 1)
    assert await world.alerts() == []
    await use(world, 130, 1)
    fired = clock.now()
    [alert] = await world.alerts()
    assert short(alert) == ("cpu_threshold", OPEN, CRITICAL)
    assert (alert.monitor_source, alert.entity_type, alert.entity_id, alert.entity_name) == ("resource", "container", shop.id, "shop")
    assert (alert.start_time, alert.channel_names) == (fired, ("ops", "night"))
    assert alert.details == {"container_id": shop.id, "container_name": "shop", "current_value": 130.0, "threshold": 100}
    assert alert.trigger_reason == "CPU of shop is at 130 %; its threshold is 100 %."
    await use(world, 140, 1)
    [alert] = await world.alerts()
    assert (alert.details or {})["current_value"] == 140.0
    await use(world, 90, 2)
    assert await standing(world, shop) == [Metric.CPU]
    await use(world, 80, 1)
    [alert] = await world.alerts()
    assert (short(alert), alert.end_time) == (("cpu_threshold", CLOSED, CRITICAL), clock.now())
    assert await standing(world, shop) == []
    async with world.database.read() as tx:
        assert (await get_thresholds(tx, world.organization_id, shop.id)).last_alert_time == fired
    common = {"container_id": shop.id, "container_name": "shop", "threshold": 100}
    assert await world.told("resource.alert", "resource.recovery") == [
        ("resource.alert", {**common, "alert_type": "cpu", "current_value": 130.0, "timestamp": "2026-06-01T08:00:30Z"}),
        ("resource.recovery", {**common, "recovered_type": "cpu", "current_value": 80.0, "timestamp": "2026-06-01T08:01:10Z"}),
    ]


async def test_metrics_alert_apart(world: World, shop: Container) -> None:
    """Each metric has its own alert, and recovers by itself."""
    world.engine.memory["ext-shop"] = 5 * GIB
    await use(world, 10, 2)
    await use(world, 200, 2)
    assert await standing(world, shop) == [Metric.CPU, Metric.MEMORY]
    assert [short(alert)[:2] for alert in await world.alerts()] == [("memory_threshold", OPEN), ("cpu_threshold", OPEN)]
    world.engine.memory["ext-shop"] = GIB
    await use(world, 200, 3)
    assert [short(alert)[:2] for alert in await world.alerts()] == [("memory_threshold", CLOSED), ("cpu_threshold", OPEN)]


async def test_thresholds_that_are_off(world: World, shop: Container) -> None:
    """What is off does not alert."""
    await world.set_thresholds(shop, is_enabled=False)
    await use(world, 200, 4)
    assert await world.alerts() == []


async def test_switch_off_while_alerting(world: World, shop: Container) -> None:
    """Switching off resolves what alerts; switched on again it needs two high samples."""
    await use(world, 200, 2)
    await world.set_thresholds(shop, is_enabled=False)
    assert [short(alert)[1] for alert in await world.alerts()] == [CLOSED]
    assert [kind for kind, _ in await world.told("resource.alert", "resource.recovery")] == ["resource.alert", "resource.recovery"]
    await world.set_thresholds(shop, is_enabled=True)
    await use(world, 200, 1)
    assert len(await world.alerts()) == 1
    await use(world, 200, 1)
    assert [short(alert)[1] for alert in await world.alerts()] == [CLOSED, OPEN]


@pytest.mark.parametrize("end", ["stopped", "archived", "ignored"])
async def test_container_ends_while_alerting(world: World, shop: Container, end: str) -> None:
    """A container that stops, is archived or ignored has its alerts resolved at the next round, and what was noticed forgotten."""
    await use(world, 200, 2)
    changes: dict[str, Any] = {
        "stopped": {"state": ContainerState.EXITED},
        "archived": {"archive_time": world.clock.now()},
        "ignored": {"is_ignored": True},
    }
    await world.change(replace(shop, **changes[end]))
    await world.sample()
    assert [short(alert)[1] for alert in await world.alerts()] == [CLOSED]
    async with world.database.read() as tx:
        found = await get_thresholds(tx, world.organization_id, shop.id)
    assert dict(found.watches) == dict.fromkeys(Metric, Watch())
    assert [kind for kind, _ in await world.told("resource.recovery")] == ["resource.recovery"]


async def test_runtime_away_while_alerting(world: World, shop: Container) -> None:
    """While the runtime is away nothing fires or resolves."""
    await use(world, 200, 2)
    world.disconnect()
    await world.sample(5)
    assert [short(alert)[1] for alert in await world.alerts()] == [OPEN]


async def test_person_closes_while_still_high(world: World, shop: Container) -> None:
    """After a person closed the alert the second following high sample opens another."""
    await use(world, 200, 2)
    [alert] = await world.alerts()
    async with world.database.write() as tx:
        await close(tx, world.caller, alert.id, "seen", world.clock.now())
    await use(world, 200, 1)
    assert [short(alert)[1] for alert in await world.alerts()] == [CLOSED]
    assert await standing(world, shop) == []
    await use(world, 200, 1)
    assert [short(alert)[1] for alert in await world.alerts()] == [CLOSED, OPEN]


async def test_counters_survive_a_restart(world: World, shop: Container) -> None:
    """What was noticed is stored: another process goes on counting after its baseline."""
    await use(world, 200, 1)
    other = World(world.database, world.clock)
    other.organization_id, other.engine = world.organization_id, world.engine
    other.connect()
    await other.sample(2)
    assert [short(alert)[:2] for alert in await world.alerts()] == [("cpu_threshold", OPEN)]
