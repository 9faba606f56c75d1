from dataclasses import replace

import pytest
from sqlalchemy import select

from lumetry_core.access.store.audit import audit_logs
from lumetry_core.heartbeats.store.heartbeats import heartbeats
from lumetry_core.overview.resources import LinkedMonitor, LinkedNode, ResourceDraft, Resources
from lumetry_core.overview.service.resources import drop_dangling, get_resources, replace_resources
from lumetry_core.projects.links import LinkType
from lumetry_core.projects.service import links
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.core.overview.world import ANN, World


async def test_replace_resources_links_what_exists(world: World) -> None:
    """Lists that are sent are replaced whole, others stay, names are told, and the change is audited."""
    project = await world.project("shop")
    await world.heartbeat(5, "backup")
    node_id = await world.node("db-1")
    async with world.database.write() as tx:
        draft = ResourceDraft(monitors=(("heartbeat", 5), ("heartbeat", 5)), node_ids=(node_id,))
        stored = await replace_resources(tx, ANN, "shop", draft, world.clock.now())
    assert stored == Resources(
        monitors=[LinkedMonitor(LinkType.HEARTBEAT, 5, "backup")], nodes=[LinkedNode(node_id, "db-1", "Host")], metric_keys=[]
    )
    async with world.database.write() as tx:
        cleared = await replace_resources(tx, ANN, project.id, ResourceDraft(monitors=()), world.clock.now())
        actions = (await tx.execute(select(audit_logs.c.action).order_by(audit_logs.c.id))).scalars().all()
    assert cleared == replace(stored, monitors=[])
    assert actions[-2:] == ["Project.ResourcesReplaced", "Project.ResourcesReplaced"]


async def test_replace_resources_refuses_what_is_unknown(world: World) -> None:
    """One unknown number fails and changes nothing; another organization's is unknown."""
    await world.project("shop")
    await world.heartbeat(5, "backup")
    await world.heartbeat(6, "foreign", organization_id=8)
    for draft in (
        ResourceDraft(monitors=(("heartbeat", 5), ("heartbeat", 6))),
        ResourceDraft(monitors=(("heartbeat", 5),), metric_keys=("none",)),
        ResourceDraft(monitors=(("endpoint", 2**63 - 1),)),
        ResourceDraft(node_ids=(-1,)),
    ):
        with pytest.raises(LumetryError) as caught:
            async with world.database.write() as tx:
                await replace_resources(tx, ANN, "shop", draft, world.clock.now())
        assert caught.value.reason is Reason.NOT_FOUND
    async with world.database.read() as tx:
        assert await get_resources(tx, ANN, "shop") == Resources(monitors=[], nodes=[], metric_keys=[])


async def test_replace_resources_names_every_fault(world: World) -> None:
    """Unknown types and lists that are too long are named together."""
    draft = ResourceDraft(monitors=(("pager", 5),), node_ids=tuple(range(1, 502)))
    async with world.database.write() as tx:
        with pytest.raises(LumetryError) as caught:
            await replace_resources(tx, ANN, "shop", draft, world.clock.now())
    assert caught.value.faults == (
        Fault("topologyNodeIds", "must have at most 500 entries"),
        Fault("monitors[0].type", "must be container, endpoint, heartbeat or certificate"),
    )


async def test_get_resources_of_a_hidden_project(world: World) -> None:
    """Private projects of others are not found."""
    await world.project("secret", visibility="private")
    async with world.database.read() as tx:
        with pytest.raises(LumetryError, match="Project not found"):
            await get_resources(tx, replace(ANN, user_id=4), "secret")


async def test_drop_dangling_forgets_what_is_gone(world: World) -> None:
    """A deleted monitor is not shown any more, and its link goes."""
    project = await world.project("shop")
    await world.heartbeat(5, "backup")
    async with world.database.write() as tx:
        await replace_resources(tx, ANN, "shop", ResourceDraft(monitors=(("heartbeat", 5),)), world.clock.now())
        await tx.execute(heartbeats.delete())
        assert (await get_resources(tx, ANN, "shop")).monitors == []
        await drop_dangling(tx, 7)
        assert (await links.list_links(tx, 7, project.id))[LinkType.HEARTBEAT] == []
