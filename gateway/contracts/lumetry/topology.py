"""The graph of nodes and edges, edited one by one (contract lumetry 15.3)."""

import json
from typing import Any, Literal

import msgspec
from aiohttp import web

from gateway.contracts.lumetry.metric_bindings import Binding, encode_binding
from gateway.contracts.lumetry.values import Id, Limit, Page, PageNumber, PageSize, Time, make_page, optional_value
from gateway.transcode.bodies import check_content_type, parse_json
from gateway.transcode.channel import UNCHARGED, Rpc, find_rpc
from gateway.transcode.failures import Fault, validation_failure
from gateway.transcode.handling import json_response
from gateway.transcode.reading import read_body
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.topology.v1 import topology_pb2
from lumetry.topology.v1 import topology_service_pb2 as pb

DEFAULT_PAGE_SIZE = 25
PART_SIZE = 5000
"""Nodes or edges in a full part of the graph."""

NodeType = Literal["Application", "BusinessService", "Cluster", "Component", "Database", "Host"]
NODE_TYPES = {
    number: "".join(word.capitalize() for word in name.removeprefix("NODE_TYPE_").split("_"))
    for name, number in topology_pb2.NodeType.items()
}
EDGE_TYPES = {number: name.removeprefix("EDGE_TYPE_").lower() for name, number in topology_pb2.EdgeType.items()}


class GraphFilters(msgspec.Struct, rename="camel"):
    """Which part of the graph."""

    node_type: NodeType | None = None
    environment: str | None = None


class NodeFilters(msgspec.Struct, rename="camel"):
    """Which nodes."""

    search: str | None = None
    node_type: NodeType | None = None
    page: PageNumber = 1
    page_size: PageSize = DEFAULT_PAGE_SIZE


class EdgeFilters(msgspec.Struct, rename="camel"):
    """Which edges."""

    node_id: Id | None = None
    limit: Limit = 500


class NodeBody(msgspec.Struct, rename="camel"):
    """A node as written."""

    node_type: str
    display_name: str
    external_id: str | None = None
    environment: str | None = None
    owner_team: str | None = None
    metadata: dict[str, Any] | None = None


class EdgeBody(msgspec.Struct, rename="camel"):
    """An edge as written."""

    source_node_id: Id
    target_node_id: Id
    edge_type: str
    metadata: dict[str, Any] | None = None


class Node(msgspec.Struct, rename="camel"):
    """A node."""

    id: int
    external_id: str
    node_type: str
    display_name: str
    environment: str | None
    owner_team: str | None
    metadata: dict[str, Any]
    source: str
    is_retired: bool
    created_at: Time
    updated_at: Time


class Edge(msgspec.Struct, rename="camel"):
    """An edge."""

    id: int
    source_node_id: int
    target_node_id: int
    edge_type: str
    metadata: dict[str, Any]
    created_at: Time


class Graph(msgspec.Struct):
    """Nodes with the edges between them."""

    nodes: list[Node]
    edges: list[Edge]


def topology_rpc(method: str) -> Rpc:
    """An RPC of the topology service."""
    return find_rpc(pb.DESCRIPTOR, "TopologyService", method)


READ_NODES, READ_EDGES = topology_rpc("ReadTopologyNodes"), topology_rpc("ReadTopologyEdges")


async def answer_graph(request: Request) -> web.Response:
    """15.3 `GET /api/topology`, part by part, since it may be larger than a message."""
    filters = request.query(GraphFilters)
    nodes: list[Node] = []
    asked = pb.ReadTopologyNodesRequest(node_type=filters.node_type or "", environment=filters.environment or "")
    metadata = request.metadata
    while True:
        part = await request.core.call(READ_NODES, asked, metadata, rates=request.rates)
        nodes += [encode_node(node) for node in part.nodes]
        if len(part.nodes) < PART_SIZE:
            break
        asked.after_id = part.nodes[-1].id
        metadata = (*request.metadata, *UNCHARGED)
    edges = await read_edges(request, {node.id for node in nodes}) if nodes else []
    nodes.sort(key=lambda node: (node.display_name.casefold(), node.id))
    return json_response(Graph(nodes, edges))


async def read_edges(request: Request, node_ids: set[int]) -> list[Edge]:
    """The edges between nodes."""
    edges: list[Edge] = []
    asked = pb.ReadTopologyEdgesRequest()
    while True:
        part = await request.core.call(READ_EDGES, asked, (*request.metadata, *UNCHARGED))
        edges += [encode_edge(edge) for edge in part.edges if edge.source_node_id in node_ids and edge.target_node_id in node_ids]
        if len(part.edges) < PART_SIZE:
            return edges
        asked.after_id = part.edges[-1].id


def decode_list_nodes(request: Request) -> pb.ListTopologyNodesRequest:
    """15.3 `GET /api/topology/nodes`."""
    filters = request.query(NodeFilters)
    return pb.ListTopologyNodesRequest(
        search=filters.search or "", node_type=filters.node_type or "", page=filters.page, page_size=filters.page_size
    )


def encode_list_nodes(reply: pb.ListTopologyNodesResponse, asked: pb.ListTopologyNodesRequest) -> Page[Node]:
    """15.3 a page of nodes."""
    items = [encode_node(node) for node in reply.nodes]
    return make_page(items, page=asked.page, page_size=asked.page_size, total_count=reply.total_count)


def decode_get_node(request: Request) -> pb.GetTopologyNodeRequest:
    """15.3 `GET /api/topology/nodes/{id}`."""
    return pb.GetTopologyNodeRequest(id=request.number("id"))


def decode_create_node(request: Request) -> pb.CreateTopologyNodeRequest:
    """15.3 `POST /api/topology/nodes`."""
    return pb.CreateTopologyNodeRequest(fields=decode_node(request))


def decode_update_node(request: Request) -> pb.UpdateTopologyNodeRequest:
    """15.3 `PUT /api/topology/nodes/{id}`."""
    return pb.UpdateTopologyNodeRequest(id=request.number("id"), fields=decode_node(request))


def encode_node_reply(
    reply: pb.GetTopologyNodeResponse | pb.CreateTopologyNodeResponse | pb.UpdateTopologyNodeResponse, _asked: object
) -> Node:
    """15.3 one node."""
    return encode_node(reply.node)


def decode_delete_node(request: Request) -> pb.DeleteTopologyNodeRequest:
    """15.3 `DELETE /api/topology/nodes/{id}`."""
    return pb.DeleteTopologyNodeRequest(id=request.number("id"))


def decode_list_edges(request: Request) -> pb.ListTopologyEdgesRequest:
    """15.3 `GET /api/topology/edges`."""
    filters = request.query(EdgeFilters)
    return pb.ListTopologyEdgesRequest(node_id=filters.node_id, limit=filters.limit)


def encode_list_edges(reply: pb.ListTopologyEdgesResponse, _asked: object) -> list[Edge]:
    """15.3 edges."""
    return [encode_edge(edge) for edge in reply.edges]


def decode_create_edge(request: Request) -> pb.CreateTopologyEdgeRequest:
    """15.3 `POST /api/topology/edges`."""
    data, faults = parse_object(request)
    metadata = pop_metadata(data, "", faults)
    body = read_body(EdgeBody, data, faults)
    if faults:
        raise validation_failure(tuple(faults))
    return pb.CreateTopologyEdgeRequest(
        source_node_id=body.source_node_id, target_node_id=body.target_node_id, edge_type=body.edge_type, metadata_json=metadata
    )


def encode_create_edge(reply: pb.CreateTopologyEdgeResponse, _asked: object) -> Edge:
    """15.3 the new edge."""
    return encode_edge(reply.edge)


def decode_delete_edge(request: Request) -> pb.DeleteTopologyEdgeRequest:
    """15.3 `DELETE /api/topology/edges/{id}`."""
    return pb.DeleteTopologyEdgeRequest(id=request.number("id"))


def encode_nothing(_reply: object, _asked: object) -> None:
    """15.3 an answer without a body."""


def decode_node_bindings(request: Request) -> pb.ListTopologyNodeBindingsRequest:
    """15.3 `GET /api/topology/nodes/{id}/bindings`."""
    return pb.ListTopologyNodeBindingsRequest(id=request.number("id"))


def encode_node_bindings(reply: pb.ListTopologyNodeBindingsResponse, _asked: object) -> list[Binding]:
    """15.3 the bindings to a node."""
    return [encode_binding(binding) for binding in reply.bindings]


def decode_node(request: Request) -> pb.TopologyNodeFields:
    """15.3 what people write of a node. Metadata may be any JSON object and travel as text."""
    data, faults = parse_object(request)
    metadata = pop_metadata(data, "", faults)
    body = read_body(NodeBody, data, faults)
    if faults:
        raise validation_failure(tuple(faults))
    return pb.TopologyNodeFields(
        external_id=body.external_id,
        node_type=body.node_type,
        display_name=body.display_name,
        environment=body.environment,
        owner_team=body.owner_team,
        metadata_json=metadata,
    )


def parse_object(request: Request) -> tuple[object, list[Fault]]:
    """The JSON of a body, and the list of what is wrong with it."""
    check_content_type(request.http, request.family.is_media, request.family.bad_media)
    return parse_json(request.content), []


def pop_metadata(data: object, prefix: str, faults: list[Fault]) -> str | None:
    """Takes the metadata out of an object, as compact JSON; None when there are none, or when they are noted as faulty."""
    value = data.pop("metadata", None) if isinstance(data, dict) else None
    if value is None:
        return None
    if not isinstance(value, dict):
        faults.append(Fault(f"{prefix}metadata", "must be an object"))
        return None
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        faults.append(Fault(f"{prefix}metadata", "must hold finite numbers only"))
        return None


def encode_node(node: topology_pb2.TopologyNode) -> Node:
    """15.3 a node."""
    return Node(
        id=node.id,
        external_id=node.external_id,
        node_type=NODE_TYPES[node.node_type],
        display_name=node.display_name,
        environment=optional_value(node, "environment"),
        owner_team=optional_value(node, "owner_team"),
        metadata=msgspec.json.decode(node.metadata_json or "{}"),
        source=node.source,
        is_retired=node.is_retired,
        created_at=format_time(node.create_time),
        updated_at=format_time(node.update_time),
    )


def encode_edge(edge: topology_pb2.TopologyEdge) -> Edge:
    """15.3 an edge."""
    return Edge(
        id=edge.id,
        source_node_id=edge.source_node_id,
        target_node_id=edge.target_node_id,
        edge_type=EDGE_TYPES[edge.edge_type],
        metadata=msgspec.json.decode(edge.metadata_json or "{}"),
        created_at=format_time(edge.create_time),
    )
