"""What events, alerts and the audit log tell of an endpoint, in the contract's words (contract monitoring 5.1, 9.3, 17.2)."""

from lumetry_core.alerts.monitors import Entity, EntityType, MonitorRecovery, MonitorReport, MonitorSource
from lumetry_core.endpoints.durations import spell_duration
from lumetry_core.endpoints.model import ALERT_TYPE, Config, Endpoint, EndpointType, Removal, Result
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.clock import spell_time

Told = tuple[str, dict[str, object]]


def spell_config(config: Config) -> dict[str, object]:
    """The configuration as 5.1 spells it."""
    return {
        "interval": spell_duration(config.interval_seconds),
        "timeout": spell_duration(config.timeout_seconds),
        "failure_threshold": config.failure_threshold,
        "recovery_threshold": config.recovery_threshold,
        "method": config.method,
        "expected_status": config.expected_status,
        "tls_verify": config.tls_verify,
        "headers": dict(config.headers),
        "max_redirects": config.max_redirects,
    }


def spell_endpoint(endpoint: Endpoint) -> dict[str, object]:
    """The endpoint as 5.1 spells it."""
    owner, progress = endpoint.owner, endpoint.progress
    return {
        "id": endpoint.id,
        "container_name": owner.container_name,
        "label_key": owner.label_key,
        "external_id": owner.external_id,
        "endpoint_type": endpoint.config.endpoint_type.value,
        "target": endpoint.config.target,
        "status": progress.status.value,
        "alert_state": progress.alert_state.value,
        "consecutive_failures": progress.consecutive_failures,
        "consecutive_successes": progress.consecutive_successes,
        "last_check_at": None if progress.last_check_time is None else spell_time(progress.last_check_time),
        "last_response_time_ms": progress.last_response_ms,
        "last_http_status": progress.last_http_status,
        "last_error": progress.last_error,
        "config": spell_config(endpoint.config),
        "active": endpoint.is_active,
        "first_seen_at": spell_time(endpoint.first_seen_time),
        "last_seen_at": spell_time(endpoint.last_seen_time),
        "orchestration_group": owner.orchestration_group,
        "orchestration_unit": owner.orchestration_unit,
        "source": endpoint.source.value,
        "name": endpoint.name,
        "topology_node_id": endpoint.topology_node_id,
    }


def audited(endpoint: Endpoint) -> dict[str, object]:
    """What the audit log keeps: what people write."""
    return {
        "name": endpoint.name,
        "target": endpoint.config.target,
        "endpoint_type": endpoint.config.endpoint_type.value,
        **spell_config(endpoint.config),
        "topology_node_id": endpoint.topology_node_id,
    }


def tell_discovered(endpoint: Endpoint) -> Told:
    """A new endpoint."""
    return "endpoint.discovered", {
        "endpoint_id": endpoint.id,
        "container_name": endpoint.owner.container_name,
        "endpoint_type": endpoint.config.endpoint_type.value,
        "target": endpoint.config.target,
    }


def tell_updated(endpoint: Endpoint) -> Told:
    """An endpoint that is now something else."""
    return "endpoint.updated", spell_endpoint(endpoint)


def tell_removed(endpoint: Endpoint, reason: Removal) -> Told:
    """An endpoint that is not checked any more."""
    return "endpoint.removed", {"endpoint_id": endpoint.id, "container_name": endpoint.owner.container_name, "reason": reason.value}


def tell_config_error(container_name: str, label_key: str, error: str) -> Told:
    """A label that names no endpoint."""
    return "endpoint.config_error", {"endpoint_id": None, "container_name": container_name, "label_key": label_key, "error": error}


def tell_result(endpoint: Endpoint, result: Result) -> Told:
    """A check; the endpoint is as it was made by it."""
    return "endpoint.check_result", {
        **place(endpoint),
        "success": result.is_success,
        "status": endpoint.progress.status.value,
        "response_time_ms": result.response_ms,
        "http_status": result.http_status,
        "error": result.error,
    }


def tell_status(endpoint: Endpoint, before: Endpoint) -> Told:
    """Another status than before."""
    progress = endpoint.progress
    return "endpoint.status_changed", {
        **place(endpoint),
        "previous_status": before.progress.status.value,
        "new_status": progress.status.value,
        "response_time_ms": progress.last_response_ms,
        "http_status": progress.last_http_status,
        "error": progress.last_error,
    }


def tell_alert(endpoint: Endpoint) -> Told:
    """The failure threshold was reached."""
    return "endpoint.alert", {
        **place(endpoint),
        "consecutive_failures": endpoint.progress.consecutive_failures,
        "threshold": endpoint.config.failure_threshold,
        "last_error": endpoint.progress.last_error,
    }


def tell_recovery(endpoint: Endpoint) -> Told:
    """The recovery threshold was reached."""
    return "endpoint.recovery", {
        **place(endpoint),
        "consecutive_successes": endpoint.progress.consecutive_successes,
        "threshold": endpoint.config.recovery_threshold,
    }


def place(endpoint: Endpoint) -> dict[str, object]:
    """What every event of a check begins with."""
    return {"endpoint_id": endpoint.id, "container_name": endpoint.owner.container_name, "target": endpoint.config.target}


def report_of(endpoint: Endpoint, result: Result) -> MonitorReport:
    """The alert of an endpoint that fails."""
    owner, progress = endpoint.owner, endpoint.progress
    kind = "HTTP" if endpoint.config.endpoint_type is EndpointType.HTTP else "TCP"
    times = "check" if progress.consecutive_failures == 1 else "checks in a row"
    subject = None if owner.container_id is None else Entity(EntityType.CONTAINER, owner.container_id, owner.container_name)
    return MonitorReport(
        source=MonitorSource.ENDPOINT,
        alert_type=ALERT_TYPE,
        entity=Entity(EntityType.ENDPOINT, endpoint.id, endpoint.title),
        severity=Severity.CRITICAL,
        alert_name=f"Endpoint down: {endpoint.title}",
        message=f"{kind} {endpoint.config.target} failed {progress.consecutive_failures} {times}: {result.error}",
        details={
            "target": endpoint.config.target,
            "failures": progress.consecutive_failures,
            "threshold": endpoint.config.failure_threshold,
            "last_error": progress.last_error,
        },
        start_time=result.time,
        subject=subject,
        topology_node_id=endpoint.topology_node_id,
        channels=owner.alert_channels,
    )


def recovery_of(endpoint: Endpoint, result: Result) -> MonitorRecovery:
    """The end of the alert of an endpoint that recovered."""
    return MonitorRecovery(
        source=MonitorSource.ENDPOINT,
        alert_type=ALERT_TYPE,
        entity_type=EntityType.ENDPOINT,
        entity_id=endpoint.id,
        end_time=result.time,
        details={"successes": endpoint.progress.consecutive_successes},
        message=f"{endpoint.config.target} answers again",
    )
