"""ImpactService on the wire."""

from collections.abc import Callable
from typing import Any

import grpc

from lumetry.alerts.v1 import impact_service_pb2 as pb
from lumetry.alerts.v1.impact_service_pb2_grpc import ImpactServiceServicer
from lumetry.topology.v1 import topology_pb2
from lumetry_core.alerts.rpc.alerts import encode_alert
from lumetry_core.alerts.service.impact import Impact, read_impact
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.topology.model import Node, PathNode

Context = grpc.aio.ServicerContext[Any, Any]
EncodeNode = Callable[[Node], topology_pb2.TopologyNode]
EncodePathNode = Callable[[PathNode], topology_pb2.TopologyPathNode]


class ImpactServicer(ImpactServiceServicer):
    """Reads what is wrong at nodes."""

    def __init__(self, database: Database, encode_node: EncodeNode, encode_path_node: EncodePathNode) -> None:
        """Builds the servicer; nodes are encoded as their own area does it."""
        self._database = database
        self._encode_node = encode_node
        self._encode_path_node = encode_path_node

    async def GetImpact(self, request: pb.GetImpactRequest, context: Context) -> pb.GetImpactResponse:
        """See the proto."""
        async with self._database.read() as tx:
            impact = await read_impact(tx, current_caller().organization_id, request.node_id)
        return self._encode(impact)

    def _encode(self, impact: Impact) -> pb.GetImpactResponse:
        cluster = impact.cluster_state
        return pb.GetImpactResponse(
            node=self._encode_node(impact.node),
            state=impact.state,
            services=[self._encode_node(service) for service in impact.services],
            paths=[pb.TopologyPath(nodes=[self._encode_path_node(step) for step in path]) for path in impact.paths],
            active_alerts=[encode_alert(alert) for alert in impact.active_alerts],
            cluster_state=None if cluster is None else pb.ClusterState(total=cluster.total, down=cluster.down, state=cluster.health),
            probable_cause=None if impact.probable_cause is None else self._encode_node(impact.probable_cause),
        )
