"""Endpoints as protobuf."""

from collections.abc import Mapping, Sequence

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from lumetry.endpoints.v1 import endpoint_service_pb2 as pb
from lumetry.uptime.v1 import uptime_pb2
from lumetry_core.endpoints.drafts import EndpointDraft
from lumetry_core.endpoints.model import Check, Config, Endpoint
from lumetry_core.runtime.timestamps import encode_time
from lumetry_core.uptime.model import DayUptime


def decode_draft(draft: pb.EndpointDraft) -> EndpointDraft:
    """An endpoint as it was sent."""
    return EndpointDraft(
        name=draft.name if has(draft, "name") else None,
        target=draft.target if has(draft, "target") else None,
        endpoint_type=draft.endpoint_type if has(draft, "endpoint_type") else None,
        interval_seconds=draft.interval.seconds if has(draft, "interval") else None,
        timeout_seconds=draft.timeout.seconds if has(draft, "timeout") else None,
        failure_threshold=draft.failure_threshold if has(draft, "failure_threshold") else None,
        recovery_threshold=draft.recovery_threshold if has(draft, "recovery_threshold") else None,
        method=draft.method if has(draft, "method") else None,
        expected_status=draft.expected_status if has(draft, "expected_status") else None,
        tls_verify=draft.tls_verify if has(draft, "tls_verify") else None,
        headers=dict(draft.headers.values) if has(draft, "headers") else None,
        max_redirects=draft.max_redirects if has(draft, "max_redirects") else None,
        topology_node_id=draft.topology_node_id if has(draft, "topology_node_id") else None,
        clears_topology_node=draft.clears_topology_node,
    )


def has(message: Message, field: str) -> bool:
    """Whether a field was sent."""
    return message.HasField(field)


def encode_endpoint(endpoint: Endpoint) -> pb.Endpoint:
    """An endpoint."""
    owner, progress = endpoint.owner, endpoint.progress
    return pb.Endpoint(
        id=endpoint.id,
        container_name=owner.container_name,
        label_key=owner.label_key,
        external_id=owner.external_id,
        endpoint_type=endpoint.config.endpoint_type,
        target=endpoint.config.target,
        status=progress.status,
        alert_state=progress.alert_state,
        consecutive_failures=progress.consecutive_failures,
        consecutive_successes=progress.consecutive_successes,
        last_check_time=encode_time(progress.last_check_time),
        last_response_ms=progress.last_response_ms,
        last_http_status=progress.last_http_status,
        last_error=progress.last_error,
        config=encode_config(endpoint.config),
        active=endpoint.is_active,
        first_seen_time=encode_time(endpoint.first_seen_time),
        last_seen_time=encode_time(endpoint.last_seen_time),
        orchestration_group=owner.orchestration_group,
        orchestration_unit=owner.orchestration_unit,
        source=endpoint.source,
        name=endpoint.name,
        topology_node_id=endpoint.topology_node_id,
    )


def encode_config(config: Config) -> pb.EndpointConfig:
    """How an endpoint is checked."""
    return pb.EndpointConfig(
        interval=encode_seconds(config.interval_seconds),
        timeout=encode_seconds(config.timeout_seconds),
        failure_threshold=config.failure_threshold,
        recovery_threshold=config.recovery_threshold,
        method=config.method,
        expected_status=config.expected_status,
        tls_verify=config.tls_verify,
        headers=config.headers,
        max_redirects=config.max_redirects,
    )


def encode_seconds(seconds: int) -> Duration:
    """A duration."""
    return Duration(seconds=seconds)


def encode_check(check: Check) -> pb.EndpointCheck:
    """A check."""
    result = check.result
    return pb.EndpointCheck(
        id=check.id,
        endpoint_id=check.endpoint_id,
        success=result.is_success,
        response_ms=result.response_ms,
        http_status=result.http_status,
        error=result.error,
        time=encode_time(result.time),
    )


def encode_uptime(uptime: Mapping[str, float | None]) -> pb.EndpointUptime:
    """Uptime by window."""
    return pb.EndpointUptime(hour=uptime["1h"], day=uptime["24h"], week=uptime["7d"], month=uptime["30d"], quarter=uptime["90d"])


def encode_days(days: Sequence[DayUptime]) -> list[uptime_pb2.DayUptime]:
    """Days, as listed."""
    return [uptime_pb2.DayUptime(date=day.day.isoformat(), percent=day.percent, incidents=day.incidents) for day in days]
