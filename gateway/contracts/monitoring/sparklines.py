"""Sparklines of the dashboard (contract monitoring 16)."""

from gateway.transcode.request import Request
from lumetry.endpoints.v1 import endpoint_service_pb2

Sparklines = dict[str, list[int]]
"""Response times in milliseconds, oldest first, by `endpoint:<id>`."""


def decode_sparklines(_request: Request) -> endpoint_service_pb2.ListRecentResponsesRequest:
    """16 `GET /api/v1/dashboard/sparklines`."""
    return endpoint_service_pb2.ListRecentResponsesRequest()


def encode_sparklines(reply: endpoint_service_pb2.ListRecentResponsesResponse, _asked: object) -> Sparklines:
    """16 one line for each active endpoint."""
    return {f"endpoint:{endpoint.endpoint_id}": list(endpoint.response_ms) for endpoint in reply.endpoints}
