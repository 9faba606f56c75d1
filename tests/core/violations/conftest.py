from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lumetry_core.rules.model import Direction, Severity
from lumetry_core.violations.model import NewViolation

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


@pytest.fixture
def breach() -> Callable[..., NewViolation]:
    """Builds a breach at a minute; keywords replace fields."""

    def build(minute: float = 0, **changes: Any) -> NewViolation:
        fields = {
            "rule_id": 1,
            "metric_key": "cpu",
            "time": NOW + timedelta(minutes=minute),
            "actual_value": 95.5,
            "direction": Direction.ABOVE,
            "severity": Severity.WARNING,
            "metric_display_name": "Processor use",
            "detect_time": NOW + timedelta(hours=1),
            "upper_threshold": 90.0,
            "rule_name": "CPU high",
            "alert_level_id": 3,
            "dimension_key": "host.id=a",
            "job_id": 64,
            "rule_epoch": 1,
        }
        return NewViolation(**fields | changes)

    return build
