"""What happens to every request, in the order in which contracts check: route, method, credential, size, permission, existence, faults."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram

from gateway.transcode.bodies import read_bytes
from gateway.transcode.channel import UNCHARGED, Core, Rates
from gateway.transcode.credentials import Network, adopt_request_id, build_metadata, find_address
from gateway.transcode.failures import Failure, Reason, internal_failure
from gateway.transcode.families import Families
from gateway.transcode.request import Manners, Request
from gateway.transcode.routes import Route

log = structlog.get_logger(__name__)

JSON_TYPE = "application/json; charset=utf-8"
OUTRANKED_BY_SIZE = frozenset({Reason.PERMISSION_DENIED, Reason.INTERACTIVE_ONLY})
ABOUT_THE_REQUEST = frozenset(
    {
        Reason.NOT_FOUND,
        Reason.INVALID_ID,
        Reason.VALIDATION_FAILED,
        Reason.OUT_OF_RANGE,
        Reason.PAYLOAD_TOO_LARGE,
        Reason.MALFORMED_BODY,
        Reason.UNSUPPORTED_MEDIA_TYPE,
    }
)
"""What the gateway itself may find wrong; strangers learn of it only after their credential passed."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

encoder = msgspec.json.Encoder()


@dataclass(slots=True)
class Figures:
    """What the gateway counts about itself."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    requests: Counter = field(init=False)
    seconds: Histogram = field(init=False)
    points: Counter = field(init=False)

    def __post_init__(self) -> None:
        self.requests = Counter("lumetry_gateway_requests", "Requests by route and status.", ["route", "status"], registry=self.registry)
        self.seconds = Histogram(
            "lumetry_gateway_request_seconds", "Time to answer by route.", ["route"], registry=self.registry, buckets=BUCKETS
        )
        self.points = Counter("lumetry_gateway_points", "Metric points accepted.", registry=self.registry)


@dataclass(slots=True)
class Handler:
    """Answers HTTP requests."""

    families: Families
    core: Core
    services: Any
    figures: Figures
    trusted_proxies: Sequence[Network] = ()
    """Peers whose `X-Forwarded-For` counts."""

    async def __call__(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answers one request; every failure becomes its family's document."""
        start = time.perf_counter()
        request_id = adopt_request_id(http.headers.get("X-Request-Id"))
        label = "unknown"
        raw_path = http.rel_url.raw_path
        family, rates = self.families.of(raw_path), Rates()
        preflight = family.cross_origin.answer_preflight(http)
        if preflight is not None:
            return preflight
        try:
            match = family.find(http.method, raw_path)
            label = match.route.name
            family.check_head(http)
            address = find_address(http.remote, http.headers, self.trusted_proxies)
            metadata = build_metadata(http.headers, request_id, address, family.name, family.read_credential(http.headers))
            request = Request(http, family, request_id, address, metadata, self.core, self.services, rates, match.values)
            response = await self._answer(match.route, request)
        except Failure as failure:
            response = fail(family, failure, request_id)
        except ConnectionError:
            raise  # the client is gone, there is nobody to answer
        except Exception:
            log.exception("unexpected failure", route=label, request_id=request_id)
            response = fail(family, internal_failure(), request_id)
        if not response.prepared:
            response.headers["X-Request-Id"] = request_id
            for name, value in {**family.cross_origin.find_headers(http), **family.headers(rates)}.items():
                response.headers.setdefault(name, value)  # what the row says of itself stands
        self.figures.requests.labels(label, response.status).inc()
        self.figures.seconds.labels(label).observe(time.perf_counter() - start)
        return response

    async def _answer(self, route: Route, request: Request) -> web.StreamResponse:
        try:
            if route.handle is not None:
                return await route.handle(request)
            return await self._call(route, request)
        except Failure as failure:
            if not failure.from_core and failure.reason in ABOUT_THE_REQUEST and not route.public:
                await self._outrank(failure, route, request)
            raise

    async def _call(self, route: Route, request: Request) -> web.Response:
        if route.rpc is None or route.decode is None or route.encode is None:
            raise TypeError(f"{route.name} is incomplete")
        if route.body is not None:
            request.content = await read_bytes(request.http, route.body_limit, gzip=route.gzip, bad_encoding=request.family.bad_media)
        message = route.decode(request)
        reply = await self.core.call(route.rpc, message, request.metadata, timeout=route.deadline_seconds, rates=request.rates)
        if route.status == web.HTTPNoContent.status_code:
            return web.Response(status=route.status)
        return json_response(route.encode(reply, message), route.status)

    async def _outrank(self, failure: Failure, route: Route, request: Request) -> None:
        """Raises what is checked before the fault that the gateway found: the credential, its right, the existence of the resource."""
        if route.rpc is None or (failure.reason is Reason.PAYLOAD_TOO_LARGE and request.family.size_outranks_credential):
            return
        try:
            await self.core.check_access(route.rpc, request.metadata, rates=request.rates)
        except Failure as earlier:
            if failure.reason is Reason.PAYLOAD_TOO_LARGE and earlier.reason in OUTRANKED_BY_SIZE:
                return
            raise
        if route.existence is None or failure.reason in (Reason.NOT_FOUND, Reason.PAYLOAD_TOO_LARGE):
            return
        rpc, decode = route.existence
        try:
            await self.core.call(rpc, decode(request), (*request.metadata, *UNCHARGED))
        except Failure as earlier:
            if earlier.reason is Reason.NOT_FOUND:
                raise


def fail(family: Manners, failure: Failure, request_id: str) -> web.Response:
    """The family's answer to a failure."""
    if failure.reason is Reason.INTERNAL and failure.from_core:
        log.error("the core failed", request_id=request_id, message=failure.message)
    rendered = family.render(failure, request_id)
    return web.Response(status=rendered.status, body=rendered.body, headers=rendered.headers)


def json_response(value: object, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> web.Response:
    """A JSON answer."""
    return web.Response(status=status, body=encoder.encode(value), headers=[("Content-Type", JSON_TYPE), *headers])
