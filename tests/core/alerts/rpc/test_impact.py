from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import pytest

from lumetry.alerts.v1 import impact_service_pb2 as pb
from lumetry.alerts.v1.impact_service_pb2_grpc import ImpactServiceStub, add_ImpactServiceServicer_to_server
from lumetry.topology.v1 import topology_pb2
from lumetry_core.alerts.model import Alert, Opening
from lumetry_core.alerts.rpc.alerts import encode_alert
from lumetry_core.alerts.rpc.impact import ImpactServicer
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.topology.rpc.messages import encode_node, encode_path_node
from lumetry_core.topology.service.nodes import find_nodes
from tests.core.topology.building import ORGANIZATION, Graph, push

Build = Callable[..., Opening]
Open = Callable[..., Awaitable[list[Alert]]]
SERVICE = "lumetry.alerts.v1.ImpactService"


async def authenticate(_origin: Origin) -> Caller:
    """Knows one person."""
    return Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, permissions=frozenset({Permission.VIEW_ALERTS}))


@pytest.fixture
async def stub(database: Database) -> AsyncIterator[ImpactServiceStub]:
    """A client of a running server."""
    services = {SERVICE: (add_ImpactServiceServicer_to_server, ImpactServicer(database, encode_node, encode_path_node))}
    built = build_server("127.0.0.1:0", services, read_accesses([SERVICE]), authenticate, reflect=False)
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield ImpactServiceStub(channel)
    await built.server.stop(None)


async def test_impact_of_a_cluster(stub: ImpactServiceStub, database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """Everything that is known of the node is told; what a node does not have is absent."""
    graph = Graph(database, clock.now())
    await graph.apply(push(["svc-1", "cluster-1", "host-1"], [("svc-1", "depends_on", "cluster-1"), ("cluster-1", "contains", "host-1")]))
    ids = await graph.ids()
    (alert,) = await open_all(opening(dimension_key="host.id=host-1", severity=Severity.CRITICAL))
    async with database.read() as tx:
        nodes = await find_nodes(tx, ORGANIZATION, ids.values())
    service, cluster, host = (encode_node(nodes[ids[name]]) for name in ("svc-1", "cluster-1", "host-1"))
    assert await stub.GetImpact(pb.GetImpactRequest(node_id=cluster.id)) == pb.GetImpactResponse(
        node=cluster,
        state="Critical",
        services=[service],
        paths=[
            pb.TopologyPath(
                nodes=[
                    topology_pb2.TopologyPathNode(node_id=cluster.id, display_name="CLUSTER-1", node_type=topology_pb2.NODE_TYPE_CLUSTER),
                    topology_pb2.TopologyPathNode(
                        node_id=service.id,
                        display_name="SVC-1",
                        node_type=topology_pb2.NODE_TYPE_BUSINESS_SERVICE,
                        via_edge_type=topology_pb2.EDGE_TYPE_DEPENDS_ON,
                    ),
                ]
            )
        ],
        active_alerts=[encode_alert(alert)],
        cluster_state=pb.ClusterState(total=1, down=1, state="Outage"),
        probable_cause=host,
    )
    below = await stub.GetImpact(pb.GetImpactRequest(node_id=host.id))
    assert (below.state, below.HasField("cluster_state")) == ("Critical", False)
