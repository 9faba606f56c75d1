"""The `workspace` family: everything below `/api/v1` that no other family claims (contract workspace 1.1)."""

from collections.abc import Mapping

from aiohttp import web

from gateway.config import Config
from gateway.contracts.workspace.errors import Envelope, render
from gateway.contracts.workspace.routes import ROUTES
from gateway.transcode.channel import Rates
from gateway.transcode.cross_origin import CrossOrigin
from gateway.transcode.failures import Failure, Reason
from gateway.transcode.families import Family, accept_head

CROSS_ORIGIN_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
CROSS_ORIGIN_HEADERS = ("Content-Type", "Authorization", "X-Request-ID", "Last-Event-ID")
"""1.8."""


def build_family(config: Config) -> Family:
    """The family as configured."""
    return Family(
        name="workspace",
        prefixes=("/api/v1",),
        routes=ROUTES,
        render=render,
        problem=Envelope,
        trailing_slash=True,
        check_head=require_length if config.is_production else accept_head,
        size_outranks_credential=True,
        headers=forbid_storing,
        cross_origin=CrossOrigin(config.cors_origins, CROSS_ORIGIN_METHODS, CROSS_ORIGIN_HEADERS),
    )


def require_length(http: web.BaseRequest) -> None:
    """1.7: in production a POST says how long it is."""
    if http.method == "POST" and "Content-Length" not in http.headers:
        raise Failure(Reason.LENGTH_REQUIRED, "A POST request needs a Content-Length.")


def forbid_storing(_rates: Rates) -> Mapping[str, str]:
    """1.2: no answer is kept by anybody on the way."""
    return {"Cache-Control": "no-store"}
