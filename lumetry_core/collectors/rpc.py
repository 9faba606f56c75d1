"""CollectorService on the wire."""

from datetime import UTC, datetime
from typing import Any

import grpc

from lumetry.collectors.v1 import collector_service_pb2 as pb
from lumetry.collectors.v1.collector_service_pb2_grpc import CollectorServiceServicer
from lumetry_core.collectors import service
from lumetry_core.collectors.model import Collector, Heartbeat, Installation, is_online, must_rotate
from lumetry_core.runtime.clock import Clock, truncate
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class CollectorServicer(CollectorServiceServicer):
    """Serves collectors and those who look after them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def CreateCollector(self, request: pb.CreateCollectorRequest, context: Context) -> pb.CreateCollectorResponse:
        """See the proto."""
        async with self._database.write() as tx:
            registration = await service.create(tx, current_caller(), request.name, self._clock.now())
        return pb.CreateCollectorResponse(
            id=registration.collector.id,
            name=registration.collector.name,
            enrollment_token=registration.enrollment_token,
            enrollment_expire_time=encode_time(registration.enrollment_expire_time),
        )

    async def ListCollectors(self, request: pb.ListCollectorsRequest, context: Context) -> pb.ListCollectorsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await service.list_collectors(tx, current_caller().organization_id)
        now = self._clock.now()
        return pb.ListCollectorsResponse(collectors=[to_message(collector, now) for collector in found])

    async def EnrollCollector(self, request: pb.EnrollCollectorRequest, context: Context) -> pb.EnrollCollectorResponse:
        """See the proto."""
        installation = Installation(request.installation_id, request.hostname, request.version, tuple(request.capabilities))
        async with self._database.write() as tx:
            enrollment = await service.enroll(tx, current_caller(), installation, self._clock.now())
        return pb.EnrollCollectorResponse(
            collector_id=enrollment.collector.id,
            credential=enrollment.credential,
            config_revision=enrollment.collector.config_revision,
            heartbeat_interval_seconds=enrollment.collector.heartbeat_interval_seconds,
        )

    async def SendHeartbeat(self, request: pb.SendHeartbeatRequest, context: Context) -> pb.SendHeartbeatResponse:
        """See the proto."""
        beat = Heartbeat(
            instance_id=request.instance_id,
            version=request.version,
            queue_depth=request.queue_depth,
            dropped_count=request.dropped_count,
            send_time=read_send_time(request),
            config_revision_applied=request.config_revision_applied,
            capabilities=tuple(request.capabilities),
        )
        now = self._clock.now()
        async with self._database.write() as tx:
            collector = await service.heartbeat(tx, current_caller(), beat, now)
        return pb.SendHeartbeatResponse(
            server_time=encode_time(now),
            config_revision=collector.config_revision,
            rotate_credential=must_rotate(collector, now),
            status=collector.status.value,
        )


def read_send_time(request: pb.SendHeartbeatRequest) -> datetime:
    """The sender's clock. Fails with VALIDATION_FAILED (`sentAt`) when it is absent or no time of the calendar."""
    if not request.HasField("send_time"):
        raise bad_send_time("is required")
    try:
        return truncate(request.send_time.ToDatetime(UTC))
    except (ValueError, OverflowError):
        raise bad_send_time("is not a time") from None


def bad_send_time(message: str) -> LumetryError:
    """The failure for a clock that cannot be read."""
    return LumetryError(Reason.VALIDATION_FAILED, "The request is not valid.", faults=(Fault("sentAt", message),))


def to_message(collector: Collector, now: datetime) -> pb.Collector:
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
    )
