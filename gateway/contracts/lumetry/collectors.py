"""Administration of collectors (contract lumetry 16.2)."""

from typing import Annotated, Any

import msgspec

from gateway.contracts.lumetry.values import Time, optional_time, optional_value
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.collectors.v1 import collector_service_pb2 as pb
from lumetry.collectors.v1 import config_pb2

Seconds = Annotated[int, msgspec.Meta(ge=10, le=3600)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]


class CollectorBody(msgspec.Struct, rename="camel"):
    """A collector to register."""

    name: str = ""


class HostMetrics(msgspec.Struct, frozen=True, rename="camel"):
    """Metrics of the collector's own host."""

    enabled: bool = True
    interval_seconds: Seconds = 60


class Relay(msgspec.Struct, frozen=True, rename="camel"):
    """Serving agents that cannot reach the product."""

    enabled: bool = False
    port: Port = 4319


class Buffer(msgspec.Struct, frozen=True, rename="camel"):
    """Keeping points while the product is away."""

    max_bytes: Annotated[int, msgspec.Meta(ge=2**20, le=10 * 2**30)] = 524_288_000


class Polling(msgspec.Struct, frozen=True, rename="camel"):
    """Polling metric sources and testing them."""

    enabled: bool = True
    max_concurrency: Annotated[int, msgspec.Meta(ge=1, le=32)] = 4


class Notifications(msgspec.Struct, frozen=True, rename="camel"):
    """Delivering notifications to targets inside the network."""

    enabled: bool = False


class CollectorConfig(msgspec.Struct, rename="camel"):
    """What a collector is wanted to do."""

    heartbeat_interval_seconds: Annotated[int, msgspec.Meta(ge=10, le=300)] = 30
    host_metrics: HostMetrics = HostMetrics()
    relay: Relay = Relay()
    buffer: Buffer = Buffer()
    polling: Polling = Polling()
    notifications: Notifications = Notifications()


class Collector(msgspec.Struct, rename="camel"):
    """A registered collector."""

    id: str
    name: str
    status: str
    enrolled_at: Time | None
    last_seen_at: Time | None
    version: str | None
    config_revision: int
    config_revision_applied: int | None
    config_apply_status: str | None
    config_apply_error: str | None
    queue_depth: int
    dropped_count: int
    clock_skew_ms: int | None
    hostname: str | None
    capabilities: list[str]
    is_online: bool
    created_at: Time
    created_by: int | None


class CollectorWithConfig(Collector, rename="camel"):
    """A collector with its desired configuration."""

    config: CollectorConfig


class Registration(msgspec.Struct, rename="camel"):
    """A collector and its single-use token, shown only here."""

    id: str
    name: str
    enrollment_token: str
    enrollment_expires_at: Time


def decode_create(request: Request) -> pb.CreateCollectorRequest:
    """16.2 `POST /api/collectors`."""
    return pb.CreateCollectorRequest(name=request.body(CollectorBody).name)


def encode_registration(reply: pb.CreateCollectorResponse | pb.RenewCollectorEnrollmentTokenResponse, _asked: object) -> Registration:
    """16.2 the registration."""
    return Registration(
        id=reply.id,
        name=reply.name,
        enrollment_token=reply.enrollment_token,
        enrollment_expires_at=format_time(reply.enrollment_expire_time),
    )


def decode_renew_token(request: Request) -> pb.RenewCollectorEnrollmentTokenRequest:
    """16.2 `POST /api/collectors/{id}/enrollment-token`."""
    return pb.RenewCollectorEnrollmentTokenRequest(id=request.uuid("id"))


def decode_list(_request: Request) -> pb.ListCollectorsRequest:
    """16.2 `GET /api/collectors`."""
    return pb.ListCollectorsRequest()


def encode_list(reply: pb.ListCollectorsResponse, _asked: object) -> list[Collector]:
    """16.2 the collectors."""
    return [Collector(**spell(collector)) for collector in reply.collectors]


def decode_get(request: Request) -> pb.GetCollectorRequest:
    """16.2 `GET /api/collectors/{id}`."""
    return pb.GetCollectorRequest(id=request.uuid("id"))


def encode_get(reply: pb.GetCollectorResponse, _asked: object) -> CollectorWithConfig:
    """16.2 a collector with its desired configuration."""
    return CollectorWithConfig(**spell(reply.collector), config=encode_config(reply.config))


def decode_update_config(request: Request) -> pb.UpdateCollectorConfigRequest:
    """16.2 `PUT /api/collectors/{id}/config`."""
    collector_id = request.uuid("id")
    config = request.body(CollectorConfig)
    return pb.UpdateCollectorConfigRequest(id=collector_id, config=decode_config(config))


def decode_revoke(request: Request) -> pb.RevokeCollectorRequest:
    """16.2 `POST /api/collectors/{id}/revoke`."""
    return pb.RevokeCollectorRequest(id=request.uuid("id"))


def encode_collector(reply: pb.UpdateCollectorConfigResponse | pb.RevokeCollectorResponse, _asked: object) -> Collector:
    """16.2 the collector after a change."""
    return Collector(**spell(reply.collector))


def spell(collector: pb.Collector) -> dict[str, Any]:
    """16.2 the fields of a collector."""
    return {
        "id": collector.id,
        "name": collector.name,
        "status": collector.status,
        "enrolled_at": optional_time(collector, "enroll_time"),
        "last_seen_at": optional_time(collector, "last_seen_time"),
        "version": collector.version or None,
        "config_revision": collector.config_revision,
        "config_revision_applied": optional_value(collector, "config_revision_applied"),
        "config_apply_status": collector.config_apply_status or None,
        "config_apply_error": collector.config_apply_error or None,
        "queue_depth": collector.queue_depth,
        "dropped_count": collector.dropped_count,
        "clock_skew_ms": optional_value(collector, "clock_skew_ms"),
        "hostname": collector.hostname or None,
        "capabilities": list(collector.capabilities),
        "is_online": collector.is_online,
        "created_at": format_time(collector.create_time),
        "created_by": optional_value(collector, "created_by"),
    }


def decode_config(config: CollectorConfig) -> config_pb2.CollectorConfig:
    """16.2 the desired configuration."""
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


def encode_config(config: config_pb2.CollectorConfig) -> CollectorConfig:
    """16.2 the desired configuration; the core leaves no field out."""
    return CollectorConfig(
        heartbeat_interval_seconds=config.heartbeat_interval_seconds,
        host_metrics=HostMetrics(enabled=config.host_metrics.enabled, interval_seconds=config.host_metrics.interval_seconds),
        relay=Relay(enabled=config.relay.enabled, port=config.relay.port),
        buffer=Buffer(max_bytes=config.buffer.max_bytes),
        polling=Polling(enabled=config.polling.enabled, max_concurrency=config.polling.max_concurrency),
        notifications=Notifications(enabled=config.notifications.enabled),
    )
