"""TopologyService on the wire."""

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import Message

from lumetry.metrics.v1 import metric_binding_pb2
from lumetry.topology.v1 import topology_service_pb2 as pb
from lumetry.topology.v1.topology_service_pb2_grpc import TopologyServiceServicer
from lumetry_core.metrics.binding import MetricBinding
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.topology.draft import BindingDraft, EdgeDraft, ImportDraft, NodeDraft
from lumetry_core.topology.rpc.messages import encode_edge, encode_node
from lumetry_core.topology.service import editing, graph
from lumetry_core.topology.service.importing import Counts, ImportResult, apply_import, check_import
from lumetry_core.topology.service.nodes import find_all_node_names

Context = grpc.aio.ServicerContext[Any, Any]
WriteBinding = Callable[[MetricBinding, str | None], metric_binding_pb2.MetricBinding]


class TopologyServicer(TopologyServiceServicer):
    """Writes and reads the graph."""

    def __init__(self, database: Database, clock: Clock, write_binding: WriteBinding) -> None:
        """Builds the servicer; bindings are encoded as their own area does it."""
        self._database = database
        self._clock = clock
        self._write_binding = write_binding

    async def ImportTopology(self, request: pb.ImportTopologyRequest, context: Context) -> pb.ImportTopologyResponse:
        """See the proto."""
        draft = decode_import(request)
        try:
            async with self._database.write() as tx:
                if request.validate_only:
                    await check_import(tx, current_caller(), draft, self._clock.now())
                    return pb.ImportTopologyResponse()
                result = await apply_import(tx, current_caller(), draft, self._clock.now())
        except LumetryError as error:
            if not error.faults:
                raise
            faults = [pb.ImportFault(path=fault.path, message=fault.message) for fault in error.faults]
            return pb.ImportTopologyResponse(faults=faults)
        return encode_result(result)

    async def ListTopologyNodes(self, request: pb.ListTopologyNodesRequest, context: Context) -> pb.ListTopologyNodesResponse:
        """See the proto."""
        async with self._database.read() as tx:
            nodes, total = await graph.list_nodes(tx, current_caller(), request.search, request.node_type, request.page, request.page_size)
        return pb.ListTopologyNodesResponse(nodes=[encode_node(node) for node in nodes], total_count=total)

    async def GetTopologyNode(self, request: pb.GetTopologyNodeRequest, context: Context) -> pb.GetTopologyNodeResponse:
        """See the proto."""
        async with self._database.read() as tx:
            node = await graph.get_node(tx, current_caller().organization_id, request.id)
        return pb.GetTopologyNodeResponse(node=encode_node(node))

    async def CreateTopologyNode(self, request: pb.CreateTopologyNodeRequest, context: Context) -> pb.CreateTopologyNodeResponse:
        """See the proto."""
        async with self._database.write() as tx:
            node = await editing.create_node(tx, current_caller(), decode_node(request.fields), self._clock.now())
        return pb.CreateTopologyNodeResponse(node=encode_node(node))

    async def UpdateTopologyNode(self, request: pb.UpdateTopologyNodeRequest, context: Context) -> pb.UpdateTopologyNodeResponse:
        """See the proto."""
        async with self._database.write() as tx:
            node = await editing.update_node(tx, current_caller(), request.id, decode_node(request.fields), self._clock.now())
        return pb.UpdateTopologyNodeResponse(node=encode_node(node))

    async def DeleteTopologyNode(self, request: pb.DeleteTopologyNodeRequest, context: Context) -> pb.DeleteTopologyNodeResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await editing.delete_node(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteTopologyNodeResponse()

    async def ListTopologyEdges(self, request: pb.ListTopologyEdgesRequest, context: Context) -> pb.ListTopologyEdgesResponse:
        """See the proto."""
        node_id = given(request, "node_id")
        async with self._database.read() as tx:
            edges = await graph.list_edges(tx, current_caller(), node_id, request.limit)
        return pb.ListTopologyEdgesResponse(edges=[encode_edge(edge) for edge in edges])

    async def GetTopologyEdge(self, request: pb.GetTopologyEdgeRequest, context: Context) -> pb.GetTopologyEdgeResponse:
        """See the proto."""
        async with self._database.read() as tx:
            edge = await graph.get_edge(tx, current_caller().organization_id, request.id)
        return pb.GetTopologyEdgeResponse(edge=encode_edge(edge))

    async def CreateTopologyEdge(self, request: pb.CreateTopologyEdgeRequest, context: Context) -> pb.CreateTopologyEdgeResponse:
        """See the proto."""
        metadata = given(request, "metadata_json")
        async with self._database.write() as tx:
            edge = await editing.create_edge(
                tx, current_caller(), request.source_node_id, request.target_node_id, request.edge_type, metadata, self._clock.now()
            )
        return pb.CreateTopologyEdgeResponse(edge=encode_edge(edge))

    async def DeleteTopologyEdge(self, request: pb.DeleteTopologyEdgeRequest, context: Context) -> pb.DeleteTopologyEdgeResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await editing.delete_edge(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteTopologyEdgeResponse()

    async def ListTopologyNodeBindings(
        self, request: pb.ListTopologyNodeBindingsRequest, context: Context
    ) -> pb.ListTopologyNodeBindingsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await graph.list_bindings(tx, current_caller(), request.id)
            names = await find_all_node_names(tx, current_caller().organization_id, [request.id])
        name = names.get(request.id)
        return pb.ListTopologyNodeBindingsResponse(bindings=[self._write_binding(binding, name) for binding in found])

    async def ReadTopologyNodes(self, request: pb.ReadTopologyNodesRequest, context: Context) -> pb.ReadTopologyNodesResponse:
        """See the proto."""
        async with self._database.read() as tx:
            nodes = await graph.read_nodes(tx, current_caller(), request.after_id, request.node_type, request.environment)
        return pb.ReadTopologyNodesResponse(nodes=[encode_node(node) for node in nodes])

    async def ReadTopologyEdges(self, request: pb.ReadTopologyEdgesRequest, context: Context) -> pb.ReadTopologyEdgesResponse:
        """See the proto."""
        async with self._database.read() as tx:
            edges = await graph.read_edges(tx, current_caller(), request.after_id)
        return pb.ReadTopologyEdgesResponse(edges=[encode_edge(edge) for edge in edges])


def decode_node(fields: pb.TopologyNodeFields) -> NodeDraft:
    """A node as it was sent."""
    return NodeDraft(
        external_id=given(fields, "external_id"),
        node_type=fields.node_type,
        display_name=fields.display_name,
        environment=given(fields, "environment"),
        owner_team=given(fields, "owner_team"),
        metadata_json=given(fields, "metadata_json"),
    )


def decode_import(request: pb.ImportTopologyRequest) -> ImportDraft:
    """An import as it was sent."""
    return ImportDraft(
        source=request.source,
        import_id=request.import_id,
        mode=given(request, "mode"),
        nodes=[decode_node(node) for node in request.nodes],
        edges=[
            EdgeDraft(
                source_external_id=edge.source_external_id,
                target_external_id=edge.target_external_id,
                edge_type=edge.edge_type,
                metadata_json=given(edge, "metadata_json"),
            )
            for edge in request.edges
        ],
        bindings=[
            BindingDraft(metric_key=binding.metric_key, node_external_id=binding.node_external_id, labels=dict(binding.labels))
            for binding in request.bindings
        ],
    )


def given(message: Message, field: str) -> Any:  # noqa: ANN401 -- the type is the field's
    """The value of an optional field; None when it is absent."""
    return getattr(message, field) if message.HasField(field) else None


def encode_result(result: ImportResult) -> pb.ImportTopologyResponse:
    """What an import did."""
    return pb.ImportTopologyResponse(
        replayed=result.replayed,
        nodes=encode_counts(result.nodes),
        edges=encode_counts(result.edges),
        bindings_created=result.bindings.created,
        bindings_unchanged=result.bindings.unchanged,
    )


def encode_counts(counts: Counts) -> pb.ImportCounts:
    """What became of nodes or edges."""
    return pb.ImportCounts(created=counts.created, updated=counts.updated, unchanged=counts.unchanged, retired=counts.retired)
