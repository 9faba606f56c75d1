"""What the commands about incidents ask, and what they show of the answers."""

import asyncio
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.incidents.v1.incident_pb2 import Incident
from lumetry.incidents.v1.incident_service_pb2 import (
    AcknowledgeIncidentRequest,
    ExplainIncidentRequest,
    GetIncidentRequest,
    ListIncidentAlertsRequest,
    ListIncidentMetricsRequest,
    ListIncidentsRequest,
    ListIncidentTimelineRequest,
    ResolveIncidentRequest,
)
from lumetry.incidents.v1.incident_service_pb2_grpc import IncidentServiceStub
from lumetry_core.runtime.timestamps import encode_time
from lumetry_core.shell.documents import (
    document_of_alert,
    document_of_entry,
    document_of_explanation,
    document_of_incident,
    document_of_metric,
    state_of,
)
from lumetry_core.shell.explanation_views import draw_explanation
from lumetry_core.shell.failures import RefusedError
from lumetry_core.shell.incident_views import draw_incident, draw_incidents, draw_parts
from lumetry_core.shell.options import LARGEST_LIMIT, IncidentName
from lumetry_core.shell.screen import note, show, write, write_json
from lumetry_core.shell.session import Session

RECENT = 100
"""People mostly name one of so many newest incidents."""


async def find_number(session: Session, name: IncidentName) -> int:
    """The number of an incident. Keys are looked for from the newest incident on. Raises RefusedError when there is none."""
    if name.number is not None:
        return name.number
    stub = IncidentServiceStub(session.channel)
    limit, end_time = RECENT, Timestamp()
    while True:
        request = ListIncidentsRequest(limit=limit, end_time=end_time if end_time.ByteSize() else None)
        incidents = (await session.call(stub.ListIncidents, request)).incidents
        for incident in incidents:
            if incident.incident_key == name.key:
                return incident.id
        if len(incidents) < limit or (limit == LARGEST_LIMIT and incidents[-1].start_time == end_time):
            raise RefusedError(f"Incident {name.key} does not exist.")
        limit, end_time = LARGEST_LIMIT, incidents[-1].start_time


async def list_incidents(
    session: Session,
    *,
    status: str | None,
    severity: str | None,
    service: int | None,
    ci: int | None,
    from_time: datetime | None,
    to_time: datetime | None,
    limit: int,
) -> None:
    """Shows the incidents that match, newest first."""
    request = ListIncidentsRequest(
        status=status or "",
        severity=severity or "",
        service_node_id=service,
        ci_node_id=ci,
        start_time=encode_time(from_time),
        end_time=encode_time(to_time),
        limit=limit,
    )
    answer = await session.call(IncidentServiceStub(session.channel).ListIncidents, request)
    if session.is_json:
        write_json([document_of_incident(incident) for incident in answer.incidents])
    elif answer.incidents:
        write(draw_incidents(answer.incidents, session.screen))
    else:
        note("No incident matches.")
    if len(answer.incidents) == limit:
        note(f"{limit} incidents, the newest; --limit shows more.")


async def show_incident(session: Session, name: IncidentName) -> None:
    """Shows everything about an incident: itself, members, metrics and timeline."""
    stub, number = IncidentServiceStub(session.channel), await find_number(session, name)
    found = await session.call(stub.GetIncident, GetIncidentRequest(id=number))
    members, metrics, timeline = await asyncio.gather(
        session.call(stub.ListIncidentAlerts, ListIncidentAlertsRequest(id=number, limit=LARGEST_LIMIT)),
        session.call(stub.ListIncidentMetrics, ListIncidentMetricsRequest(id=number)),
        session.call(stub.ListIncidentTimeline, ListIncidentTimelineRequest(id=number, limit=LARGEST_LIMIT)),
    )
    if session.is_json:
        parts = {
            "alerts": [document_of_alert(alert) for alert in members.alerts],
            "metrics": [document_of_metric(metric) for metric in metrics.metrics],
            "timeline": [document_of_entry(entry) for entry in timeline.entries],
        }
        write_json(document_of_incident(found.incident) | parts)
        return
    write(draw_incident(found.incident, session.screen) + draw_parts(members.alerts, metrics.metrics, timeline.entries, session.screen))


async def acknowledge_incident(session: Session, name: IncidentName, text: str | None) -> None:
    """Acknowledges an incident."""
    request = AcknowledgeIncidentRequest(id=await find_number(session, name), note=text)
    answer = await session.call(IncidentServiceStub(session.channel).AcknowledgeIncident, request)
    confirm(session, answer.incident)


async def resolve_incident(session: Session, name: IncidentName, classification: str, text: str) -> None:
    """Resolves an incident."""
    request = ResolveIncidentRequest(id=await find_number(session, name), note=text, resolution_classification=classification)
    answer = await session.call(IncidentServiceStub(session.channel).ResolveIncident, request)
    confirm(session, answer.incident)
    active = answer.incident.active_alert_count_at_resolution
    if active and not session.is_json:
        note(f"{active} of its alerts {'is' if active == 1 else 'are'} still active; should that last, the incident comes back.")


async def explain_incident(session: Session, name: IncidentName) -> None:
    """Shows why each alert is, or was, in an incident."""
    request = ExplainIncidentRequest(id=await find_number(session, name))
    answer = await session.call(IncidentServiceStub(session.channel).ExplainIncident, request)
    if session.is_json:
        write_json(document_of_explanation(answer))
    else:
        write(draw_explanation(answer, session.screen))


def confirm(session: Session, incident: Incident) -> None:
    """Shows how an incident is after an action."""
    if session.is_json:
        write_json(document_of_incident(incident))
    else:
        write([f"{show(incident.incident_key)} is {session.screen.colour(state_of(incident))}"])
