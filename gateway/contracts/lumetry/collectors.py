"""Collectors (contract lumetry 16)."""

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.lumetry.values import Count, Time, optional_time, optional_value
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.collectors.v1 import collector_service_pb2


class CollectorBody(msgspec.Struct, rename="camel"):
    """A collector to register."""

    name: str = ""


class EnrollBody(msgspec.Struct, rename="camel"):
    """An installation that introduces itself."""

    installation_id: str = ""
    hostname: str = ""
    version: str = ""
    capabilities: list[str] | None = None


class HeartbeatBody(msgspec.Struct, rename="camel"):
    """The state of a running collector."""

    instance_id: str = ""
    version: str = ""
    queue_depth: Count = 0
    dropped_count: Count = 0
    sent_at: Timestamp | None = None
    config_revision_applied: Count = 0
    config_apply_status: str | None = None
    config_apply_error: str | None = None
    capabilities: list[str] | None = None


class Collector(msgspec.Struct, rename="camel"):
    """A registered collector; configuration management does not exist yet, its fields are null."""

    id: str
    name: str
    status: str
    enrolled_at: Time | None
    last_seen_at: Time | None
    version: str | None
    config_revision: int | None
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


class Registration(msgspec.Struct, rename="camel"):
    """A new collector and its single-use token, shown only here."""

    id: str
    name: str
    enrollment_token: str
    enrollment_expires_at: Time


class Enrollment(msgspec.Struct, rename="camel"):
    """The credential of an installation, shown only here."""

    collector_id: str
    credential: str
    config_revision: int
    heartbeat_interval_seconds: int


class HeartbeatAnswer(msgspec.Struct, rename="camel"):
    """What the collector should know."""

    server_time: Time
    config_revision: int
    rotate_credential: bool
    status: str


def decode_create_collector(request: Request) -> collector_service_pb2.CreateCollectorRequest:
    """16.2 `POST /api/collectors`."""
    return collector_service_pb2.CreateCollectorRequest(name=request.body(CollectorBody).name)


def encode_create_collector(reply: collector_service_pb2.CreateCollectorResponse, _asked: object) -> Registration:
    """16.2 the registration."""
    return Registration(
        id=reply.id,
        name=reply.name,
        enrollment_token=reply.enrollment_token,
        enrollment_expires_at=format_time(reply.enrollment_expire_time),
    )


def decode_list_collectors(_request: Request) -> collector_service_pb2.ListCollectorsRequest:
    """16.2 `GET /api/collectors`."""
    return collector_service_pb2.ListCollectorsRequest()


def encode_list_collectors(reply: collector_service_pb2.ListCollectorsResponse, _asked: object) -> list[Collector]:
    """16.2 the collectors."""
    return [encode_collector(collector) for collector in reply.collectors]


def encode_collector(collector: collector_service_pb2.Collector) -> Collector:
    """16.2 one collector."""
    return Collector(
        id=collector.id,
        name=collector.name,
        status=collector.status,
        enrolled_at=optional_time(collector, "enroll_time"),
        last_seen_at=optional_time(collector, "last_seen_time"),
        version=collector.version or None,
        config_revision=None,
        config_revision_applied=None,
        config_apply_status=None,
        config_apply_error=None,
        queue_depth=collector.queue_depth,
        dropped_count=collector.dropped_count,
        clock_skew_ms=optional_value(collector, "clock_skew_ms"),
        hostname=collector.hostname or None,
        capabilities=list(collector.capabilities),
        is_online=collector.is_online,
        created_at=format_time(collector.create_time),
        created_by=None,
    )


def decode_enroll(request: Request) -> collector_service_pb2.EnrollCollectorRequest:
    """16.3 `POST /v1/collectors/enroll`."""
    body = request.body(EnrollBody)
    return collector_service_pb2.EnrollCollectorRequest(
        installation_id=body.installation_id, hostname=body.hostname, version=body.version, capabilities=body.capabilities
    )


def encode_enroll(reply: collector_service_pb2.EnrollCollectorResponse, _asked: object) -> Enrollment:
    """16.3 the credential."""
    return Enrollment(
        collector_id=reply.collector_id,
        credential=reply.credential,
        config_revision=reply.config_revision,
        heartbeat_interval_seconds=reply.heartbeat_interval_seconds,
    )


def decode_heartbeat(request: Request) -> collector_service_pb2.SendHeartbeatRequest:
    """16.3 `POST /v1/collectors/heartbeat`."""
    body = request.body(HeartbeatBody)
    return collector_service_pb2.SendHeartbeatRequest(
        instance_id=body.instance_id,
        version=body.version,
        queue_depth=body.queue_depth,
        dropped_count=body.dropped_count,
        send_time=body.sent_at,
        config_revision_applied=body.config_revision_applied,
        capabilities=body.capabilities,
    )


def encode_heartbeat(reply: collector_service_pb2.SendHeartbeatResponse, _asked: object) -> HeartbeatAnswer:
    """16.3 the answer."""
    return HeartbeatAnswer(
        server_time=format_time(reply.server_time),
        config_revision=reply.config_revision,
        rotate_credential=reply.rotate_credential,
        status=reply.status,
    )
