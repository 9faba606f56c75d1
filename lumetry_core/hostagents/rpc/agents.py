"""`lumetry.hostagents.v1.HostAgentService`."""

from collections.abc import Callable, Mapping
from typing import Any

import grpc

from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as channel_pb
from lumetry.hostagents.v1 import host_agent_service_pb2 as pb
from lumetry.hostagents.v1.host_agent_service_pb2_grpc import HostAgentServiceServicer
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.hostagents.drafts import Change, ProfileDraft
from lumetry_core.hostagents.model import HostAgent, Profile, Row, State
from lumetry_core.hostagents.rpc.channel import Show
from lumetry_core.hostagents.service import administering, profiles, reading, telemetry
from lumetry_core.hostagents.service.processes import list_observed
from lumetry_core.metrics.service.labelled import Member
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time, encode_time

Context = grpc.aio.ServicerContext[Any, Any]

STATES = {
    State.ONLINE: pb.HOST_AGENT_STATE_ONLINE,
    State.OFFLINE: pb.HOST_AGENT_STATE_OFFLINE,
    State.DISABLED: pb.HOST_AGENT_STATE_DISABLED,
    State.REVOKED: pb.HOST_AGENT_STATE_REVOKED,
}


class HostAgentServicer(HostAgentServiceServicer):
    """Serves those who look after agents."""

    def __init__(
        self, database: Database, clock: Clock, defaults: OrganizationSettings, show: Show, count_refused: Callable[[int, int], int]
    ) -> None:
        """Builds the servicer.

        Args:
            database: Where agents are.
            clock: Tells how old what they said is.
            defaults: What the deployment sets for organizations that do not.
            show: Is told of each agent that is changed.
            count_refused: How many series of an agent of an organization ingestion refuses of late, as there are too many.
        """
        self._database = database
        self._clock = clock
        self._defaults = defaults
        self._show = show
        self._count_refused = count_refused

    async def ListEnrollmentProfiles(
        self, request: pb.ListEnrollmentProfilesRequest, context: Context
    ) -> pb.ListEnrollmentProfilesResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await profiles.list_profiles(tx, current_caller().organization_id)
        return pb.ListEnrollmentProfilesResponse(profiles=[encode_profile(profile) for profile in found])

    async def CreateEnrollmentProfile(
        self, request: pb.CreateEnrollmentProfileRequest, context: Context
    ) -> pb.CreateEnrollmentProfileResponse:
        """See the proto."""
        draft = ProfileDraft(
            request.name,
            request.max_enrollments if request.HasField("max_enrollments") else None,
            request.expires_in_hours if request.HasField("expires_in_hours") else None,
            request.required_collector_id,
        )
        async with self._database.write() as tx:
            offer = await profiles.create_profile(tx, current_caller(), draft, self._clock.now())
        return pb.CreateEnrollmentProfileResponse(profile=encode_profile(offer.profile), enrollment_token=offer.enrollment_token)

    async def ListHostAgents(self, request: pb.ListHostAgentsRequest, context: Context) -> pb.ListHostAgentsResponse:
        """See the proto."""
        cluster_id = request.cluster_id if request.HasField("cluster_id") else None
        asked = reading.Asked(request.search, request.status, request.tag, cluster_id, request.page, request.page_size)
        async with self._database.read() as tx:
            found = await reading.list_agents(tx, current_caller().organization_id, asked, self._clock.now())
        return pb.ListHostAgentsResponse(
            agents=[self._encode(row) for row in found.rows], page=found.page, page_size=found.page_size, total_count=found.total_count
        )

    async def GetHostAgent(self, request: pb.GetHostAgentRequest, context: Context) -> pb.GetHostAgentResponse:
        """See the proto."""
        now, organization_id = self._clock.now(), current_caller().organization_id
        async with self._database.read() as tx:
            agent = await reading.get_agent(tx, organization_id, request.id)
            row = await reading.make_row(tx, agent, now)
            latest = await reading.read_latest(tx, agent, now)
            observed = await list_observed(tx, organization_id, agent.id)
        return pb.GetHostAgentResponse(
            agent=self._encode(row),
            identity=encode_identity(agent),
            latest=pb.LatestHostValues(cpu_percent=latest.cpu_percent, memory_percent=latest.memory_percent, time=encode_time(latest.time)),
            processes=[
                pb.ObservedProcess(
                    executable=each.executable,
                    cpu_percent=each.cpu_percent,
                    memory_percent=each.memory_percent,
                    rss_bytes=each.rss_bytes,
                    time=encode_time(each.collect_time),
                )
                for each in observed
            ],
        )

    async def UpdateHostAgent(self, request: pb.UpdateHostAgentRequest, context: Context) -> pb.UpdateHostAgentResponse:
        """See the proto."""
        change = Change(
            request.enabled if request.HasField("enabled") else None,
            request.cluster_id if request.HasField("cluster_id") else None,
            tuple(request.tag_ids),
        )
        now = self._clock.now()
        async with self._database.write() as tx:
            row = await administering.update_agent(tx, current_caller(), request.id, change, self._defaults, now)
            await self._show(tx, row.agent, now)
        return pb.UpdateHostAgentResponse(agent=self._encode(row))

    async def RevokeHostAgent(self, request: pb.RevokeHostAgentRequest, context: Context) -> pb.RevokeHostAgentResponse:
        """See the proto."""
        now = self._clock.now()
        async with self._database.write() as tx:
            row = await administering.revoke_agent(tx, current_caller(), request.id, now)
            await self._show(tx, row.agent, now)
        return pb.RevokeHostAgentResponse(agent=self._encode(row))

    async def GetHostTelemetry(self, request: pb.GetHostTelemetryRequest, context: Context) -> pb.GetHostTelemetryResponse:
        """See the proto."""
        span = decode_span(request)
        async with self._database.read() as tx:
            found = await telemetry.read_host(tx, current_caller().organization_id, request.id, span, self._clock.now())
        return pb.GetHostTelemetryResponse(**{kind: encode_members(members) for kind, members in found.items()})

    async def GetHostProcessTelemetry(
        self, request: pb.GetHostProcessTelemetryRequest, context: Context
    ) -> pb.GetHostProcessTelemetryResponse:
        """See the proto."""
        span, organization_id = decode_span(request), current_caller().organization_id
        async with self._database.read() as tx:
            found = await telemetry.read_process(tx, organization_id, request.id, request.executable, span, self._clock.now())
        return pb.GetHostProcessTelemetryResponse(**{kind: encode_members(members) for kind, members in found.items()})

    def _encode(self, row: Row) -> pb.HostAgent:
        return encode_row(row, self._count_refused(row.agent.organization_id, row.agent.id))


def decode_span(request: pb.GetHostTelemetryRequest | pb.GetHostProcessTelemetryRequest) -> telemetry.Span:
    """Which points are wanted. Fails with VALIDATION_FAILED for what is no time."""
    faults = Faults()
    start = decode_time(request.start_time, "from", faults) if request.HasField("start_time") else None
    end = decode_time(request.end_time, "to", faults) if request.HasField("end_time") else None
    faults.raise_if_any()
    return telemetry.Span(start, end, request.step_seconds or None)


def encode_profile(profile: Profile) -> pb.EnrollmentProfile:
    """A profile."""
    return pb.EnrollmentProfile(
        id=profile.id,
        name=profile.name,
        max_enrollments=profile.max_enrollments,
        enrollment_count=profile.enrollment_count,
        expire_time=encode_time(profile.expire_time),
        required_collector_id=profile.required_collector_id or "",
        token_prefix=profile.token_prefix,
        create_time=encode_time(profile.create_time),
    )


def encode_row(row: Row, refused: int) -> pb.HostAgent:
    """An agent as lists show it.

    Args:
        refused: Series that it sends and that are not stored, as there are too many.
    """
    agent, cluster = row.agent, row.cluster
    return pb.HostAgent(
        id=agent.id,
        agent_key=agent.key,
        hostname=agent.hostname,
        os=agent.os,
        version=agent.version,
        state=STATES[row.state],
        last_seen_time=encode_time(agent.last_seen_time),
        transport=agent.transport.value,
        collector_id=agent.collector_id or "",
        queue_depth=agent.queue_depth,
        dropped_count=agent.dropped_count,
        series_count=agent.series_count,
        series_dropped=max(agent.series_dropped, refused),
        packs=[channel_pb.ActivePack(pack_id=pack.pack_id, version=pack.version) for pack in agent.packs],
        cluster_id=0 if cluster is None else cluster.node_id,
        cluster_name="" if cluster is None else cluster.name,
        tags=[pb.HostAgentTag(id=tag.id, name=tag.name) for tag in row.tags],
        arch=agent.arch,
    )


def encode_identity(agent: HostAgent) -> pb.HostAgentIdentity:
    """Who an agent is."""
    return pb.HostAgentIdentity(
        host_id=agent.host_id,
        installation_id=agent.installation_id,
        enroll_time=encode_time(agent.enroll_time),
        credential_prefix=agent.credential_prefix,
    )


def encode_members(members: Mapping[str, Member]) -> list[pb.TelemetrySeries]:
    """Points, by member."""
    return [
        pb.TelemetrySeries(dimension_key=key, times_ms=member.times_ms.tolist(), values=member.values.tolist())
        for key, member in sorted(members.items())
    ]
