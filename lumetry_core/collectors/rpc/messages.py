"""Collectors, their configurations and heartbeats: model to protobuf and back."""

from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message

from lumetry.collectors.v1 import collector_service_pb2 as pb
from lumetry.collectors.v1 import config_pb2
from lumetry_core.collectors.config import Buffer, Config, HostMetrics, Notifications, Polling, Relay
from lumetry_core.collectors.model import Collector, Heartbeat, is_online
from lumetry_core.collectors.service.administering import Registration
from lumetry_core.collectors.service.beating import check_heartbeat
from lumetry_core.runtime.clock import truncate
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.timestamps import encode_time


def encode_collector(collector: Collector, now: datetime) -> pb.Collector:
    """Model to protobuf."""
    return pb.Collector(
        id=collector.id,
        name=collector.name,
        status=collector.status.value,
        enroll_time=None if collector.enroll_time is None else encode_time(collector.enroll_time),
        last_seen_time=None if collector.last_seen_time is None else encode_time(collector.last_seen_time),
        version=collector.version,
        hostname=collector.hostname,
        capabilities=collector.capabilities,
        queue_depth=collector.queue_depth,
        dropped_count=collector.dropped_count,
        clock_skew_ms=collector.clock_skew_ms,
        is_online=is_online(collector, now),
        create_time=encode_time(collector.create_time),
        config_revision=collector.config_revision,
        config_revision_applied=collector.config_revision_applied or None,
        config_apply_status="" if collector.config_apply_status is None else collector.config_apply_status.value,
        config_apply_error=collector.config_apply_error,
        created_by=collector.created_by,
    )


def encode_registration(registration: Registration) -> dict[str, Any]:
    """The fields that all messages with an enrollment token have."""
    return {
        "id": registration.collector.id,
        "name": registration.collector.name,
        "enrollment_token": registration.enrollment_token,
        "enrollment_expire_time": encode_time(registration.enrollment_expire_time),
    }


def encode_config(config: Config) -> config_pb2.CollectorConfig:
    """Model to protobuf; nothing is left to defaults."""
    return config_pb2.CollectorConfig(
        heartbeat_interval_seconds=config.heartbeat_interval_seconds,
        host_metrics=config_pb2.HostMetricsConfig(
            enabled=config.host_metrics.enabled, interval_seconds=config.host_metrics.interval_seconds
        ),
        relay=config_pb2.RelayConfig(enabled=config.relay.enabled, port=config.relay.port),
        buffer=config_pb2.BufferConfig(max_bytes=config.buffer.max_bytes),
        polling=config_pb2.PollingConfig(enabled=config.polling.enabled, max_concurrency=config.polling.max_concurrency),
        notifications=config_pb2.NotificationsConfig(enabled=config.notifications.enabled),
    )


def decode_config(message: config_pb2.CollectorConfig) -> Config:
    """Protobuf to model; what is absent takes its default."""
    return Config(
        **given(message, "heartbeat_interval_seconds"),
        host_metrics=HostMetrics(**given(message.host_metrics, "enabled", "interval_seconds")),
        relay=Relay(**given(message.relay, "enabled", "port")),
        buffer=Buffer(**given(message.buffer, "max_bytes")),
        polling=Polling(**given(message.polling, "enabled", "max_concurrency")),
        notifications=Notifications(**given(message.notifications, "enabled")),
    )


def given(message: Message, *names: str) -> dict[str, Any]:
    """The fields that a message has."""
    return {name: getattr(message, name) for name in names if message.HasField(name)}


def decode_heartbeat(request: pb.SendHeartbeatRequest, now: datetime) -> Heartbeat:
    """Protobuf to model. Fails with VALIDATION_FAILED naming every fault."""
    faults = Faults()
    beat = Heartbeat(
        instance_id=request.instance_id,
        version=request.version,
        queue_depth=request.queue_depth,
        dropped_count=request.dropped_count,
        send_time=read_send_time(request, faults) or now,
        config_revision_applied=request.config_revision_applied,
        capabilities=tuple(request.capabilities),
        config_apply_status=request.config_apply_status,
        config_apply_error=request.config_apply_error,
    )
    beat = check_heartbeat(beat, faults)
    faults.raise_if_any()
    return beat


def read_send_time(request: pb.SendHeartbeatRequest, faults: Faults) -> datetime | None:
    """The sender's clock; notes a fault when it is absent or no time of the calendar."""
    if not request.HasField("send_time"):
        faults.add("sentAt", "is required")
        return None
    try:
        return truncate(request.send_time.ToDatetime(UTC))
    except (ValueError, OverflowError):
        faults.add("sentAt", "is not a time")
        return None
