"""What operators and their tools ask: health, readiness, figures and the OpenAPI document (contract lumetry 1.1)."""

import msgspec
from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure, Reason
from gateway.transcode.handling import json_response
from gateway.transcode.request import Request
from lumetry.runtime.v1 import status_service_pb2

GET_READINESS = find_rpc(status_service_pb2.DESCRIPTOR, "StatusService", "GetReadiness")
READ_METRICS = find_rpc(status_service_pb2.DESCRIPTOR, "StatusService", "ReadMetrics")
DEADLINE_SECONDS = 5.0


class Health(msgspec.Struct):
    """How the process is."""

    status: str


async def answer_health(_request: Request) -> web.Response:
    """`GET /healthz`: the process is up."""
    return json_response(Health("ok"))


async def answer_readiness(request: Request) -> web.Response:
    """`GET /readyz`: the core takes work."""
    if request.services.closing.is_set():
        raise Failure(Reason.STORE_UNAVAILABLE, "The gateway is shutting down.")
    asked = status_service_pb2.GetReadinessRequest()
    reply = await request.core.call(GET_READINESS, asked, request.metadata, timeout=DEADLINE_SECONDS)
    if not reply.ready:
        raise Failure(Reason.STORE_UNAVAILABLE, " ".join(reply.problems) or "The core does not take work now.")
    return json_response(Health("ready"))


async def answer_metrics(request: Request) -> web.Response:
    """`GET /metrics`: figures of the gateway, and of the core while it can be reached."""
    text = generate_latest(request.services.figures.registry)
    try:
        asked = status_service_pb2.ReadMetricsRequest()
        reply = await request.core.call(READ_METRICS, asked, request.metadata, timeout=DEADLINE_SECONDS)
        text += reply.text.encode()
    except Failure as failure:
        text += f"# the core did not answer: {failure.reason}\n".encode()
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


async def answer_openapi(request: Request) -> web.Response:
    """`GET /openapi.json`: the document made of the route rows."""
    return web.Response(body=request.services.openapi, content_type="application/json")
