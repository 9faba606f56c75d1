"""`lumetry.containers.v1.RuntimeService`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc

from lumetry.containers.v1 import runtime_service_pb2 as pb
from lumetry.containers.v1.runtime_service_pb2_grpc import RuntimeServiceServicer
from lumetry_core.containers.places import RuntimeFault, RuntimeStatus
from lumetry_core.containers.runtime import RuntimeLink
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]
CountMonitors = Callable[[Transaction, int], Awaitable[int]]
"""How many monitors of one kind an organization has."""

FAULTS: Mapping[RuntimeFault | None, pb.RuntimeFault.ValueType] = {
    None: pb.RUNTIME_FAULT_UNSPECIFIED,
    **{fault: pb.RuntimeFault.Value(f"RUNTIME_FAULT_{fault.name}") for fault in RuntimeFault},
}


class RuntimeServicer(RuntimeServiceServicer):
    """See `lumetry.containers.v1.RuntimeService`."""

    def __init__(self, database: Database, link: RuntimeLink, counts: Mapping[str, CountMonitors]) -> None:
        """Builds the servicer.

        Args:
            database: Where monitors are counted.
            link: Knows the runtime.
            counts: Counts each kind of monitor that exists.
        """
        self._database = database
        self._link = link
        self._counts = counts

    async def GetRuntimeStatus(self, request: pb.GetRuntimeStatusRequest, context: Context) -> pb.GetRuntimeStatusResponse:
        """See the proto."""
        return to_message(await self._link.settled_status())

    async def CountMonitors(self, request: pb.CountMonitorsRequest, context: Context) -> pb.CountMonitorsResponse:
        """See the proto."""
        organization_id = current_caller().organization_id
        async with self._database.read() as tx:
            return pb.CountMonitorsResponse(counts={kind: await count(tx, organization_id) for kind, count in self._counts.items()})


def to_message(status: RuntimeStatus) -> pb.GetRuntimeStatusResponse:
    """The status as the proto spells it."""
    message = pb.GetRuntimeStatusResponse(
        connected=status.engine is not None,
        endpoint=status.address,
        fault=FAULTS[status.fault],
        message=status.message,
        runtime_type=status.runtime_type,
    )
    if status.engine is not None:
        message.engine, message.engine_version = status.engine.name, status.engine.version
        message.api_version = status.engine.api_version
    if status.detect_time is not None:
        message.detect_time.CopyFrom(encode_time(status.detect_time))
    return message
