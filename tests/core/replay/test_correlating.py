from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from lumetry_core.evaluation.machine import Escalated, Level, Opened
from lumetry_core.replay.correlating import ReplayedIncident
from lumetry_core.replay.course import follow_alerts
from lumetry_core.replay.outcome import ReplayedAlert
from lumetry_core.replay.surroundings import Surroundings
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.clock import from_ms
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


def correlate_alerts(*alerts: ReplayedAlert, resolve_after: timedelta | None = None) -> Sequence[ReplayedIncident]:
    surroundings = Surroundings(correlation_window=WINDOW, resolve_after=resolve_after)
    return follow_alerts(rule(), alerts, surroundings, from_ms(NOW) + timedelta(days=1)).incidents


def shown(*alerts: ReplayedAlert, resolve_after: timedelta | None = None) -> list[tuple[str | None, str, tuple[int, ...], int]]:
    found = correlate_alerts(*alerts, resolve_after=resolve_after)
    return [(one.incident.correlation_key, one.incident.severity, one.alerts, one.incident.active_alert_count) for one in found]


def test_correlate_alerts_by_key_and_window() -> None:
    """Alerts of one metric meet in an incident within the window; later ones open another when nothing is active any more."""
    alerts = [alert(0, 5, "host.id=a"), alert(10, 12, "host.id=b"), alert(29, 30, "disk=1|host.id=a"), alert(70, None, "host.id=a")]
    assert shown(*alerts) == [
        ("metric:load", "Warning", (0, 1, 2), 0),
        ("metric:load", "Warning", (3,), 1),
    ]


def test_correlate_alerts_joins_what_is_still_active() -> None:
    """An open member keeps its incident open for others, long after the window; at the very time of its end it no longer does."""
    assert [one[2] for one in shown(alert(0, 100), alert(90, 95))] == [(0, 1)]
    assert [one[2] for one in shown(alert(0, 100), alert(100, None))] == [(0,), (1,)]


def test_correlate_alerts_follows_their_severity() -> None:
    """An incident rises with its member, when that does, and counts its violations in the end."""
    (found,) = correlate_alerts(alert(0, 50, rises=20))
    incident = found.incident
    assert (incident.severity, incident.violation_count, incident.alert_count) == (Severity.CRITICAL, 3, 1)
    assert (incident.start_time, incident.update_time) == (
        datetime.fromtimestamp(NOW / 1000, UTC),
        datetime.fromtimestamp(NOW / 1000, UTC) + timedelta(minutes=50),
    )


def test_correlate_alerts_without_any() -> None:
    """No alerts, no incidents."""
    assert shown() == []


def test_correlate_alerts_that_rise_as_they_open() -> None:
    """A rise at the very time of the opening is the incident's severity from the beginning."""
    assert shown(alert(0, None, rises=0)) == [("metric:load", "Critical", (0,), 1)]


def test_correlate_alerts_after_an_automatic_resolution() -> None:
    """An incident without an active alert for as long as the settings say takes no further members, whatever the window."""
    alerts = (alert(0, 5, "host.id=a"), alert(15, 16, "host.id=a"))
    assert [one[2] for one in shown(*alerts)] == [(0, 1)]
    assert [one[2] for one in shown(*alerts, resolve_after=timedelta(minutes=10))] == [(0,), (1,)]
    assert [one[2] for one in shown(*alerts, resolve_after=timedelta(minutes=11))] == [(0, 1)]
