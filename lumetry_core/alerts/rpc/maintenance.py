"""`lumetry.alerts.v1.MaintenanceService`."""

import asyncio
from collections.abc import Mapping
from typing import Any

import grpc

from lumetry.alerts.v1 import maintenance_service_pb2 as pb
from lumetry.alerts.v1 import maintenance_window_pb2
from lumetry.alerts.v1.maintenance_service_pb2_grpc import MaintenanceServiceServicer
from lumetry_core.alerts.maintenance import ScopeType
from lumetry_core.alerts.service import windows
from lumetry_core.alerts.service.windows import ShownWindow, WindowDraft
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time, encode_time

Context = grpc.aio.ServicerContext[Any, Any]

SCOPE_TYPES: Mapping[ScopeType, "maintenance_window_pb2.ScopeType.ValueType"] = {
    ScopeType.GLOBAL: maintenance_window_pb2.SCOPE_TYPE_GLOBAL,
    ScopeType.METRIC: maintenance_window_pb2.SCOPE_TYPE_METRIC,
    ScopeType.SERVICE: maintenance_window_pb2.SCOPE_TYPE_SERVICE,
    ScopeType.CI: maintenance_window_pb2.SCOPE_TYPE_CI,
}


class MaintenanceServicer(MaintenanceServiceServicer):
    """Serves the planning of maintenance."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ListMaintenanceWindows(
        self, request: pb.ListMaintenanceWindowsRequest, context: Context
    ) -> pb.ListMaintenanceWindowsResponse:
        """See the proto."""
        active = request.active if request.HasField("active") else None
        async with self._database.read() as tx:
            found = await windows.list_windows(tx, current_caller(), active, request.limit, self._clock.now())
        return pb.ListMaintenanceWindowsResponse(windows=[encode_window(shown) for shown in found])

    async def CreateMaintenanceWindow(
        self, request: pb.CreateMaintenanceWindowRequest, context: Context
    ) -> pb.CreateMaintenanceWindowResponse:
        """See the proto."""
        faults = Faults()
        draft = WindowDraft(
            scope_type=request.scope_type,
            scope_node_id=request.scope_node_id if request.HasField("scope_node_id") else None,
            metric_key=request.metric_key if request.HasField("metric_key") else None,
            start_time=decode_time(request.start_time, "startTime", faults) if request.HasField("start_time") else None,
            end_time=decode_time(request.end_time, "endTime", faults) if request.HasField("end_time") else None,
            reason=request.reason,
            rrule=request.rrule if request.HasField("rrule") else None,
            time_zone=request.time_zone if request.HasField("time_zone") else None,
        )
        faults.raise_if_any()
        async with self._database.write() as tx:
            shown = await windows.create_window(tx, current_caller(), draft, self._clock.now())
        return pb.CreateMaintenanceWindowResponse(window=encode_window(shown))

    async def DeleteMaintenanceWindow(
        self, request: pb.DeleteMaintenanceWindowRequest, context: Context
    ) -> pb.DeleteMaintenanceWindowResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await windows.delete_window(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteMaintenanceWindowResponse()

    async def GetMaintenanceCalendar(
        self, request: pb.GetMaintenanceCalendarRequest, context: Context
    ) -> pb.GetMaintenanceCalendarResponse:
        """See the proto."""
        async with self._database.read() as tx:
            events = await windows.list_events(tx, current_caller())
        from lumetry_core.alerts.calendar import write_calendar  # noqa: PLC0415 -- see its docstring

        calendar = await asyncio.to_thread(write_calendar, events, self._clock.now())
        return pb.GetMaintenanceCalendarResponse(calendar=calendar)


def encode_window(shown: ShownWindow) -> maintenance_window_pb2.MaintenanceWindow:
    """A window."""
    window = shown.window
    return maintenance_window_pb2.MaintenanceWindow(
        id=window.id,
        scope_type=SCOPE_TYPES[window.scope_type],
        scope_node_id=window.scope_node_id,
        scope_node_name=shown.scope_node_name,
        metric_key=window.metric_key,
        start_time=encode_time(window.start_time),
        end_time=encode_time(window.end_time),
        reason=window.reason,
        is_active=shown.is_active,
        rrule=window.rrule,
        time_zone=window.time_zone,
        next_occurrence_start=encode_time(shown.next_occurrence_start),
        created_by=window.created_by,
        create_time=encode_time(window.create_time),
    )
