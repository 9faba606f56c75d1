"""Incidents as people read them."""

from collections.abc import Sequence

from lumetry.alerts.v1.alert_pb2 import Alert
from lumetry.incidents.v1.incident_pb2 import Incident, IncidentMetric, TimelineEntry
from lumetry_core.shell.alert_views import draw_alerts, draw_heading, named, text_of, time_of
from lumetry_core.shell.blocks import INDENT, draw_block, draw_value
from lumetry_core.shell.documents import state_of
from lumetry_core.shell.screen import NOTHING, Screen, show, spell_seconds
from lumetry_core.shell.tables import Column, draw_table
from lumetry_core.shell.text import count_of, pad

CENTRES = ("primary_service_name", "primary_ci_name", "primary_metric_key")
"""What an incident is about, the widest first."""


def draw_incidents(incidents: Sequence[Incident], screen: Screen) -> list[str]:
    """A table of incidents."""
    columns = (
        Column("INCIDENT", [show(incident.incident_key) for incident in incidents]),
        Column("SEVERITY", [show(incident.severity) for incident in incidents], has_colours=True),
        Column("STATUS", [state_of(incident) for incident in incidents], has_colours=True),
        Column("AGE", [screen.age(incident.start_time) for incident in incidents], is_number=True),
        Column("CENTRE", [text_of(incident, *CENTRES) for incident in incidents], can_shrink=True),
        Column("ACTIVE", [f"{incident.active_alert_count}/{incident.alert_count}" for incident in incidents], is_number=True),
        Column("OWNER", [text_of(incident, "acknowledged_by_user_name") for incident in incidents], can_shrink=True, can_go=True),
        Column("VIOLATIONS", [str(incident.violation_count) for incident in incidents], is_number=True, can_go=True),
        Column("STARTED", [screen.moment(incident.start_time) for incident in incidents], can_go=True),
    )
    return draw_table(columns, screen)


def draw_incident(incident: Incident, screen: Screen) -> list[str]:
    """Everything about an incident itself."""
    words = (show(incident.incident_key), show(incident.severity), state_of(incident), text_of(incident, *CENTRES))
    active = f"{incident.active_alert_count} of {incident.alert_count} active"
    times = count_of(incident.reopen_count, "time")
    reopened = f"{times}, last {time_of(incident, 'last_reopen_time', screen)}" if incident.reopen_count else NOTHING
    has_resolution = incident.HasField("active_alert_count_at_resolution")
    rows = (
        ("number", str(incident.id)),
        ("started", screen.since(incident.start_time)),
        ("lasted" if incident.HasField("end_time") else "lasts", spell_seconds(incident.duration_seconds)),
        ("service", named(incident, "primary_service_name", "primary_service_node_id")),
        ("CI", named(incident, "primary_ci_name", "primary_ci_node_id")),
        ("metric", text_of(incident, "primary_metric_key")),
        ("alerts", f"{active}, {count_of(incident.violation_count, 'violation')}"),
        ("acknowledged", by(incident, "acknowledge_time", "acknowledged_by_user_name", screen)),
        ("note", text_of(incident, "acknowledge_note")),
        ("resolved", by(incident, "resolve_time", "resolved_by_user_name", screen)),
        ("as", text_of(incident, "resolution_classification")),
        ("with", f"{count_of(incident.active_alert_count_at_resolution, 'alert')} active" if has_resolution else NOTHING),
        ("because", text_of(incident, "resolve_note")),
        ("reopened", reopened),
        ("since", text_of(incident, "reopen_reason")),
        ("follows up", text_of(incident, "follow_up_of_incident_id")),
    )
    return [*draw_heading(words, screen), *draw_block(rows, screen)]


def by(incident: Incident, time: str, person: str, screen: Screen) -> str:
    """When something was done, and who did it."""
    when, who = time_of(incident, time, screen), text_of(incident, person)
    return when if NOTHING in (when, who) else f"{when}, by {who}"


def draw_parts(alerts: Sequence[Alert], metrics: Sequence[IncidentMetric], entries: Sequence[TimelineEntry], screen: Screen) -> list[str]:
    """Members, metrics and timeline of an incident."""
    lines: list[str] = []
    if alerts:
        lines += ["", screen.strong("Alerts"), *draw_alerts(alerts, screen, INDENT)]
    if metrics:
        columns = (
            Column("METRIC", [show(metric.metric_key) for metric in metrics], can_shrink=True),
            Column("NAME", [show(metric.metric_display_name) for metric in metrics], can_shrink=True),
            Column("UNIT", [show(metric.unit) for metric in metrics], can_go=True),
        )
        lines += ["", screen.strong("Metrics"), *draw_table(columns, screen, INDENT)]
    if entries:
        lines += ["", screen.strong("Timeline")]
    width = max((len(entry.entry_type) for entry in entries), default=0)
    for entry in entries:
        lead = f"{screen.moment(entry.create_time)}  {pad(show(entry.entry_type), width)}"
        lines += draw_value(lead, len(lead), show(entry.message), screen, INDENT)
    return lines
