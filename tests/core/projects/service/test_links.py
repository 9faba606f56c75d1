from dataclasses import replace

from lumetry_core.projects import service
from lumetry_core.projects.draft import Draft
from lumetry_core.projects.links import LinkType
from lumetry_core.projects.model import Project
from lumetry_core.projects.service import links
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock

OWNER = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=3, user_name="ann", stepped_up=True)


async def create(database: Database, clock: FakeClock, name: str, caller: Caller = OWNER, **fields: str) -> Project:
    async with database.write() as tx:
        return await service.create(tx, caller, Draft(name=name, **fields), clock.now())


async def test_find_linked_projects_by_any_subject(database: Database, clock: FakeClock) -> None:
    """Monitors, nodes and metrics lead to the projects that link them, oldest first; other organizations' links do not count."""
    first = await create(database, clock, "one")
    clock.advance(seconds=1)
    second = await create(database, clock, "two")
    foreign = await create(database, clock, "one", replace(OWNER, organization_id=8))
    async with database.write() as tx:
        await links.replace_links(tx, 7, second.id, {LinkType.ENDPOINT: ["5"], LinkType.METRIC: ["cpu"]})
        await links.replace_links(tx, 7, first.id, {LinkType.TOPOLOGY_NODE: ["9"], LinkType.METRIC: ["cpu"]})
        await links.replace_links(tx, 8, foreign.id, {LinkType.ENDPOINT: ["5"]})
    async with database.read() as tx:
        assert await service.find_linked_projects(tx, 7, monitors=[("endpoint", 5)]) == [second.id]
        assert await service.find_linked_projects(tx, 7, monitors=[("heartbeat", 5)]) == []
        assert await service.find_linked_projects(tx, 7, node_ids=[9, 10], metric_keys=["none"]) == [first.id]
        assert await service.find_linked_projects(tx, 7, metric_keys=["cpu"]) == [first.id, second.id]
        assert await service.find_linked_projects(tx, 9, metric_keys=["cpu"]) == []
        assert await links.list_all_links(tx, 7) == {
            (LinkType.ENDPOINT, "5"): [second.id],
            (LinkType.METRIC, "cpu"): [first.id, second.id],
            (LinkType.TOPOLOGY_NODE, "9"): [first.id],
        }


async def test_replace_links_leaves_other_types_alone(database: Database, clock: FakeClock) -> None:
    """What is named is replaced whole, an empty list clears it, and numbers are listed in order."""
    project = await create(database, clock, "one")
    async with database.write() as tx:
        await links.replace_links(tx, 7, project.id, {LinkType.ENDPOINT: ["10", "9", "9"], LinkType.METRIC: ["b", "a"]})
        await links.replace_links(tx, 7, project.id, {LinkType.METRIC: []})
        await links.drop_links(tx, 7, [(LinkType.ENDPOINT, "10")])
        found = await links.list_links(tx, 7, project.id)
    assert found == {**{kind: [] for kind in LinkType}, LinkType.ENDPOINT: ["9"]}


async def test_links_go_with_their_project(database: Database, clock: FakeClock) -> None:
    """A deleted project links nothing."""
    project = await create(database, clock, "one")
    async with database.write() as tx:
        await links.replace_links(tx, 7, project.id, {LinkType.ENDPOINT: ["5"]})
        await service.delete(tx, OWNER, project.id, clock.now())
        assert not await links.has_links(tx, 7)
        assert await service.find_linked_projects(tx, 7, monitors=[("endpoint", 5)]) == []


async def test_list_hidden_projects(database: Database, clock: FakeClock) -> None:
    """Private projects of others are hidden, deleted ones too; one's own are not."""
    await create(database, clock, "open")
    private = await create(database, clock, "mine", visibility="private")
    gone = await create(database, clock, "gone", visibility="private")
    async with database.write() as tx:
        await service.delete(tx, OWNER, gone.id, clock.now())
        assert await service.list_hidden_projects(tx, 7, 3) == frozenset()
        assert await service.list_hidden_projects(tx, 7, 4) == {private.id, gone.id}
        assert await service.list_hidden_projects(tx, 7, None) == {private.id, gone.id}
        assert await service.list_hidden_projects(tx, 8, 4) == frozenset()
