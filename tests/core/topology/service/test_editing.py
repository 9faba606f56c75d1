import pytest
from sqlalchemy import select

from lumetry_core.access.store.audit import audit_logs
from lumetry_core.metrics.binding import NewBinding
from lumetry_core.metrics.service.bindings import bind_all, list_node_bindings
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.topology.draft import NodeDraft
from lumetry_core.topology.model import Edge, EdgeType, Node, NodeType
from lumetry_core.topology.service import editing
from lumetry_core.topology.service import graph as reading
from lumetry_core.topology.service.references import refer
from tests.conftest import FakeClock
from tests.core.topology.building import CALLER, ORGANIZATION, Graph, node, push

HOST = NodeDraft(node_type="Host", display_name=" Web ", metadata_json='{"hostId": "a"}', environment="", owner_team="web")


async def test_node_without_external_id_is_named_after_its_number(database: Database, clock: FakeClock) -> None:
    """It is found by that name, and every field is as it was sent."""
    async with database.write() as tx:
        added = await editing.create_node(tx, CALLER, HOST, clock.now())
        assert added == Node(
            id=added.id,
            organization_id=ORGANIZATION,
            external_id=f"node:{added.id}",
            node_type=NodeType.HOST,
            display_name="Web",
            environment=None,
            owner_team="web",
            metadata={"hostId": "a"},
            source="manual",
            is_retired=False,
            create_time=clock.now(),
            update_time=clock.now(),
        )
        assert await reading.get_node(tx, ORGANIZATION, added.id) == added
        assert await reading.list_nodes(tx, CALLER, f"NODE:{added.id}", "", 0, 0) == ([added], 1)
        second = await editing.create_node(tx, CALLER, HOST, clock.now())
        assert second.external_id == f"node:{second.id}"


async def test_create_node_refuses_what_is_taken(graph: Graph, database: Database, clock: FakeClock) -> None:
    """External ids stay those of their nodes, retired or not; the form of given ones is reserved."""
    await graph.apply(push(["host-1", "host-2"]))
    await graph.apply(push(["host-1"], import_id="2", mode="snapshot"))
    ids = await graph.ids()
    for external_id, message in (
        ("host-1", f"is the one of node {ids['host-1']}"),
        ("host-2", f"is the one of node {ids['host-2']}, which is retired"),
        ("node:1", "has the form that nodes without an external id get"),
        (" ", "must have 1 to 255 characters"),
        ("a\0", "must not contain the character NUL"),
    ):
        assert await refusals(database, clock, node(external_id, display_name="x")) == [("externalId", message)]
    paths = ["displayName", "nodeType", "environment", "ownerTeam", "metadata"]
    faulty = NodeDraft(node_type="host", display_name="x" * 256, environment="e" * 129, owner_team="t\0", metadata_json="1")
    assert [path for path, _ in await refusals(database, clock, faulty)] == paths


async def refusals(database: Database, clock: FakeClock, draft: NodeDraft) -> list[tuple[str, str]]:
    async with database.write() as tx:
        with pytest.raises(LumetryError) as caught:
            await editing.create_node(tx, CALLER, draft, clock.now())
    return [(fault.path, fault.message) for fault in caught.value.faults]


async def test_update_node_replaces_all_but_type_and_external_id(graph: Graph, database: Database, clock: FakeClock) -> None:
    """Absent fields become empty; who pushed the node, and whether it retired, stays."""
    await graph.apply(push([node("host-1", environment="production", owner_team="web", metadata_json='{"hostId": "a"}')]))
    number = (await graph.ids())["host-1"]
    later = clock.advance(hours=1)
    async with database.write() as tx:
        before = await reading.get_node(tx, ORGANIZATION, number)
        after = await editing.update_node(tx, CALLER, number, NodeDraft(node_type="Host", display_name="Web"), later)
        assert after == await reading.get_node(tx, ORGANIZATION, number)
        assert (after.display_name, after.environment, after.owner_team, after.metadata) == ("Web", None, None, {})
        assert (after.source, after.external_id, after.create_time, after.update_time) == ("cmdb", "host-1", before.create_time, later)
        assert await reading.list_nodes(tx, CALLER, "web", "host", 1, 10) == ([after], 1)
        assert await reading.list_nodes(tx, CALLER, "HOST-1x", "", 1, 10) == ([], 0)
        with pytest.raises(LumetryError) as caught:
            await editing.update_node(tx, CALLER, number, node("host-2", node_type="Cluster"), later)
        assert [fault.path for fault in caught.value.faults] == ["externalId", "nodeType"]
        with pytest.raises(LumetryError) as caught:
            await editing.update_node(tx, CALLER, 99, NodeDraft(), later)
        assert caught.value.reason is Reason.NOT_FOUND


async def test_delete_node_takes_edges_and_bindings_along(graph: Graph, database: Database, clock: FakeClock) -> None:
    """A node that something refers to stays; once nothing does it goes with all that leads to it, and each is audited."""
    await graph.apply(push(["comp-1", "host-1", "host-2"], [("comp-1", "runs_on", "host-1"), ("comp-1", "runs_on", "host-2")]))
    number = (await graph.ids())["host-1"]
    async with database.write() as tx:
        await bind_all(tx, CALLER, [NewBinding("cpu", number, {})], clock.now())
        await refer(tx, ORGANIZATION, "MaintenanceWindow", 4, [number])
        await refer(tx, ORGANIZATION, "ExternalAlertDefinition", 2, [number, 99])
    async with database.write() as tx:
        with pytest.raises(LumetryError) as caught:
            await editing.delete_node(tx, CALLER, number, clock.now())
        assert (caught.value.reason, caught.value.message) == (
            Reason.CONFLICT,
            f"Topology node {number} cannot be deleted while it is used by ExternalAlertDefinition 2, MaintenanceWindow 4.",
        )
        await refer(tx, ORGANIZATION, "MaintenanceWindow", 4, [])
        await refer(tx, ORGANIZATION, "ExternalAlertDefinition", 2, [99])
        await editing.delete_node(tx, CALLER, number, clock.now())
        assert await list_node_bindings(tx, ORGANIZATION, number) == []
        rows = await tx.execute(select(audit_logs.c.action).order_by(audit_logs.c.id))
        assert rows.scalars().all()[1:] == ["TopologyEdge.Deleted", "MetricNodeBinding.Deleted", "TopologyNode.Deleted"]
        with pytest.raises(LumetryError):
            await reading.get_node(tx, ORGANIZATION, number)
    assert await graph.edges() == {("comp-1", "runs_on", "host-2")}


async def test_create_edge_and_delete_it(graph: Graph, database: Database, clock: FakeClock) -> None:
    """An edge comes back as it was stored, at both its ends, newest first."""
    await graph.apply(push(["comp-1", "host-1", "host-2"]))
    ids = await graph.ids()
    async with database.write() as tx:
        first = await editing.create_edge(tx, CALLER, ids["comp-1"], ids["host-1"], "runs_on", '{"a": 1}', clock.now())
        assert first == Edge(first.id, ORGANIZATION, ids["comp-1"], ids["host-1"], EdgeType.RUNS_ON, {"a": 1}, clock.now())
        second = await editing.create_edge(tx, CALLER, ids["comp-1"], ids["host-2"], "runs_on", None, clock.now())
        assert await reading.list_edges(tx, CALLER, ids["comp-1"], 0) == [second, first]
        assert await reading.list_edges(tx, CALLER, ids["host-1"], 0) == [first]
        assert await reading.list_edges(tx, CALLER, None, 1) == [second]
        assert await reading.read_edges(tx, CALLER, first.id) == [second]
        await editing.delete_edge(tx, CALLER, first.id, clock.now())
        with pytest.raises(LumetryError) as caught:
            await editing.delete_edge(tx, CALLER, first.id, clock.now())
        assert caught.value.message == f"Topology edge {first.id} does not exist."


async def test_create_edge_refuses_what_breaks_the_graph(graph: Graph, database: Database, clock: FakeClock) -> None:
    """Ends, types, repetitions, and the tree of containment are judged as in an import."""
    edges = [("app-1", "contains", "comp-1"), ("comp-1", "contains", "comp-2"), ("comp-2", "runs_on", "host-1")]
    await graph.apply(push(["app-1", "app-2", "comp-1", "comp-2", "host-1"], edges))
    ids = await graph.ids()
    for source, edge_type, target, path, message in (
        ("host-1", "runs_on", "comp-1", "edgeType", "Edge not allowed: a 'Host' cannot 'runs_on' a 'Component'."),
        ("comp-1", "runs_on", "comp-1", "targetNodeId", "An edge cannot lead from a node to itself."),
        ("comp-2", "runs_on", "host-1", "targetNodeId", "The edge exists already."),
        ("app-2", "contains", "comp-1", "targetNodeId", "A node has one parent at most: 'comp-1' is contained in 'app-1'."),
        ("comp-1", "hosts", "comp-2", "edgeType", "must be one of contains, depends_on, runs_on, routes_to"),
    ):
        async with database.write() as tx:
            with pytest.raises(LumetryError) as caught:
                await editing.create_edge(tx, CALLER, ids[source], ids[target], edge_type, None, clock.now())
        assert [(fault.path, fault.message) for fault in caught.value.faults] == [(path, message)]
    async with database.write() as tx:
        with pytest.raises(LumetryError) as caught:
            await editing.create_edge(tx, CALLER, 0, 99, "contains", "[]", clock.now())
        assert [fault.path for fault in caught.value.faults] == ["metadata", "sourceNodeId", "targetNodeId"]


async def test_reads_of_the_graph(graph: Graph, database: Database) -> None:
    """Nodes are listed by name, and read in parts by number, filtered by type and environment; retired ones are in neither."""
    kept = [node("host-1", display_name="b"), node("host-2", display_name="A", environment="test"), node("app-1")]
    await graph.apply(push([*kept, "app-2"]))
    await graph.apply(push(kept, import_id="2", mode="snapshot"))
    ids = await graph.ids()
    async with database.read() as tx:
        found, total = await reading.list_nodes(tx, CALLER, "", "", 1, 2)
        assert ([each.external_id for each in found], total) == (["host-2", "app-1"], 3)
        parts = [
            await reading.read_nodes(tx, CALLER, *asked)
            for asked in ((0, "", ""), (ids["host-1"], "", ""), (0, "host", ""), (0, "", "test"))
        ]
        assert [[each.external_id for each in part] for part in parts] == [
            ["host-1", "host-2", "app-1"],
            ["host-2", "app-1"],
            ["host-1", "host-2"],
            ["host-2"],
        ]
        assert (await reading.get_node(tx, ORGANIZATION, ids["app-2"])).is_retired
        for attempt in (
            reading.list_nodes(tx, CALLER, "\0", "Other", -1, 201),
            reading.read_nodes(tx, CALLER, 0, "Other", ""),
            reading.list_edges(tx, CALLER, None, 5001),
            reading.list_bindings(tx, CALLER, 99),
        ):
            with pytest.raises(LumetryError):
                await attempt
