from dataclasses import replace

from lumetry.incidents.v1.incident_pb2 import CorrelationKey, ExplainedMember, PathStep, TimeWindow
from lumetry.incidents.v1.incident_service_pb2 import ExplainIncidentResponse
from lumetry_core.shell.explanation_views import draw_explanation
from lumetry_core.shell.screen import Screen
from tests.core.shell.conftest import at

KEY = CorrelationKey(kind="Service", value="42", name="Mobile Banking")
PATH = [
    PathStep(node_id=51, display_name="ANVMBWEBWX01", node_type="Host"),
    PathStep(node_id=48, display_name="Web\x1b Farm", node_type="Component", via_edge_type="runs_on"),
    PathStep(node_id=42, display_name="Mobile Banking", node_type="BusinessService", via_edge_type="contains"),
]
EXPLANATION = ExplainIncidentResponse(
    incident_id=1,
    incident_key="INC-000001",
    follow_up_of_incident_id=4,
    members=[
        ExplainedMember(
            alert_id=9001,
            alert_name="Web is slow",
            join_time=at(),
            leave_time=at(minute=5),
            reason="Opened",
            correlation_key=KEY,
            path=PATH,
            time_window=TimeWindow(window_minutes=30),
        ),
        ExplainedMember(
            alert_id=9012,
            alert_name="Database is slow",
            join_time=at(minute=4),
            reason="WindowMatch",
            correlation_key=KEY,
            path=PATH[2:],
            time_window=TimeWindow(window_minutes=30, reference_alert_id=9001, reference_time=at(), gap_seconds=240),
        ),
        ExplainedMember(alert_id=9013, alert_name="?", join_time=at(minute=4), reason="Guess", time_window=TimeWindow(window_minutes=30)),
    ],
)


def test_draw_explanation_shows_key_path_and_window(screen: Screen) -> None:
    """Each member with all that decided; one without key, path or known reason as well."""
    assert draw_explanation(EXPLANATION, screen) == [
        "INC-000001  3 alerts  1 of them moved on  follows up incident 4",
        "",
        "Alert 9001  Opened  Web is slow",
        "  joined   2026-06-01 08:00:00Z, 5m ago",
        "  left     2026-06-01 08:05:00Z, 0s ago",
        "  because  it opened the incident",
        "  key      Service 42 Mobile Banking",
        "  path     ANVMBWEBWX01 → (runs_on) Web? Farm → (contains) Mobile Banking",
        "  window   30 min",
        "",
        "Alert 9012  WindowMatch  Database is slow",
        "  joined   2026-06-01 08:04:00Z, 1m ago",
        "  because  it shares the key and started within the window",
        "  key      Service 42 Mobile Banking",
        "  path     (contains) Mobile Banking",
        "  window   30 min, 4m from alert 9001 of 2026-06-01 08:00:00Z",
        "",
        "Alert 9013  Guess  ?",
        "  joined  2026-06-01 08:04:00Z, 1m ago",
        "  key     none, it belongs with no other",
        "  window  30 min",
    ]


def test_draw_explanation_without_unicode(screen: Screen) -> None:
    """A path goes on below its beginning, with arrows that can be written."""
    drawn = draw_explanation(EXPLANATION, replace(screen, is_unicode=False, width=50))
    assert drawn[8:10] == [
        "  path     ANVMBWEBWX01 -> (runs_on) Web? Farm ->",
        "           (contains) Mobile Banking",
    ]
