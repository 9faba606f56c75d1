"""`lumetry.containers.v1.ContainerLogService`."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import grpc

from lumetry.containers.v1 import container_log_service_pb2 as pb
from lumetry.containers.v1.container_log_service_pb2_grpc import ContainerLogServiceServicer
from lumetry_core.containers.engine import RefusedError
from lumetry_core.containers.log_access import End, find_end, open_log, read_lines
from lumetry_core.containers.model import Container
from lumetry_core.containers.places import EngineError
from lumetry_core.containers.rpc.messages import encode_line
from lumetry_core.containers.runtime import RuntimeLink
from lumetry_core.containers.service.reading import get_container
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import STARTED, current_caller
from lumetry_core.runtime.timestamps import decode_time, encode_time

MAX_LINES = 500
ENDS = {End.CONTAINER_STOPPED: pb.LOG_END_CONTAINER_STOPPED, End.RUNTIME_DISCONNECTED: pb.LOG_END_RUNTIME_DISCONNECTED}

Context = grpc.aio.ServicerContext[Any, Any]


class ContainerLogServicer(ContainerLogServiceServicer):
    """Serves logs straight from the runtime."""

    def __init__(self, database: Database, clock: Clock, link: RuntimeLink) -> None:
        self._database = database
        self._clock = clock
        self._link = link

    async def GetContainerLogs(self, request: pb.GetContainerLogsRequest, context: Context) -> pb.GetContainerLogsResponse:
        """See the proto."""
        container, since = await self._find(request, least=1)
        lines = await read_lines(self._link, container, request.lines, since)
        return pb.GetContainerLogsResponse(container_name=container.name, lines=[encode_line(line) for line in lines])

    async def FollowContainerLogs(
        self, request: pb.FollowContainerLogsRequest, context: Context
    ) -> AsyncIterator[pb.FollowContainerLogsResponse]:
        """See the proto. The initial metadata is sent once the runtime gives the log."""
        container, since = await self._find(request, least=0)
        name = request.container_name
        async with open_log(self._link, container, request.lines, since, follow=True, name=name) as (engine, reading):
            await context.send_initial_metadata(STARTED)
            try:
                async for line in reading:
                    yield pb.FollowContainerLogsResponse(line=encode_line(line))
                end, error = ENDS[await find_end(engine, container)], ""
            except EngineError:
                end, error = pb.LOG_END_RUNTIME_DISCONNECTED, ""
            except RefusedError as refusal:
                end, error = pb.LOG_END_ERROR, refusal.message
            yield pb.FollowContainerLogsResponse(end=end, error=error, time=encode_time(self._clock.now()))

    async def _find(
        self, request: pb.GetContainerLogsRequest | pb.FollowContainerLogsRequest, *, least: int
    ) -> tuple[Container, datetime | None]:
        """The container and the time of a request. Fails with VALIDATION_FAILED and NOT_FOUND."""
        faults = Faults()
        faults.check(least <= request.lines <= MAX_LINES, "lines", f"must be between {least} and {MAX_LINES}")
        since = decode_time(request.since, "since", faults) if request.HasField("since") else None
        faults.raise_if_any()
        async with self._database.read() as tx:
            return await get_container(tx, current_caller(), request.container_id), since
