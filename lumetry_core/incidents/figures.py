"""Incidents as figures know them."""

from dataclasses import dataclass
from datetime import datetime

from lumetry_core.incidents.model import IncidentState
from lumetry_core.rules.model import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved:
    """An incident that people work on."""

    id: int
    number: int
    severity: Severity
    state: IncidentState
    primary_service_name: str | None
    primary_ci_name: str | None
    primary_metric_key: str | None
    alert_count: int
    active_alert_count: int
    start_time: datetime

    @property
    def key(self) -> str:
        """What people call it."""
        return f"INC-{self.number:06d}"


@dataclass(frozen=True, slots=True)
class Handled:
    """When an incident that is new or newly resolved began and what people did since."""

    id: int
    start_time: datetime
    acknowledge_time: datetime | None
    resolve_time: datetime | None


@dataclass(frozen=True, slots=True)
class Handling:
    """How incidents were handled: counts since one time, means in milliseconds since an earlier one, None of nothing."""

    opened: int
    resolved: int
    mean_ms_to_acknowledge: float | None
    mean_ms_to_resolve: float | None
    opened_by_hour: tuple[tuple[datetime, int], ...] = ()
    """By UTC hour; hours without any are left out."""
