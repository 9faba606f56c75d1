from dataclasses import replace

from lumetry.alerts.v1.alert_pb2 import ALERT_STATE_ACKNOWLEDGED, ALERT_STATE_CLOSED, Decision, Monitor
from lumetry.alerts.v1.alert_service_pb2 import ExplainAlertResponse
from lumetry_core.shell.alert_views import draw_alert, draw_alerts, draw_decisions
from lumetry_core.shell.screen import Screen
from tests.core.shell.building import an_alert
from tests.core.shell.conftest import at

EVIL = "Slow\x1b[2J\nshop\x9b1m"


def test_draw_alerts_shows_what_each_is_about(screen: Screen) -> None:
    """The configuration item tells more than the member, any name more than the key of an instance or metric; hostile names do nothing."""
    alerts = [
        an_alert(1234, alert_name=EVIL, related_ci_name="web-1", incident_id=7),
        an_alert(9, state=ALERT_STATE_ACKNOWLEDGED, severity="Warning", start_time=at(minute=4, second=51), dimension_key="host.id=w-1"),
        an_alert(8, state=ALERT_STATE_CLOSED, dimension_key=None, start_time=at(hour=2)),
        an_alert(7, dimension_key=None, related_service_name="Shop", external_instance_key="8fb2e91c"),
    ]
    for alert in alerts:
        alert.trigger_reason = "11 in 5 min"
    assert draw_alerts(alerts, screen) == [
        "  ID  SEVERITY  STATUS          AGE  ALERT             ON            INCIDENT  REASON       OPENED",
        "1234  Critical  Open             5m  Slow?[2J shop?1m  web-1                7  11 in 5 min  2026-06-01 08:00:00Z",
        "   9  Warning   Acknowledged     9s  Slow shop         host.id=w-1          -  11 in 5 min  2026-06-01 08:04:51Z",
        "   8  Critical  Closed        6h05m  Slow shop         shop.latency         -  11 in 5 min  2026-06-01 02:00:00Z",
        "   7  Critical  Open             5m  Slow shop         Shop                 -  11 in 5 min  2026-06-01 08:00:00Z",
    ]


def test_draw_alert_shows_what_there_is(screen: Screen) -> None:
    """Values that the alert has not are left out."""
    assert draw_alert(an_alert(related_service_id=42, related_service_name="Shop", acknowledge_time=at(minute=1)), screen) == [
        "Alert 12  Critical  Open  Slow shop",
        "  opened        2026-06-01 08:00:00Z, 5m ago",
        "  acknowledged  2026-06-01 08:01:00Z, 4m ago",
        "  reason        3 violations within 5 minutes",
        "  violations    3",
        "  metric        shop.latency",
        "  member        host.id=web-1",
        "  service       Shop (42)",
        "  source        MetricRule",
        "  rule          17",
        "  level         3",
    ]


def test_draw_alert_of_a_monitor_in_a_narrow_terminal(screen: Screen) -> None:
    """Long texts go on below their beginning; nothing is lost."""
    alert = an_alert(
        rule_id=None,
        metric_key=None,
        dimension_key=None,
        alert_level_id=None,
        violation_count=0,
        source_kind="Monitor",
        description="The page answers 500 since the last release of the shop",
        monitor=Monitor(kind="UptimeMonitor", id="4", name="Shop"),
    )
    assert draw_alert(alert, replace(screen, width=40)) == [
        "Alert 12  Critical  Open  Slow shop",
        "  opened       2026-06-01 08:00:00Z, 5m",
        "               ago",
        "  reason       3 violations within 5",
        "               minutes",
        "  description  The page answers 500",
        "               since the last release of",
        "               the shop",
        "  source       Monitor",
        "  monitor      Shop (UptimeMonitor 4)",
    ]


def gate(order: int, name: str, verdict: str, reason: str, **more: str) -> Decision:
    return Decision(order=order, gate=name, verdict=verdict, reason=reason, time=at(second=2), **more)


TRACE = ExplainAlertResponse(
    alert_id=12,
    transition="open",
    outcome="PartlyPaged",
    summary="Told by 1 of 2 integrations",
    gates=[
        gate(1, "Rule", "Passed", "Rule 'Slow shop' is Active and matches", record_type="Rule", record_id="17", record_name="Slow shop"),
        gate(4, "Maintenance", "Held", "Covered by a window", details_json='{"until": "2026-06-01T09:00:00Z", "windowId": 3}'),
        gate(7, "PostResolutionWatch", "NotApplicable", "No incident was resolved"),
        Decision(order=8, gate="Route", verdict="Blocked", reason="Below the least severity"),
        Decision(
            order=9,
            gate="Delivery",
            verdict="Pending",
            reason="1 of 2 delivered",
            time=at(second=9),
            details_json='{"targets": [{"integrationId": 1, "deliveryId": "12:open:1", "status": "Sent", "attempts": 1, "lastError": null},'
            ' {"integrationId": 2, "status": "Retrying", "attempts": 3, "lastError": "no\\u001b[1m answer"}]}',
        ),
    ],
)


def test_draw_decisions_shows_every_gate(screen: Screen) -> None:
    """The outcome comes first, then each gate with its mark, reason and record, and each delivery; a time when it is another one."""
    assert draw_decisions(TRACE, screen) == [
        "Alert 12  open  PartlyPaged",
        "Told by 1 of 2 integrations",
        "",
        "  2026-06-01 08:00:02Z",
        "  ✓ 1 Rule                 Passed         Rule 'Slow shop' is Active and matches  [Rule 17 Slow shop]",
        "  ‖ 4 Maintenance          Held           Covered by a window",
        "      until 2026-06-01 09:00:00Z",
        "  – 7 PostResolutionWatch  NotApplicable  No incident was resolved",
        "  ✗ 8 Route                Blocked        Below the least severity",
        "",
        "  2026-06-01 08:00:09Z",
        "  … 9 Delivery             Pending        1 of 2 delivered",
        "      → integration 1: Sent, 1 attempt",
        "      → integration 2: Retrying, 3 attempts, no?[1m answer",
    ]


def test_draw_decisions_without_unicode(screen: Screen) -> None:
    """Marks and arrows have stand-ins."""
    drawn = draw_decisions(TRACE, replace(screen, is_unicode=False))
    assert [line[:5] for line in drawn if line[3:4] == " " and line[2:3] != " "] == ["  + 1", "  = 4", "  - 7", "  x 8", "  ~ 9"]
    assert drawn[-2:] == ["      -> integration 1: Sent, 1 attempt", "      -> integration 2: Retrying, 3 attempts, no?[1m answer"]


def test_draw_decisions_in_colours(screen: Screen) -> None:
    """Mark and verdict have the verdict's colour, and reasons go on in their column."""
    assert draw_decisions(TRACE, replace(screen, is_coloured=True, width=70))[4:7] == [
        "  \x1b[32m✓\x1b[0m 1 Rule                 \x1b[32mPassed       \x1b[0m  Rule 'Slow shop' is Active",
        "                                          and matches  [Rule 17 Slow",
        "                                          shop]",
    ]
