import asyncio

import msgspec
import pytest
from sqlalchemy import select

from lumetry_core.access.service.history import list_revisions
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.hostagents.processes import Identity
from lumetry_core.hostagents.service.administering import revoke_agent
from lumetry_core.hostagents.service.identities import list_identities
from lumetry_core.metrics.binding import NewBinding
from lumetry_core.metrics.service.bindings import bind_all, list_node_bindings
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.topology.model import Node, NodeType
from lumetry_core.topology.service.editing import create_edge, delete_edge, delete_node
from lumetry_core.topology.service.graph import get_node
from lumetry_core.topology.service.references import refer
from lumetry_core.topology.store.edges import find_edges_at
from tests.conftest import FakeClock
from tests.core.hostagents.fleet import ADMIN, ORGANIZATION, Fleet, process
from tests.core.topology.building import Graph, node, push

METRICS = ("process.cpu.percent", "process.memory.percent", "process.rss.bytes")


@pytest.fixture
def fleet(database: Database, clock: FakeClock) -> Fleet:
    return Fleet(database, clock)


@pytest.fixture
def graph(database: Database, clock: FakeClock) -> Graph:
    return Graph(database, clock.now())


async def read_node(database: Database, number: int) -> Node:
    async with database.read() as tx:
        return await get_node(tx, ORGANIZATION, number)


async def bound(database: Database, number: int) -> list[tuple[str, dict[str, str]]]:
    async with database.read() as tx:
        return [(each.metric_key, dict(each.labels)) for each in await list_node_bindings(tx, ORGANIZATION, number)]


def of(*executables: str) -> list[tuple[str, dict[str, str]]]:
    """The bindings of executables."""
    return [(metric, {"process.executable": name}) for metric in METRICS for name in executables]


async def test_monitoring_puts_the_identity_into_the_graph(fleet: Fleet, graph: Graph, database: Database, clock: FakeClock) -> None:
    """A Component that runs on its hosts, with the process metrics of each of its executables bound to it."""
    for host in ("web-1", "web-2", "web-3"):
        await fleet.enroll(host)
    await fleet.report("web-1", process("nginx", "web"))
    await fleet.report("web-2", process("nginx-debug", "web"), "cron")
    await fleet.report("web-3", "cron")
    found = await fleet.monitor("web")
    assert found == Identity("web", 2, 2, found.node_id, clock.now()) == await fleet.identity("web")
    component = await read_node(database, found.node_id or 0)
    assert (component.node_type, component.external_id, component.display_name) == (NodeType.COMPONENT, "process:web", "web")
    assert (component.source, component.metadata) == ("agent", {"process": "web"})
    assert await graph.edges() == {("process:web", "runs_on", "web-1"), ("process:web", "runs_on", "web-2")}
    assert await bound(database, component.id) == of("nginx", "nginx-debug")
    audited = await fleet.count_actions()
    assert await fleet.monitor("web") == found
    assert await fleet.count_actions() == audited


async def test_monitoring_audits_its_bindings(fleet: Fleet, database: Database, clock: FakeClock) -> None:
    """Each has a row and one revision of its own, by whom it came: who monitors, or the system when a report shows another executable."""
    await fleet.enroll("web-1")
    await fleet.report("web-1", "nginx")
    await fleet.monitor("nginx")
    await fleet.report("web-1", "nginx", process("openresty", "nginx"))
    columns = audit_logs.c
    async with database.read() as tx:
        of_bindings = select(columns.entity_id, columns.actor_name, columns.new_values_json).where(
            columns.action == "MetricNodeBinding.Created"
        )
        rows = list(await tx.execute(of_bindings.order_by(columns.id)))
        histories = [await list_revisions(tx, ADMIN, "MetricNodeBinding", row.entity_id, 0, 0) for row in rows]
    assert [row.actor_name for row in rows] == ["admin"] * 3 + ["system"] * 3
    assert [msgspec.json.decode(row.new_values_json)["labels"] for row in rows] == [
        {"process.executable": name} for name in ("nginx", "openresty") for _ in METRICS
    ]
    assert [(total, found[0].operation, found[0].after_json) for found, total in histories] == [
        (1, "Created", row.new_values_json) for row in rows
    ]


async def test_monitoring_follows_reports(fleet: Fleet, graph: Graph, database: Database, clock: FakeClock) -> None:
    """A new host has its edge with its report; one that lacks the process loses it after ten minutes; one that is silent keeps it."""
    for host in ("web-1", "web-2"):
        await fleet.enroll(host)
    await fleet.report("web-1", "nginx")
    found = await fleet.monitor("nginx")
    await fleet.report("web-2", process("openresty", "nginx"))
    both = {("process:nginx", "runs_on", "web-1"), ("process:nginx", "runs_on", "web-2")}
    assert await graph.edges() == both
    assert await bound(database, found.node_id or 0) == of("nginx", "openresty")
    clock.advance(minutes=1)
    await fleet.report("web-2", "cron")
    clock.advance(minutes=8)
    await fleet.settle()
    assert await graph.edges() == both
    clock.advance(minutes=2)
    await fleet.settle()
    assert await graph.edges() == {("process:nginx", "runs_on", "web-1")}
    await fleet.report("web-2", process("openresty", "nginx"))
    assert await graph.edges() == both


async def test_monitoring_leaves_revoked_agents_out(fleet: Fleet, graph: Graph, database: Database, clock: FakeClock) -> None:
    """Nobody knows what runs on their hosts."""
    agent = await fleet.enroll("web-1")
    await fleet.report("web-1", "nginx")
    await fleet.monitor("nginx")
    async with database.write() as tx:
        await revoke_agent(tx, ADMIN, agent.id, clock.now())
    await fleet.settle()
    assert await graph.edges() == set()


async def test_ended_monitoring_takes_back_what_it_made(fleet: Fleet, graph: Graph, database: Database, clock: FakeClock) -> None:
    """Edges and bindings go, the Component retires; monitored again, it is the same one."""
    await fleet.enroll("web-1")
    await fleet.report("web-1", "nginx")
    first = await fleet.monitor("nginx")
    ended = await fleet.monitor("nginx", is_enabled=False)
    assert ended == Identity("nginx", 1, 1, None, clock.now())
    assert (await read_node(database, first.node_id or 0)).is_retired
    assert (await graph.edges(), await bound(database, first.node_id or 0)) == (set(), [])
    audited = await fleet.count_actions()
    assert await fleet.monitor("nginx", is_enabled=False) == ended
    assert await fleet.count_actions() == audited
    assert await fleet.monitor("nginx") == first
    assert not (await read_node(database, first.node_id or 0)).is_retired
    assert [action for action in await fleet.actions() if action.startswith("Mon")] == [
        "MonitoredProcess.Created",
        "MonitoredProcess.Deleted",
        "MonitoredProcess.Created",
    ]


async def test_ended_monitoring_leaves_what_others_made(fleet: Fleet, graph: Graph, database: Database, clock: FakeClock) -> None:
    """People's edges and bindings stay, and with them the Component."""
    await fleet.enroll("web-1")
    await fleet.report("web-1", "nginx")
    await graph.apply(push(["app-1", "host-9"]))
    found = await fleet.monitor("nginx")
    number, ids = found.node_id or 0, await graph.ids()
    mine = NewBinding("requests", number, {"process.executable": "nginx"})
    async with database.write() as tx:
        await create_edge(tx, ADMIN, ids["app-1"], number, "contains", None, clock.now())
        await create_edge(tx, ADMIN, number, ids["host-9"], "runs_on", None, clock.now())
        await bind_all(tx, ADMIN, [mine], clock.now())
    await fleet.settle()
    await fleet.monitor("nginx", is_enabled=False)
    assert await graph.edges() == {("app-1", "contains", "process:nginx"), ("process:nginx", "runs_on", "host-9")}
    assert await bound(database, number) == [("requests", {"process.executable": "nginx"})]
    assert not (await read_node(database, number)).is_retired


async def test_ended_monitoring_leaves_what_is_referred_to(fleet: Fleet, database: Database) -> None:
    """A Component of which a maintenance window speaks stays in the graph."""
    await fleet.enroll("web-1")
    await fleet.report("web-1", "nginx")
    number = (await fleet.monitor("nginx")).node_id or 0
    async with database.write() as tx:
        await refer(tx, ORGANIZATION, "MaintenanceWindow", 1, [number])
    await fleet.monitor("nginx", is_enabled=False)
    assert not (await read_node(database, number)).is_retired


async def test_monitoring_uses_the_component_of_the_inventory(fleet: Fleet, graph: Graph, database: Database) -> None:
    """One that has the external id already is used with the edges that it has; all of that stays when monitoring ends."""
    await fleet.enroll("host-1")
    await fleet.enroll("host-2")
    inventory = push([node("process:nginx", node_type="Component")], [("process:nginx", "runs_on", "host-1")])
    await graph.apply(inventory)
    ids = await graph.ids()
    for host in ("host-1", "host-2"):
        await fleet.report(host, "nginx")
    assert (await fleet.monitor("nginx")).node_id == ids["process:nginx"]
    assert await graph.edges() == {("process:nginx", "runs_on", "host-1"), ("process:nginx", "runs_on", "host-2")}
    await fleet.monitor("nginx", is_enabled=False)
    assert await graph.edges() == {("process:nginx", "runs_on", "host-1")}
    assert not (await read_node(database, ids["process:nginx"])).is_retired


async def test_monitoring_where_the_external_id_is_taken(fleet: Fleet, graph: Graph, database: Database) -> None:
    """When another kind of node has it, the Component gets one of its own."""
    await fleet.enroll("web-1")
    await fleet.report("web-1", "nginx")
    await graph.apply(push([node("process:nginx", node_type="Database")]))
    number = (await fleet.monitor("nginx")).node_id or 0
    assert (await read_node(database, number)).external_id == f"node:{number}"


async def test_deleted_component_ends_monitoring(fleet: Fleet, graph: Graph, database: Database, clock: FakeClock) -> None:
    """Who takes it out of the graph does not want it there; it can be monitored anew."""
    await fleet.enroll("web-1")
    await fleet.report("web-1", "nginx")
    number = (await fleet.monitor("nginx")).node_id or 0
    async with database.write() as tx:
        await delete_node(tx, ADMIN, number, clock.now())
    expected = Identity("nginx", 1, 1, None, clock.now())
    for _ in range(2):
        async with database.read() as tx:
            assert await list_identities(tx, ORGANIZATION, "", 0, 0, clock.now()) == ([expected], 1)
        assert await fleet.identity("nginx") == expected
        await fleet.settle()
    again = (await fleet.monitor("nginx")).node_id
    assert again not in (None, number)
    assert await graph.edges() == {("process:nginx", "runs_on", "web-1")}


async def test_removed_edges_come_back_while_they_are_true(fleet: Fleet, graph: Graph, database: Database, clock: FakeClock) -> None:
    """As long as the process runs there the graph says so."""
    await fleet.enroll("web-1")
    await fleet.report("web-1", "nginx")
    number = (await fleet.monitor("nginx")).node_id or 0
    async with database.write() as tx:
        [edge] = await find_edges_at(tx, ORGANIZATION, [number])
        await delete_edge(tx, ADMIN, edge.id, clock.now())
    await fleet.settle()
    assert await graph.edges() == {("process:nginx", "runs_on", "web-1")}


async def test_monitored_identity_without_hosts_can_be_ended(fleet: Fleet, clock: FakeClock) -> None:
    """It is listed as long as it is monitored, though nothing of it is kept any more."""
    await fleet.enroll("web-1")
    await fleet.report("web-1", "nginx")
    number = (await fleet.monitor("nginx")).node_id
    clock.advance(days=8)
    await fleet.settle()
    assert await fleet.identity("nginx") == Identity("nginx", 0, 0, number, None)
    assert await fleet.monitor("nginx", is_enabled=False) == Identity("nginx", 0, 0, None, None)
    with pytest.raises(LumetryError) as caught:
        await fleet.identity("nginx")
    assert caught.value.reason is Reason.NOT_FOUND


async def test_monitoring_that_is_asked_for_twice_at_once(fleet: Fleet, graph: Graph) -> None:
    """Both get the same Component, and a report that comes meanwhile loses nothing."""
    for host in ("web-1", "web-2"):
        await fleet.enroll(host)
    await fleet.report("web-1", "nginx")
    first, second, _ = await asyncio.gather(fleet.monitor("nginx"), fleet.monitor("nginx"), fleet.report("web-2", "nginx"))
    assert first.node_id == second.node_id is not None
    await fleet.settle()
    assert await graph.edges() == {("process:nginx", "runs_on", "web-1"), ("process:nginx", "runs_on", "web-2")}
