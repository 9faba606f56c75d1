"""Checks what people send for a rule, noting every fault by its path in the contract (lumetry 7.4, 19.5).

This version has no baselines, no profiles and no compound rules; what needs them is a fault that says so.
"""

import math
from enum import StrEnum
from typing import TypeVar

from lumetry_core.rules.choices import check_text
from lumetry_core.rules.draft import LevelDraft, RuleDraft, StrategyDraft
from lumetry_core.rules.model import (
    AlertLevel,
    ConditionOperator,
    Definition,
    Direction,
    RuleStatus,
    RuleType,
    Severity,
    ThresholdMode,
    resolve_level,
)
from lumetry_core.runtime.errors import Faults

MAX_NAME = 200
MAX_CONDITIONS = 10
WINDOW_MINUTES = (1, 1440)
TRIGGER_COUNT = (1, 1000)
RECOVERY_MINUTES = (0, 1440)
DEFAULT_WINDOW_MINUTES = 5

Choice = TypeVar("Choice", bound=StrEnum)


def check_rule(draft: RuleDraft, faults: Faults) -> Definition:
    """Reads a rule, filling in defaults. The definition is to be used only when no fault was noted.

    The name's uniqueness and the metric are checked by the caller, who can look them up.
    """
    if len(draft.conditions) > 1:
        check_conditions(draft, faults)
    strategy, prefix = (draft.conditions[0], "conditions[0].") if draft.conditions else (draft.flat, "")
    name = check_name(draft.name, "name", faults)
    alert_name = name if draft.alert_name is None else check_name(draft.alert_name, "alertName", faults)
    check_text(draft.description, "description", faults)
    faults.check(draft.baseline_profile_id is None, "baselineProfileId", f"baseline profile {draft.baseline_profile_id} does not exist")
    faults.check(draft.alerting_profile_id is None, "alertingProfileId", f"alerting profile {draft.alerting_profile_id} does not exist")
    definition = Definition(
        name=name,
        alert_name=alert_name,
        description=draft.description,
        status=read_exact(RuleStatus, draft.status, "status", faults, default=RuleStatus.ACTIVE),
        metric_key=strategy.metric_key,
        type=read_exact(RuleType, strategy.type, f"{prefix}type", faults),
        threshold_mode=check_strategy(strategy, prefix, faults),
        window_minutes=read_count(draft.window_minutes, WINDOW_MINUTES, DEFAULT_WINDOW_MINUTES, "windowMinutes", faults),
        tolerance_percent=strategy.tolerance_percent,
        stddev_multiplier=strategy.stddev_multiplier,
        direction=read_exact(Direction, strategy.direction, f"{prefix}direction", faults),
        static_upper=strategy.static_upper,
        static_lower=strategy.static_lower,
        scope=dict(strategy.scope),
        baseline_profile_id=draft.baseline_profile_id,
        condition_operator=read_exact(
            ConditionOperator, draft.condition_operator, "conditionOperator", faults, default=ConditionOperator.ALL
        ),
        levels=(),
        auto_recover=draft.auto_recover is not False,
        alerting_profile_id=draft.alerting_profile_id,
    )
    levels = check_levels(draft, faults)
    if strategy.type == RuleType.STATIC and strategy.direction in set(Direction) and len(draft.conditions) <= 1:
        check_static_limits(definition, levels, prefix, faults)
    return with_levels(definition, levels)


def with_levels(definition: Definition, levels: tuple[AlertLevel, ...]) -> Definition:
    """The definition with its levels, in the order of severity; without any, one `Warning` level with the defaults."""
    order = list(Severity)
    ordered = sorted(levels, key=lambda level: order.index(level.severity)) or [AlertLevel(0, Severity.WARNING)]
    fields = {name: getattr(definition, name) for name in Definition.__dataclass_fields__}
    return Definition(**{**fields, "levels": tuple(ordered)})


def check_conditions(draft: RuleDraft, faults: Faults) -> None:
    """Notes what is wrong with a compound rule."""
    if len(draft.conditions) > MAX_CONDITIONS:
        faults.add("conditions", f"must have at most {MAX_CONDITIONS} items")
    faults.add("conditions", "compound rules are evaluated in cycles, which this version does not have yet")
    for position, condition in enumerate(draft.conditions[1:], start=1):
        prefix = f"conditions[{position}]."
        read_exact(RuleType, condition.type, f"{prefix}type", faults)
        read_exact(Direction, condition.direction, f"{prefix}direction", faults)
        check_strategy(condition, prefix, faults)
        check_own_limits(condition, prefix, faults)
    check_own_limits(draft.conditions[0], "conditions[0].", faults)
    faults.check(len(draft.levels) <= 1, "alertLevels", "must have exactly one item in a compound rule")
    for position, level in enumerate(draft.levels):
        for field, path in LIMITS.items():
            faults.check(getattr(level, field) is None, f"alertLevels[{position}].{path}", "must not be given in a compound rule")


def check_own_limits(condition: StrategyDraft, prefix: str, faults: Faults) -> None:
    """Notes limits that a static condition of a compound rule needs and lacks."""
    if condition.type != RuleType.STATIC or condition.direction not in set(Direction):
        return
    direction = Direction(condition.direction)
    faults.check(condition.static_upper is not None or not direction.has_upper, f"{prefix}staticUpper", f"is needed for {direction}")
    faults.check(condition.static_lower is not None or not direction.has_lower, f"{prefix}staticLower", f"is needed for {direction}")
    check_order(condition.static_lower, condition.static_upper, f"{prefix}staticLower", "staticUpper", faults)


def check_strategy(strategy: StrategyDraft, prefix: str, faults: Faults) -> ThresholdMode | None:
    """Notes faults in the numbers, scope and mode of a strategy; answers its mode."""
    check_text(strategy.metric_key, f"{prefix}metricId", faults)
    check_number(strategy.tolerance_percent, f"{prefix}tolerancePercent", faults, least=0)
    check_number(strategy.stddev_multiplier, f"{prefix}stddevMultiplier", faults, above=0)
    check_number(strategy.static_upper, f"{prefix}staticUpper", faults)
    check_number(strategy.static_lower, f"{prefix}staticLower", faults)
    for label, value in strategy.scope.items():
        faults.check(bool(label.strip()), f"{prefix}scope", "must not contain a blank label name")
        check_text(label + value, f"{prefix}scope", faults)
    if strategy.type == RuleType.STATIC:
        faults.check(not strategy.threshold_mode, f"{prefix}thresholdMode", "must be null for a static rule")
        return None
    if strategy.type != RuleType.DYNAMIC:
        return None
    faults.add(f"{prefix}type", "dynamic rules need baselines, which this version does not have yet")
    mode = read_exact(ThresholdMode, strategy.threshold_mode, f"{prefix}thresholdMode", faults)
    if strategy.threshold_mode == ThresholdMode.STDDEV:
        faults.check(strategy.stddev_multiplier is not None, f"{prefix}stddevMultiplier", "is needed for Stddev")
    elif strategy.threshold_mode in set(ThresholdMode):
        faults.check(strategy.tolerance_percent is not None, f"{prefix}tolerancePercent", f"is needed for {mode}")
    return mode


def check_levels(draft: RuleDraft, faults: Faults) -> tuple[AlertLevel, ...]:
    """Reads the levels in the order in which they were sent, still without numbers."""
    levels = []
    seen: set[str] = set()
    for position, level in enumerate(draft.levels):
        path = f"alertLevels[{position}]"
        severity = read_exact(Severity, level.severity, f"{path}.severity", faults)
        faults.check(level.severity not in seen, f"{path}.severity", f"must not be {level.severity} twice")
        if level.severity:
            seen.add(level.severity)
        levels.append(
            AlertLevel(
                id=0,
                severity=severity,
                trigger_count=read_count(level.trigger_count, TRIGGER_COUNT, 1, f"{path}.triggerCount", faults),
                trigger_window_minutes=read_count(level.trigger_window_minutes, WINDOW_MINUTES, 1, f"{path}.triggerWindowMinutes", faults),
                recovery_minutes=read_count(level.recovery_minutes, RECOVERY_MINUTES, 5, f"{path}.recoveryMinutes", faults),
                **read_limits(level, path, faults),
            )
        )
    return tuple(levels)


LIMITS = {
    "tolerance_percent": "tolerancePercent",
    "stddev_multiplier": "stddevMultiplier",
    "static_upper": "staticUpper",
    "static_lower": "staticLower",
    "recovery_upper": "recoveryUpper",
    "recovery_lower": "recoveryLower",
    "recovery_tolerance_percent": "recoveryTolerancePercent",
    "recovery_stddev_multiplier": "recoveryStddevMultiplier",
}
"""The limits of a level, and their names in the contract."""
DYNAMIC_RECOVERY = ("recovery_tolerance_percent", "recovery_stddev_multiplier")


def read_limits(level: LevelDraft, path: str, faults: Faults) -> dict[str, float | None]:
    """Reads the limits of a level."""
    limits: dict[str, float | None] = {field: getattr(level, field) for field in LIMITS}
    for field, value in limits.items():
        least = 0 if field.endswith("tolerance_percent") else None
        above = 0 if field.endswith("stddev_multiplier") else None
        check_number(value, f"{path}.{LIMITS[field]}", faults, least=least, above=above)
    return limits


def check_static_limits(definition: Definition, levels: tuple[AlertLevel, ...], prefix: str, faults: Faults) -> None:
    """Notes limits of a plain static rule that are missing, crossed, or not nested: Critical outside Warning, recovery inside both."""
    direction = definition.direction
    resolved = [resolve_level(definition, level) for level in levels]
    for field, path, counts in (
        ("static_upper", "staticUpper", direction.has_upper),
        ("static_lower", "staticLower", direction.has_lower),
    ):
        given = getattr(definition, field) is not None or (levels and all(getattr(level, field) is not None for level in levels))
        faults.check(bool(given) or not counts, f"{prefix}{path}", f"is needed for {direction}")
    check_order(definition.static_lower, definition.static_upper, f"{prefix}staticLower", "staticUpper", faults)
    for position, (level, own) in enumerate(zip(resolved, levels, strict=True)):
        path = f"alertLevels[{position}]"
        if own.static_lower is not None or own.static_upper is not None:
            check_order(level.static_lower, level.static_upper, f"{path}.staticLower", "the upper limit", faults)
        for field in DYNAMIC_RECOVERY:
            faults.check(getattr(own, field) is None, f"{path}.{LIMITS[field]}", "must not be given for a static rule")
        check_recovery(level, own, direction, path, faults)
    check_nesting(resolved, faults)


def check_recovery(level: AlertLevel, own: AlertLevel, direction: Direction, path: str, faults: Faults) -> None:
    """Notes recovery limits outside the breach limits.

    Args:
        level: With the limits in force.
        own: As sent.
    """
    if own.recovery_upper is not None:
        faults.check(direction.has_upper, f"{path}.recoveryUpper", f"must not be given for {direction}")
        check_order(level.recovery_upper, level.static_upper, f"{path}.recoveryUpper", "the upper limit", faults)
    if own.recovery_lower is not None:
        faults.check(direction.has_lower, f"{path}.recoveryLower", f"must not be given for {direction}")
        if level.recovery_lower is not None and level.static_lower is not None:
            faults.check(level.recovery_lower >= level.static_lower, f"{path}.recoveryLower", "must not be below the lower limit")
    if own.recovery_upper is not None or own.recovery_lower is not None:
        field = "recoveryLower" if own.recovery_lower is not None else "recoveryUpper"
        if level.recovery_lower is not None and level.recovery_upper is not None:
            faults.check(level.recovery_lower <= level.recovery_upper, f"{path}.{field}", "must leave values at which the alert recovers")


def check_nesting(resolved: list[AlertLevel], faults: Faults) -> None:
    """Notes a `Critical` limit inside the `Warning` limit."""
    by_severity = {level.severity: (position, level) for position, level in enumerate(resolved)}
    if set(by_severity) != {Severity.WARNING, Severity.CRITICAL}:
        return
    position, critical = by_severity[Severity.CRITICAL]
    _, warning = by_severity[Severity.WARNING]
    if critical.static_upper is not None and warning.static_upper is not None:
        holds = critical.static_upper >= warning.static_upper
        faults.check(holds, f"alertLevels[{position}].staticUpper", "must not be below the Warning limit")
    if critical.static_lower is not None and warning.static_lower is not None:
        holds = critical.static_lower <= warning.static_lower
        faults.check(holds, f"alertLevels[{position}].staticLower", "must not be above the Warning limit")


def check_order(low: float | None, high: float | None, path: str, other: str, faults: Faults) -> None:
    """Notes a fault when both are given and the first is above the second."""
    faults.check(low is None or high is None or low <= high, path, f"must not be above {other}")


def check_name(value: str, path: str, faults: Faults) -> str:
    """Reads a name for people."""
    name = value.strip()
    faults.check(1 <= len(name) <= MAX_NAME, path, f"must have between 1 and {MAX_NAME} characters")
    check_text(name, path, faults)
    return name


def check_number(value: float | None, path: str, faults: Faults, *, least: float | None = None, above: float | None = None) -> None:
    """Notes a number outside its range."""
    if value is None:
        return
    if not math.isfinite(value):
        faults.add(path, "must be a finite number")
    elif least is not None:
        faults.check(value >= least, path, f"must be at least {least}")
    elif above is not None:
        faults.check(value > above, path, f"must be above {above}")


def read_count(value: int | None, bounds: tuple[int, int], default: int, path: str, faults: Faults) -> int:
    """Reads a whole number within bounds, both included."""
    if value is None:
        return default
    faults.check(bounds[0] <= value <= bounds[1], path, f"must be between {bounds[0]} and {bounds[1]}")
    return value


def read_exact(kind: type[Choice], value: str | None, path: str, faults: Faults, *, default: Choice | None = None) -> Choice:
    """Reads a value of an enumeration in its exact spelling; a fault leaves the first one."""
    if value is None and default is not None:
        return default
    if value in set(kind):
        return kind(value)
    faults.add(path, f"must be one of {', '.join(kind)}")
    return next(iter(kind))
