"""Daily uptime of endpoints and heartbeats (contract monitoring 5.5)."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from gateway.contracts.monitoring.values import read_count
from lumetry.uptime.v1 import uptime_pb2

DEFAULT_DAYS = 90
MOST_DAYS = 365


class DayUptime(msgspec.Struct):
    """A UTC day, `YYYY-MM-DD`; without data the percentage is null."""

    date: str
    uptime_percent: float | None
    incident_count: int


class DailyUptime(msgspec.Struct):
    """The newest days of a monitor, newest first."""

    monitor_id: int
    monitor_type: Literal["endpoint", "heartbeat"]
    days: list[DayUptime]


class DaysQuery(msgspec.Struct):
    """How many days, today included."""

    days: str | None = None


def read_days(query: DaysQuery) -> int:
    """1.5: 90 unless it is said, at most 365."""
    return read_count(query.days, "days", DEFAULT_DAYS, MOST_DAYS)


def encode_daily(monitor_id: int, monitor_type: Literal["endpoint", "heartbeat"], days: Iterable[uptime_pb2.DayUptime]) -> DailyUptime:
    """The days of a monitor."""
    listed = [DayUptime(day.date, day.percent if day.HasField("percent") else None, day.incidents) for day in days]
    return DailyUptime(monitor_id, monitor_type, listed)
