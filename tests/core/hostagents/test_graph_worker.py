import pytest

from lumetry_core.hostagents.graph_worker import HostGraphKeeper
from lumetry_core.hostagents.service.processes import list_observed
from lumetry_core.hostagents.service.reading import get_agent, make_row
from lumetry_core.metrics.senders import Sender
from lumetry_core.metrics.service.senders import list_senders
from lumetry_core.runtime.database import Database
from lumetry_core.topology.service.editing import create_edge, delete_edge, delete_node
from lumetry_core.topology.store.edges import find_edges_at
from tests.conftest import FakeClock
from tests.core.hostagents.fleet import ADMIN, ORGANIZATION, Fleet
from tests.core.topology.building import Graph, push


@pytest.fixture
def fleet(database: Database, clock: FakeClock) -> Fleet:
    return Fleet(database, clock)


@pytest.fixture
def graph(database: Database, clock: FakeClock) -> Graph:
    return Graph(database, clock.now())


async def read_group(fleet: Fleet, host_id: str) -> tuple[str | None, str | None]:
    """What ingestion and what people are told of the cluster of a host."""
    number = fleet.agents[host_id].id
    async with fleet.database.read() as tx:
        sender = (await list_senders(tx, ORGANIZATION))[number]
        row = await make_row(tx, await get_agent(tx, ORGANIZATION, number), fleet.clock.now())
    return sender.host_group, None if row.cluster is None else row.cluster.external_id


async def test_placement_follows_people(fleet: Fleet, graph: Graph, database: Database, clock: FakeClock) -> None:
    """An edge that is removed or added by hand moves the agent; deleting the cluster leaves it in none."""
    await graph.apply(push(["cluster-1", "cluster-2"]))
    await fleet.enroll("host-1", cluster_id="cluster-1")
    await fleet.settle()
    assert await read_group(fleet, "host-1") == ("cluster-1", "cluster-1")
    ids = await graph.ids()
    async with database.write() as tx:
        [edge] = await find_edges_at(tx, ORGANIZATION, [ids["host-1"]])
        await delete_edge(tx, ADMIN, edge.id, clock.now())
    await fleet.settle()
    assert await read_group(fleet, "host-1") == (None, None)
    async with database.write() as tx:
        await create_edge(tx, ADMIN, ids["cluster-2"], ids["host-1"], "contains", None, clock.now())
    await fleet.settle()
    assert await read_group(fleet, "host-1") == ("cluster-2", "cluster-2")
    async with database.write() as tx:
        await delete_node(tx, ADMIN, ids["cluster-2"], clock.now())
    await fleet.settle()
    assert await read_group(fleet, "host-1") == (None, None)


async def test_placement_follows_imports(fleet: Fleet, graph: Graph) -> None:
    """An import places a host, and its snapshot without the cluster takes it out again."""
    await fleet.enroll("host-1")
    await graph.apply(push(["cluster-1", "host-1"], [("cluster-1", "contains", "host-1")]))
    await fleet.settle()
    assert await read_group(fleet, "host-1") == ("cluster-1", "cluster-1")
    await graph.apply(push(["host-1"], import_id="2", mode="snapshot"))
    await fleet.settle()
    assert await read_group(fleet, "host-1") == (None, None)


async def test_agent_follows_its_host(fleet: Fleet, graph: Graph, database: Database, clock: FakeClock) -> None:
    """When its node is deleted and the inventory brings another for its host, that one counts."""
    agent = await fleet.enroll("host-1")
    async with database.write() as tx:
        await delete_node(tx, ADMIN, agent.node_id or 0, clock.now())
    await fleet.settle()
    assert await read_group(fleet, "host-1") == (None, None)
    await graph.apply(push(["cluster-1", "host-1"], [("cluster-1", "contains", "host-1")]))
    await fleet.settle()
    assert await read_group(fleet, "host-1") == ("cluster-1", "cluster-1")
    async with database.read() as tx:
        assert (await get_agent(tx, ORGANIZATION, agent.id)).node_id == (await graph.ids())["host-1"]


async def test_tick_writes_nothing_when_all_is_well(fleet: Fleet, graph: Graph, database: Database, clock: FakeClock) -> None:
    """Not what ingestion knows, not the graph; and the next round need not look."""
    await graph.apply(push(["cluster-1"]))
    agent = await fleet.enroll("host-1", cluster_id="cluster-1")
    await fleet.report("host-1", "nginx")
    await fleet.monitor("nginx")
    audited = await fleet.count_actions()
    keeper = HostGraphKeeper(database)
    assert [await keeper.tick(clock.now()) for _ in range(3)] == [False] * 3
    assert await fleet.count_actions() == audited
    async with database.read() as tx:
        sender = Sender(ORGANIZATION, agent.id, agent.key, "host-1", "cluster-1")
        assert await list_senders(tx, ORGANIZATION) == {agent.id: sender}


async def test_tick_forgets_agents_that_are_silent(fleet: Fleet, database: Database, clock: FakeClock) -> None:
    """A week after the last report nothing of it is kept."""
    for host in ("host-1", "host-2"):
        await fleet.enroll(host)
        await fleet.report(host, "nginx")
    clock.advance(days=7)
    await fleet.report("host-2", "cron")
    await fleet.settle()
    clock.advance(hours=1)
    await fleet.settle()
    async with database.read() as tx:
        left = [[each.executable for each in await list_observed(tx, ORGANIZATION, agent.id)] for agent in fleet.agents.values()]
    assert left == [[], ["cron"]]
