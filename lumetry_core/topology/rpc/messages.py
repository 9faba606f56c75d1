"""Nodes, edges and paths as their messages."""

import msgspec

from lumetry.topology.v1 import topology_pb2
from lumetry_core.runtime.timestamps import encode_time
from lumetry_core.topology.model import Edge, EdgeType, Node, NodeType, PathNode

NODE_TYPES = {node_type: topology_pb2.NodeType.Value(f"NODE_TYPE_{node_type.name}") for node_type in NodeType}
EDGE_TYPES = {edge_type: topology_pb2.EdgeType.Value(f"EDGE_TYPE_{edge_type.name}") for edge_type in EdgeType}


def encode_node(node: Node) -> topology_pb2.TopologyNode:
    """A node."""
    return topology_pb2.TopologyNode(
        id=node.id,
        external_id=node.external_id,
        node_type=NODE_TYPES[node.node_type],
        display_name=node.display_name,
        environment=node.environment,
        owner_team=node.owner_team,
        metadata_json=msgspec.json.encode(node.metadata).decode() if node.metadata else "{}",
        source=node.source,
        is_retired=node.is_retired,
        create_time=encode_time(node.create_time),
        update_time=encode_time(node.update_time),
    )


def encode_edge(edge: Edge) -> topology_pb2.TopologyEdge:
    """An edge."""
    return topology_pb2.TopologyEdge(
        id=edge.id,
        source_node_id=edge.source_id,
        target_node_id=edge.target_id,
        edge_type=EDGE_TYPES[edge.edge_type],
        metadata_json=msgspec.json.encode(edge.metadata).decode() if edge.metadata else "{}",
        create_time=encode_time(edge.create_time),
    )


def encode_path_node(step: PathNode) -> topology_pb2.TopologyPathNode:
    """A step of a path."""
    return topology_pb2.TopologyPathNode(
        node_id=step.node_id,
        display_name=step.display_name,
        node_type=NODE_TYPES[step.node_type],
        via_edge_type=topology_pb2.EDGE_TYPE_UNSPECIFIED if step.via is None else EDGE_TYPES[step.via],
    )
