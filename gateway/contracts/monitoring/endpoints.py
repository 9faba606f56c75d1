"""HTTP and TCP endpoints (contract monitoring 5). Defaults and ranges are the core's business."""

from typing import Annotated, Any, Literal

import msgspec
from google.protobuf.duration_pb2 import Duration

from gateway.contracts.monitoring import uptime
from gateway.contracts.monitoring.values import (
    Time,
    format_or_none,
    read_count,
    read_duration,
    read_flag,
    read_moment,
    read_offset,
    read_word,
    spell_duration,
    value_or_none,
)
from gateway.transcode.bodies import check_content_type, parse_json
from gateway.transcode.failures import Fault, validation_failure
from gateway.transcode.reading import read_body
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.endpoints.v1 import endpoint_service_pb2

Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
NodeId = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
DEFAULT_CHECKS, MOST_CHECKS = 50, 500
STATUSES = ("up", "down", "unknown")
TYPES = ("http", "tcp")
SOURCES = ("label", "standalone")
DURATIONS = ("interval", "timeout")


class EndpointsQuery(msgspec.Struct):
    """Which endpoints are listed."""

    status: str | None = None
    container: str | None = None
    orchestration_group: str | None = None
    type: str | None = None
    source: str | None = None
    include_inactive: str | None = None


class ChecksQuery(msgspec.Struct):
    """Which checks are listed; `since` is a time or Unix seconds."""

    limit: str | None = None
    offset: str | None = None
    since: str | None = None


class EndpointBody(msgspec.Struct):
    """A standalone endpoint as written. Durations are texts such as `30s` or whole seconds."""

    name: str | None = None
    target: str | None = None
    endpoint_type: str | None = None
    interval: str | int | None = None
    timeout: str | int | None = None
    failure_threshold: Int32 | None = None
    recovery_threshold: Int32 | None = None
    method: str | None = None
    expected_status: str | None = None
    tls_verify: bool | None = None
    headers: dict[str, str] | None = None
    max_redirects: Int32 | None = None
    topology_node_id: NodeId | None = None


class EndpointConfig(msgspec.Struct):
    """How an endpoint is checked; values of secret headers are masked."""

    interval: str
    timeout: str
    failure_threshold: int
    recovery_threshold: int
    method: str
    expected_status: str
    tls_verify: bool
    headers: dict[str, str] | None
    max_redirects: int


class Endpoint(msgspec.Struct):
    """An endpoint and what its checks made of it."""

    id: int
    container_name: str
    label_key: str
    external_id: str
    endpoint_type: Literal["http", "tcp"]
    target: str
    status: Literal["up", "down", "unknown"]
    alert_state: Literal["normal", "alerting"]
    consecutive_failures: int
    consecutive_successes: int
    last_check_at: Time | None
    last_response_time_ms: int | None
    last_http_status: int | None
    last_error: str | None
    config: EndpointConfig
    active: bool
    first_seen_at: Time
    last_seen_at: Time
    orchestration_group: str | None
    orchestration_unit: str | None
    source: Literal["label", "standalone"]
    name: str | None
    topology_node_id: int | None


class EndpointList(msgspec.Struct):
    """Endpoints by number."""

    endpoints: list[Endpoint]
    total: int


class OneEndpoint(msgspec.Struct):
    """An endpoint."""

    endpoint: Endpoint


class EndpointUptime(msgspec.Struct, rename={"hour": "1h", "day": "24h", "week": "7d", "month": "30d", "quarter": "90d"}):
    """Percent of successful checks of windows that end now; null without checks."""

    hour: float | None
    day: float | None
    week: float | None
    month: float | None
    quarter: float | None


class EndpointDetail(msgspec.Struct):
    """An endpoint and its uptime."""

    endpoint: Endpoint
    uptime: EndpointUptime


class EndpointCheck(msgspec.Struct):
    """What a check found."""

    id: int
    endpoint_id: int
    success: bool
    response_time_ms: int
    http_status: int | None
    error_message: str | None
    timestamp: Time


class EndpointChecks(msgspec.Struct):
    """Checks of an endpoint, newest first."""

    endpoint_id: int
    checks: list[EndpointCheck]
    total: int
    has_more: bool


class ContainerEndpoint(msgspec.Struct):
    """An endpoint that a label of a container names."""

    id: int
    endpoint_type: Literal["http", "tcp"]
    target: str
    status: Literal["up", "down", "unknown"]
    last_response_time_ms: int | None
    last_check_at: Time | None


class ContainerEndpoints(msgspec.Struct):
    """The endpoints of a container."""

    container_id: int
    endpoints: list[ContainerEndpoint]
    total: int


def decode_list(request: Request) -> endpoint_service_pb2.ListEndpointsRequest:
    """5.2 `GET /api/v1/endpoints`."""
    query = request.query(EndpointsQuery)
    return endpoint_service_pb2.ListEndpointsRequest(
        status=read_word(query.status, "status", STATUSES),
        container_name=query.container,
        orchestration_group=query.orchestration_group,
        endpoint_type=read_word(query.type, "type", TYPES),
        source=read_word(query.source, "source", SOURCES),
        include_inactive=read_flag(query.include_inactive, "include_inactive", default=False),
    )


def encode_list(reply: endpoint_service_pb2.ListEndpointsResponse, _asked: object) -> EndpointList:
    """5.2 all that match."""
    return EndpointList([encode_endpoint(endpoint) for endpoint in reply.endpoints], len(reply.endpoints))


def decode_get(request: Request) -> endpoint_service_pb2.GetEndpointRequest:
    """5.2 `GET /api/v1/endpoints/{id}`."""
    return endpoint_service_pb2.GetEndpointRequest(id=request.number("id"))


def encode_get(reply: endpoint_service_pb2.GetEndpointResponse, _asked: object) -> EndpointDetail:
    """5.2 an endpoint with its uptime."""
    windows = (value_or_none(reply.uptime, name) for name in EndpointUptime.__struct_fields__)
    return EndpointDetail(encode_endpoint(reply.endpoint), EndpointUptime(*windows))


def decode_create(request: Request) -> endpoint_service_pb2.CreateEndpointRequest:
    """5.2 `POST /api/v1/endpoints`."""
    return endpoint_service_pb2.CreateEndpointRequest(endpoint=decode_draft(request))


def decode_update(request: Request) -> endpoint_service_pb2.UpdateEndpointRequest:
    """5.2 `PUT /api/v1/endpoints/{id}`."""
    draft = decode_draft(request)
    return endpoint_service_pb2.UpdateEndpointRequest(id=request.number("id"), endpoint=draft)


def decode_delete(request: Request) -> endpoint_service_pb2.DeleteEndpointRequest:
    """5.2 `DELETE /api/v1/endpoints/{id}`."""
    return endpoint_service_pb2.DeleteEndpointRequest(id=request.number("id"))


def encode_one(
    reply: endpoint_service_pb2.CreateEndpointResponse | endpoint_service_pb2.UpdateEndpointResponse, _asked: object
) -> OneEndpoint:
    """5.2 the endpoint as it is now."""
    return OneEndpoint(encode_endpoint(reply.endpoint))


def encode_nothing(_reply: object, _asked: object) -> None:
    """5.2 no body."""


def decode_checks(request: Request) -> endpoint_service_pb2.ListEndpointChecksRequest:
    """5.2 `GET /api/v1/endpoints/{id}/checks`."""
    number, query = request.number("id"), request.query(ChecksQuery)
    return endpoint_service_pb2.ListEndpointChecksRequest(
        endpoint_id=number,
        since=read_moment(query.since, "since", takes_seconds=True),
        limit=read_count(query.limit, "limit", DEFAULT_CHECKS, MOST_CHECKS),
        offset=read_offset(query.offset),
    )


def encode_checks(
    reply: endpoint_service_pb2.ListEndpointChecksResponse, asked: endpoint_service_pb2.ListEndpointChecksRequest
) -> EndpointChecks:
    """5.2 a page of checks."""
    checks = [
        EndpointCheck(
            id=check.id,
            endpoint_id=check.endpoint_id,
            success=check.success,
            response_time_ms=check.response_ms,
            http_status=value_or_none(check, "http_status"),
            error_message=value_or_none(check, "error"),
            timestamp=format_time(check.time),
        )
        for check in reply.checks
    ]
    return EndpointChecks(asked.endpoint_id, checks, reply.total, asked.offset + len(checks) < reply.total)


def decode_days(request: Request) -> endpoint_service_pb2.ListEndpointDaysRequest:
    """5.5 `GET /api/v1/endpoints/{id}/uptime/daily`."""
    number = request.number("id")
    return endpoint_service_pb2.ListEndpointDaysRequest(endpoint_id=number, days=uptime.read_days(request.query(uptime.DaysQuery)))


def encode_days(
    reply: endpoint_service_pb2.ListEndpointDaysResponse, asked: endpoint_service_pb2.ListEndpointDaysRequest
) -> uptime.DailyUptime:
    """5.5 day by day."""
    return uptime.encode_daily(asked.endpoint_id, "endpoint", reply.days)


def decode_of_container(request: Request) -> endpoint_service_pb2.ListContainerEndpointsRequest:
    """4.2 `GET /api/v1/containers/{id}/endpoints`."""
    return endpoint_service_pb2.ListContainerEndpointsRequest(container_id=request.number("id"))


def encode_of_container(
    reply: endpoint_service_pb2.ListContainerEndpointsResponse, asked: endpoint_service_pb2.ListContainerEndpointsRequest
) -> ContainerEndpoints:
    """4.2 what labels of a container name."""
    found = [
        ContainerEndpoint(
            id=endpoint.id,
            endpoint_type=endpoint.endpoint_type,  # type: ignore[arg-type] # a word of the core
            target=endpoint.target,
            status=endpoint.status,  # type: ignore[arg-type] # the same
            last_response_time_ms=value_or_none(endpoint, "last_response_ms"),
            last_check_at=format_or_none(endpoint, "last_check_time"),
        )
        for endpoint in reply.endpoints
    ]
    return ContainerEndpoints(asked.container_id, found, len(found))


def decode_draft(request: Request) -> endpoint_service_pb2.EndpointDraft:
    """5.3 what was sent of an endpoint. `null` equals absence, but takes a topology node away."""
    check_content_type(request.http, request.family.is_media, request.family.bad_media)
    data, faults = parse_json(request.content), list[Fault]()
    given: dict[str, Any] = data if isinstance(data, dict) else {}
    body = read_body(EndpointBody, {name: value for name, value in given.items() if name not in DURATIONS}, faults)
    if not isinstance(data, dict):
        faults.append(Fault("", "must be a JSON object"))
    interval, timeout = (read_duration(given.get(name), name, faults) for name in DURATIONS)
    if faults:
        raise validation_failure(tuple(faults))
    return endpoint_service_pb2.EndpointDraft(
        name=body.name,
        target=body.target,
        endpoint_type=body.endpoint_type,
        interval=None if interval is None else Duration(seconds=interval),
        timeout=None if timeout is None else Duration(seconds=timeout),
        failure_threshold=body.failure_threshold,
        recovery_threshold=body.recovery_threshold,
        method=body.method,
        expected_status=body.expected_status,
        tls_verify=body.tls_verify,
        headers=None if body.headers is None else endpoint_service_pb2.EndpointHeaders(values=body.headers),
        max_redirects=body.max_redirects,
        topology_node_id=body.topology_node_id,
        clears_topology_node="topology_node_id" in given and given["topology_node_id"] is None,
    )


def encode_endpoint(endpoint: endpoint_service_pb2.Endpoint) -> Endpoint:
    """5.1 an endpoint."""
    config = endpoint.config
    return Endpoint(
        id=endpoint.id,
        container_name=endpoint.container_name,
        label_key=endpoint.label_key,
        external_id=endpoint.external_id,
        endpoint_type=endpoint.endpoint_type,  # type: ignore[arg-type] # a word of the core
        target=endpoint.target,
        status=endpoint.status,  # type: ignore[arg-type] # the same
        alert_state=endpoint.alert_state,  # type: ignore[arg-type] # the same
        consecutive_failures=endpoint.consecutive_failures,
        consecutive_successes=endpoint.consecutive_successes,
        last_check_at=format_or_none(endpoint, "last_check_time"),
        last_response_time_ms=value_or_none(endpoint, "last_response_ms"),
        last_http_status=value_or_none(endpoint, "last_http_status"),
        last_error=value_or_none(endpoint, "last_error"),
        config=EndpointConfig(
            interval=spell_duration(config.interval.seconds),
            timeout=spell_duration(config.timeout.seconds),
            failure_threshold=config.failure_threshold,
            recovery_threshold=config.recovery_threshold,
            method=config.method,
            expected_status=config.expected_status,
            tls_verify=config.tls_verify,
            headers=dict(sorted(config.headers.items())),
            max_redirects=config.max_redirects,
        ),
        active=endpoint.active,
        first_seen_at=format_time(endpoint.first_seen_time),
        last_seen_at=format_time(endpoint.last_seen_time),
        orchestration_group=value_or_none(endpoint, "orchestration_group"),
        orchestration_unit=value_or_none(endpoint, "orchestration_unit"),
        source=endpoint.source,  # type: ignore[arg-type] # the same
        name=value_or_none(endpoint, "name"),
        topology_node_id=value_or_none(endpoint, "topology_node_id"),
    )
