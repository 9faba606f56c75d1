import pytest

from lumetry_core.statuspages.derivation import MESSAGES, derive, find_worst
from lumetry_core.statuspages.model import MonitorKind, Reading, Status

FINE, SLOW, OUT = Status.OPERATIONAL, Status.DEGRADED, Status.MAJOR_OUTAGE
TABLE = [
    (MonitorKind.CONTAINER, "running", None, False, FINE),
    (MonitorKind.CONTAINER, "running", "healthy", True, FINE),
    (MonitorKind.CONTAINER, "running", "starting", False, FINE),
    (MonitorKind.CONTAINER, "running", "unhealthy", False, SLOW),
    (MonitorKind.CONTAINER, "completed", None, False, FINE),
    (MonitorKind.CONTAINER, "completed", "unhealthy", False, FINE),
    *((MonitorKind.CONTAINER, state, None, False, OUT) for state in ("exited", "restarting", "paused", "created", "dead", "archived")),
    (MonitorKind.ENDPOINT, "up", None, False, FINE),
    (MonitorKind.ENDPOINT, "up", None, True, FINE),
    (MonitorKind.ENDPOINT, "unknown", None, False, FINE),
    (MonitorKind.ENDPOINT, "down", None, False, OUT),
    (MonitorKind.HEARTBEAT, "up", None, False, FINE),
    (MonitorKind.HEARTBEAT, "up", None, True, SLOW),
    (MonitorKind.HEARTBEAT, "down", None, True, OUT),
    *((MonitorKind.HEARTBEAT, status, None, False, SLOW) for status in ("new", "started", "paused")),
    (MonitorKind.CERTIFICATE, "valid", None, True, FINE),
    (MonitorKind.CERTIFICATE, "unknown", None, False, FINE),
    (MonitorKind.CERTIFICATE, "expiring", None, False, SLOW),
    (MonitorKind.CERTIFICATE, "expired", None, False, OUT),
    (MonitorKind.CERTIFICATE, "error", None, False, OUT),
]


@pytest.mark.parametrize(("kind", "status", "health", "is_alerting", "expected"), TABLE)
def test_derive_every_state(kind: MonitorKind, status: str, health: str | None, is_alerting: bool, expected: Status) -> None:
    """Each state of each kind of monitor has the documented status, and maintenance covers them all."""
    reading = Reading("m", status, is_alerting, health)
    assert derive(kind, reading, is_covered=False) is expected
    assert derive(kind, reading, is_covered=True) is Status.UNDER_MAINTENANCE


def test_find_worst_in_rank() -> None:
    """A worse status wins over every better one, and nothing visible is operational."""
    ranked = [Status.OPERATIONAL, Status.DEGRADED, Status.PARTIAL_OUTAGE, Status.UNDER_MAINTENANCE, Status.MAJOR_OUTAGE]
    assert [find_worst(ranked[: count + 1]) for count in range(5)] == ranked
    assert find_worst([]) is Status.OPERATIONAL
    assert [MESSAGES[status] for status in ranked] == [
        "All Systems Operational",
        "Degraded Performance",
        "Partial System Outage",
        "Scheduled Maintenance",
        "Major System Outage",
    ]
