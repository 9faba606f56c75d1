"""What operators and their tools ask: health, readiness, figures, the OpenAPI documents and their page (contract lumetry 1.1)."""

from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from gateway.console.files import read_file
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure, Reason
from gateway.transcode.handling import json_response
from gateway.transcode.request import Request
from gateway.transcode.routes import Handle, Route
from lumetry.runtime.v1 import status_service_pb2

GET_READINESS = find_rpc(status_service_pb2.DESCRIPTOR, "StatusService", "GetReadiness")
READ_METRICS = find_rpc(status_service_pb2.DESCRIPTOR, "StatusService", "ReadMetrics")
DEADLINE_SECONDS = 5.0
DESCRIBED_FAMILIES = ("lumetry", "logs", "monitoring", "workspace")
PAGE_FILES = (("/docs/api", "api.html"), ("/docs/api/page.css", "api.css"), ("/docs/api/page.js", "api.js"))


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


def document_of(name: str) -> Handle:
    """Answers with an OpenAPI document: of a family, or `all`."""

    async def answer(request: Request) -> web.Response:
        return web.Response(body=await request.services.documents.read(name), content_type="application/json")

    return answer


def page_file(name: str) -> Handle:
    """Answers with a file of the API page."""

    async def answer(_request: Request) -> web.Response:
        file = read_file(name)
        return web.Response(body=file.body, headers=file.headers)

    return answer


DOCUMENTATION: Sequence[Route] = (
    Route(method="GET", path="/openapi.json", heading="OpenAPI document", handle=document_of("all"), answer=dict[str, Any]),
    *(
        Route(
            method="GET",
            path=f"/openapi/{family}.json",
            heading="OpenAPI document of a family",
            handle=document_of(family),
            answer=dict[str, Any],
        )
        for family in DESCRIBED_FAMILIES
    ),
    *(
        Route(method="GET", path=path, heading="API page", handle=page_file(name), media_type=read_file(name).media_type)
        for path, name in PAGE_FILES
    ),
)
