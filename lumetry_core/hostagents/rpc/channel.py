"""`lumetry.hostagents.v1.HostAgentChannelService`."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import grpc

from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as pb
from lumetry.hostagents.v1.host_agent_channel_service_pb2_grpc import HostAgentChannelServiceServicer
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.hostagents.drafts import check_beat
from lumetry_core.hostagents.model import HEARTBEAT_SECONDS, Beat, HostAgent, Installation, Pack
from lumetry_core.hostagents.packs import WantedPack
from lumetry_core.hostagents.rpc.reporting import report_host_processes
from lumetry_core.hostagents.service.beating import Answer, BeatAppender, Submission
from lumetry_core.hostagents.service.enrolling import enroll
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time, encode_time

Context = grpc.aio.ServicerContext[Any, Any]
Show = Callable[[Transaction, HostAgent, datetime], Awaitable[None]]
"""Shows an agent elsewhere as it is now, in the transaction of its change."""


class HostAgentChannelServicer(HostAgentChannelServiceServicer):
    """Serves agents themselves."""

    def __init__(self, database: Database, clock: Clock, defaults: OrganizationSettings, beats: BeatAppender, show: Show) -> None:
        """Builds the servicer.

        Args:
            database: Where agents are.
            clock: Tells when they called.
            defaults: What the deployment sets for organizations that do not.
            beats: Takes heartbeats.
            show: Is told of each agent that enrolls.
        """
        self._database = database
        self._clock = clock
        self._defaults = defaults
        self._beats = beats
        self._show = show

    async def EnrollHostAgent(self, request: pb.EnrollHostAgentRequest, context: Context) -> pb.EnrollHostAgentResponse:
        """See the proto."""
        installation = Installation(
            installation_id=request.installation_id,
            host_id=request.host_id,
            hostname=request.hostname,
            os=request.os,
            arch=request.arch,
            version=request.version,
            cluster=request.cluster,
            cluster_id=request.cluster_id,
        )
        now = self._clock.now()
        async with self._database.write() as tx:
            enrollment = await enroll(tx, current_caller(), installation, self._defaults, now)
            await self._show(tx, enrollment.agent, now)
        return pb.EnrollHostAgentResponse(
            agent_id=enrollment.agent.id,
            agent_key=enrollment.agent.key,
            credential=enrollment.credential,
            heartbeat_interval_seconds=HEARTBEAT_SECONDS,
        )

    async def SendHostAgentHeartbeat(
        self, request: pb.SendHostAgentHeartbeatRequest, context: Context
    ) -> pb.SendHostAgentHeartbeatResponse:
        """See the proto."""
        faults = Faults()
        beat = decode_beat(request, faults)
        return encode_answer(await self._beats.append(Submission(current_caller(), beat, faults)))

    async def ReportHostProcesses(self, request: pb.ReportHostProcessesRequest, context: Context) -> pb.ReportHostProcessesResponse:
        """See the proto."""
        return await report_host_processes(self._database, self._clock, request)


def decode_beat(request: pb.SendHostAgentHeartbeatRequest, faults: Faults) -> Beat:
    """A heartbeat; what is faulty is noted."""
    if request.HasField("send_time"):
        decode_time(request.send_time, "sentAt", faults)
    faults.check(request.HasField("send_time"), "sentAt", "is required")
    beat = Beat(
        version=request.version,
        queue_depth=request.queue_depth,
        dropped_count=request.dropped_count,
        series_count=request.series_count,
        series_dropped=request.series_dropped,
        transport=request.transport,
        packs=tuple(Pack(pack.pack_id, pack.version) for pack in request.packs),
        detected_software=tuple(request.detected_software),
    )
    return check_beat(beat, faults)


def encode_answer(answer: Answer) -> pb.SendHostAgentHeartbeatResponse:
    """What is wanted of an agent."""
    return pb.SendHostAgentHeartbeatResponse(
        server_time=encode_time(answer.server_time),
        enabled=answer.is_enabled,
        config_revision=answer.config_revision,
        packs=[encode_wanted(pack) for pack in answer.packs],
        labels=answer.labels,
        max_series=answer.max_series,
    )


def encode_wanted(pack: WantedPack) -> pb.WantedPack:
    """A rule pack as an agent is to use it."""
    return pb.WantedPack(
        pack_id=pack.pack_id,
        version=pack.version,
        metrics=pack.metrics,
        interval_seconds=pack.interval_seconds,
        always_collect_processes=pack.always_collect,
    )
