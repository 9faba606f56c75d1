"""CollectorService on the wire."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from lumetry.collectors.v1 import collector_service_pb2 as pb
from lumetry.collectors.v1.collector_service_pb2_grpc import CollectorServiceServicer
from lumetry_core.collectors.model import Installation, must_rotate
from lumetry_core.collectors.rpc.messages import decode_config, decode_heartbeat, encode_collector, encode_config, encode_registration
from lumetry_core.collectors.rpc.watching import watch
from lumetry_core.collectors.rpc.work import WorkDesk, WorkStream
from lumetry_core.collectors.service import administering, enrolling, rotating
from lumetry_core.collectors.service.appender import BeatAppender
from lumetry_core.collectors.service.beating import Arrival
from lumetry_core.collectors.service.calling import read_own
from lumetry_core.collectors.streams import Stream, Streams
from lumetry_core.collectors.work import work_channel
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import STARTED, current_caller
from lumetry_core.runtime.queue import Wakeups
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class CollectorServicer(CollectorServiceServicer):
    """Serves collectors and those who look after them."""

    def __init__(self, database: Database, clock: Clock, wakeups: Wakeups, beats: BeatAppender, work: WorkDesk, streams: Streams) -> None:
        self._database = database
        self._clock = clock
        self._wakeups = wakeups
        self._beats = beats
        self._work = work
        self._streams = streams

    async def CreateCollector(self, request: pb.CreateCollectorRequest, context: Context) -> pb.CreateCollectorResponse:
        """See the proto."""
        async with self._database.write() as tx:
            registration = await administering.create(tx, current_caller(), request.name, self._clock.now())
        return pb.CreateCollectorResponse(**encode_registration(registration))

    async def ListCollectors(self, request: pb.ListCollectorsRequest, context: Context) -> pb.ListCollectorsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await administering.list_collectors(tx, current_caller().organization_id)
        now = self._clock.now()
        return pb.ListCollectorsResponse(collectors=[encode_collector(collector, now) for collector in found])

    async def GetCollector(self, request: pb.GetCollectorRequest, context: Context) -> pb.GetCollectorResponse:
        """See the proto."""
        async with self._database.read() as tx:
            collector = await administering.get_collector(tx, current_caller().organization_id, request.id)
        return pb.GetCollectorResponse(collector=encode_collector(collector, self._clock.now()), config=encode_config(collector.config))

    async def RenewCollectorEnrollmentToken(
        self, request: pb.RenewCollectorEnrollmentTokenRequest, context: Context
    ) -> pb.RenewCollectorEnrollmentTokenResponse:
        """See the proto."""
        async with self._database.write() as tx:
            registration = await administering.renew_enrollment_token(tx, current_caller(), request.id, self._clock.now())
        return pb.RenewCollectorEnrollmentTokenResponse(**encode_registration(registration))

    async def UpdateCollectorConfig(self, request: pb.UpdateCollectorConfigRequest, context: Context) -> pb.UpdateCollectorConfigResponse:
        """See the proto."""
        now = self._clock.now()
        async with self._database.write() as tx:
            collector = await administering.update_config(tx, current_caller(), request.id, decode_config(request.config), now)
        return pb.UpdateCollectorConfigResponse(collector=encode_collector(collector, now))

    async def RevokeCollector(self, request: pb.RevokeCollectorRequest, context: Context) -> pb.RevokeCollectorResponse:
        """See the proto."""
        now = self._clock.now()
        async with self._database.write() as tx:
            collector = await administering.revoke(tx, current_caller(), request.id, now)
        return pb.RevokeCollectorResponse(collector=encode_collector(collector, now))

    async def EnrollCollector(self, request: pb.EnrollCollectorRequest, context: Context) -> pb.EnrollCollectorResponse:
        """See the proto."""
        installation = Installation(request.installation_id, request.hostname, request.version, tuple(request.capabilities))
        async with self._database.write() as tx:
            enrollment = await enrolling.enroll(tx, current_caller(), installation, self._clock.now())
        return pb.EnrollCollectorResponse(
            collector_id=enrollment.collector.id,
            credential=enrollment.credential,
            config_revision=enrollment.collector.config_revision,
            heartbeat_interval_seconds=enrollment.collector.config.heartbeat_interval_seconds,
        )

    async def SendHeartbeat(self, request: pb.SendHeartbeatRequest, context: Context) -> pb.SendHeartbeatResponse:
        """See the proto."""
        now = self._clock.now()
        beat = decode_heartbeat(request, now)
        collector = await self._beats.append(Arrival(current_caller(), beat, now))
        return pb.SendHeartbeatResponse(
            server_time=encode_time(now),
            config_revision=collector.config_revision,
            rotate_credential=must_rotate(collector.credential_time, now),
            status=collector.status.value,
        )

    async def FetchCollectorConfig(self, request: pb.FetchCollectorConfigRequest, context: Context) -> pb.FetchCollectorConfigResponse:
        """See the proto."""
        async with self._database.read() as tx:
            collector = await read_own(tx, current_caller())
        is_known = request.known_revision == collector.config_revision
        return pb.FetchCollectorConfigResponse(
            revision=collector.config_revision, config=None if is_known else encode_config(collector.config)
        )

    async def RotateCollectorCredential(
        self, request: pb.RotateCollectorCredentialRequest, context: Context
    ) -> pb.RotateCollectorCredentialResponse:
        """See the proto."""
        async with self._database.write() as tx:
            credential = await rotating.rotate(tx, current_caller(), self._clock.now())
        return pb.RotateCollectorCredentialResponse(credential=credential)

    async def ClaimWork(self, request: pb.ClaimWorkRequest, context: Context) -> pb.ClaimWorkResponse:
        """See the proto."""
        return await self._work.claim_work(current_caller(), request)

    async def CompleteWork(self, request: pb.CompleteWorkRequest, context: Context) -> pb.CompleteWorkResponse:
        """See the proto."""
        return await self._work.complete_work(current_caller(), request)

    async def WatchCollector(self, request: pb.WatchCollectorRequest, context: Context) -> AsyncIterator[pb.WatchCollectorResponse]:
        """See the proto."""
        caller = current_caller()
        with self._wakeups.subscribe(work_channel(caller.collector_id or "")) as subscription:
            stream = Stream(caller, request.capabilities, request.known_revision, subscription)
            work = WorkStream(self._work, stream, request.max_outstanding)
            with self._streams.open(stream):
                await context.send_initial_metadata(STARTED)
                async with aclosing(watch(stream, work, self._database, self._clock)) as directives:
                    async for directive in directives:
                        yield directive
