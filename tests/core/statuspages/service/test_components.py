from dataclasses import replace
from typing import Any

import pytest

from lumetry_core.access.service.organizations import create_organization
from lumetry_core.feed.store import read_queues
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.statuspages.drafts import ComponentDraft, GroupDraft
from lumetry_core.statuspages.model import QUEUE, MonitorKind, Standing, Status
from lumetry_core.statuspages.service.components import (
    HEARD,
    count_status_components,
    create_component,
    delete_component,
    list_components,
    update_component,
)
from lumetry_core.statuspages.service.groups import create_group
from tests.core.statuspages.building import NOW, SECRET, World, a_component


async def change(world: World, component_id: int, **changes: Any) -> Standing:
    async with world.database.write() as tx:
        return await update_component(tx, world.caller, component_id, ComponentDraft(**changes), world.clock.now())


async def create(world: World, **fields: Any) -> Standing:
    async with world.database.write() as tx:
        return await create_component(tx, world.caller, ComponentDraft(**fields), world.clock.now())


async def test_create_component_with_defaults(world: World) -> None:
    """A component is visible, ungrouped, not overridden and tells no incidents unless it is said."""
    monitor = await world.monitor()
    created = await world.show(monitor, " Backup ")
    component = a_component(
        created.component.id, organization_id=world.caller.organization_id, monitor_id=monitor.id, display_name="Backup"
    )
    assert created == Standing(component, "", SECRET, Status.OPERATIONAL, None)
    assert await world.standings() == [created]


async def test_create_component_with_everything(world: World) -> None:
    """All that can be said of a component is kept, and a person's word comes before what is derived."""
    async with world.database.write() as tx:
        web = await create_group(tx, world.caller, GroupDraft(name="Web"), world.clock.now())
    created = await world.show(
        await world.monitor(), group_id=web.id, display_order=4, is_visible=False, auto_incident=True, override=Status.PARTIAL_OUTAGE
    )
    component = created.component
    assert (component.group_id, component.display_order, component.is_visible, component.auto_incident) == (web.id, 4, False, True)
    assert (created.group_name, created.derived, created.effective) == ("Web", Status.OPERATIONAL, Status.PARTIAL_OUTAGE)


async def test_create_component_in_vain(world: World) -> None:
    """Every fault is named; then monitor and group must exist; then the monitor must have none."""
    monitor = await world.monitor()
    with pytest.raises(LumetryError) as faulty:
        await create(world)
    assert faulty.value.faults == (
        Fault("monitor_type", "must be one of container, endpoint, heartbeat, certificate"),
        Fault("monitor_id", "must be a positive number"),
        Fault("display_name", "must have 1 to 100 characters"),
    )
    for kind in MonitorKind:
        with pytest.raises(LumetryError) as unknown:
            await create(world, monitor_kind=kind, monitor_id=999, display_name="x")
        assert (unknown.value.reason, unknown.value.message) == (Reason.NOT_FOUND, f"{kind.capitalize()} 999 does not exist.")
    with pytest.raises(LumetryError) as groupless:
        await create(world, monitor_kind=MonitorKind.HEARTBEAT, monitor_id=monitor.id, display_name="x", group_id=9)
    assert groupless.value.reason is Reason.NOT_FOUND
    await world.show(monitor)
    with pytest.raises(LumetryError) as twice:
        await world.show(monitor)
    assert twice.value.reason is Reason.CONFLICT
    assert len(await world.standings()) == 1


async def test_update_component_partly(world: World) -> None:
    """What is not given stays; an override is cleared and a group left when that is what is given."""
    async with world.database.write() as tx:
        web = await create_group(tx, world.caller, GroupDraft(name="Web"), world.clock.now())
    created = await world.show(await world.monitor())
    later = world.clock.advance(minutes=1)
    number = created.component.id
    grouped = await change(world, number, group_id=web.id, override=Status.MAJOR_OUTAGE, overrides=True)
    assert grouped == Standing(
        replace(created.component, group_id=web.id, override=Status.MAJOR_OUTAGE, update_time=later),
        "Web",
        SECRET,
        Status.OPERATIONAL,
        None,
    )
    renamed = await change(world, number, display_name="Store", display_order=2, is_visible=False, auto_incident=True)
    assert renamed.component == replace(grouped.component, display_name="Store", display_order=2, is_visible=False, auto_incident=True)
    cleared = await change(world, number, group_id=0, overrides=True)
    assert cleared.component == replace(renamed.component, group_id=None, override=None)


async def test_list_components_in_order(world: World) -> None:
    """Components are listed by the order of their groups, those without last, then by their own order and name."""
    async with world.database.write() as tx:
        late = await create_group(tx, world.caller, GroupDraft(name="A", display_order=5), world.clock.now())
        early = await create_group(tx, world.caller, GroupDraft(name="B", display_order=1), world.clock.now())
    places = [("z", None, 0), ("b", late.id, 0), ("a", late.id, 0), ("c", early.id, 2), ("d", early.id, 1)]
    for name, group_id, order in places:
        await world.show(await world.monitor(name), name, group_id=group_id, display_order=order)
    assert [standing.component.display_name for standing in await world.standings()] == ["d", "c", "a", "b", "z"]


async def test_forget_monitor_of_component(world: World) -> None:
    """When its monitor is deleted a component is gone from lists at once, cannot be changed, and is removed by the worker."""
    monitor = await world.monitor()
    shown = await world.show(monitor)
    await world.forget(monitor)
    assert await world.standings() == []
    with pytest.raises(LumetryError) as caught:
        await change(world, shown.component.id, display_name="x")
    assert caught.value.reason is Reason.NOT_FOUND
    await world.work()
    async with world.database.read() as tx:
        assert await count_status_components(tx, world.caller.organization_id) == 0


async def test_hear_only_while_needed(world: World) -> None:
    """Events of monitors come into the queue as long as there is a component."""
    monitor = await world.monitor()

    async def wanted() -> set[tuple[str, str]]:
        async with world.database.read() as tx:
            return await read_queues(tx, world.caller.organization_id)

    assert await wanted() == set()
    shown = await world.show(monitor)
    assert await wanted() == {(kind, QUEUE) for kind in HEARD}
    async with world.database.write() as tx:
        await delete_component(tx, world.caller, shown.component.id, NOW)
    assert await wanted() == set()


async def test_reach_only_own_components(world: World) -> None:
    """Another organization sees, changes and shows nothing of it."""
    monitor = await world.monitor()
    shown = await world.show(monitor)
    async with world.database.write() as tx:
        other = Caller(organization_id=(await create_organization(tx, "Other", NOW)).id, kind=None)
        assert await list_components(tx, other, NOW) == []
        for verb in (
            update_component(tx, other, shown.component.id, ComponentDraft(), NOW),
            delete_component(tx, other, shown.component.id, NOW),
            create_component(tx, other, ComponentDraft(monitor_kind=MonitorKind.HEARTBEAT, monitor_id=monitor.id, display_name="x"), NOW),
        ):
            with pytest.raises(LumetryError) as caught:
                await verb
            assert caught.value.reason is Reason.NOT_FOUND
