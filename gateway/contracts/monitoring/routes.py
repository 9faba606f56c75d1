"""Every route of the family that exists, in the order of its document (contract monitoring 21)."""

from collections.abc import Sequence
from functools import partial

from gateway.contracts.monitoring import (
    alert_routes,
    certificate_routes,
    channel_routes,
    container_routes,
    endpoint_routes,
    heartbeat_routes,
    resource_routes,
    runtime,
    status_routes,
    update_routes,
)
from gateway.transcode.routes import Route

HANDLER_SECONDS = 10.0
PARTNER_SECONDS = 15.0
"""Where the route itself calls somebody else."""

row = partial(Route, deadline_seconds=HANDLER_SECONDS)

RUNTIME = (
    row(method="GET", path="/api/v1/health", heading="Health", handle=runtime.answer_health, answer=runtime.Health),
    row(
        method="GET",
        path="/api/v1/runtime/status",
        heading="Container runtime",
        rpc=runtime.GET_RUNTIME_STATUS,
        decode=runtime.decode_status,
        encode=runtime.encode_status,
        answer=runtime.RuntimeStatus,
    ),
    row(
        method="GET",
        path="/api/v1/edition",
        heading="Edition",
        rpc=runtime.COUNT_MONITORS,
        handle=runtime.answer_edition,
        answer=runtime.Edition,
    ),
)

ROUTES: Sequence[Route] = (
    *RUNTIME,
    *container_routes.ROUTES,
    *endpoint_routes.ROUTES,
    *heartbeat_routes.ROUTES,
    *alert_routes.ROUTES,
    *channel_routes.ROUTES,
    *certificate_routes.ROUTES,
    *resource_routes.ROUTES,
    *status_routes.ROUTES,
    *update_routes.ROUTES,
)
