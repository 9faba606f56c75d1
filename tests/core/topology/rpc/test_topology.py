from collections.abc import AsyncIterator

import grpc
import pytest

from lumetry.metrics.v1 import metric_binding_pb2
from lumetry.topology.v1 import topology_pb2
from lumetry.topology.v1 import topology_service_pb2 as pb
from lumetry.topology.v1.topology_service_pb2_grpc import TopologyServiceStub, add_TopologyServiceServicer_to_server
from lumetry_core.metrics.binding import NewBinding
from lumetry_core.metrics.rpc.bindings import write_binding
from lumetry_core.metrics.service.bindings import bind_all
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from lumetry_core.topology.rpc.topology import TopologyServicer
from tests.conftest import FakeClock
from tests.core.topology.building import CALLER

SERVICE = "lumetry.topology.v1.TopologyService"
VIEWER = (("authorization", "Bearer viewer"),)


async def authenticate(origin: Origin) -> Caller:
    """Knows one person, who may do everything unless the secret says `viewer`."""
    permissions = frozenset({Permission.VIEW_ALERTS}) if origin.secret == "viewer" else frozenset(Permission)
    return Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin", permissions=permissions)


@pytest.fixture
async def stub(database: Database, clock: FakeClock) -> AsyncIterator[TopologyServiceStub]:
    """A client of a running server."""
    services = {SERVICE: (add_TopologyServiceServicer_to_server, TopologyServicer(database, clock, write_binding))}
    built = build_server("127.0.0.1:0", services, read_accesses([SERVICE]), authenticate, reflect=False)
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield TopologyServiceStub(channel)
    await built.server.stop(None)


HOST = pb.TopologyNodeFields(external_id="h", node_type="Host", display_name="Web", environment="production", metadata_json='{"a": 1}')


async def test_import_is_applied_replayed_or_refused(stub: TopologyServiceStub) -> None:
    """Counts of nodes, edges and bindings are answered; faults come in the answer and nothing is written, nor is it by a mere check."""
    edge = pb.ImportedEdge(source_external_id="c", target_external_id="h", edge_type="runs_on", metadata_json='{"w": 1}')
    cluster = pb.TopologyNodeFields(external_id="c", node_type="Cluster", display_name="Farm")
    request = pb.ImportTopologyRequest(source="cmdb", import_id="1", mode="snapshot", nodes=[HOST, cluster], edges=[edge])
    checked = pb.ImportTopologyRequest(validate_only=True, source="cmdb", import_id="1", nodes=[HOST])
    assert await stub.ImportTopology(checked) == pb.ImportTopologyResponse()
    assert (await stub.ListTopologyNodes(pb.ListTopologyNodesRequest())).total_count == 0
    applied = pb.ImportTopologyResponse(nodes=pb.ImportCounts(created=2), edges=pb.ImportCounts(created=1))
    assert await stub.ImportTopology(request) == applied
    applied.replayed = True
    assert await stub.ImportTopology(request) == applied
    reverse = pb.ImportedEdge(source_external_id="h", target_external_id="c", edge_type="runs_on")
    faulty = pb.ImportTopologyRequest(
        source="cmdb",
        import_id="2",
        edges=[reverse],
        bindings=[pb.ImportedBinding(metric_key="cpu", node_external_id="h", labels={"a": "b"})],
    )
    assert await stub.ImportTopology(faulty) == pb.ImportTopologyResponse(
        faults=[
            pb.ImportFault(path="edges[0]", message="Edge not allowed: a 'Host' cannot 'runs_on' a 'Cluster'."),
            pb.ImportFault(path="bindings[0].metricKey", message="metric 'cpu' does not exist"),
        ]
    )


async def test_node_is_created_changed_listed_and_deleted(stub: TopologyServiceStub, clock: FakeClock) -> None:
    """Each answer is the node as it then is; fields without value are absent."""
    node = (await stub.CreateTopologyNode(pb.CreateTopologyNodeRequest(fields=HOST))).node
    assert node == topology_pb2.TopologyNode(
        id=node.id,
        external_id="h",
        node_type=topology_pb2.NODE_TYPE_HOST,
        display_name="Web",
        environment="production",
        metadata_json='{"a":1}',
        source="manual",
        create_time=encode_time(clock.now()),
        update_time=encode_time(clock.now()),
    )
    assert (await stub.GetTopologyNode(pb.GetTopologyNodeRequest(id=node.id))).node == node
    fields = pb.TopologyNodeFields(node_type="Host", display_name="Farm", owner_team="web")
    changed = (await stub.UpdateTopologyNode(pb.UpdateTopologyNodeRequest(id=node.id, fields=fields))).node
    assert (changed.display_name, changed.owner_team, changed.HasField("environment"), changed.metadata_json) == (
        "Farm",
        "web",
        False,
        "{}",
    )
    listed = await stub.ListTopologyNodes(pb.ListTopologyNodesRequest(search="far", node_type="host", page=1, page_size=5))
    assert listed == pb.ListTopologyNodesResponse(nodes=[changed], total_count=1)
    assert list((await stub.ReadTopologyNodes(pb.ReadTopologyNodesRequest())).nodes) == [changed]
    await stub.DeleteTopologyNode(pb.DeleteTopologyNodeRequest(id=node.id))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetTopologyNode(pb.GetTopologyNodeRequest(id=node.id))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_edge_and_bindings_of_a_node(stub: TopologyServiceStub, database: Database, clock: FakeClock) -> None:
    """An edge is created, read and deleted; bindings carry the name of their node."""
    application = pb.TopologyNodeFields(node_type="Application", display_name="Shop")
    source = (await stub.CreateTopologyNode(pb.CreateTopologyNodeRequest(fields=application))).node
    target = (await stub.CreateTopologyNode(pb.CreateTopologyNodeRequest(fields=HOST))).node
    asked = pb.CreateTopologyEdgeRequest(source_node_id=source.id, target_node_id=target.id, edge_type="runs_on", metadata_json='{"w": 2}')
    edge = (await stub.CreateTopologyEdge(asked)).edge
    assert edge == topology_pb2.TopologyEdge(
        id=edge.id,
        source_node_id=source.id,
        target_node_id=target.id,
        edge_type=topology_pb2.EDGE_TYPE_RUNS_ON,
        metadata_json='{"w":2}',
        create_time=encode_time(clock.now()),
    )
    assert (await stub.GetTopologyEdge(pb.GetTopologyEdgeRequest(id=edge.id))).edge == edge
    assert list((await stub.ListTopologyEdges(pb.ListTopologyEdgesRequest(node_id=target.id))).edges) == [edge]
    assert list((await stub.ReadTopologyEdges(pb.ReadTopologyEdgesRequest())).edges) == [edge]
    await stub.DeleteTopologyEdge(pb.DeleteTopologyEdgeRequest(id=edge.id))
    assert list((await stub.ListTopologyEdges(pb.ListTopologyEdgesRequest())).edges) == []
    async with database.write() as tx:
        [bound] = await bind_all(tx, CALLER, [NewBinding("cpu", target.id, {"host.id": "a"})], clock.now())
    found = await stub.ListTopologyNodeBindings(pb.ListTopologyNodeBindingsRequest(id=target.id))
    assert list(found.bindings) == [
        metric_binding_pb2.MetricBinding(
            id=bound.id, metric_key="cpu", node_id=target.id, node_name="Web", labels={"host.id": "a"}, create_time=encode_time(clock.now())
        )
    ]


async def test_viewers_write_nothing(stub: TopologyServiceStub) -> None:
    """Whoever may only look changes neither nodes nor edges, and pushes nothing."""
    for call in (
        stub.ImportTopology(pb.ImportTopologyRequest(), metadata=VIEWER),
        stub.CreateTopologyNode(pb.CreateTopologyNodeRequest(), metadata=VIEWER),
        stub.UpdateTopologyNode(pb.UpdateTopologyNodeRequest(), metadata=VIEWER),
        stub.DeleteTopologyNode(pb.DeleteTopologyNodeRequest(), metadata=VIEWER),
        stub.CreateTopologyEdge(pb.CreateTopologyEdgeRequest(), metadata=VIEWER),
        stub.DeleteTopologyEdge(pb.DeleteTopologyEdgeRequest(), metadata=VIEWER),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
