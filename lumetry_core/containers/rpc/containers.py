"""`lumetry.containers.v1.ContainerService`."""

from typing import Any

import grpc

from lumetry.containers.v1 import container_service_pb2 as pb
from lumetry.containers.v1.container_service_pb2_grpc import ContainerServiceServicer
from lumetry_core.containers.log_access import list_names
from lumetry_core.containers.rpc.messages import STATE_OF, encode_container, encode_group, encode_transition
from lumetry_core.containers.runtime import RuntimeLink
from lumetry_core.containers.service import reading, records
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time

Context = grpc.aio.ServicerContext[Any, Any]


class ContainerServicer(ContainerServiceServicer):
    """Serves what is known of containers."""

    def __init__(self, database: Database, clock: Clock, transitions_days: int, link: RuntimeLink) -> None:
        """Builds the servicer.

        Args:
            database: Where containers are recorded.
            clock: The time.
            transitions_days: So long transitions are kept.
            link: Knows the containers inside of a workload.
        """
        self._link = link
        self._database = database
        self._clock = clock
        self._transitions_days = transitions_days

    async def ListContainers(self, request: pb.ListContainersRequest, context: Context) -> pb.ListContainersResponse:
        """See the proto."""
        async with self._database.read() as tx:
            groups, archived = await reading.list_groups(
                tx, current_caller(), archived=request.archived, group=request.group, state=STATE_OF.get(request.state)
            )
        return pb.ListContainersResponse(groups=[encode_group(group) for group in groups], archived_count=archived)

    async def GetContainer(self, request: pb.GetContainerRequest, context: Context) -> pb.GetContainerResponse:
        """See the proto."""
        async with self._database.read() as tx:
            container, uptime = await reading.get_detail(tx, current_caller(), request.id, self._transitions_days, self._clock.now())
        told = {window: percent for window, percent in uptime.items() if percent is not None}
        return pb.GetContainerResponse(
            container=encode_container(container), uptime=told, container_names=await list_names(self._link, container)
        )

    async def ListContainerTransitions(
        self, request: pb.ListContainerTransitionsRequest, context: Context
    ) -> pb.ListContainerTransitionsResponse:
        """See the proto."""
        faults = Faults()
        since = decode_time(request.since, "since", faults) if request.HasField("since") else None
        until = decode_time(request.until, "until", faults) if request.HasField("until") else None
        faults.raise_if_any()
        async with self._database.read() as tx:
            found, total = await reading.list_transitions(
                tx, current_caller(), request.container_id, since, until, request.limit, request.offset, self._clock.now()
            )
        return pb.ListContainerTransitionsResponse(transitions=[encode_transition(each) for each in found], total=total)

    async def DeleteContainer(self, request: pb.DeleteContainerRequest, context: Context) -> pb.DeleteContainerResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await records.delete_container(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteContainerResponse()
