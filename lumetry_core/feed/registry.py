"""Every event type of the admin stream and the keys of its data (contract monitoring 17.2). `type` and `timestamp` are left out."""

from collections.abc import Collection, Mapping

CONTAINER = frozenset(
    {
        "id",
        "external_id",
        "name",
        "image",
        "state",
        "health_status",
        "has_health_check",
        "orchestration_group",
        "orchestration_unit",
        "custom_group",
        "is_ignored",
        "archived",
        "alert_severity",
        "restart_threshold",
        "alert_channels",
        "first_seen_at",
        "last_state_change_at",
        "archived_at",
        "runtime_type",
        "error_detail",
        "controller_kind",
        "namespace",
        "pod_count",
        "ready_count",
        "exit_code",
        "oom_killed",
        "topology_node_id",
    }
)
"""4.1."""
ENDPOINT = frozenset(
    {
        "id",
        "container_name",
        "label_key",
        "external_id",
        "endpoint_type",
        "target",
        "status",
        "alert_state",
        "consecutive_failures",
        "consecutive_successes",
        "last_check_at",
        "last_response_time_ms",
        "last_http_status",
        "last_error",
        "config",
        "active",
        "first_seen_at",
        "last_seen_at",
        "orchestration_group",
        "orchestration_unit",
        "source",
        "name",
        "topology_node_id",
    }
)
"""5.1."""
SAMPLE = frozenset(
    {
        "container_id",
        "cpu_percent",
        "mem_used",
        "mem_limit",
        "mem_percent",
        "net_rx_bytes",
        "net_tx_bytes",
        "block_read_bytes",
        "block_write_bytes",
        "timestamp",
    }
)
"""8, of which `timestamp` is the event's own."""


def keys(text: str) -> frozenset[str]:
    """Keys as the contract lists them."""
    return frozenset(text.replace(",", " ").split())


ENDPOINT_CHANGE = keys("endpoint_id, container_name, target, previous_status, new_status, response_time_ms, http_status, error")
PING = keys("heartbeat_id, name, ping_type, exit_code, status")
UPDATE = keys(
    "container_id, container_name, image, current_tag, latest_tag, update_type, risk_score, update_command, rollback_command",
)

EVENT_TYPES: Mapping[str, frozenset[str]] = {
    "container.state_changed": keys("id, name, state, previous_state, health_status, exit_code"),
    "container.health_changed": keys("id, name, health_status, previous_health"),
    "container.restart_alert": keys("container_id, container_name, restart_count, threshold, severity, channels"),
    "container.discovered": CONTAINER,
    "container.archived": keys("id, name, archived_at"),
    "container.restart_recovery": keys("container_id, container_name"),
    "endpoint.check_result": keys("endpoint_id, container_name, target, success, status, response_time_ms, http_status, error"),
    "endpoint.status_changed": ENDPOINT_CHANGE,
    "endpoint.alert": keys("endpoint_id, container_name, target, consecutive_failures, threshold, last_error"),
    "endpoint.recovery": keys("endpoint_id, container_name, target, consecutive_successes, threshold"),
    "endpoint.discovered": keys("endpoint_id, container_name, endpoint_type, target"),
    "endpoint.updated": ENDPOINT,
    "endpoint.removed": keys("endpoint_id, container_name, reason"),
    "endpoint.config_error": keys("endpoint_id, container_name, label_key, error"),
    "heartbeat.pinged": PING,
    "heartbeat.ping_received": PING,
    "heartbeat.deadline_missed": keys("heartbeat_id, name, deadline, last_ping_at, started"),
    "heartbeat.alert": keys("heartbeat_id, name, alert_type, details"),
    "heartbeat.recovery": keys("heartbeat_id, name"),
    "heartbeat.status_changed": keys("heartbeat_id, old_status, new_status"),
    "heartbeat.created": keys("heartbeat_id, name, uuid, status"),
    "heartbeat.updated": keys("heartbeat_id, name, uuid, status"),
    "heartbeat.deleted": keys("heartbeat_id"),
    "certificate.alert": keys(
        "monitor_id, hostname, port, alert_type, severity, threshold_days, days_remaining, not_after, issuer_org, auto_renewable,"
        "chain_error"
    ),
    "certificate.recovery": keys("monitor_id, hostname, port, previous_alert_type, new_not_after, days_remaining"),
    "certificate.check_completed": keys(
        "monitor_id, hostname, status, checked_at, subject_cn, issuer_cn, not_after, days_remaining, chain_valid, hostname_match"
    ),
    "certificate.status_changed": keys("monitor_id, hostname, previous_status, new_status, days_remaining"),
    "certificate.created": keys("monitor_id, hostname, port, source"),
    "certificate.updated": keys("monitor_id, hostname, port, source"),
    "certificate.deleted": keys("monitor_id, hostname"),
    "resource.snapshot": SAMPLE - {"timestamp"},
    "resource.alert": keys("container_id, container_name, alert_type, current_value, threshold"),
    "resource.recovery": keys("container_id, container_name, recovered_type, current_value, threshold"),
    "alert.fired": keys("alert"),
    "alert.resolved": keys("alert"),
    "alert.silenced": keys("alert"),
    "alert.acknowledged": keys("alert"),
    "channel.created": keys("channel"),
    "channel.updated": keys("channel"),
    "channel.deleted": keys("id"),
    "silence.created": keys("rule"),
    "silence.cancelled": keys("id"),
    "update.scan_started": keys("scan_id, started_at"),
    "update.scan_completed": keys("scan_id, containers_scanned, updates_found, errors"),
    "update.detected": UPDATE,
    "update.pinned": keys("container_id, container_name, pinned_tag, reason"),
    "update.unpinned": keys("container_id, container_name"),
}

INCIDENT_TYPES = frozenset(
    {"incident.opened", "incident.acknowledged", "incident.alert_correlated", "incident.resolved", "incident.reopened"},
)
"""Told to subscribers only: the admin stream has no incidents (12.2)."""
UNREPLAYED = frozenset({"resource.snapshot"})
"""The next one replaces it, so streams that resume pass over it (17.1)."""
STREAM_ONLY = frozenset({"stream.reset"})
"""Made by the stream itself."""


def find_unproduced(produced: Collection[str]) -> tuple[set[str], set[str]]:
    """The types that nobody tells, and those that are told but not documented."""
    told, documented = set(produced), {*EVENT_TYPES, *INCIDENT_TYPES}
    return documented - told, told - documented
