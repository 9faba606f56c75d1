"""Connections, read only (contract workspace 7)."""

import msgspec

from gateway.contracts.workspace.values import Items, Success, Time, identity_of
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.connections.v1 import connection_pb2
from lumetry.connections.v1 import connection_service_pb2 as pb


class ConnectionQuery(msgspec.Struct):
    """Which connections are listed."""

    direction: str = ""
    connector: str = ""
    status: str = ""


class ConnectionHealth(msgspec.Struct, rename="camel"):
    """When a connection last worked and failed, as far as that is known."""

    last_success_at: Time | None
    last_error_at: Time | None
    last_error: str | None


class ConnectionResource(msgspec.Struct):
    """What a connection is to the family that manages it."""

    family: str
    type: str
    id: str


class Connection(msgspec.Struct, rename="camel"):
    """A connection, without addresses and secrets."""

    id: str
    org_id: str
    connector_slug: str
    name: str
    direction: str
    status: str
    configured: bool
    health: ConnectionHealth
    resource: ConnectionResource
    created_at: Time
    updated_at: Time


def decode_list_connections(request: Request) -> pb.ListConnectionsRequest:
    """7 `GET /connections`."""
    query = request.query(ConnectionQuery)
    return pb.ListConnectionsRequest(direction=query.direction, connector=query.connector, status=query.status)


def encode_list_connections(reply: pb.ListConnectionsResponse, _asked: object) -> Success[Items[Connection]]:
    """7 all that fit the filters."""
    return Success(Items([encode_connection(connection) for connection in reply.connections]))


def decode_get_connection(request: Request) -> pb.GetConnectionRequest:
    """7 `GET /connections/{id}`."""
    return pb.GetConnectionRequest(id=request.uuid("id"))


def encode_get_connection(reply: pb.GetConnectionResponse, _asked: object) -> Success[Connection]:
    """7 one connection."""
    return Success(encode_connection(reply.connection))


def encode_connection(connection: connection_pb2.Connection) -> Connection:
    """7 one connection."""
    return Connection(
        id=connection.id,
        org_id=identity_of("organization", connection.organization_id),
        connector_slug=connection.connector,
        name=connection.name,
        direction=connection.direction,
        status=connection.status,
        configured=True,
        health=ConnectionHealth(
            last_success_at=format_time(connection.last_success_time) if connection.HasField("last_success_time") else None,
            last_error_at=format_time(connection.last_error_time) if connection.HasField("last_error_time") else None,
            last_error=connection.last_error if connection.HasField("last_error") else None,
        ),
        resource=ConnectionResource(connection.resource_family, connection.resource_type, connection.resource_id),
        created_at=format_time(connection.create_time),
        updated_at=format_time(connection.update_time),
    )
