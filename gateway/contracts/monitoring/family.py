"""The `monitoring` family: its segments of `/api/v1`, pings and the public status page (contract monitoring 1.1)."""

from collections.abc import Mapping
from dataclasses import replace

from gateway.config import Config
from gateway.contracts.monitoring.errors import ErrorBody, render
from gateway.contracts.monitoring.routes import ROUTES
from gateway.transcode.bodies import MEBIBYTE, is_json_or_unnamed
from gateway.transcode.channel import Rates
from gateway.transcode.cross_origin import CrossOrigin
from gateway.transcode.failures import Reason
from gateway.transcode.families import Family

SEGMENTS = (
    "health",
    "runtime",
    "edition",
    "containers",
    "endpoints",
    "heartbeats",
    "certificates",
    "resources",
    "alerts",
    "channels",
    "silence",
    "webhooks",
    "status",
    "updates",
    "dashboard/sparklines",
)
"""What of `/api/v1` is the family's."""


CROSS_ORIGIN_METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS")
CROSS_ORIGIN_HEADERS = ("Content-Type", "Authorization", "X-Request-ID", "Last-Event-ID")
"""1.7."""


def build_family(config: Config) -> Family:
    """The family as configured. Rows that keep the usual body limit get the one that is set."""
    routes = tuple(replace(route, body_limit=config.max_body_bytes) if route.body_limit == MEBIBYTE else route for route in ROUTES)
    return Family(
        name="monitoring",
        prefixes=(*(f"/api/v1/{segment}" for segment in SEGMENTS), "/ping", "/status"),
        routes=routes,
        render=render,
        problem=ErrorBody,
        trailing_slash=True,
        is_media=is_json_or_unnamed,
        bad_media=Reason.UNSUPPORTED_MEDIA_TYPE,
        bad_id=Reason.INVALID_ID,
        size_outranks_credential=True,
        headers=no_store,
        cross_origin=CrossOrigin(config.cors_origins, CROSS_ORIGIN_METHODS, CROSS_ORIGIN_HEADERS),
    )


def no_store(_rates: Rates) -> Mapping[str, str]:
    """Nothing is kept by anybody on the way."""
    return {"Cache-Control": "no-store"}
