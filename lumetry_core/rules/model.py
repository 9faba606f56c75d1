"""A rule as it is stored (contract lumetry 7.1 to 7.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """How bad, in rising order. Only monitors raise `Info`, which lies below what rules, integrations and incidents know."""

    INFO = "Info"
    WARNING = "Warning"
    CRITICAL = "Critical"


SEVERITIES = (Severity.WARNING, Severity.CRITICAL)
"""Those that people choose for rules and ask for."""


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


class BaselineState(StrEnum):
    """Whether what a dynamic rule compares with has been learned from the past."""

    LEARNING = "Learning"
    READY = "Ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """What is compared with what: the flat fields of a plain rule, or one condition of a compound one."""

    metric_key: str
    type: RuleType
    threshold_mode: ThresholdMode | None
    direction: Direction
    tolerance_percent: float | None
    stddev_multiplier: float | None
    static_upper: float | None
    static_lower: float | None
    scope: Mapping[str, str]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What people write of a rule, checked and with every default filled in. Levels are sorted by severity.

    A compound rule has 2 to 10 `conditions`, of which its flat strategy fields repeat the first; a plain rule has none.
    """

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
    conditions: tuple[Strategy, ...] = ()
    levels: tuple[AlertLevel, ...]
    auto_recover: bool
    alerting_profile_id: int | None

    @property
    def is_compound(self) -> bool:
        """Whether several conditions make one alarm, judged in cycles."""
        return bool(self.conditions)

    @property
    def strategies(self) -> tuple[Strategy, ...]:
        """The conditions, of which a plain rule has one, made of its flat fields."""
        return self.conditions or (Strategy(**{name: getattr(self, name) for name in STRATEGY_FIELDS}),)

    @property
    def metric_keys(self) -> tuple[str, ...]:
        """The keys of all watched metrics, each once, in the order of the conditions."""
        return tuple(dict.fromkeys(condition.metric_key for condition in self.conditions)) or (self.metric_key,)

    @property
    def dynamic_metric_keys(self) -> tuple[str, ...]:
        """The keys of the metrics that are compared with a baseline, each once."""
        return tuple(dict.fromkeys(one.metric_key for one in self.strategies if one.type is RuleType.DYNAMIC))


STRATEGY_FIELDS = tuple(field.name for field in fields(Strategy))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Definition):
    """A stored rule.

    `counting_epoch` rises when counting for triggers starts anew. The last three tell of the present: the metric's display name, why an
    active rule is paused (None: it is not), and how far the baselines of a dynamic rule are (`active_rules` leaves that out).
    """

    id: int
    organization_id: int
    counting_epoch: int
    create_time: datetime
    update_time: datetime
    created_by: int | None
    metric_display_name: str
    pause_reason: str | None = None
    baseline_state: BaselineState | None = None

    @property
    def is_active(self) -> bool:
        """Whether the rule is evaluated while its metrics are evaluable."""
        return self.status is RuleStatus.ACTIVE


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """Counts of an organization's rules."""

    total_count: int
    active_count: int


def resolve_level(strategy: Definition | Strategy, level: AlertLevel) -> AlertLevel:
    """The level with the limits in force: its own or those of the rule or condition; None where the strategy has no such limit.

    Recovery limits that are not given equal the breach limits. Levels of a compound rule have no limits of their own: each condition's
    are found by resolving its strategy.
    """
    if strategy.type is RuleType.STATIC:
        return resolve_static(strategy, level)
    mode = strategy.threshold_mode
    tolerance = first_given(level.tolerance_percent, strategy.tolerance_percent) if mode is not ThresholdMode.STDDEV else None
    multiplier = first_given(level.stddev_multiplier, strategy.stddev_multiplier) if mode is ThresholdMode.STDDEV else None
    return replace(
        level,
        tolerance_percent=tolerance,
        stddev_multiplier=multiplier,
        static_upper=None,
        static_lower=None,
        recovery_upper=None,
        recovery_lower=None,
        recovery_tolerance_percent=None if tolerance is None else first_given(level.recovery_tolerance_percent, tolerance),
        recovery_stddev_multiplier=None if multiplier is None else first_given(level.recovery_stddev_multiplier, multiplier),
    )


def resolve_static(strategy: Definition | Strategy, level: AlertLevel) -> AlertLevel:
    """The level with fixed limits; None where the direction has no limit."""
    upper = first_given(level.static_upper, strategy.static_upper) if strategy.direction.has_upper else None
    lower = first_given(level.static_lower, strategy.static_lower) if strategy.direction.has_lower else None
    return replace(
        level,
        tolerance_percent=None,
        stddev_multiplier=None,
        static_upper=upper,
        static_lower=lower,
        recovery_upper=first_given(level.recovery_upper, upper) if strategy.direction.has_upper else None,
        recovery_lower=first_given(level.recovery_lower, lower) if strategy.direction.has_lower else None,
        recovery_tolerance_percent=None,
        recovery_stddev_multiplier=None,
    )


def first_given(own: float | None, other: float | None) -> float | None:
    """The first of two limits that is given."""
    return own if own is not None else other


def strategy_of(definition: Definition) -> tuple[object, ...]:
    """All that makes counting for triggers start anew when it changes: strategy, scope and levels (contract lumetry 7.5)."""
    return (
        definition.strategies,
        definition.window_minutes,
        definition.baseline_profile_id,
        definition.condition_operator,
        tuple(replace(level, id=0) for level in definition.levels),
    )
