"""ConnectionService on the wire."""

from typing import Any

import grpc

from lumetry.connections.v1 import connection_pb2
from lumetry.connections.v1 import connection_service_pb2 as pb
from lumetry.connections.v1.connection_service_pb2_grpc import ConnectionServiceServicer
from lumetry_core.connections import service
from lumetry_core.connections.model import Connection
from lumetry_core.containers.runtime import RuntimeLink
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class ConnectionServicer(ConnectionServiceServicer):
    """Shows connections."""

    def __init__(self, database: Database, clock: Clock, link: RuntimeLink) -> None:
        self._database = database
        self._clock = clock
        self._link = link

    async def ListConnections(self, request: pb.ListConnectionsRequest, context: Context) -> pb.ListConnectionsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await service.list_connections(
                tx,
                current_caller(),
                self._link.status,
                direction=request.direction,
                connector=request.connector,
                status=request.status,
                now=self._clock.now(),
            )
        return pb.ListConnectionsResponse(connections=[encode_connection(connection) for connection in found])

    async def GetConnection(self, request: pb.GetConnectionRequest, context: Context) -> pb.GetConnectionResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await service.get_connection(tx, current_caller(), self._link.status, request.id, self._clock.now())
        return pb.GetConnectionResponse(connection=encode_connection(found))


def encode_connection(connection: Connection) -> connection_pb2.Connection:
    """A connection."""
    health, resource = connection.health, connection.resource
    return connection_pb2.Connection(
        id=connection.id,
        organization_id=connection.organization_id,
        connector=connection.connector,
        name=connection.name,
        direction=connection.direction.value,
        status=connection.status.value,
        last_success_time=encode_time(health.success_time),
        last_error_time=encode_time(health.error_time),
        last_error=health.error,
        resource_family=resource.family,
        resource_type=resource.type,
        resource_id=resource.id,
        create_time=encode_time(connection.create_time),
        update_time=encode_time(connection.update_time),
    )
