"""What snapshots count (contract workspace 11.2 and 12)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lumetry_core.rules.model import Severity


@dataclass(frozen=True, slots=True)
class SeverityCounts:
    """Active alerts by severity."""

    critical: int = 0
    warning: int = 0
    info: int = 0


def count_severities(severities: Iterable[Severity]) -> SeverityCounts:
    """How many there are of each."""
    counts = Counter(severities)
    return SeverityCounts(counts[Severity.CRITICAL], counts[Severity.WARNING], counts[Severity.INFO])


@dataclass(frozen=True, slots=True)
class IncidentFigures:
    """`opened` and `resolved` within 24 hours. Mean times, in seconds, over seven days; None without data."""

    open: int = 0
    acknowledged: int = 0
    critical: int = 0
    opened: int = 0
    resolved: int = 0
    mean_to_acknowledge: int | None = None
    mean_to_resolve: int | None = None


@dataclass(frozen=True, slots=True)
class AlertFigures:
    """`fired` within 24 hours; `by_source` has every source of the contract."""

    active: SeverityCounts = SeverityCounts()
    silenced: int = 0
    fired: int = 0
    by_source: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FleetFigures:
    """Agents or collectors."""

    total: int = 0
    online: int = 0
    offline: int = 0
    disabled: int = 0


@dataclass(frozen=True, slots=True)
class MachineFigures:
    """Machines by status."""

    total: int = 0
    healthy: int = 0
    warning: int = 0
    critical: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class IngestFigures:
    """What comes in; log figures are None for whoever may not see logs."""

    metric_points_per_second: float = 0
    metric_points: int = 0
    log_entries_per_second: float | None = None
    log_entries: int | None = None
    log_bytes: int | None = None
    external_events: int = 0
    pings: int = 0
    checks: int = 0


@dataclass(frozen=True, slots=True)
class PipelineFigures:
    """What waits inside."""

    evaluation_backlog: int = 0
    """Jobs."""
    oldest_unevaluated_seconds: int = 0
    delivery_backlog: int = 0
    failed_deliveries: int = 0


@dataclass(frozen=True, slots=True)
class LogFigures:
    """Log entries and error groups; all but `open_groups` within 24 hours."""

    entries: int = 0
    errors: int = 0
    open_groups: int = 0
    new_groups: int = 0
    regressed_groups: int = 0


@dataclass(frozen=True, slots=True)
class Trends:
    """Hour by hour, 24 of each, the oldest first, the running hour last."""

    start: datetime
    alerts_fired: Sequence[int]
    incidents_opened: Sequence[int]
    log_errors: Sequence[int] | None
    metric_points: Sequence[int]
