"""What collectors themselves ask, but for work (contract lumetry 16.3)."""

import msgspec
from aiohttp import web
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.lumetry.collectors import CollectorConfig, encode_config
from gateway.contracts.lumetry.values import Count, Time
from gateway.transcode.channel import find_rpc
from gateway.transcode.entity_tags import is_known
from gateway.transcode.handling import json_response
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.collectors.v1 import collector_service_pb2 as pb

FETCH_CONFIG = find_rpc(pb.DESCRIPTOR, "CollectorService", "FetchCollectorConfig")


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


class WantedConfig(msgspec.Struct, rename="camel"):
    """The desired configuration of the caller."""

    revision: int
    config: CollectorConfig


class Rotation(msgspec.Struct, rename="camel"):
    """The fresh credential, shown only here."""

    credential: str


def decode_enroll(request: Request) -> pb.EnrollCollectorRequest:
    """16.3 `POST /v1/collectors/enroll`."""
    body = request.body(EnrollBody)
    return pb.EnrollCollectorRequest(
        installation_id=body.installation_id, hostname=body.hostname, version=body.version, capabilities=body.capabilities
    )


def encode_enroll(reply: pb.EnrollCollectorResponse, _asked: object) -> Enrollment:
    """16.3 the credential."""
    return Enrollment(
        collector_id=reply.collector_id,
        credential=reply.credential,
        config_revision=reply.config_revision,
        heartbeat_interval_seconds=reply.heartbeat_interval_seconds,
    )


def decode_heartbeat(request: Request) -> pb.SendHeartbeatRequest:
    """16.3 `POST /v1/collectors/heartbeat`."""
    body = request.body(HeartbeatBody)
    return pb.SendHeartbeatRequest(
        instance_id=body.instance_id,
        version=body.version,
        queue_depth=body.queue_depth,
        dropped_count=body.dropped_count,
        send_time=body.sent_at,
        config_revision_applied=body.config_revision_applied,
        config_apply_status=body.config_apply_status or "",
        config_apply_error=body.config_apply_error or "",
        capabilities=body.capabilities,
    )


def encode_heartbeat(reply: pb.SendHeartbeatResponse, _asked: object) -> HeartbeatAnswer:
    """16.3 the answer."""
    return HeartbeatAnswer(
        server_time=format_time(reply.server_time),
        config_revision=reply.config_revision,
        rotate_credential=reply.rotate_credential,
        status=reply.status,
    )


async def answer_config(request: Request) -> web.StreamResponse:
    """16.3 `GET /v1/collectors/config`: the configuration, or 304 when the collector has this revision."""
    reply = await request.core.call(FETCH_CONFIG, pb.FetchCollectorConfigRequest(), request.metadata, rates=request.rates)
    headers = [("ETag", f'"{reply.revision}"'), ("Cache-Control", "private, no-cache")]
    if is_known(request.http.headers.get("If-None-Match", ""), f'"{reply.revision}"'):
        return web.Response(status=web.HTTPNotModified.status_code, headers=headers)
    return json_response(WantedConfig(reply.revision, encode_config(reply.config)), headers=headers)


def decode_rotate(_request: Request) -> pb.RotateCollectorCredentialRequest:
    """16.3 `POST /v1/collectors/credentials/rotate`."""
    return pb.RotateCollectorCredentialRequest()


def encode_rotate(reply: pb.RotateCollectorCredentialResponse, _asked: object) -> Rotation:
    """16.3 the fresh credential."""
    return Rotation(reply.credential)
