from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from lumetry_core.alerts.model import Alert, Opening, Trigger
from lumetry_core.alerts.service import transitions
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database

Build = Callable[..., Opening]
Open = Callable[..., Awaitable[list[Alert]]]


@pytest.fixture
def opening(clock: Clock) -> Build:
    """Builds an opening whose trigger was met so many minutes ago; keywords replace fields."""
    now = clock.now()

    def build(minutes_ago: float = 1, **changes: Any) -> Opening:
        start_time: datetime = now - timedelta(minutes=minutes_ago)
        fields = {
            "rule_id": 17,
            "rule_name": "Database health",
            "rule_epoch": 2,
            "alert_name": "Database is slow",
            "metric_key": "db.latency",
            "metric_display_name": "Latency",
            "dimension_key": "host.id=a",
            "start_time": start_time,
            "severity": Severity.WARNING,
            "alert_level_id": 3,
            "trigger": Trigger(11, 5, 10),
            "first_violation_time": start_time - timedelta(minutes=10),
            "last_not_clear_time": start_time,
        }
        return Opening(**fields | changes)

    return build


@pytest.fixture
def open_all(database: Database, clock: Clock) -> Open:
    """Opens alerts in a transaction of their own."""

    async def run(*openings: Opening, organization_id: int = 7) -> list[Alert]:
        async with database.write() as tx:
            return await transitions.open_alerts(tx, organization_id, openings, clock.now())

    return run
