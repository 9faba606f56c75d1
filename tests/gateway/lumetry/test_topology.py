"""Routes of the topology that need several calls of the core."""

import json
from collections.abc import Awaitable
from io import BytesIO
from typing import Any

from gateway.contracts.lumetry.topology import PART_SIZE
from gateway.contracts.lumetry.topology_import import is_within
from lumetry.topology.v1 import topology_pb2
from lumetry.topology.v1 import topology_service_pb2 as pb
from tests.gateway.fake_core import client, core, url

__all__ = ["client", "core", "url"]
TOKEN = {"Authorization": "Bearer lmt_1"}


async def test_graph_is_put_together_of_all_its_parts(client: Any, core: Any, url: str) -> None:
    """A full part is followed by the next one, until one is not full; edges to nodes that are not shown are left out."""
    total = PART_SIZE + 2

    async def read_nodes(request: Any, _context: Any) -> pb.ReadTopologyNodesResponse:
        numbers = range(request.after_id + 1, min(request.after_id + PART_SIZE, total) + 1)
        nodes = [topology_pb2.TopologyNode(id=number, node_type=topology_pb2.NODE_TYPE_HOST) for number in numbers]
        return pb.ReadTopologyNodesResponse(nodes=nodes)

    async def read_edges(request: Any, _context: Any) -> pb.ReadTopologyEdgesResponse:
        numbers = range(request.after_id + 1, min(request.after_id + PART_SIZE, total) + 1)
        edges = [
            topology_pb2.TopologyEdge(id=number, source_node_id=number, target_node_id=number + 1, edge_type=topology_pb2.EDGE_TYPE_RUNS_ON)
            for number in numbers
        ]
        return pb.ReadTopologyEdgesResponse(edges=edges)

    core.answers["ReadTopologyNodes"], core.answers["ReadTopologyEdges"] = read_nodes, read_edges
    async with client.get(f"{url}/api/topology", headers=TOKEN) as response:
        graph = json.loads(await response.read())
    assert [node["id"] for node in graph["nodes"]] == list(range(1, total + 1))
    assert [edge["id"] for edge in graph["edges"]] == list(range(1, total))
    assert [len(core.requests(rpc)) for rpc in ("ReadTopologyNodes", "ReadTopologyEdges")] == [2, 2]


async def answer_of(posted: Awaitable[Any]) -> tuple[int, Any]:
    response = await posted
    return response.status, json.loads(await response.read())


async def test_import_above_its_limit_is_refused(client: Any, core: Any, url: str) -> None:
    """8 MiB are the most."""
    headers = TOKEN | {"Content-Type": "application/json"}
    status, answer = await answer_of(client.post(f"{url}/v1/topology", headers=headers, data=BytesIO(b" " * (8 * 1024 * 1024 + 1))))
    assert (status, answer["type"]) == (413, "/problems/payload-too-large")
    assert core.requests("ImportTopology") == []


def test_within_what_could_not_be_read() -> None:
    """A fault of the core counts unless it is about something that the gateway could not read, or a part of it."""
    unread = {"nodes[1]", "edges[0].metadata"}
    told = [path for path in ("nodes[1].externalId", "nodes[10]", "nodes[1]", "edges[0]", "edges[0].metadata.a") if is_within(path, unread)]
    assert told == ["nodes[1].externalId", "nodes[1]", "edges[0].metadata.a"]
    assert is_within("source", {""})
