"""Maintenance windows (contract lumetry 12.1, 19.6, 22.20)."""

import msgspec
from aiohttp import web
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.lumetry.values import Id, Limit, Time, optional_time, optional_value, words
from gateway.transcode.channel import find_rpc
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.alerts.v1 import maintenance_service_pb2 as pb
from lumetry.alerts.v1 import maintenance_window_pb2

GET_CALENDAR = find_rpc(pb.DESCRIPTOR, "MaintenanceService", "GetMaintenanceCalendar")
SCOPE_TYPES = words(maintenance_window_pb2.ScopeType.items(), "SCOPE_TYPE_")


class WindowFilters(msgspec.Struct, rename="camel"):
    """Whether they are active now, and how many of the newest."""

    active: bool | None = None
    limit: Limit = 500


class WindowBody(msgspec.Struct, rename="camel"):
    """A window as written. Letter case of the scope does not matter."""

    scope_type: str = ""
    scope_node_id: Id | None = None
    metric_id: str | None = None
    start_time: Timestamp | None = None
    end_time: Timestamp | None = None
    reason: str = ""
    rrule: str | None = None
    time_zone: str | None = None


class Window(msgspec.Struct, rename="camel"):
    """A maintenance window."""

    id: int
    scope_type: str
    scope_node_id: int | None
    scope_node_name: str | None
    metric_id: str | None
    start_time: Time
    end_time: Time
    reason: str
    is_active: bool
    rrule: str | None
    time_zone: str | None
    next_occurrence_start: Time | None
    created_by: int | None
    created_at: Time


def decode_list(request: Request) -> pb.ListMaintenanceWindowsRequest:
    """12.1 `GET`."""
    filters = request.query(WindowFilters)
    return pb.ListMaintenanceWindowsRequest(active=filters.active, limit=filters.limit)


def encode_list(reply: pb.ListMaintenanceWindowsResponse, _asked: object) -> list[Window]:
    """12.1 the windows."""
    return [encode_window(window) for window in reply.windows]


def decode_create(request: Request) -> pb.CreateMaintenanceWindowRequest:
    """12.1 `POST`."""
    body = request.body(WindowBody)
    return pb.CreateMaintenanceWindowRequest(
        scope_type=body.scope_type,
        scope_node_id=body.scope_node_id,
        metric_key=body.metric_id,
        start_time=body.start_time,
        end_time=body.end_time,
        reason=body.reason,
        rrule=body.rrule,
        time_zone=body.time_zone,
    )


def encode_create(reply: pb.CreateMaintenanceWindowResponse, _asked: object) -> Window:
    """12.1 the new window."""
    return encode_window(reply.window)


def decode_delete(request: Request) -> pb.DeleteMaintenanceWindowRequest:
    """12.1 `DELETE`."""
    return pb.DeleteMaintenanceWindowRequest(id=request.number("id"))


async def answer_calendar(request: Request) -> web.Response:
    """22.20 `GET /api/maintenance-windows.ics`."""
    reply = await request.core.call(GET_CALENDAR, pb.GetMaintenanceCalendarRequest(), request.metadata, rates=request.rates)
    headers = {"Content-Type": "text/calendar; charset=utf-8", "Content-Disposition": 'inline; filename="maintenance-windows.ics"'}
    return web.Response(body=reply.calendar.encode(), headers=headers)


def encode_window(window: maintenance_window_pb2.MaintenanceWindow) -> Window:
    """12.1 a window."""
    return Window(
        id=window.id,
        scope_type=SCOPE_TYPES[window.scope_type],
        scope_node_id=optional_value(window, "scope_node_id"),
        scope_node_name=optional_value(window, "scope_node_name"),
        metric_id=optional_value(window, "metric_key"),
        start_time=format_time(window.start_time),
        end_time=format_time(window.end_time),
        reason=window.reason,
        is_active=window.is_active,
        rrule=optional_value(window, "rrule"),
        time_zone=optional_value(window, "time_zone"),
        next_occurrence_start=optional_time(window, "next_occurrence_start"),
        created_by=optional_value(window, "created_by"),
        created_at=format_time(window.create_time),
    )
