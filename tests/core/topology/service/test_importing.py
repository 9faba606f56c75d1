from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import msgspec
import pytest
from sqlalchemy import func, select

from lumetry_core.access.store.audit import audit_logs, revisions
from lumetry_core.metrics.service import inbox
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.topology.draft import BindingDraft, ImportDraft, NodeDraft
from lumetry_core.topology.model import Node, NodeType
from lumetry_core.topology.service.importing import BindingCounts, Counts, ImportResult
from lumetry_core.topology.store.nodes import find_by_external_id
from tests.conftest import FakeClock
from tests.core.metrics.defining import Desk
from tests.core.topology.building import ORGANIZATION, Graph, edge, node, push

BANK = push(
    [node("svc-bank", metadata_json='{"sysId": "1"}', environment="production"), "app-bank", "comp-web", "host-1", "host-2", "cluster-web"],
    [
        ("svc-bank", "contains", "app-bank"),
        ("app-bank", "contains", "comp-web"),
        ("comp-web", "runs_on", "host-1"),
        ("cluster-web", "contains", "host-1"),
    ],
)


async def faults_of(graph: Graph, draft: ImportDraft) -> list[tuple[str, str]]:
    """Everything that is said of an import that is not valid, which changes nothing."""
    before = (await graph.ids(), await graph.edges())
    with pytest.raises(LumetryError) as caught:
        await graph.apply(draft)
    assert (await graph.ids(), await graph.edges()) == before
    assert (caught.value.reason, caught.value.message) == (Reason.VALIDATION_FAILED, "Topology import payload validation failed.")
    return [(fault.path, fault.message) for fault in caught.value.faults]


async def find(database: Database, *external_ids: str) -> list[Node]:
    """Nodes by external id."""
    async with database.read() as tx:
        found = await find_by_external_id(tx, ORGANIZATION, external_ids)
    return [found[external_id] for external_id in external_ids]


async def test_apply_stores_nodes_and_edges(graph: Graph, database: Database, clock: FakeClock) -> None:
    """Everything of the payload is there afterwards, under the payload's source."""
    result = await graph.apply(BANK)
    assert result == ImportResult(Counts(created=6), Counts(created=4), BindingCounts())
    assert await graph.edges() == {(each.source_external_id, each.edge_type, each.target_external_id) for each in BANK.edges}
    [service] = await find(database, "svc-bank")
    assert service == Node(
        id=service.id,
        organization_id=ORGANIZATION,
        external_id="svc-bank",
        node_type=NodeType.BUSINESS_SERVICE,
        display_name="SVC-BANK",
        environment="production",
        owner_team=None,
        metadata={"sysId": "1"},
        source="cmdb",
        is_retired=False,
        create_time=clock.now(),
        update_time=clock.now(),
    )


async def test_apply_again_is_a_replay(graph: Graph, database: Database, clock: FakeClock) -> None:
    """The same payload under the same name is answered as before, whatever happened since; another payload is applied anew."""
    first = await graph.apply(BANK)
    await graph.apply(push([node("host-1", display_name="New name")], import_id="2"))
    replayed = await graph.apply(BANK, clock.advance(hours=1))
    assert replayed == replace(first, replayed=True)
    [host] = await find(database, "host-1")
    assert host.display_name == "New name"
    changed = await graph.apply(push(["host-1", "host-3"]))
    assert changed == ImportResult(Counts(created=1, updated=1), Counts(), BindingCounts())
    assert (await graph.apply(push(["host-1", "host-3"]))).replayed
    assert not (await graph.apply(push(["host-1", "host-3"], source="other"))).replayed


async def test_upsert_keeps_what_is_absent(graph: Graph, database: Database, clock: FakeClock) -> None:
    """Given fields overwrite, absent ones stay, blank ones are emptied; what is as it was counts as unchanged and keeps its time."""
    await graph.apply(push([node("host-1", environment="production", owner_team="web", metadata_json='{"hostId": "a"}'), "host-2"]))
    later = clock.advance(hours=1)
    draft = push([node("host-1", display_name=" Web ", environment=" "), "host-2"], import_id="2")
    assert (await graph.apply(draft, later)).nodes == Counts(updated=1, unchanged=1)
    first, second = await find(database, "host-1", "host-2")
    assert (first.display_name, first.environment, first.owner_team, first.metadata) == ("Web", None, "web", {"hostId": "a"})
    assert (first.update_time, second.update_time) == (later, later - timedelta(hours=1))


async def test_edges_repeated_in_a_payload_are_one(graph: Graph) -> None:
    """An edge is its ends and type; the last metadata given count, and absent ones keep the stored."""
    await graph.apply(push(["comp-1", "host-1"], [edge("comp-1", "runs_on", "host-1"), edge("comp-1", "runs_on", "host-1", {"a": 1})]))
    unchanged = await graph.apply(push([], [("comp-1", "runs_on", "host-1")], import_id="2"))
    assert unchanged.edges == Counts(unchanged=1)
    same = await graph.apply(push([], [edge("comp-1", "runs_on", "host-1", {"a": 1})], import_id="3"))
    assert same.edges == Counts(unchanged=1)
    other = await graph.apply(push([], [edge("comp-1", "runs_on", "host-1", {}), ("comp-1", "routes_to", "host-1")], import_id="4"))
    assert other.edges == Counts(created=1, updated=1)


async def test_snapshot_retires_what_its_source_no_longer_names(graph: Graph, database: Database) -> None:
    """Nodes of the source go with all their edges, and edges between its nodes; what others pushed stays, and numbers stay for revival."""
    await graph.apply(BANK)
    await graph.apply(push(["comp-other"], [("comp-other", "runs_on", "host-1"), ("comp-other", "runs_on", "host-2")], source="other"))
    ids = await graph.ids()
    kept = push(["svc-bank", "app-bank", "comp-web", "host-1"], [("svc-bank", "contains", "app-bank")], import_id="2", mode="snapshot")
    result = await graph.apply(kept)
    assert (result.nodes, result.edges) == (Counts(unchanged=4, retired=2), Counts(unchanged=1, retired=4))
    assert await graph.edges() == {("svc-bank", "contains", "app-bank"), ("comp-other", "runs_on", "host-1")}
    retired, other = await find(database, "host-2", "comp-other")
    assert (retired.is_retired, retired.id, other.is_retired) == (True, ids["host-2"], False)
    assert await faults_of(graph, push([], [("comp-web", "runs_on", "host-2")], import_id="3")) == [
        ("edges[0].targetExternalId", "node 'host-2' does not exist")
    ]
    revived = await graph.apply(push(["host-2"], import_id="4"))
    assert revived.nodes == Counts(updated=1)
    [host] = await find(database, "host-2")
    assert (host.is_retired, host.id) == (False, ids["host-2"])


async def test_snapshot_may_move_a_node_to_another_parent(graph: Graph) -> None:
    """Edges that go make room for those that come."""
    await graph.apply(BANK)
    moved = push(
        ["svc-bank", "app-bank", "comp-web", "app-new"],
        [("app-new", "contains", "comp-web"), ("svc-bank", "contains", "app-bank")],
        import_id="2",
        mode="snapshot",
    )
    await graph.apply(moved)
    assert await graph.edges() == {("app-new", "contains", "comp-web"), ("svc-bank", "contains", "app-bank")}


async def test_every_fault_of_a_payload_is_named(graph: Graph) -> None:
    """Fields, repetitions, ends, types, structure and bindings are judged together, and nothing is written."""
    await graph.apply(BANK)
    draft = push(
        [
            node("host-9", display_name=" ", node_type="Other"),
            node("host-8", metadata_json="[]"),
            "host-8",
            node("host-1", node_type="Component"),
            NodeDraft(node_type="Host", display_name="No id"),
            node("node:17", node_type="Host"),
        ],
        [
            ("host-1", "runs_on", "comp-web"),
            ("host-8", "runs_on", "host-8"),
            ("host-9", "contains", "host-8"),
            ("nobody", "contains", ""),
            ("comp-web", "hosts", "host-1"),
            ("comp-web", "contains", "comp-web"),
        ],
        [BindingDraft(metric_key="cpu", node_external_id="nobody", labels={"a|": "x"})],
        import_id="2",
    )
    types = "BusinessService, Application, Component, Host, Database, Cluster"
    assert await faults_of(graph, draft) == [
        ("nodes[0].displayName", "must have 1 to 255 characters"),
        ("nodes[0].nodeType", f"must be one of {types}"),
        ("nodes[1].metadata", "must be a JSON object"),
        ("nodes[2].externalId", "repeats nodes[1]"),
        ("nodes[3].nodeType", "cannot be changed from 'Host' to 'Component'"),
        ("nodes[4].externalId", "is required"),
        ("nodes[5].externalId", "has the form that nodes without an external id get"),
        ("edges[0]", "Edge not allowed: a 'Host' cannot 'runs_on' a 'Component'."),
        ("edges[1]", "An edge cannot lead from a node to itself."),
        ("edges[3].sourceExternalId", "node 'nobody' does not exist"),
        ("edges[3].targetExternalId", "is required"),
        ("edges[4].edgeType", "must be one of contains, depends_on, runs_on, routes_to"),
        ("edges[5]", "An edge cannot lead from a node to itself."),
        ("bindings[0].metricKey", "metric 'cpu' does not exist"),
        ("bindings[0].labels.a|", "label names have 1 to 128 characters without =, | and control characters"),
        ("bindings[0].nodeExternalId", "node 'nobody' does not exist"),
    ]


async def test_containment_stays_a_tree(graph: Graph) -> None:
    """A second parent, a second cluster and a cycle over stored edges are refused; a cluster beside a parent is not."""
    await graph.apply(BANK)
    await graph.apply(push(["comp-a", "comp-b"], [("comp-web", "contains", "comp-a"), ("comp-a", "contains", "comp-b")], import_id="2"))
    draft = push(
        ["app-other", "cluster-2"],
        [
            ("app-other", "contains", "comp-a"),
            ("cluster-2", "contains", "host-1"),
            ("cluster-2", "contains", "comp-web"),
            ("comp-b", "contains", "comp-web"),
        ],
        import_id="3",
    )
    assert await faults_of(graph, draft) == [
        ("edges[0]", "A node has one parent at most: 'comp-a' is contained in 'comp-web'."),
        ("edges[1]", "A node has one cluster at most: 'host-1' is contained in 'cluster-web'."),
        ("edges[3]", "A node has one parent at most: 'comp-web' is contained in 'app-bank'."),
        ("edges[3]", "'comp-b' and 'comp-web' would contain each other."),
    ]


async def test_cycle_far_above_is_found(graph: Graph) -> None:
    """A chain that is longer than what is read level by level is still seen to the top."""
    names = [f"comp-{number}" for number in range(40)]
    await graph.apply(push(names, [(above, "contains", below) for above, below in pairwise(names)]))
    assert await faults_of(graph, push([], [("comp-39", "contains", "comp-0")], import_id="2")) == [
        ("edges[0]", "'comp-39' and 'comp-0' would contain each other.")
    ]


async def test_apply_import_with_a_faulty_head_names_the_other_faults_too(graph: Graph) -> None:
    """Nobody has to send a payload again to hear what else is wrong with it."""
    draft = push(["host-1"], [("host-1", "runs_on", "comp-9")], source=" ", mode="merge")
    assert await faults_of(graph, draft) == [
        ("source", "must have 1 to 255 characters"),
        ("mode", "must be one of upsert, snapshot"),
        ("edges[0].targetExternalId", "node 'comp-9' does not exist"),
    ]


async def test_envelope_and_limits(graph: Graph) -> None:
    """Names are required and sizes are limited."""
    assert await faults_of(graph, push(source=" ", import_id="", mode="merge")) == [
        ("source", "must have 1 to 255 characters"),
        ("importId", "must have 1 to 255 characters"),
        ("mode", "must be one of upsert, snapshot"),
    ]
    nodes = [node(f"host-{number}") for number in range(5001)]
    edges, bindings = [edge("a", "b", "c")] * 20_001, [BindingDraft(metric_key="a", node_external_id="b")] * 20_001
    assert await faults_of(graph, push(nodes, edges, bindings)) == [
        ("nodes", "must be at most 5000"),
        ("edges", "must be at most 20000"),
        ("bindings", "must be at most 20000"),
    ]


async def test_bindings_are_made_once(graph: Graph, database: Database, clock: FakeClock) -> None:
    """Metrics that are defined are bound to nodes of the payload or the graph; what is bound already is unchanged."""
    async with database.write() as tx:
        await inbox.ensure_partitions(tx)
    await Desk(database, clock).create(metric_key="cpu")
    bindings = [
        BindingDraft(metric_key="cpu", node_external_id="host-1", labels={"a": "1", "b": "2"}),
        BindingDraft(metric_key="cpu", node_external_id="host-1", labels={"b": "2", "a": "1"}),
        BindingDraft(metric_key="cpu", node_external_id="host-1"),
    ]
    assert (await graph.apply(push(["host-1"], [], bindings))).bindings == BindingCounts(created=2)
    assert (await graph.apply(push([], [], bindings, import_id="2"))).bindings == BindingCounts(unchanged=2)


async def test_apply_is_audited_once_with_a_history_for_each_entity(graph: Graph, database: Database) -> None:
    """One row tells of the import, and revisions of what each node and edge was and became."""
    await graph.apply(BANK)
    await graph.apply(push([node("host-1", display_name="Web"), "host-2"], import_id="2", mode="snapshot"))
    ids = await graph.ids()
    async with database.read() as tx:
        rows = await tx.execute(select(audit_logs).order_by(audit_logs.c.id))
        told = [(row.action, row.entity_id, msgspec.json.decode(row.new_values_json)) for row in rows]
        assert [(action, entity_id) for action, entity_id, _ in told] == [
            ("TopologyImport.Applied", "cmdb:1"),
            ("TopologyImport.Applied", "cmdb:2"),
        ]
        assert told[1][2] == {
            "source": "cmdb",
            "importId": "2",
            "mode": "snapshot",
            "nodes": {"created": 0, "updated": 1, "unchanged": 1, "retired": 4},
            "edges": {"created": 0, "updated": 0, "unchanged": 0, "retired": 4},
            "bindings": {"created": 0, "unchanged": 0},
        }
        of_host = (revisions.c.entity_type == "TopologyNode") & (revisions.c.entity_id == str(ids["host-1"]))
        rows = await tx.execute(select(revisions).where(of_host).order_by(revisions.c.id))
        names = [tuple(text and msgspec.json.decode(text)["displayName"] for text in (row.before_json, row.after_json)) for row in rows]
        assert names == [(None, "HOST-1"), ("HOST-1", "Web")]
        counted = await tx.execute(
            select(revisions.c.entity_type, revisions.c.operation, func.count()).group_by(revisions.c.entity_type, revisions.c.operation)
        )
        assert {(row[0], row[1]): row[2] for row in counted} == {
            ("TopologyNode", "Created"): 6,
            ("TopologyNode", "Updated"): 5,
            ("TopologyEdge", "Created"): 4,
            ("TopologyEdge", "Removed"): 4,
        }


async def test_organizations_do_not_meet(graph: Graph, database: Database) -> None:
    """The same external ids are other nodes elsewhere, and nobody's nodes are ends of a stranger's edges."""
    await graph.apply(BANK)
    stranger = Graph(database, graph.now, organization_id=8)
    assert await faults_of(stranger, push([], [("comp-web", "runs_on", "host-1")])) == [
        ("edges[0].sourceExternalId", "node 'comp-web' does not exist"),
        ("edges[0].targetExternalId", "node 'host-1' does not exist"),
    ]
    assert (await stranger.apply(BANK)).nodes == Counts(created=6)
    assert set((await stranger.ids()).values()).isdisjoint((await graph.ids()).values())
