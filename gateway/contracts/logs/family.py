"""The `logs` family (contract logs 1): paths, the HTTPS rule, headers of rates."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from aiohttp import web

from gateway.config import Config
from gateway.contracts.logs.credentials import KEY_HEADER, read_credential
from gateway.contracts.logs.errors import LogsProblem, render
from gateway.contracts.logs.ingestion import Intake
from gateway.contracts.logs.routes import build_routes
from gateway.transcode.bodies import is_json_or_unnamed
from gateway.transcode.channel import Rates
from gateway.transcode.failures import Failure, Reason
from gateway.transcode.families import Family
from gateway.transcode.openapi import BEARER
from gateway.transcode.origin import came_over_https

PREFIXES = ("/v1/logs", "/v1/log-groups", "/v1/log-alert-rules", "/v1/log-keys")
UNLIMITED = 1_000_000
"""What answers say of a rate that nothing limits (1.7)."""


def build_family(config: Config) -> Family:
    """The family as configured."""
    return Family(
        name="logs",
        prefixes=PREFIXES,
        routes=build_routes(Intake.configured(config)),
        render=render,
        problem=LogsProblem,
        schemes={**BEARER, "logKey": {"type": "apiKey", "in": "header", "name": KEY_HEADER}},
        trailing_slash=True,
        read_credential=read_credential,
        check_head=https_rule(config),
        is_media=is_json_or_unnamed,
        bad_media=Reason.UNSUPPORTED_MEDIA_TYPE,
        bad_id=Reason.INVALID_ID,
        size_outranks_credential=True,
        headers=rate_headers,
    )


def https_rule(config: Config) -> Callable[[web.BaseRequest], None]:
    """1.1: refuses requests that came over plain HTTP, where the operator wants that."""

    def check(http: web.BaseRequest) -> None:
        if config.logs_require_https and not came_over_https(http, config.trusted_proxies):
            raise Failure(Reason.HTTPS_REQUIRED, "HTTPS is required.")

    return check


def rate_headers(rates: Rates) -> Mapping[str, str]:
    """1.7: on every answer, whatever the core said."""
    limit = UNLIMITED if rates.limit is None else rates.limit
    remaining = UNLIMITED if rates.remaining is None else rates.remaining
    reset = int(datetime.now(UTC).timestamp()) if rates.reset is None else rates.reset
    return {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(remaining), "X-RateLimit-Reset": str(reset)}
