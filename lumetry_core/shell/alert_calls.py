"""What the commands about alerts ask, and what they show of the answers."""

from datetime import datetime

from lumetry.alerts.v1.alert_pb2 import Alert
from lumetry.alerts.v1.alert_service_pb2 import (
    AcknowledgeAlertRequest,
    CloseAlertRequest,
    ExplainAlertRequest,
    GetAlertRequest,
    ListAlertsRequest,
)
from lumetry.alerts.v1.alert_service_pb2_grpc import AlertServiceStub
from lumetry_core.runtime.timestamps import encode_time
from lumetry_core.shell.alert_views import draw_alert, draw_alerts, draw_decisions
from lumetry_core.shell.documents import document_of_alert, document_of_decisions, state_of
from lumetry_core.shell.incident_calls import find_number
from lumetry_core.shell.options import IncidentName
from lumetry_core.shell.screen import note, show, write, write_json
from lumetry_core.shell.session import Session


async def list_alerts(
    session: Session,
    *,
    status: str | None,
    severity: str | None,
    metric: str | None,
    rule: int | None,
    incident: IncidentName | None,
    source: str | None,
    from_time: datetime | None,
    to_time: datetime | None,
    limit: int,
) -> None:
    """Shows the alerts that match, newest first."""
    request = ListAlertsRequest(
        status=status or "",
        severity=severity or "",
        metric_key=metric or "",
        rule_id=rule,
        incident_id=None if incident is None else await find_number(session, incident),
        source_kind=source or "",
        start_time=encode_time(from_time),
        end_time=encode_time(to_time),
        limit=limit,
    )
    answer = await session.call(AlertServiceStub(session.channel).ListAlerts, request)
    if session.is_json:
        write_json([document_of_alert(alert) for alert in answer.alerts])
    elif answer.alerts:
        write(draw_alerts(answer.alerts, session.screen))
    else:
        note("No alert matches.")
    if len(answer.alerts) == limit:
        note(f"{limit} alerts, the newest; --limit shows more.")


async def show_alert(session: Session, number: int) -> None:
    """Shows everything about an alert."""
    answer = await session.call(AlertServiceStub(session.channel).GetAlert, GetAlertRequest(id=number))
    if session.is_json:
        write_json(document_of_alert(answer.alert))
    else:
        write(draw_alert(answer.alert, session.screen))


async def acknowledge_alert(session: Session, number: int, text: str) -> None:
    """Acknowledges an alert."""
    request = AcknowledgeAlertRequest(id=number, note=text)
    answer = await session.call(AlertServiceStub(session.channel).AcknowledgeAlert, request)
    confirm(session, answer.alert)


async def close_alert(session: Session, number: int, text: str) -> None:
    """Closes an alert."""
    answer = await session.call(AlertServiceStub(session.channel).CloseAlert, CloseAlertRequest(id=number, note=text))
    confirm(session, answer.alert)


async def explain_alert(session: Session, number: int, transition: str) -> None:
    """Shows why people were, or were not, told of a transition."""
    request = ExplainAlertRequest(id=number, transition=transition)
    answer = await session.call(AlertServiceStub(session.channel).ExplainAlert, request)
    if session.is_json:
        write_json(document_of_decisions(answer))
    else:
        write(draw_decisions(answer, session.screen))


def confirm(session: Session, alert: Alert) -> None:
    """Shows how an alert is after an action."""
    if session.is_json:
        write_json(document_of_alert(alert))
    else:
        write([f"Alert {alert.id} is {session.screen.colour(state_of(alert))}: {show(alert.alert_name)}"])
