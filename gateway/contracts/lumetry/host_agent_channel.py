"""What host agents themselves call (contract lumetry 17.3)."""

from typing import Annotated

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.lumetry.values import LARGEST_INTEGER, Int32, Time
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as pb

Number = Annotated[int, msgspec.Meta(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]
"""A number whose range the core judges."""


class AgentEnrollBody(msgspec.Struct, rename="camel"):
    """An installation that introduces itself."""

    installation_id: str = ""
    host_id: str = ""
    hostname: str = ""
    os: str = ""
    arch: str | None = None
    version: str | None = None
    cluster: str | None = None
    cluster_id: str | None = None


class AgentEnrollment(msgspec.Struct, rename="camel"):
    """The credential of an installation, shown only here."""

    agent_id: int
    agent_key: str
    credential: str
    heartbeat_interval_seconds: int


class PackInUse(msgspec.Struct, rename="camel"):
    """A rule pack in use."""

    pack_id: str = ""
    version: Int32 = 0


class AgentHeartbeatBody(msgspec.Struct, rename="camel"):
    """The state of a running agent."""

    version: str = ""
    queue_depth: Number = 0
    dropped_count: Number = 0
    series_count: Number = 0
    series_dropped: Number = 0
    transport: str | None = None
    packs: list[PackInUse] | None = None
    detected_software: list[str] | None = None
    sent_at: Timestamp | None = None


class WantedPack(msgspec.Struct, rename="camel"):
    """A rule pack to use."""

    pack_id: str
    version: int
    metrics: list[str]
    interval_seconds: int
    always_collect_processes: list[str]


class AgentHeartbeatAnswer(msgspec.Struct, rename="camel"):
    """What is wanted of an agent."""

    server_time: Time
    enabled: bool
    config_revision: int
    packs: list[WantedPack]
    labels: dict[str, str]
    max_series: int


def decode_enroll(request: Request) -> pb.EnrollHostAgentRequest:
    """17.3 `POST /v1/agents/enroll`."""
    body = request.body(AgentEnrollBody)
    return pb.EnrollHostAgentRequest(
        installation_id=body.installation_id,
        host_id=body.host_id,
        hostname=body.hostname,
        os=body.os,
        arch=body.arch or "",
        version=body.version or "",
        cluster=body.cluster or "",
        cluster_id=body.cluster_id or "",
    )


def encode_enroll(reply: pb.EnrollHostAgentResponse, _asked: object) -> AgentEnrollment:
    """17.3 the credential."""
    return AgentEnrollment(
        agent_id=reply.agent_id,
        agent_key=reply.agent_key,
        credential=reply.credential,
        heartbeat_interval_seconds=reply.heartbeat_interval_seconds,
    )


def decode_heartbeat(request: Request) -> pb.SendHostAgentHeartbeatRequest:
    """17.3 `POST /v1/agents/heartbeat`."""
    body = request.body(AgentHeartbeatBody)
    return pb.SendHostAgentHeartbeatRequest(
        version=body.version,
        queue_depth=body.queue_depth,
        dropped_count=body.dropped_count,
        series_count=body.series_count,
        series_dropped=body.series_dropped,
        transport=body.transport or "",
        packs=[pb.ActivePack(pack_id=pack.pack_id, version=pack.version) for pack in body.packs or ()],
        detected_software=body.detected_software,
        send_time=body.sent_at,
    )


def encode_heartbeat(reply: pb.SendHostAgentHeartbeatResponse, _asked: object) -> AgentHeartbeatAnswer:
    """17.3 the answer."""
    return AgentHeartbeatAnswer(
        server_time=format_time(reply.server_time),
        enabled=reply.enabled,
        config_revision=reply.config_revision,
        packs=[
            WantedPack(
                pack_id=pack.pack_id,
                version=pack.version,
                metrics=list(pack.metrics),
                interval_seconds=pack.interval_seconds,
                always_collect_processes=list(pack.always_collect_processes),
            )
            for pack in reply.packs
        ],
        labels=dict(sorted(reply.labels.items())),
        max_series=reply.max_series,
    )
