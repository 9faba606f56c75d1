import pytest

from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.statuspages.drafts import GroupDraft
from lumetry_core.statuspages.model import Group
from lumetry_core.statuspages.service.groups import create_group, delete_group, list_groups, update_group
from tests.core.statuspages.building import NOW, World


async def make(world: World, name: str, order: int = 0) -> Group:
    async with world.database.write() as tx:
        return await create_group(tx, world.caller, GroupDraft(name=name, display_order=order), world.clock.now())


async def listed(world: World) -> list[tuple[Group, int]]:
    async with world.database.read() as tx:
        return await list_groups(tx, world.caller)


async def test_list_groups_in_order(world: World) -> None:
    """Groups are listed by order and name, with the number of their components whose monitor exists."""
    web, api, first = await make(world, "Web"), await make(world, " api "), await make(world, "Zeta", -1)
    await world.show(await world.monitor(), group_id=web.id)
    gone = await world.monitor("other")
    await world.show(gone, group_id=web.id)
    await world.forget(gone)
    assert await listed(world) == [(first, 0), (Group(api.id, "api", 0, NOW), 0), (web, 1)]


async def test_update_group_partly(world: World) -> None:
    """What is not given stays as it is."""
    web = await make(world, "Web", 3)
    async with world.database.write() as tx:
        renamed = await update_group(tx, world.caller, web.id, GroupDraft(name="Shop"), world.clock.now())
        moved = await update_group(tx, world.caller, web.id, GroupDraft(display_order=0), world.clock.now())
    assert renamed == (Group(web.id, "Shop", 3, NOW), 0)
    assert moved == (Group(web.id, "Shop", 0, NOW), 0)


async def test_delete_group_with_components(world: World) -> None:
    """The components of a deleted group belong to none."""
    web = await make(world, "Web")
    shown = await world.show(await world.monitor(), group_id=web.id)
    async with world.database.write() as tx:
        await delete_group(tx, world.caller, web.id, world.clock.now())
    [standing] = await world.standings()
    assert (standing.component.id, standing.component.group_id, standing.group_name) == (shown.component.id, None, "")
    assert await listed(world) == []


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\0b"])
async def test_create_group_with_bad_name(world: World, name: str) -> None:
    """A name must have 1 to 100 characters; nothing is made otherwise."""
    with pytest.raises(LumetryError) as caught:
        await make(world, name)
    message = "must not contain NUL characters" if "\0" in name else "must have 1 to 100 characters"
    assert caught.value.faults == (Fault("name", message),)
    assert await listed(world) == []


async def test_change_unknown_group(world: World) -> None:
    """A group that does not exist can be neither changed nor deleted."""
    async with world.database.write() as tx:
        with pytest.raises(LumetryError) as changed:
            await update_group(tx, world.caller, 99, GroupDraft(name="x"), world.clock.now())
        with pytest.raises(LumetryError) as deleted:
            await delete_group(tx, world.caller, 99, world.clock.now())
    assert [changed.value.reason, deleted.value.reason] == [Reason.NOT_FOUND, Reason.NOT_FOUND]
