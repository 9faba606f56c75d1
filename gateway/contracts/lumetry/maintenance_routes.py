"""The routes of maintenance windows and silences (contract lumetry 12.1, 19.7)."""

from gateway.contracts.lumetry import access, maintenance, silences
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.alerts.v1 import maintenance_service_pb2, silence_service_pb2


def window_rpc(method: str) -> Rpc:
    """An RPC of the maintenance service."""
    return find_rpc(maintenance_service_pb2.DESCRIPTOR, "MaintenanceService", method)


def silence_rpc(method: str) -> Rpc:
    """An RPC of the silence service."""
    return find_rpc(silence_service_pb2.DESCRIPTOR, "SilenceService", method)


WINDOWS = (
    Route(
        method="GET",
        path="/api/maintenance-windows",
        heading="List maintenance windows",
        rpc=window_rpc("ListMaintenanceWindows"),
        query=maintenance.WindowFilters,
        decode=maintenance.decode_list,
        encode=maintenance.encode_list,
        answer=list[maintenance.Window],
    ),
    Route(
        method="POST",
        path="/api/maintenance-windows",
        heading="Create a maintenance window",
        rpc=window_rpc("CreateMaintenanceWindow"),
        body=maintenance.WindowBody,
        decode=maintenance.decode_create,
        encode=maintenance.encode_create,
        status=201,
        answer=maintenance.Window,
    ),
    Route(
        method="DELETE",
        path="/api/maintenance-windows/{id:int}",
        heading="Delete a maintenance window",
        rpc=window_rpc("DeleteMaintenanceWindow"),
        decode=maintenance.decode_delete,
        encode=access.encode_nothing,
        status=204,
    ),
    Route(
        method="GET",
        path="/api/maintenance-windows.ics",
        heading="Maintenance windows as a calendar",
        rpc=maintenance.GET_CALENDAR,
        handle=maintenance.answer_calendar,
        media_type="text/calendar",
    ),
)

SILENCES = (
    Route(
        method="GET",
        path="/api/silences",
        heading="List silences",
        rpc=silence_rpc("ListSilences"),
        query=silences.SilenceFilters,
        decode=silences.decode_list,
        encode=silences.encode_list,
        answer=list[silences.Silence],
    ),
    Route(
        method="POST",
        path="/api/silences",
        heading="Create a silence",
        rpc=silence_rpc("CreateSilence"),
        body=silences.SilenceBody,
        decode=silences.decode_create,
        encode=silences.encode_create,
        status=201,
        answer=silences.Silence,
    ),
    Route(
        method="DELETE",
        path="/api/silences/{id:int}",
        heading="Delete a silence",
        rpc=silence_rpc("DeleteSilence"),
        decode=silences.decode_delete,
        encode=access.encode_nothing,
        status=204,
    ),
)

MAINTENANCE_ROUTES = (*WINDOWS, *SILENCES)
