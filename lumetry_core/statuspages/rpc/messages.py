"""Components, the public page and its events as messages."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import groupby

import msgspec

from lumetry.statuspages.v1 import status_component_pb2 as component_pb
from lumetry.statuspages.v1 import status_page_service_pb2 as page_pb
from lumetry.uptime.v1 import uptime_pb2
from lumetry_core.runtime.events import Event
from lumetry_core.runtime.timestamps import encode_time
from lumetry_core.statuspages.changes import (
    KINDS,
    Change,
    ComponentChanged,
    GlobalChanged,
    IncidentCreated,
    IncidentResolved,
    IncidentUpdated,
    MaintenanceEnded,
    MaintenanceStarted,
)
from lumetry_core.statuspages.model import Group, MonitorKind, Standing, Status
from lumetry_core.statuspages.page import MAINTENANCE_TITLE, PublicSeverity, PublicStatus, ShownComponent, ShownIncident, ShownMaintenance
from lumetry_core.statuspages.service.page import PublicView
from lumetry_core.uptime.model import DayUptime

KIND_NUMBERS: Mapping[MonitorKind, component_pb.MonitorKind.ValueType] = {
    kind: component_pb.MonitorKind.Value(f"MONITOR_KIND_{kind.name}") for kind in MonitorKind
}
STATUS_NUMBERS: Mapping[Status | None, component_pb.ComponentStatus.ValueType] = {
    None: component_pb.COMPONENT_STATUS_UNSPECIFIED,
    **{status: component_pb.ComponentStatus.Value(f"COMPONENT_STATUS_{status.name}") for status in Status},
}
SEVERITY_NUMBERS: Mapping[PublicSeverity, page_pb.PublicSeverity.ValueType] = {
    severity: page_pb.PublicSeverity.Value(f"PUBLIC_SEVERITY_{severity.name}") for severity in PublicSeverity
}
PROGRESS_NUMBERS: Mapping[PublicStatus, page_pb.PublicIncidentStatus.ValueType] = {
    status: page_pb.PublicIncidentStatus.Value(f"PUBLIC_INCIDENT_STATUS_{status.name}") for status in PublicStatus
}
KIND_OF = {number: kind for kind, number in KIND_NUMBERS.items()}
STATUS_OF = {number: status for status, number in STATUS_NUMBERS.items()}
DECODERS: Mapping[str, msgspec.msgpack.Decoder[Change]] = {name: msgspec.msgpack.Decoder(kind) for name, kind in KINDS.items()}


def encode_group(group: Group, component_count: int) -> component_pb.StatusGroup:
    """A group."""
    return component_pb.StatusGroup(
        id=group.id,
        name=group.name,
        display_order=group.display_order,
        component_count=component_count,
        create_time=encode_time(group.create_time),
    )


def encode_standing(standing: Standing) -> component_pb.StatusComponent:
    """A component as it is now."""
    component = standing.component
    return component_pb.StatusComponent(
        id=component.id,
        monitor_kind=KIND_NUMBERS[component.monitor_kind],
        monitor_id=component.monitor_id,
        monitor_name=standing.monitor_name,
        display_name=component.display_name,
        group_id=component.group_id,
        group_name=standing.group_name,
        display_order=component.display_order,
        visible=component.is_visible,
        derived_status=STATUS_NUMBERS[standing.derived],
        status_override=STATUS_NUMBERS[component.override],
        effective_status=STATUS_NUMBERS[standing.effective],
        auto_incident=component.auto_incident,
        create_time=encode_time(component.create_time),
        update_time=encode_time(component.update_time),
    )


def encode_view(view: PublicView, now: datetime) -> page_pb.GetStatusPageResponse:
    """The public page."""
    page = view.page
    return page_pb.GetStatusPageResponse(
        global_status=STATUS_NUMBERS[page.global_status],
        global_message=page.global_message,
        update_time=encode_time(now),
        groups=encode_groups(view),
        incidents=[encode_incident(incident) for incident in page.incidents],
        maintenance=[encode_maintenance(window) for window in page.maintenance],
        last_event_id=view.last_event_id,
    )


def encode_groups(view: PublicView) -> Iterator[page_pb.PublicGroup]:
    """Components below the names of their groups, both in their order; groups of the same name that follow each other are one."""
    for name, components in groupby(view.page.components, key=lambda component: component.group):
        yield page_pb.PublicGroup(name=name, components=[encode_component(component, view) for component in components])


def encode_component(component: ShownComponent, view: PublicView) -> page_pb.PublicComponent:
    """A component as the public sees it."""
    return page_pb.PublicComponent(
        id=component.id,
        name=component.name,
        status=STATUS_NUMBERS[component.status],
        uptime=view.uptime.get(component.id),
        days=[encode_day(day) for day in view.days.get(component.id, ())],
    )


def encode_day(day: DayUptime) -> uptime_pb2.DayUptime:
    """A day."""
    return uptime_pb2.DayUptime(date=day.day.isoformat(), percent=day.percent, incidents=day.incidents)


def encode_incident(incident: ShownIncident) -> page_pb.PublicIncident:
    """An incident, its newest update first."""
    return page_pb.PublicIncident(
        id=incident.id,
        title=incident.title,
        severity=SEVERITY_NUMBERS[incident.severity],
        status=PROGRESS_NUMBERS[incident.status],
        components=incident.names,
        start_time=encode_time(incident.start_time),
        resolve_time=encode_time(incident.resolve_time),
        updates=[
            page_pb.PublicUpdate(
                status=PROGRESS_NUMBERS[update.status], message=update.message, create_time=encode_time(update.create_time)
            )
            for update in reversed(incident.updates)
        ],
    )


def encode_maintenance(window: ShownMaintenance) -> page_pb.PublicMaintenance:
    """A maintenance window."""
    return page_pb.PublicMaintenance(
        id=window.id,
        title=MAINTENANCE_TITLE,
        start_time=encode_time(window.start_time),
        end_time=encode_time(window.end_time),
        components=window.names,
        active=window.is_active,
    )


def encode_event(event: Event) -> page_pb.WatchStatusPageResponse:
    """An event."""
    change = DECODERS[event.kind].decode(event.subject)
    response = page_pb.WatchStatusPageResponse(id=event.id, create_time=encode_time(event.create_time))
    encode_change(change, response)
    return response


def encode_change(change: Change, response: page_pb.WatchStatusPageResponse) -> None:
    """Puts what changed into a message."""
    match change:
        case ComponentChanged(component_id, name, status, group):
            response.component_changed.CopyFrom(
                page_pb.ComponentChanged(component_id=component_id, name=name, status=STATUS_NUMBERS[status], group=group)
            )
        case GlobalChanged(status, message):
            response.global_changed.CopyFrom(page_pb.GlobalChanged(status=STATUS_NUMBERS[status], message=message))
        case IncidentCreated(number, title, severity, progress, names):
            created = page_pb.IncidentCreated(
                id=number, title=title, severity=SEVERITY_NUMBERS[severity], status=PROGRESS_NUMBERS[progress], components=names
            )
            response.incident_created.CopyFrom(created)
        case IncidentUpdated(number, progress, message):
            response.incident_updated.CopyFrom(page_pb.IncidentUpdated(id=number, status=PROGRESS_NUMBERS[progress], message=message))
        case IncidentResolved(number, title):
            response.incident_resolved.CopyFrom(page_pb.IncidentResolved(id=number, title=title))
        case MaintenanceStarted(number, title, names):
            response.maintenance_started.CopyFrom(page_pb.MaintenanceStarted(id=number, title=title, components=names))
        case MaintenanceEnded(number, title, names):
            response.maintenance_ended.CopyFrom(page_pb.MaintenanceEnded(id=number, title=title, components=names))
