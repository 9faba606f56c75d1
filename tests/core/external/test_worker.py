from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from lumetry_core.access.store.organizations import organizations
from lumetry_core.alerts.service.system_alerts import list_system_alerts
from lumetry_core.external import worker as module
from lumetry_core.external.model import TransitionState
from lumetry_core.external.service import processing
from lumetry_core.external.service.sources import get_source
from lumetry_core.external.store.events import external_events
from lumetry_core.external.store.occurrences import external_occurrences
from lumetry_core.runtime.queue import work_items
from tests.conftest import FakeClock
from tests.core.external.building import World, transition

POISON = "poison"


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """While `on`, a transition with the title `poison` cannot be processed."""
    switch = {"on": True}
    original = processing.process

    async def process(tx: Any, items: Any, now: Any) -> None:
        await original(tx, items, now)
        titles = [each.title for item in items if item.kind == "transitions" for each in processing.read_transitions(item.payload)]
        if switch["on"] and POISON in titles:
            raise ValueError("cannot be processed")

    monkeypatch.setattr(module, "process", process)
    return switch


async def test_failing_transition_is_set_aside_and_tried_again(world: World, clock: FakeClock, poison: dict[str, bool]) -> None:
    """What came with it, before it and after it is processed; it is not lost, and operators learn of it."""
    await world.define()
    await world.deliver(transition(occurrence_key="before"))
    await world.deliver(*(transition(occurrence_key=f"o-{number}", title=POISON if number == 2 else None) for number in range(5)))
    await world.deliver(transition(occurrence_key="after"))
    await world.work()
    others = {"before", "o-0", "o-1", "o-3", "o-4", "after"}
    assert {alert.external_occurrence_key for alert in await world.alerts()} == others
    async with world.database.read() as tx:
        source, health = await get_source(tx, 7, world.source.id)
        assert (await tx.execute(select(work_items).where(work_items.c.queue == "external"))).all() == []
    assert (source.mapped_count, health.last_error) == (6, "A transition could not be processed yet; it is tried again.")
    for pause, told in ((61, 0), (121, 1), (241, 1)):
        clock.advance(seconds=pause)
        await world.work()
        assert len(await system_alerts(world)) == told
    poison["on"] = False
    clock.advance(hours=1)
    await world.work()
    assert {alert.external_occurrence_key for alert in await world.alerts()} == {*others, "o-2"}
    assert [alert.state for alert in await system_alerts(world)] == ["Closed"]
    async with world.database.read() as tx:
        source, _ = await get_source(tx, 7, world.source.id)
    assert source.mapped_count == 7


async def system_alerts(world: World) -> Any:
    async with world.database.read() as tx:
        return await list_system_alerts(tx, 7, None, 10)


async def test_what_is_remembered_is_bounded(world: World, clock: FakeClock) -> None:
    """Events for 30 days, occurrences for 60 after they were last heard of, those with an active alert for as long as it is."""
    async with world.database.write() as tx:
        await tx.execute(organizations.insert(), {"id": 7, "name": "Acme", "name_key": "acme", "slug": "acme", "create_time": clock.now()})
    await world.define()
    await world.report(transition(), transition(occurrence_key="over"), transition(TransitionState.RESOLVED, 1, occurrence_key="over"))
    await world.report(transition(definition_key="unmapped"))
    assert await remembered(world) == (4, 3)
    clock.advance(days=30, seconds=1)
    await world.work()
    assert await remembered(world) == (0, 3)
    clock.advance(days=30)
    await world.work()
    assert await remembered(world) == (0, 1)
    [alert] = [alert for alert in await world.report(transition(TransitionState.RESOLVED, 9)) if alert.external_occurrence_key == "o-1"]
    assert alert.end_time == alert.start_time + timedelta(minutes=9)


async def remembered(world: World) -> tuple[int, int]:
    """Events and occurrences."""
    async with world.database.read() as tx:
        return len((await tx.execute(select(external_events))).all()), len((await tx.execute(select(external_occurrences))).all())


async def test_requests_come_first(world: World, clock: FakeClock) -> None:
    """While requests wait to be stored work begins now and then only; once none waits it goes on at once."""
    await world.define()
    await world.work()
    clock.advance(seconds=1)
    world.is_pressed = True
    for number in range(3):
        await world.deliver(*(transition(occurrence_key=f"o-{number}-{item}") for item in range(2)))
    assert await world.worker.tick(clock.now())
    begun = len(await world.alerts())
    await world.deliver(transition(occurrence_key="late"))
    assert not await world.worker.tick(clock.now())
    clock.advance(milliseconds=299)
    assert not await world.worker.tick(clock.now())
    assert len(await world.alerts()) == begun == 6
    clock.advance(milliseconds=1)
    assert await world.worker.tick(clock.now())
    assert len(await world.alerts()) == 7
    await world.deliver(transition(occurrence_key="last"))
    assert not await world.worker.tick(clock.now())
    world.is_pressed = False
    assert await world.worker.tick(clock.now())
    assert len(await world.alerts()) == 8
