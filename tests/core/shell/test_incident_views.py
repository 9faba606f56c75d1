from dataclasses import replace

from lumetry.incidents.v1.incident_pb2 import INCIDENT_STATE_RESOLVED, IncidentMetric, TimelineEntry
from lumetry_core.shell.incident_views import draw_incident, draw_incidents, draw_parts
from lumetry_core.shell.screen import Screen
from tests.core.shell.building import an_alert, an_incident
from tests.core.shell.conftest import at


def test_draw_incidents_shows_centre_and_owner(screen: Screen) -> None:
    """The centre is the service, else the configuration item, else the metric."""
    incidents = [
        an_incident(1_234_567, primary_service_name=None, primary_ci_name="銀行-1", acknowledged_by_user_name="ada"),
        an_incident(2, primary_service_name=None, primary_metric_key="cpu", severity="Warning", start_time=at(day=1, hour=0)),
    ]
    assert draw_incidents(incidents, screen) == [
        "INCIDENT     SEVERITY  STATUS    AGE  CENTRE  ACTIVE  OWNER  VIOLATIONS  STARTED",
        "INC-1234567  Critical  Open       5m  銀行-1     2/3  ada            11  2026-06-01 08:00:00Z",
        "INC-000002   Warning   Open    8h05m  cpu        2/3  -              11  2026-06-01 00:00:00Z",
    ]


def test_draw_incident_shows_how_it_ended(screen: Screen) -> None:
    """Who took it, who resolved it, how, and what it follows up."""
    incident = an_incident(
        state=INCIDENT_STATE_RESOLVED,
        end_time=at(minute=4),
        duration_seconds=240,
        acknowledge_time=at(minute=1),
        acknowledged_by_user_name="ada",
        acknowledge_note="mine\nreally",
        resolve_time=at(minute=4),
        resolved_by_user_name="ada",
        resolve_note="Restarted",
        resolution_classification="Resolved",
        active_alert_count_at_resolution=2,
        reopen_count=1,
        last_reopen_time=at(minute=3),
        reopen_reason="Alert 12 still active 10 minutes after resolution",
        follow_up_of_incident_id=4,
    )
    assert draw_incident(incident, screen) == [
        "INC-000001  Critical  Resolved  Mobile Banking",
        "  number        1",
        "  started       2026-06-01 08:00:00Z, 5m ago",
        "  lasted        4m",
        "  service       Mobile Banking (42)",
        "  alerts        2 of 3 active, 11 violations",
        "  acknowledged  2026-06-01 08:01:00Z, 4m ago, by ada",
        "  note          mine really",
        "  resolved      2026-06-01 08:04:00Z, 1m ago, by ada",
        "  as            Resolved",
        "  with          2 alerts active",
        "  because       Restarted",
        "  reopened      1 time, last 2026-06-01 08:03:00Z, 2m ago",
        "  since         Alert 12 still active 10 minutes after resolution",
        "  follows up    4",
    ]


def test_draw_parts_shows_members_metrics_and_timeline(screen: Screen) -> None:
    """Each under its title, fitted to the terminal; the timeline goes on below its beginning."""
    entries = [
        TimelineEntry(entry_type="IncidentOpened", message="Incident INC-000001 opened by alert 12", create_time=at()),
        TimelineEntry(entry_type="NotificationSent", message="Sent to Slack\x07", create_time=at(second=1)),
    ]
    metrics = [IncidentMetric(metric_key="shop.latency", metric_display_name="Latency", unit="ms")]
    assert draw_parts([an_alert()], metrics, entries, replace(screen, width=70)) == [
        "",
        "Alerts",
        "  ID  SEVERITY  STATUS  AGE  ALERT      ON             INCIDENT",
        "  12  Critical  Open     5m  Slow shop  host.id=web-1         -",
        "",
        "Metrics",
        "  METRIC        NAME     UNIT",
        "  shop.latency  Latency  ms",
        "",
        "Timeline",
        "  2026-06-01 08:00:00Z  IncidentOpened    Incident INC-000001 opened",
        "                                          by alert 12",
        "  2026-06-01 08:00:01Z  NotificationSent  Sent to Slack?",
    ]
