"""A rule as people send it, unchecked. None means absent."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyDraft:
    """What is compared with what: the flat fields of a rule, or one of its conditions."""

    metric_key: str = ""
    type: str = ""
    threshold_mode: str | None = None
    direction: str = ""
    tolerance_percent: float | None = None
    stddev_multiplier: float | None = None
    static_upper: float | None = None
    static_lower: float | None = None
    scope: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelDraft:
    """A level of a rule."""

    severity: str = ""
    trigger_count: int | None = None
    trigger_window_minutes: int | None = None
    recovery_minutes: int | None = None
    tolerance_percent: float | None = None
    stddev_multiplier: float | None = None
    static_upper: float | None = None
    static_lower: float | None = None
    recovery_upper: float | None = None
    recovery_lower: float | None = None
    recovery_tolerance_percent: float | None = None
    recovery_stddev_multiplier: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDraft:
    """A whole rule. `flat` counts when there are no conditions."""

    name: str = ""
    alert_name: str | None = None
    description: str | None = None
    status: str | None = None
    window_minutes: int | None = None
    flat: StrategyDraft = field(default_factory=StrategyDraft)
    baseline_profile_id: int | None = None
    condition_operator: str | None = None
    conditions: tuple[StrategyDraft, ...] = ()
    levels: tuple[LevelDraft, ...] = ()
    auto_recover: bool | None = None
    alerting_profile_id: int | None = None
