"""How a monitor's state becomes a status, and statuses the one of the page (contract monitoring 14.2)."""

from collections.abc import Iterable, Mapping

from lumetry_core.statuspages.model import MonitorKind, Reading, Status

RANK: Mapping[Status, int] = {
    Status.OPERATIONAL: 0,
    Status.DEGRADED: 1,
    Status.PARTIAL_OUTAGE: 2,
    Status.UNDER_MAINTENANCE: 3,
    Status.MAJOR_OUTAGE: 4,
}
MESSAGES: Mapping[Status, str] = {
    Status.OPERATIONAL: "All Systems Operational",
    Status.DEGRADED: "Degraded Performance",
    Status.PARTIAL_OUTAGE: "Partial System Outage",
    Status.MAJOR_OUTAGE: "Major System Outage",
    Status.UNDER_MAINTENANCE: "Scheduled Maintenance",
}
STATUS_OF: Mapping[MonitorKind, tuple[Mapping[str, Status], Status]] = {
    MonitorKind.CONTAINER: ({"running": Status.OPERATIONAL, "completed": Status.OPERATIONAL}, Status.MAJOR_OUTAGE),
    MonitorKind.ENDPOINT: ({"up": Status.OPERATIONAL, "unknown": Status.OPERATIONAL}, Status.MAJOR_OUTAGE),
    MonitorKind.HEARTBEAT: ({"up": Status.OPERATIONAL, "down": Status.MAJOR_OUTAGE}, Status.DEGRADED),
    MonitorKind.CERTIFICATE: (
        {"valid": Status.OPERATIONAL, "unknown": Status.OPERATIONAL, "expiring": Status.DEGRADED},
        Status.MAJOR_OUTAGE,
    ),
}
"""By kind: what the states mean that are named, and what all others mean."""


def derive(kind: MonitorKind, reading: Reading, *, is_covered: bool) -> Status:
    """The status of a component.

    Args:
        is_covered: Whether an active maintenance window covers the monitor.
    """
    if is_covered:
        return Status.UNDER_MAINTENANCE
    if kind is MonitorKind.CONTAINER and reading.status == "running" and reading.health == "unhealthy":
        return Status.DEGRADED
    if kind is MonitorKind.HEARTBEAT and reading.status == "up" and reading.is_alerting:
        return Status.DEGRADED  # the job reports, but its last run failed
    named, otherwise = STATUS_OF[kind]
    return named.get(reading.status, otherwise)


def find_worst(statuses: Iterable[Status]) -> Status:
    """The status of the page: that of its worst visible component; operational without any."""
    return max(statuses, key=RANK.__getitem__, default=Status.OPERATIONAL)
