"""A rule as it is stored (contract lumetry 7.1 to 7.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """How bad, in rising order."""

    WARNING = "Warning"
    CRITICAL = "Critical"


class RuleStatus(StrEnum):
    """Only active rules are evaluated."""

    ACTIVE = "Active"
    DISABLED = "Disabled"
    DRAFT = "Draft"


class RuleType(StrEnum):
    """Where limits come from: fixed numbers or a learned baseline."""

    STATIC = "Static"
    DYNAMIC = "Dynamic"


class ThresholdMode(StrEnum):
    """How a dynamic rule derives limits from its baseline."""

    PERCENTAGE = "Percentage"
    STDDEV = "Stddev"
    ENVELOPE = "Envelope"


class Direction(StrEnum):
    """Which limits count."""

    ABOVE = "Above"
    BELOW = "Below"
    BOTH = "Both"

    @property
    def has_upper(self) -> bool:
        """Whether a value above the upper limit breaches."""
        return self is not Direction.BELOW

    @property
    def has_lower(self) -> bool:
        """Whether a value below the lower limit breaches."""
        return self is not Direction.ABOVE


class ConditionOperator(StrEnum):
    """How conditions combine."""

    ALL = "All"
    ANY = "Any"


@dataclass(frozen=True, slots=True)
class AlertLevel:
    """When violations become an alert of a severity, and when it closes.

    Limits are None where the rule's count (breach) or the breach limits count (recovery), except in rules from `active_rules`.
    """

    id: int
    severity: Severity
    trigger_count: int = 1
    trigger_window_minutes: int = 1
    recovery_minutes: int = 5
    tolerance_percent: float | None = None
    stddev_multiplier: float | None = None
    static_upper: float | None = None
    static_lower: float | None = None
    recovery_upper: float | None = None
    recovery_lower: float | None = None
    recovery_tolerance_percent: float | None = None
    recovery_stddev_multiplier: float | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """What people write of a rule, checked and with every default filled in. Levels are sorted by severity."""

    name: str
    alert_name: str
    description: str | None
    status: RuleStatus
    metric_key: str
    type: RuleType
    threshold_mode: ThresholdMode | None
    window_minutes: int
    tolerance_percent: float | None
    stddev_multiplier: float | None
    direction: Direction
    static_upper: float | None
    static_lower: float | None
    scope: Mapping[str, str]
    baseline_profile_id: int | None
    condition_operator: ConditionOperator
    levels: tuple[AlertLevel, ...]
    auto_recover: bool
    alerting_profile_id: int | None


@dataclass(frozen=True, slots=True)
class Rule(Definition):
    """A stored rule.

    `counting_epoch` rises when counting for triggers starts anew. `metric_display_name` is the metric's present one.
    """

    id: int
    organization_id: int
    counting_epoch: int
    metric_display_name: str
    create_time: datetime
    update_time: datetime
    created_by: int | None

    @property
    def is_active(self) -> bool:
        """Whether the rule is evaluated while its metric is evaluable."""
        return self.status is RuleStatus.ACTIVE


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """Counts of an organization's rules."""

    total_count: int
    active_count: int


def resolve_level(definition: Definition, level: AlertLevel) -> AlertLevel:
    """The level with the limits in force: its own or the rule's, None where the direction has no limit.

    Recovery limits that are not given equal the breach limits.
    """
    upper = level.static_upper if level.static_upper is not None else definition.static_upper
    lower = level.static_lower if level.static_lower is not None else definition.static_lower
    upper = upper if definition.direction.has_upper else None
    lower = lower if definition.direction.has_lower else None
    recovery_upper = level.recovery_upper if level.recovery_upper is not None else upper
    recovery_lower = level.recovery_lower if level.recovery_lower is not None else lower
    return replace(
        level,
        static_upper=upper,
        static_lower=lower,
        recovery_upper=recovery_upper if definition.direction.has_upper else None,
        recovery_lower=recovery_lower if definition.direction.has_lower else None,
    )


def strategy_of(definition: Definition) -> tuple[object, ...]:
    """All that makes counting for triggers start anew when it changes: strategy, scope and levels (contract lumetry 7.5)."""
    return (
        definition.metric_key,
        definition.type,
        definition.threshold_mode,
        definition.window_minutes,
        definition.tolerance_percent,
        definition.stddev_multiplier,
        definition.direction,
        definition.static_upper,
        definition.static_lower,
        dict(definition.scope),
        definition.baseline_profile_id,
        definition.condition_operator,
        tuple(replace(level, id=0) for level in definition.levels),
    )
