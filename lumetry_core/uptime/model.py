"""What a day had of a monitor (contract monitoring 1.8, 5.5)."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum


class MonitorType(StrEnum):
    """Whose days are counted."""

    CONTAINER = "container"
    ENDPOINT = "endpoint"
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class DayCount:
    """What is added to a monitor's UTC day: of so many in total so many were good; and edges from good to bad."""

    monitor_id: int
    day: date
    good: int
    total: int
    incidents: int = 0


@dataclass(frozen=True, slots=True)
class DayUptime:
    """A UTC day of a monitor. `percent` is None for a day without data."""

    day: date
    percent: float | None
    incidents: int


def share(good: int, total: int) -> float | None:
    """Percent with two decimals, floored, so that 100 means all; None of nothing."""
    return None if total <= 0 else good * 10_000 // total / 100


def lay_out(counts: dict[date, DayCount], days: int, today: date) -> list[DayUptime]:
    """The newest days, newest first and exactly so many; those that nothing is known of are empty."""
    laid = []
    for back in range(days):
        day = today - timedelta(days=back)
        found = counts.get(day)
        laid.append(DayUptime(day, None, 0) if found is None else DayUptime(day, share(found.good, found.total), found.incidents))
    return laid
