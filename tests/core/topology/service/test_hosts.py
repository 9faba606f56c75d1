from dataclasses import replace

import pytest
from sqlalchemy import select

from lumetry_core.access.store.audit import audit_logs
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.topology.model import Node, NodeType
from lumetry_core.topology.service.changes import list_versions
from lumetry_core.topology.service.clusters import list_clusters
from lumetry_core.topology.service.editing import delete_node
from lumetry_core.topology.service.hosts import ensure_host_node, find_cluster, find_clusters_of, find_host_ids, place_in_cluster
from tests.conftest import FakeClock
from tests.core.topology.building import CALLER, ORGANIZATION, Graph, node, push


async def ensure(database: Database, clock: FakeClock, host_id: str) -> Node:
    async with database.write() as tx:
        return await ensure_host_node(tx, CALLER, host_id, "Web 1", {"os": "linux"}, clock.now())


async def place(database: Database, clock: FakeClock, host: int, cluster: int | None) -> None:
    async with database.write() as tx:
        await place_in_cluster(tx, CALLER, host, cluster, clock.now())


async def actions(database: Database) -> list[str]:
    async with database.read() as tx:
        statement = select(audit_logs.c.action).where(audit_logs.c.organization_id == ORGANIZATION).order_by(audit_logs.c.id)
        return [action for action in (await tx.execute(statement)).scalars() if action != "TopologyImport.Applied"]


async def test_ensure_host_node_adds_a_host(database: Database, clock: FakeClock) -> None:
    """Its external id is the host's id; a second time it is the same one, and nothing is audited again."""
    added = await ensure(database, clock, "web-1")
    assert added == Node(
        id=added.id,
        organization_id=ORGANIZATION,
        external_id="web-1",
        node_type=NodeType.HOST,
        display_name="Web 1",
        environment=None,
        owner_team=None,
        metadata={"os": "linux", "hostId": "web-1"},
        source="agent",
        is_retired=False,
        create_time=clock.now(),
        update_time=clock.now(),
    )
    assert await ensure(database, clock, "web-1") == added
    assert await actions(database) == ["TopologyNode.Created"]


@pytest.mark.parametrize("known", [node("host-1"), node("asset-1", metadata_json='{"hostId": "host-1"}')])
async def test_ensure_host_node_uses_the_one_of_the_inventory(graph: Graph, database: Database, clock: FakeClock, known: object) -> None:
    """A host whose external id or `hostId` is the host's id is taken as it is."""
    await graph.apply(push([known]))  # type: ignore[list-item]
    found = await ensure(database, clock, "host-1")
    assert ([found.id], found.source, found.display_name) == (list((await graph.ids()).values()), "cmdb", found.external_id.upper())


async def test_ensure_host_node_revives_a_retired_host(graph: Graph, database: Database, clock: FakeClock) -> None:
    """It keeps its number, history tells that it is back, and the source that retired it does not do so again."""
    await graph.apply(push(["host-1"]))
    number = (await graph.ids())["host-1"]
    await graph.apply(push([], import_id="2", mode="snapshot"))
    found = await ensure(database, clock, "host-1")
    assert (found.id, found.is_retired, found.source) == (number, False, "agent")
    assert await actions(database) == ["TopologyNode.Updated"]
    await graph.apply(push([], import_id="3", mode="snapshot"))
    assert await ensure(database, clock, "host-1") == found


@pytest.mark.parametrize("taken", ["comp-1", "node:77"])
async def test_ensure_host_node_whose_id_cannot_be_external(graph: Graph, database: Database, clock: FakeClock, taken: str) -> None:
    """Where another kind of node has it, or its form is reserved, the host gets another one and is found by its metadata."""
    if taken == "comp-1":
        await graph.apply(push(["comp-1"]))
    added = await ensure(database, clock, taken)
    assert (added.external_id, added.host_id) == (f"node:{added.id}", taken)
    assert await ensure(database, clock, taken) == added
    async with database.read() as tx:
        assert await find_host_ids(tx, ORGANIZATION, [taken]) == {taken: added.id}


async def test_find_cluster_by_name_or_external_id(graph: Graph, database: Database) -> None:
    """Names in any letter case, external ids exactly; neither what is ambiguous, nor what is no cluster or gone."""
    clusters = [node(f"cluster-{number}", display_name=name) for number, name in enumerate(["Web Farm", "Twin", "TWIN", "Straße"])]
    await graph.apply(push([*clusters, node("host-1", display_name="Other")]))
    await graph.apply(push([node("cluster-9", display_name="Gone")], source="old"))
    await graph.apply(push([], source="old", import_id="2", mode="snapshot"))
    ids = await graph.ids()
    async with database.read() as tx:

        async def number(**asked: str) -> int | None:
            found = await find_cluster(tx, ORGANIZATION, **asked)
            return None if found is None else found.id

        assert await number(name=" web FARM ") == await number(external_id="cluster-0") == ids["cluster-0"]
        assert await number(name="STRASSE") == ids["cluster-3"]
        for name in ("twin", "other", "gone", "never", " ", ""):
            assert await number(name=name) is None
        for external_id in ("CLUSTER-0", "host-1", "cluster-9", ""):
            assert await number(external_id=external_id) is None
        assert await find_cluster(tx, ORGANIZATION + 1, name="web farm") is None


async def test_place_in_cluster_replaces_the_membership(graph: Graph, database: Database, clock: FakeClock) -> None:
    """One cluster at most: the edge of an import goes when the host is placed elsewhere, and comes back with that import."""
    inventory = push(
        ["cluster-1", "cluster-2", "host-1", "host-2"], [("cluster-1", "contains", "host-1"), ("cluster-1", "contains", "host-2")]
    )
    await graph.apply(inventory)
    ids = await graph.ids()
    await place(database, clock, ids["host-1"], ids["cluster-2"])
    await place(database, clock, ids["host-1"], ids["cluster-2"])
    assert await graph.edges() == {("cluster-2", "contains", "host-1"), ("cluster-1", "contains", "host-2")}
    assert await actions(database) == ["TopologyEdge.Deleted", "TopologyEdge.Created"]
    async with database.read() as tx:
        found = await find_clusters_of(tx, ORGANIZATION, [ids["host-1"], ids["host-2"], ids["cluster-1"]])
        assert {number: cluster.external_id for number, cluster in found.items()} == {
            ids["host-1"]: "cluster-2",
            ids["host-2"]: "cluster-1",
        }
        assert [(cluster.external_id, count) for cluster, count in await list_clusters(tx, ORGANIZATION)] == [
            ("cluster-1", 1),
            ("cluster-2", 1),
        ]
    await place(database, clock, ids["host-1"], None)
    assert await graph.edges() == {("cluster-1", "contains", "host-2")}
    await graph.apply(replace(inventory, import_id="2"))
    assert ("cluster-1", "contains", "host-1") in await graph.edges()


async def test_place_in_cluster_refuses_what_is_none(graph: Graph, database: Database, clock: FakeClock) -> None:
    """Only hosts in the graph are placed, only in clusters in the graph, and nothing is changed."""
    await graph.apply(push(["cluster-1", "host-1", "comp-1"], [("cluster-1", "contains", "host-1")]))
    ids = await graph.ids()
    for host, cluster, reason in (
        (ids["comp-1"], ids["cluster-1"], Reason.NOT_FOUND),
        (999, None, Reason.NOT_FOUND),
        (ids["host-1"], ids["comp-1"], Reason.VALIDATION_FAILED),
        (ids["host-1"], 999, Reason.VALIDATION_FAILED),
    ):
        with pytest.raises(LumetryError) as caught:
            await place(database, clock, host, cluster)
        assert caught.value.reason is reason
        assert [fault.path for fault in caught.value.faults] == (["clusterId"] if reason is Reason.VALIDATION_FAILED else [])
    assert await graph.edges() == {("cluster-1", "contains", "host-1")}


async def test_list_versions_counts_changes(graph: Graph, database: Database, clock: FakeClock) -> None:
    """Every change of a graph raises its version, and no other's."""
    await graph.apply(push(["host-1"]))
    async with database.read() as tx:
        before = await list_versions(tx)
    async with database.write() as tx:
        await delete_node(tx, CALLER, (await graph.ids())["host-1"], clock.now())
    async with database.read() as tx:
        after = await list_versions(tx)
    assert (before.keys(), after.keys()) == ({ORGANIZATION}, {ORGANIZATION})
    assert after[ORGANIZATION] > before[ORGANIZATION]
