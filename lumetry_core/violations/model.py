"""A violation and how violations are selected (contract lumetry 10.4)."""

from dataclasses import dataclass
from datetime import datetime

from lumetry_core.rules.model import Direction, Severity


@dataclass(frozen=True, slots=True)
class NewViolation:
    """A breach as evaluation found it.

    Args:
        time: Time of the point.
        detect_time: When evaluation recorded the breach.
        dimension_key: None for a single metric.
        alert_id: The alert it belongs to already; None when to none yet.
        job_id: The evaluation job that carried the point.
        rule_epoch: The rule's counting epoch when the point was judged.
        is_late: The point carries no trigger weight.
        analysis: The fleet analysis that found it, which has no rule; None for a rule.
        tick_time: When the analysis judged the point; None for a rule.
    """

    rule_id: int | None
    metric_key: str
    time: datetime
    actual_value: float
    direction: Direction
    severity: Severity
    metric_display_name: str
    detect_time: datetime
    expected_value: float | None = None
    lower_threshold: float | None = None
    upper_threshold: float | None = None
    rule_name: str | None = None
    deviation_percent: float | None = None
    baseline_confidence: str | None = None
    alert_level_id: int | None = None
    dimension_key: str | None = None
    alert_id: int | None = None
    job_id: int | None = None
    rule_epoch: int = 0
    is_late: bool = False
    analysis: str | None = None
    tick_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation(NewViolation):
    """A recorded breach."""

    id: int
    organization_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ViolationFilter:
    """Which violations; None keeps all. The range of `time` is inclusive."""

    metric_key: str | None = None
    rule_id: int | None = None
    severity: Severity | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    dimension_key: str | None = None
    alert_ids: tuple[int, ...] | None = None
    limit: int = 500


@dataclass(frozen=True, slots=True)
class Attachment:
    """Recorded violations of one evaluation series of a rule, by their times, and the alert they become part of."""

    rule_id: int
    dimension_key: str | None
    times: tuple[datetime, ...]
    alert_id: int


@dataclass(frozen=True, slots=True)
class RunAttachment:
    """Recorded violations of one fleet analysis on a member, at the ticks since `start_tick`, and the alert they become part of."""

    metric_key: str
    analysis: str
    dimension_key: str | None
    start_tick: datetime
    alert_id: int


@dataclass(frozen=True, slots=True)
class EvidenceProbe:
    """Asks for an alert's violations of the time `since` and later that were recorded after a time."""

    alert_id: int
    since: datetime
    recorded_after: datetime
