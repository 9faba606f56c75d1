"""The routes of endpoints and their sparklines (contract monitoring 4.2, 5.2, 16)."""

from functools import partial

from gateway.contracts.monitoring import endpoints, sparklines, uptime
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.endpoints.v1 import endpoint_service_pb2

HANDLER_SECONDS = 10.0

row = partial(Route, deadline_seconds=HANDLER_SECONDS)


def rpc(method: str) -> Rpc:
    """An RPC of the endpoint service."""
    return find_rpc(endpoint_service_pb2.DESCRIPTOR, "EndpointService", method)


ROUTES = (
    row(
        method="GET",
        path="/api/v1/containers/{id:int}/endpoints",
        heading="Endpoints of a container",
        rpc=rpc("ListContainerEndpoints"),
        decode=endpoints.decode_of_container,
        encode=endpoints.encode_of_container,
        answer=endpoints.ContainerEndpoints,
    ),
    row(
        method="GET",
        path="/api/v1/endpoints",
        heading="Endpoints",
        rpc=rpc("ListEndpoints"),
        query=endpoints.EndpointsQuery,
        decode=endpoints.decode_list,
        encode=endpoints.encode_list,
        answer=endpoints.EndpointList,
    ),
    row(
        method="POST",
        path="/api/v1/endpoints",
        heading="Endpoints",
        rpc=rpc("CreateEndpoint"),
        body=endpoints.EndpointBody,
        decode=endpoints.decode_create,
        encode=endpoints.encode_one,
        status=201,
        answer=endpoints.OneEndpoint,
    ),
    row(
        method="GET",
        path="/api/v1/endpoints/{id:int}",
        heading="One endpoint",
        rpc=rpc("GetEndpoint"),
        decode=endpoints.decode_get,
        encode=endpoints.encode_get,
        answer=endpoints.EndpointDetail,
    ),
    row(
        method="PUT",
        path="/api/v1/endpoints/{id:int}",
        heading="One endpoint",
        rpc=rpc("UpdateEndpoint"),
        body=endpoints.EndpointBody,
        decode=endpoints.decode_update,
        encode=endpoints.encode_one,
        answer=endpoints.OneEndpoint,
    ),
    row(
        method="DELETE",
        path="/api/v1/endpoints/{id:int}",
        heading="One endpoint",
        rpc=rpc("DeleteEndpoint"),
        decode=endpoints.decode_delete,
        encode=endpoints.encode_nothing,
        status=204,
    ),
    row(
        method="GET",
        path="/api/v1/endpoints/{id:int}/checks",
        heading="Checks of an endpoint",
        rpc=rpc("ListEndpointChecks"),
        query=endpoints.ChecksQuery,
        decode=endpoints.decode_checks,
        encode=endpoints.encode_checks,
        answer=endpoints.EndpointChecks,
    ),
    row(
        method="GET",
        path="/api/v1/endpoints/{id:int}/uptime/daily",
        heading="Daily uptime of an endpoint",
        rpc=rpc("ListEndpointDays"),
        query=uptime.DaysQuery,
        decode=endpoints.decode_days,
        encode=endpoints.encode_days,
        answer=uptime.DailyUptime,
    ),
    row(
        method="GET",
        path="/api/v1/dashboard/sparklines",
        heading="Sparklines",
        rpc=rpc("ListRecentResponses"),
        decode=sparklines.decode_sparklines,
        encode=sparklines.encode_sparklines,
        answer=sparklines.Sparklines,
    ),
)
