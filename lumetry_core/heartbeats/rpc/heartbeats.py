"""`lumetry.heartbeats.v1.HeartbeatService`."""

from typing import Any

import grpc

from lumetry.heartbeats.v1 import heartbeat_pb2
from lumetry.heartbeats.v1 import heartbeat_service_pb2 as pb
from lumetry.heartbeats.v1.heartbeat_service_pb2_grpc import HeartbeatServiceServicer
from lumetry.uptime.v1 import uptime_pb2
from lumetry_core.heartbeats.drafts import HeartbeatDraft
from lumetry_core.heartbeats.model import Heartbeat, Run, StoredPing
from lumetry_core.heartbeats.service import definitions, reading
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class HeartbeatServicer(HeartbeatServiceServicer):
    """Serves the managing of heartbeats."""

    def __init__(self, database: Database, clock: Clock, base_url: str) -> None:
        """Builds the servicer.

        Args:
            base_url: What the operator says of where the gateway is; may be empty.
        """
        self._database = database
        self._clock = clock
        self._base_url = base_url.rstrip("/")

    async def ListHeartbeats(self, request: pb.ListHeartbeatsRequest, context: Context) -> pb.ListHeartbeatsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await reading.list_heartbeats(tx, current_caller().organization_id, request.status)
        return pb.ListHeartbeatsResponse(heartbeats=[encode_heartbeat(heartbeat) for heartbeat in found])

    async def GetHeartbeat(self, request: pb.GetHeartbeatRequest, context: Context) -> pb.GetHeartbeatResponse:
        """See the proto."""
        async with self._database.read() as tx:
            heartbeat = await reading.get_heartbeat(tx, current_caller().organization_id, request.id)
        return pb.GetHeartbeatResponse(heartbeat=encode_heartbeat(heartbeat), base_url=self._base_url)

    async def CreateHeartbeat(self, request: pb.CreateHeartbeatRequest, context: Context) -> pb.CreateHeartbeatResponse:
        """See the proto."""
        async with self._database.write() as tx:
            heartbeat = await definitions.create_heartbeat(tx, current_caller(), decode_draft(request.heartbeat), self._clock.now())
        return pb.CreateHeartbeatResponse(heartbeat=encode_heartbeat(heartbeat))

    async def UpdateHeartbeat(self, request: pb.UpdateHeartbeatRequest, context: Context) -> pb.UpdateHeartbeatResponse:
        """See the proto."""
        draft = decode_draft(request.heartbeat)
        async with self._database.write() as tx:
            heartbeat = await definitions.update_heartbeat(tx, current_caller(), request.id, draft, self._clock.now())
        return pb.UpdateHeartbeatResponse(heartbeat=encode_heartbeat(heartbeat))

    async def DeleteHeartbeat(self, request: pb.DeleteHeartbeatRequest, context: Context) -> pb.DeleteHeartbeatResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await definitions.delete_heartbeat(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteHeartbeatResponse()

    async def PauseHeartbeat(self, request: pb.PauseHeartbeatRequest, context: Context) -> pb.PauseHeartbeatResponse:
        """See the proto."""
        async with self._database.write() as tx:
            heartbeat = await definitions.pause_heartbeat(tx, current_caller(), request.id, self._clock.now())
        return pb.PauseHeartbeatResponse(heartbeat=encode_heartbeat(heartbeat))

    async def ResumeHeartbeat(self, request: pb.ResumeHeartbeatRequest, context: Context) -> pb.ResumeHeartbeatResponse:
        """See the proto."""
        async with self._database.write() as tx:
            heartbeat = await definitions.resume_heartbeat(tx, current_caller(), request.id, self._clock.now())
        return pb.ResumeHeartbeatResponse(heartbeat=encode_heartbeat(heartbeat))

    async def ListRuns(self, request: pb.ListRunsRequest, context: Context) -> pb.ListRunsResponse:
        """See the proto."""
        organization_id = current_caller().organization_id
        async with self._database.read() as tx:
            rows, total = await reading.list_runs(tx, organization_id, request.heartbeat_id, request.limit, request.offset)
        return pb.ListRunsResponse(runs=[encode_run(run, request.heartbeat_id) for run in rows], total=total)

    async def ListPings(self, request: pb.ListPingsRequest, context: Context) -> pb.ListPingsResponse:
        """See the proto."""
        organization_id = current_caller().organization_id
        async with self._database.read() as tx:
            rows, total = await reading.list_pings(tx, organization_id, request.heartbeat_id, request.limit, request.offset)
        return pb.ListPingsResponse(pings=[encode_ping(stored) for stored in rows], total=total)

    async def ListHeartbeatDays(self, request: pb.ListHeartbeatDaysRequest, context: Context) -> pb.ListHeartbeatDaysResponse:
        """See the proto."""
        organization_id = current_caller().organization_id
        async with self._database.read() as tx:
            days = await reading.list_days(tx, organization_id, request.heartbeat_id, request.days, self._clock.now())
        return pb.ListHeartbeatDaysResponse(
            days=[uptime_pb2.DayUptime(date=day.day.isoformat(), percent=day.percent, incidents=day.incidents) for day in days]
        )


def decode_draft(draft: heartbeat_pb2.HeartbeatDraft) -> HeartbeatDraft:
    """A heartbeat as it was sent."""
    return HeartbeatDraft(
        name=draft.name if draft.HasField("name") else None,
        interval_seconds=draft.interval_seconds if draft.HasField("interval_seconds") else None,
        grace_seconds=draft.grace_seconds if draft.HasField("grace_seconds") else None,
        topology_node_id=draft.topology_node_id if draft.HasField("topology_node_id") else None,
        clears_topology_node=draft.clears_topology_node,
    )


def encode_heartbeat(heartbeat: Heartbeat) -> heartbeat_pb2.Heartbeat:
    """A heartbeat."""
    return heartbeat_pb2.Heartbeat(
        id=heartbeat.id,
        uuid=heartbeat.uuid,
        name=heartbeat.name,
        status=heartbeat.status,
        alert_state=heartbeat.alert_state,
        interval_seconds=heartbeat.interval_seconds,
        grace_seconds=heartbeat.grace_seconds,
        last_ping_time=encode_time(heartbeat.last_ping_time),
        deadline=encode_time(heartbeat.deadline),
        run_start_time=encode_time(heartbeat.run_start_time),
        last_exit_code=heartbeat.last_exit_code,
        last_duration_ms=heartbeat.last_duration_ms,
        consecutive_failures=heartbeat.consecutive_failures,
        consecutive_successes=heartbeat.consecutive_successes,
        create_time=encode_time(heartbeat.create_time),
        update_time=encode_time(heartbeat.update_time),
        topology_node_id=heartbeat.topology_node_id,
    )


def encode_run(run: Run, heartbeat_id: int) -> heartbeat_pb2.Run:
    """A run of a heartbeat."""
    return heartbeat_pb2.Run(
        id=run.id,
        heartbeat_id=heartbeat_id,
        start_time=encode_time(run.start_time),
        end_time=encode_time(run.end_time),
        duration_ms=run.duration_ms,
        exit_code=run.exit_code,
        outcome=run.outcome,
        payload=run.payload,
    )


def encode_ping(stored: StoredPing) -> heartbeat_pb2.Ping:
    """A ping that is kept."""
    return heartbeat_pb2.Ping(
        id=stored.id,
        heartbeat_id=stored.heartbeat_id,
        kind=stored.ping.kind,
        exit_code=stored.ping.exit_code,
        source_ip=stored.ping.source_ip,
        http_method=stored.ping.http_method,
        payload=stored.ping.payload,
        time=encode_time(stored.time),
        expected_time=encode_time(stored.expected_time),
        grace_deadline=encode_time(stored.grace_deadline),
    )
