"""The routes of connections (contract workspace 7)."""

from collections.abc import Sequence

from gateway.contracts.workspace import connections
from gateway.contracts.workspace.values import Items, Success
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.connections.v1 import connection_service_pb2


def connection_rpc(method: str) -> Rpc:
    """An RPC of the connection service."""
    return find_rpc(connection_service_pb2.DESCRIPTOR, "ConnectionService", method)


ROUTES: Sequence[Route] = (
    Route(
        method="GET",
        path="/api/v1/connections",
        heading="List connections",
        rpc=connection_rpc("ListConnections"),
        query=connections.ConnectionQuery,
        decode=connections.decode_list_connections,
        encode=connections.encode_list_connections,
        answer=Success[Items[connections.Connection]],
    ),
    Route(
        method="GET",
        path="/api/v1/connections/{id:key}",
        heading="Read a connection",
        rpc=connection_rpc("GetConnection"),
        decode=connections.decode_get_connection,
        encode=connections.encode_get_connection,
        answer=Success[connections.Connection],
    ),
)
