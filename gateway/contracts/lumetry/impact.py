"""What active alerts mean for a node (contract lumetry 15.3)."""

import msgspec

from gateway.contracts.lumetry.alerts import Alert, encode_alert
from gateway.contracts.lumetry.topology import EDGE_TYPES, NODE_TYPES, Node, encode_node
from gateway.transcode.channel import find_rpc
from gateway.transcode.request import Request
from lumetry.alerts.v1 import impact_service_pb2 as pb
from lumetry.topology.v1 import topology_pb2

GET_IMPACT = find_rpc(pb.DESCRIPTOR, "ImpactService", "GetImpact")


class PathNode(msgspec.Struct, rename="camel"):
    """A step of a path; `viaEdgeType` is null at its start."""

    node_id: int
    display_name: str
    node_type: str
    via_edge_type: str | None


class ClusterState(msgspec.Struct):
    """How a redundancy group stands."""

    total: int
    down: int
    state: str


class Impact(msgspec.Struct, rename="camel"):
    """The impact of a node."""

    node: Node
    state: str
    services: list[Node]
    paths: list[list[PathNode]]
    active_alerts: list[Alert]
    cluster_state: ClusterState | None
    probable_cause: Node | None


def decode_get_impact(request: Request) -> pb.GetImpactRequest:
    """15.3 `GET /api/topology/nodes/{id}/impact`."""
    return pb.GetImpactRequest(node_id=request.number("id"))


def encode_get_impact(reply: pb.GetImpactResponse, _asked: object) -> Impact:
    """15.3 the impact."""
    cluster = reply.cluster_state
    return Impact(
        node=encode_node(reply.node),
        state=reply.state,
        services=[encode_node(service) for service in reply.services],
        paths=[[encode_path_node(step) for step in path.nodes] for path in reply.paths],
        active_alerts=[encode_alert(alert) for alert in reply.active_alerts],
        cluster_state=ClusterState(cluster.total, cluster.down, cluster.state) if reply.HasField("cluster_state") else None,
        probable_cause=encode_node(reply.probable_cause) if reply.HasField("probable_cause") else None,
    )


def encode_path_node(step: topology_pb2.TopologyPathNode) -> PathNode:
    """15.3 a step of a path."""
    via = EDGE_TYPES[step.via_edge_type] if step.via_edge_type else None
    return PathNode(step.node_id, step.display_name, NODE_TYPES[step.node_type], via)
