"""Host agents and the profiles by which they enroll (contract lumetry 17.2)."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.lumetry.values import (
    LARGEST_INT32,
    Id,
    Int32,
    Page,
    PageNumber,
    PageSize,
    Time,
    make_page,
    optional_time,
    optional_value,
)
from gateway.transcode.request import Request
from gateway.transcode.times import format_ms, format_time
from lumetry.hostagents.v1 import host_agent_service_pb2 as pb

DEFAULT_PAGE_SIZE = 25
STATES = {
    pb.HOST_AGENT_STATE_ONLINE: "Online",
    pb.HOST_AGENT_STATE_OFFLINE: "Offline",
    pb.HOST_AGENT_STATE_DISABLED: "Disabled",
    pb.HOST_AGENT_STATE_REVOKED: "Revoked",
}

Step = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_INT32)]
Key = Annotated[str, msgspec.Meta(extra_json_schema={"format": "uuid"})]


class ProfileBody(msgspec.Struct, rename="camel"):
    """A profile as it is asked for."""

    name: str = ""
    max_enrollments: Int32 | None = None
    expires_in_hours: Int32 | None = None
    required_collector_id: str | None = None


class EnrollmentProfile(msgspec.Struct, rename="camel"):
    """What admits agents."""

    id: int
    name: str
    max_enrollments: int
    enrollment_count: int
    expires_at: Time
    required_collector_id: str | None
    token_prefix: str
    created_at: Time


class CreatedProfile(EnrollmentProfile, rename="camel"):
    """A new profile with its token, which is shown once."""

    enrollment_token: str


class AgentFilters(msgspec.Struct, rename="camel"):
    """Which agents."""

    search: str | None = None
    status: str | None = None
    tag: str | None = None
    cluster_id: Id | None = None
    page: PageNumber = 1
    page_size: PageSize = DEFAULT_PAGE_SIZE


class AgentPack(msgspec.Struct, rename="camel"):
    """A rule pack in use."""

    pack_id: str
    version: int


class AgentTag(msgspec.Struct, rename="camel"):
    """A tag that an agent bears."""

    id: int
    name: str


class AgentRow(msgspec.Struct, rename="camel"):
    """An agent as lists show it."""

    id: int
    agent_key: Key
    hostname: str
    os: str
    version: str | None
    state: str
    last_seen_at: Time | None
    transport: str
    collector_id: str | None
    queue_depth: int
    dropped_count: int
    series_count: int
    series_dropped: int
    active_packs: list[AgentPack]
    cluster_id: int | None
    cluster_name: str | None
    tags: list[AgentTag]


class AgentIdentity(msgspec.Struct, rename="camel"):
    """Who an agent is."""

    agent_key: Key
    host_id: str
    installation_id: str
    enrolled_at: Time
    credential_prefix: str


class LatestValues(msgspec.Struct, rename="camel"):
    """The newest values of a host, not older than ten minutes."""

    cpu_percent: float | None
    memory_percent: float | None
    timestamp: Time | None


class AgentProcess(msgspec.Struct, rename="camel"):
    """The processes of one executable as they were seen last."""

    executable: str
    cpu_percent: float
    memory_percent: float
    rss_bytes: int
    timestamp: Time


class AgentDetail(AgentRow, rename="camel"):
    """An agent with what is known of it."""

    identity: AgentIdentity
    latest: LatestValues
    processes: list[AgentProcess]


class AgentBody(msgspec.Struct, rename="camel"):
    """What may be written of an agent."""

    enabled: bool | None = None
    cluster_id: Id | None = None
    tag_ids: list[Id] | None = None


class TelemetryFilters(msgspec.Struct, rename="camel"):
    """Which points."""

    from_: Timestamp | None = msgspec.field(default=None, name="from")
    to: Timestamp | None = None
    step_seconds: Step | None = None


class HostPoint(msgspec.Struct, rename="camel"):
    """A stored value, or the mean of a bucket; `dimensionKey` tells several file systems or interfaces apart."""

    timestamp: Time
    value: float
    dimension_key: str | None


class ProcessPoint(msgspec.Struct, rename="camel"):
    """A stored value, or the mean of a bucket."""

    timestamp: Time
    value: float


class HostTelemetry(msgspec.Struct, rename="camel"):
    """What an agent said of its host."""

    cpu: list[HostPoint]
    memory: list[HostPoint]
    disk: list[HostPoint]
    network: list[HostPoint]


class ProcessTelemetry(msgspec.Struct, rename="camel"):
    """What an agent said of the processes of an executable."""

    cpu: list[ProcessPoint]
    memory: list[ProcessPoint]
    rss: list[ProcessPoint]


def decode_list_profiles(_request: Request) -> pb.ListEnrollmentProfilesRequest:
    """17.2 `GET /api/agents/enrollment-profiles`."""
    return pb.ListEnrollmentProfilesRequest()


def encode_list_profiles(reply: pb.ListEnrollmentProfilesResponse, _asked: object) -> list[EnrollmentProfile]:
    """17.2 all profiles."""
    return [
        EnrollmentProfile(
            id=profile.id,
            name=profile.name,
            max_enrollments=profile.max_enrollments,
            enrollment_count=profile.enrollment_count,
            expires_at=format_time(profile.expire_time),
            required_collector_id=profile.required_collector_id or None,
            token_prefix=profile.token_prefix,
            created_at=format_time(profile.create_time),
        )
        for profile in reply.profiles
    ]


def decode_create_profile(request: Request) -> pb.CreateEnrollmentProfileRequest:
    """17.2 `POST /api/agents/enrollment-profiles`."""
    body = request.body(ProfileBody)
    return pb.CreateEnrollmentProfileRequest(
        name=body.name,
        max_enrollments=body.max_enrollments,
        expires_in_hours=body.expires_in_hours,
        required_collector_id=body.required_collector_id or "",
    )


def encode_create_profile(reply: pb.CreateEnrollmentProfileResponse, asked: object) -> CreatedProfile:
    """17.2 the new profile."""
    [profile] = encode_list_profiles(pb.ListEnrollmentProfilesResponse(profiles=[reply.profile]), asked)
    return CreatedProfile(**msgspec.structs.asdict(profile), enrollment_token=reply.enrollment_token)


def decode_list_agents(request: Request) -> pb.ListHostAgentsRequest:
    """17.2 `GET /api/agents`."""
    filters = request.query(AgentFilters)
    return pb.ListHostAgentsRequest(
        search=filters.search or "",
        status=filters.status or "",
        tag=filters.tag or "",
        cluster_id=filters.cluster_id,
        page=filters.page,
        page_size=filters.page_size,
    )


def encode_list_agents(reply: pb.ListHostAgentsResponse, _asked: object) -> Page[AgentRow]:
    """17.2 a page of agents."""
    items = [encode_row(agent) for agent in reply.agents]
    return make_page(items, page=reply.page, page_size=reply.page_size, total_count=reply.total_count)


def encode_row(agent: pb.HostAgent) -> AgentRow:
    """17.2 one row."""
    return AgentRow(
        id=agent.id,
        agent_key=agent.agent_key,
        hostname=agent.hostname,
        os=agent.os,
        version=agent.version or None,
        state=STATES[agent.state],
        last_seen_at=optional_time(agent, "last_seen_time"),
        transport=agent.transport,
        collector_id=agent.collector_id or None,
        queue_depth=agent.queue_depth,
        dropped_count=agent.dropped_count,
        series_count=agent.series_count,
        series_dropped=agent.series_dropped,
        active_packs=[AgentPack(pack.pack_id, pack.version) for pack in agent.packs],
        cluster_id=agent.cluster_id or None,
        cluster_name=agent.cluster_name or None,
        tags=[AgentTag(tag.id, tag.name) for tag in agent.tags],
    )


def decode_get_agent(request: Request) -> pb.GetHostAgentRequest:
    """17.2 `GET /api/agents/{id}`."""
    return pb.GetHostAgentRequest(id=request.number("id"))


def encode_get_agent(reply: pb.GetHostAgentResponse, _asked: object) -> AgentDetail:
    """17.2 an agent with what is known of it."""
    identity, latest = reply.identity, reply.latest
    return AgentDetail(
        **msgspec.structs.asdict(encode_row(reply.agent)),
        identity=AgentIdentity(
            agent_key=reply.agent.agent_key,
            host_id=identity.host_id,
            installation_id=identity.installation_id,
            enrolled_at=format_time(identity.enroll_time),
            credential_prefix=identity.credential_prefix,
        ),
        latest=LatestValues(
            cpu_percent=optional_value(latest, "cpu_percent"),
            memory_percent=optional_value(latest, "memory_percent"),
            timestamp=optional_time(latest, "time"),
        ),
        processes=[
            AgentProcess(each.executable, each.cpu_percent, each.memory_percent, each.rss_bytes, format_time(each.time))
            for each in reply.processes
        ],
    )


def decode_update_agent(request: Request) -> pb.UpdateHostAgentRequest:
    """17.2 `PUT /api/agents/{id}`."""
    body = request.body(AgentBody)
    return pb.UpdateHostAgentRequest(id=request.number("id"), enabled=body.enabled, cluster_id=body.cluster_id, tag_ids=body.tag_ids)


def encode_changed_agent(reply: pb.UpdateHostAgentResponse | pb.RevokeHostAgentResponse, _asked: object) -> AgentRow:
    """17.2 the agent as stored."""
    return encode_row(reply.agent)


def decode_revoke_agent(request: Request) -> pb.RevokeHostAgentRequest:
    """17.2 `POST /api/agents/{id}/revoke`."""
    return pb.RevokeHostAgentRequest(id=request.number("id"))


def decode_host_telemetry(request: Request) -> pb.GetHostTelemetryRequest:
    """17.2 `GET /api/agents/{id}/telemetry`."""
    filters = request.query(TelemetryFilters, ordered=("from_", "to"))
    return pb.GetHostTelemetryRequest(
        id=request.number("id"), start_time=filters.from_, end_time=filters.to, step_seconds=filters.step_seconds or 0
    )


def encode_host_telemetry(reply: pb.GetHostTelemetryResponse, _asked: object) -> HostTelemetry:
    """17.2 what an agent said of its host."""
    return HostTelemetry(
        cpu=encode_host_points(reply.cpu),
        memory=encode_host_points(reply.memory),
        disk=encode_host_points(reply.disk),
        network=encode_host_points(reply.network),
    )


def decode_process_telemetry(request: Request) -> pb.GetHostProcessTelemetryRequest:
    """17.2 `GET /api/agents/{id}/processes/{executable}/telemetry`."""
    filters = request.query(TelemetryFilters, ordered=("from_", "to"))
    return pb.GetHostProcessTelemetryRequest(
        id=request.number("id"),
        executable=request.key("executable"),
        start_time=filters.from_,
        end_time=filters.to,
        step_seconds=filters.step_seconds or 0,
    )


def encode_process_telemetry(reply: pb.GetHostProcessTelemetryResponse, _asked: object) -> ProcessTelemetry:
    """17.2 what an agent said of the processes of an executable."""
    return ProcessTelemetry(
        cpu=encode_process_points(reply.cpu), memory=encode_process_points(reply.memory), rss=encode_process_points(reply.rss)
    )


def encode_host_points(series: Sequence[pb.TelemetrySeries]) -> list[HostPoint]:
    """17.2 points ascending in time, then by member."""
    rows = [(time, each.dimension_key, value) for each in series for time, value in zip(each.times_ms, each.values, strict=True)]
    return [HostPoint(format_ms(time), value, key or None) for time, key, value in sorted(rows)]


def encode_process_points(series: Sequence[pb.TelemetrySeries]) -> list[ProcessPoint]:
    """17.2 points ascending in time."""
    return [ProcessPoint(format_ms(time), value) for each in series for time, value in zip(each.times_ms, each.values, strict=True)]
