"""MetricBindingService."""

from typing import Any

import grpc

from lumetry.metrics.v1 import metric_binding_pb2
from lumetry.metrics.v1 import metric_binding_service_pb2 as pb
from lumetry.metrics.v1.metric_binding_service_pb2_grpc import MetricBindingServiceServicer
from lumetry_core.metrics.binding import MetricBinding
from lumetry_core.metrics.service import bindings
from lumetry_core.metrics.service.bindings import FindNodeNames
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class MetricBindingServicer(MetricBindingServiceServicer):
    """See `lumetry.metrics.v1.MetricBindingService`."""

    def __init__(self, database: Database, clock: Clock, find_nodes: FindNodeNames, find_names: FindNodeNames) -> None:
        """Builds the servicer.

        Args:
            database: Where everything is.
            clock: Tells when a write happens.
            find_nodes: Finds the nodes to which metrics can be bound.
            find_names: Finds the names of nodes, also of those to which metrics cannot be bound any more.
        """
        self._database = database
        self._clock = clock
        self._find_nodes = find_nodes
        self._find_names = find_names

    async def ListMetricBindings(self, request: pb.ListMetricBindingsRequest, context: Context) -> pb.ListMetricBindingsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await bindings.list_bindings(tx, current_caller(), request.metric_key)
            names = await self._find_names(tx, current_caller().organization_id, {binding.node_id for binding in found})
        return pb.ListMetricBindingsResponse(bindings=[write_binding(binding, names.get(binding.node_id)) for binding in found])

    async def CreateMetricBinding(self, request: pb.CreateMetricBindingRequest, context: Context) -> pb.CreateMetricBindingResponse:
        """See the proto."""
        async with self._database.write() as tx:
            added = await bindings.bind(
                tx, current_caller(), request.metric_key, request.node_id, dict(request.labels), self._find_nodes, self._clock.now()
            )
            names = await self._find_names(tx, current_caller().organization_id, [added.node_id])
        return pb.CreateMetricBindingResponse(binding=write_binding(added, names.get(added.node_id)))

    async def DeleteMetricBinding(self, request: pb.DeleteMetricBindingRequest, context: Context) -> pb.DeleteMetricBindingResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await bindings.unbind(tx, current_caller(), request.metric_key, request.id, self._clock.now())
        return pb.DeleteMetricBindingResponse()


def write_binding(binding: MetricBinding, node_name: str | None) -> metric_binding_pb2.MetricBinding:
    """A binding as its message."""
    return metric_binding_pb2.MetricBinding(
        id=binding.id,
        metric_key=binding.metric_key,
        node_id=binding.node_id,
        node_name=node_name,
        labels=binding.labels,
        create_time=encode_time(binding.create_time),
    )
