"""How the whole is, in one word (contract workspace 12)."""

from dataclasses import dataclass
from enum import StrEnum

from lumetry_core.overview.figures import AlertFigures, IncidentFigures
from lumetry_core.overview.narrowing import MonitorFigures


class HealthStatus(StrEnum):
    """How the whole is."""

    OPERATIONAL = "operational"
    DEGRADED = "degraded"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Health:
    """How the whole is, and the gravest reason."""

    status: HealthStatus
    message: str


def judge_health(incidents: IncidentFigures, alerts: AlertFigures, monitors: MonitorFigures, *, is_watched: bool = False) -> Health:
    """How the whole is.

    Args:
        is_watched: Something else than monitors is watched.
    """
    if incidents.critical:
        return Health(HealthStatus.CRITICAL, count(incidents.critical, "critical incident"))
    if incidents.open:
        return Health(HealthStatus.DEGRADED, count(incidents.open, "open incident"))
    if alerts.active.critical:
        return Health(HealthStatus.DEGRADED, count(alerts.active.critical, "critical alert"))
    if monitors.down:
        return Health(HealthStatus.DEGRADED, f"{count(monitors.down, 'monitor')} down")
    if not monitors.total and not is_watched:
        return Health(HealthStatus.UNKNOWN, "Nothing is monitored")
    return Health(HealthStatus.OPERATIONAL, "Everything works")


def count(number: int, noun: str) -> str:
    """So many of something, in words."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
