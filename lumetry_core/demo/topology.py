"""A small topology around this host, so that what goes wrong on it at once becomes one incident."""

import grpc
import msgspec

from lumetry.topology.v1.topology_service_pb2 import ImportedEdge, ImportTopologyRequest, TopologyNodeFields
from lumetry.topology.v1.topology_service_pb2_grpc import TopologyServiceStub
from lumetry_core.demo.rules import CALL_SECONDS, Metadata

SOURCE = "demo"


def host_topology(host_id: str, host_name: str) -> ImportTopologyRequest:
    """The host, found by the label `host.id` of its points, what runs on it, and the service that this makes possible."""
    service, system, host = "demo:service", "demo:system", f"demo:host:{host_id}"
    return ImportTopologyRequest(
        source=SOURCE,
        import_id=host_id,
        nodes=[
            TopologyNodeFields(external_id=service, node_type="BusinessService", display_name="This machine"),
            TopologyNodeFields(external_id=system, node_type="Application", display_name="Operating system"),
            TopologyNodeFields(
                external_id=host,
                node_type="Host",
                display_name=host_name,
                metadata_json=msgspec.json.encode({"hostId": host_id}).decode(),
            ),
        ],
        edges=[
            ImportedEdge(source_external_id=service, target_external_id=system, edge_type="contains"),
            ImportedEdge(source_external_id=system, target_external_id=host, edge_type="runs_on"),
        ],
    )


async def push_topology(channel: grpc.aio.Channel, metadata: Metadata, wanted: ImportTopologyRequest) -> None:
    """Pushes a topology; a push that was applied before changes nothing."""
    await TopologyServiceStub(channel).ImportTopology(wanted, metadata=metadata, timeout=CALL_SECONDS)
