from datetime import timedelta

import pytest

from lumetry_core.access.service.organizations import create_organization
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.statuspages.drafts import ComponentDraft, GroupDraft
from lumetry_core.statuspages.model import MonitorKind, Status
from lumetry_core.statuspages.page import Page, ShownComponent
from lumetry_core.statuspages.service.components import create_component
from lumetry_core.statuspages.service.groups import create_group
from lumetry_core.statuspages.service.organization import PublicOrganization
from lumetry_core.statuspages.service.page import PublicView
from lumetry_core.topology.draft import NodeDraft
from lumetry_core.topology.service.editing import create_edge, create_node
from lumetry_core.uptime.model import DayCount, MonitorType
from lumetry_core.uptime.service import count
from tests.core.statuspages.building import NOW, World


async def test_read_empty_page(world: World) -> None:
    """Without components everything is operational."""
    view = await world.view(with_days=True)
    assert view == PublicView(Page(), 0, {}, {})
    assert (view.page.global_status, view.page.global_message) == (Status.OPERATIONAL, "All Systems Operational")


async def test_read_visible_components(world: World) -> None:
    """Hidden components neither show nor count for the whole; those without group are below `Other`, last."""
    async with world.database.write() as tx:
        web = await create_group(tx, world.caller, GroupDraft(name="Web"), NOW)
    shop = await world.show(await world.monitor("a"), "Shop", group_id=web.id, override=Status.DEGRADED)
    mail = await world.show(await world.monitor("b"), "Mail")
    await world.show(await world.monitor("c"), "Hidden", is_visible=False, override=Status.MAJOR_OUTAGE)
    page = (await world.view()).page
    assert page.components == (
        ShownComponent(shop.component.id, "Shop", Status.DEGRADED, "Web"),
        ShownComponent(mail.component.id, "Mail", Status.OPERATIONAL, "Other"),
    )
    assert page.global_status is Status.DEGRADED


async def test_read_uptime_of_90_days(world: World) -> None:
    """Uptime is the share of the last 90 UTC days, rounded down; days are newest first; without data there is none."""
    monitor, unknown = await world.monitor("a"), await world.monitor("b")  # whose first ping was a good run
    async with world.database.write() as tx:
        counts = [
            DayCount(monitor.id, NOW.date() - timedelta(days=days), good, 2 if days == 0 else 3)
            for days, good in ((0, 1), (1, 3), (89, 3), (90, 0))
        ]
        await count(tx, world.caller.organization_id, MonitorType.HEARTBEAT, counts)
    shown, empty = await world.show(monitor, "Shop"), await world.show(unknown, "Mail")
    view = await world.view(with_days=True)
    number = shown.component.id
    assert view.uptime[number] == 88.88
    assert [len(days) for days in view.days.values()] == [90, 90]
    assert [view.days[number][position].percent for position in (0, 1, 2, 89)] == [66.66, 100.0, None, 100.0]
    assert view.uptime[empty.component.id] == 100.0
    assert (await world.view()).days == {}
    world.clock.advance(days=90)
    assert (await world.view()).uptime == {number: None, empty.component.id: None}


async def test_cover_by_topology(world: World) -> None:
    """Maintenance of the service above a monitor's node covers it as it covers its alerts; that of another service does not."""
    async with world.database.write() as tx:
        service, other, web = [
            await create_node(tx, world.caller, NodeDraft(external_id=key, node_type=kind, display_name=key), NOW)
            for key, kind in (("shop", "BusinessService"), ("mail", "BusinessService"), ("web", "Application"))
        ]
        await create_edge(tx, world.caller, service.id, web.id, "contains", None, NOW)
    await world.show(await world.monitor("a", topology_node_id=web.id), "On web")
    await world.show(await world.monitor("b"), "Elsewhere")
    end = NOW + timedelta(hours=1)
    await world.maintain(scope_type="Service", scope_node_id=other.id, start_time=NOW, end_time=end)
    assert [standing.derived for standing in await world.standings()] == [Status.OPERATIONAL, Status.OPERATIONAL]
    await world.maintain(scope_type="Service", scope_node_id=service.id, start_time=NOW, end_time=end)
    derived = {standing.component.display_name: standing.derived for standing in await world.standings()}
    assert derived == {"On web": Status.UNDER_MAINTENANCE, "Elsewhere": Status.OPERATIONAL}
    assert [window.names for window in (await world.view()).page.maintenance] == [("On web",)]


async def test_find_public_organization(world: World) -> None:
    """The page is that of the organization that is named, else of the first; an unknown one has none."""
    async with world.database.write() as tx:
        other = await create_organization(tx, "Other", NOW)
        assert await PublicOrganization("").get(tx) == world.caller.organization_id
        assert await PublicOrganization("other").get(tx) == other.id
        nobody = PublicOrganization("nobody")
        assert await nobody.find(tx) is None
        with pytest.raises(LumetryError) as caught:
            await nobody.get(tx)
    assert caught.value.reason is Reason.NOT_FOUND


async def test_show_every_kind_only_when_it_exists(world: World) -> None:
    """Each kind of monitor is asked of its own area, where number 1 of one kind is not number 1 of another."""
    monitor = await world.monitor()
    for kind in MonitorKind:
        if kind is MonitorKind.HEARTBEAT:
            continue
        async with world.database.write() as tx:
            with pytest.raises(LumetryError):
                await create_component(tx, world.caller, ComponentDraft(monitor_kind=kind, monitor_id=monitor.id, display_name="x"), NOW)
