"""The public page as HTML and JSON, and its files (contract monitoring 14.3)."""

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from gateway.contracts.monitoring.status_admin import STATUS_WORDS, StatusWord
from gateway.contracts.monitoring.status_events import (
    ANY_ORIGIN,
    PROGRESS_WORDS,
    SEVERITY_WORDS,
    ProgressWord,
    SeverityWord,
    stream_status,
)
from gateway.contracts.monitoring.values import Time, format_or_none, value_or_none
from gateway.statuspage import view
from gateway.statuspage.files import PAGE_HEADERS, read_file
from gateway.statuspage.rendering import render_page
from gateway.transcode.failures import Failure
from gateway.transcode.handling import JSON_TYPE, encoder, fail
from gateway.transcode.request import Request
from gateway.transcode.routes import Handle
from gateway.transcode.times import format_time
from lumetry.statuspages.v1 import status_page_service_pb2 as pb


class PublicComponent(msgspec.Struct):
    """A component; the percentage is null when nothing is known, and for certificates."""

    id: int
    name: str
    status: StatusWord
    uptime_90d: float | None


class PublicGroup(msgspec.Struct):
    """A heading with its visible components."""

    name: str
    components: list[PublicComponent]


class PublicUpdate(msgspec.Struct):
    """A step of an incident."""

    status: ProgressWord
    message: str
    created_at: Time


class PublicIncident(msgspec.Struct):
    """An incident; updates are newest first."""

    id: int
    title: str
    severity: SeverityWord
    status: ProgressWord
    components: list[str]
    started_at: Time
    resolved_at: Time | None
    updates: list[PublicUpdate]


class PublicMaintenance(msgspec.Struct):
    """A maintenance window that lasts or starts within a week."""

    id: int
    title: str
    starts_at: Time
    ends_at: Time
    components: list[str]


class StatusPage(msgspec.Struct):
    """The page."""

    global_status: StatusWord
    global_message: str
    updated_at: Time
    groups: list[PublicGroup]
    active_incidents: list[PublicIncident]
    upcoming_maintenance: list[PublicMaintenance]


async def answer_page(request: Request) -> web.Response:
    """14.3 `GET /status`."""
    page = request.services.status_page
    page.limits.take(request.address or "")
    organisation = request.services.config.organisation_name
    body = await page.read("html", lambda reply: render_page(to_view(reply, organisation)).encode(), with_days=True)
    return web.Response(body=body, headers=PAGE_HEADERS)


async def answer_api(request: Request) -> web.Response:
    """14.3 `GET /status/api`."""
    page = request.services.status_page
    page.limits.take(request.address or "")
    body = await page.read("json", lambda reply: encoder.encode(encode_page(reply)), with_days=False)
    return web.Response(body=body, headers={"Content-Type": JSON_TYPE})


def answer_file(name: str) -> Handle:
    """14.3 a file below `/status/static/`."""

    async def answer(request: Request) -> web.Response:
        request.services.status_page.limits.take(request.address or "")
        file = read_file(name)
        return web.Response(body=file.body, headers=file.headers)

    return answer


def open_to_all(handle: Callable[[Request], Awaitable[web.StreamResponse]]) -> Handle:
    """1.7 any page may read the answer, failures included."""

    async def answer(request: Request) -> web.StreamResponse:
        try:
            response = await handle(request)
        except Failure as failure:
            response = fail(request.family, failure, request.request_id)
        if not response.prepared:
            response.headers.update(ANY_ORIGIN)
        return response

    return answer


answer_open_api = open_to_all(answer_api)
answer_events = open_to_all(stream_status)


def encode_page(reply: pb.GetStatusPageResponse) -> StatusPage:
    """The page as JSON."""
    return StatusPage(
        global_status=STATUS_WORDS[reply.global_status],
        global_message=reply.global_message,
        updated_at=format_time(reply.update_time),
        groups=[PublicGroup(group.name, [encode_component(component) for component in group.components]) for group in reply.groups],
        active_incidents=[encode_incident(incident) for incident in reply.incidents],
        upcoming_maintenance=[encode_maintenance(window) for window in reply.maintenance],
    )


def encode_component(component: pb.PublicComponent) -> PublicComponent:
    """A component."""
    return PublicComponent(component.id, component.name, STATUS_WORDS[component.status], value_or_none(component, "uptime"))


def encode_incident(incident: pb.PublicIncident) -> PublicIncident:
    """An incident."""
    return PublicIncident(
        id=incident.id,
        title=incident.title,
        severity=SEVERITY_WORDS[incident.severity],
        status=PROGRESS_WORDS[incident.status],
        components=list(incident.components),
        started_at=format_time(incident.start_time),
        resolved_at=format_or_none(incident, "resolve_time"),
        updates=[
            PublicUpdate(PROGRESS_WORDS[update.status], update.message, format_time(update.create_time)) for update in incident.updates
        ],
    )


def encode_maintenance(window: pb.PublicMaintenance) -> PublicMaintenance:
    """A maintenance window."""
    return PublicMaintenance(window.id, window.title, format_time(window.start_time), format_time(window.end_time), list(window.components))


def to_view(reply: pb.GetStatusPageResponse, organisation: str) -> view.View:
    """The page as it is rendered."""
    return view.View(
        organisation=organisation,
        status=STATUS_WORDS[reply.global_status],
        message=reply.global_message,
        update_time=format_time(reply.update_time),
        last_event_id=reply.last_event_id,
        groups=[view.Group(group.name, [to_component(component) for component in group.components]) for group in reply.groups],
        incidents=[to_incident(incident) for incident in reply.incidents],
        maintenance=[
            view.Maintenance(
                window.id,
                window.title,
                format_time(window.start_time),
                format_time(window.end_time),
                list(window.components),
                window.active,
            )
            for window in reply.maintenance
        ],
    )


def to_component(component: pb.PublicComponent) -> view.Component:
    """A component as it is rendered."""
    return view.Component(
        id=component.id,
        name=component.name,
        status=STATUS_WORDS[component.status],
        uptime=value_or_none(component, "uptime"),
        days=[view.Day(day.date, value_or_none(day, "percent")) for day in component.days],
    )


def to_incident(incident: pb.PublicIncident) -> view.Incident:
    """An incident as it is rendered."""
    return view.Incident(
        id=incident.id,
        title=incident.title,
        severity=SEVERITY_WORDS[incident.severity],
        is_resolved=incident.status == pb.PUBLIC_INCIDENT_STATUS_RESOLVED,
        updates=[
            view.Update(PROGRESS_WORDS[update.status], update.message, format_time(update.create_time)) for update in incident.updates
        ],
    )
