from datetime import UTC, datetime, timedelta

from lumetry_core.evaluation.machine import Escalated, Level, Opened
from lumetry_core.replay.correlating import correlate_alerts
from lumetry_core.replay.outcome import ReplayedAlert
from lumetry_core.rules.model import Severity
from tests.core.evaluation.building import rule

MINUTE = 60_000
NOW = 1_780_272_000_000
WARNING, CRITICAL = Level(1, 0, 1, 1, 5), Level(2, 1, 1, 1, 5)
WINDOW = timedelta(minutes=30)


def alert(start: int, end: int | None = None, key: str | None = None, rises: int | None = None) -> ReplayedAlert:
    """A warning alert, in minutes; it may rise."""
    at = NOW + start * MINUTE
    opened = Opened(handle=-1, level=WARNING, time=at, carried=(at,), following=())
    made = ReplayedAlert(rule(), key, opened, at, at, None if end is None else NOW + end * MINUTE, violation_count=3)
    if rises is not None:
        made.escalated.append(Escalated(0, CRITICAL, 1, ()))
        made.violated.append((NOW + rises * MINUTE, 1))
    return made


def shown(alerts: list[ReplayedAlert]) -> list[tuple[str | None, str, tuple[int, ...], int]]:
    found = correlate_alerts(7, alerts, WINDOW)
    return [(one.incident.correlation_key, one.incident.severity, one.alerts, one.incident.active_alert_count) for one in found]


def test_correlate_alerts_by_key_and_window() -> None:
    """Alerts of one host meet in an incident within the window; later ones open another when nothing is active any more."""
    alerts = [alert(0, 5, "host.id=a"), alert(10, 12, "host.id=b"), alert(29, 30, "disk=1|host.id=a"), alert(70, None, "host.id=a")]
    assert shown(alerts) == [
        ("host:a", "Warning", (0, 2), 0),
        ("host:b", "Warning", (1,), 0),
        ("host:a", "Warning", (3,), 1),
    ]


def test_correlate_alerts_joins_what_is_still_active() -> None:
    """An open member keeps its incident open for others, long after the window; at the very time of its end it no longer does."""
    assert [one[2] for one in shown([alert(0, 100), alert(90, 95)])] == [(0, 1)]
    assert [one[2] for one in shown([alert(0, 100), alert(100, None)])] == [(0,), (1,)]


def test_correlate_alerts_follows_their_severity() -> None:
    """An incident rises with its member, when that does, and counts its violations in the end."""
    (found,) = correlate_alerts(7, [alert(0, 50, rises=20)], WINDOW)
    incident = found.incident
    assert (incident.severity, incident.violation_count, incident.alert_count) == (Severity.CRITICAL, 3, 1)
    assert (incident.start_time, incident.update_time) == (
        datetime.fromtimestamp(NOW / 1000, UTC),
        datetime.fromtimestamp(NOW / 1000, UTC) + timedelta(minutes=50),
    )


def test_correlate_alerts_without_any() -> None:
    """No alerts, no incidents."""
    assert correlate_alerts(7, [], WINDOW) == []
