"""Checks the limits of a rule against each other: needed ones are there, levels nest, recovery lies inside (contract lumetry 7.4, 19.5)."""

from collections.abc import Sequence

from lumetry_core.rules.model import AlertLevel, Direction, RuleType, Severity, Strategy, ThresholdMode, resolve_level
from lumetry_core.rules.scalars import check_order
from lumetry_core.runtime.errors import Faults

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
FIXED = ("static_upper", "static_lower", "recovery_upper", "recovery_lower")
LEARNED_RECOVERY = ("recovery_tolerance_percent", "recovery_stddev_multiplier")


def check_limits(strategy: Strategy, prefix: str, levels: Sequence[AlertLevel], faults: Faults) -> None:
    """Notes limits of a plain rule that are missing, crossed, not nested or of another strategy.

    Args:
        prefix: Where the strategy stands in the request.
        levels: As sent, by position.
    """
    check_given(strategy, prefix, levels, faults)
    for position, level in enumerate(levels):
        path = f"alertLevels[{position}]"
        if strategy.type is RuleType.STATIC:
            check_static_level(strategy, level, path, faults)
        else:
            check_dynamic_level(strategy, level, path, faults)


def check_given(strategy: Strategy, prefix: str, levels: Sequence[AlertLevel], faults: Faults) -> None:
    """Notes limits that the strategy needs and lacks, unless each level brings its own, and crossed ones."""
    reason = strategy.direction if strategy.type is RuleType.STATIC else strategy.threshold_mode
    for field in needed_limits(strategy):
        is_given = getattr(strategy, field) is not None or (bool(levels) and all(getattr(level, field) is not None for level in levels))
        faults.check(is_given, f"{prefix}{LIMITS[field]}", f"is needed for {reason}")
    if strategy.type is RuleType.STATIC:
        check_order(strategy.static_lower, strategy.static_upper, f"{prefix}staticLower", "must not be above staticUpper", faults)


def needed_limits(strategy: Strategy) -> tuple[str, ...]:
    """The limits without which the strategy compares nothing."""
    if strategy.type is RuleType.DYNAMIC:
        return (parameter_of(strategy),)
    direction = strategy.direction
    return (*(("static_upper",) if direction.has_upper else ()), *(("static_lower",) if direction.has_lower else ()))


def parameter_of(strategy: Strategy) -> str:
    """The field that the mode of a dynamic strategy multiplies with."""
    return "stddev_multiplier" if strategy.threshold_mode is ThresholdMode.STDDEV else "tolerance_percent"


def check_dynamic_level(strategy: Strategy, own: AlertLevel, path: str, faults: Faults) -> None:
    """Notes fixed limits of a dynamic rule's level, and a recovery band of another mode or wider than the breach band."""
    for field in FIXED:
        faults.check(getattr(own, field) is None, f"{path}.{LIMITS[field]}", "must not be given for a dynamic rule")
    field = parameter_of(strategy)
    for recovery in LEARNED_RECOVERY:
        if recovery != f"recovery_{field}":
            faults.check(getattr(own, recovery) is None, f"{path}.{LIMITS[recovery]}", f"must not be given for {strategy.threshold_mode}")
    recovery = f"recovery_{field}"
    breach = getattr(resolve_level(strategy, own), field)
    check_order(getattr(own, recovery), breach, f"{path}.{LIMITS[recovery]}", f"must not be above {LIMITS[field]}", faults)


def check_static_level(strategy: Strategy, own: AlertLevel, path: str, faults: Faults) -> None:
    """Notes crossed limits of a static rule's level, and recovery limits of a dynamic one or outside the breach limits."""
    level = resolve_level(strategy, own)
    if own.static_lower is not None or own.static_upper is not None:
        check_order(level.static_lower, level.static_upper, f"{path}.staticLower", "must not be above the upper limit", faults)
    for field in LEARNED_RECOVERY:
        faults.check(getattr(own, field) is None, f"{path}.{LIMITS[field]}", "must not be given for a static rule")
    check_recovery(level, own, strategy.direction, path, faults)


def check_recovery(level: AlertLevel, own: AlertLevel, direction: Direction, path: str, faults: Faults) -> None:
    """Notes fixed recovery limits outside the breach limits.

    Args:
        level: With the limits in force.
        own: As sent.
    """
    if own.recovery_upper is not None:
        faults.check(direction.has_upper, f"{path}.recoveryUpper", f"must not be given for {direction}")
        check_order(level.recovery_upper, level.static_upper, f"{path}.recoveryUpper", "must not be above the upper limit", faults)
    if own.recovery_lower is not None:
        faults.check(direction.has_lower, f"{path}.recoveryLower", f"must not be given for {direction}")
        check_order(level.static_lower, level.recovery_lower, f"{path}.recoveryLower", "must not be below the lower limit", faults)
    if own.recovery_upper is not None or own.recovery_lower is not None:
        field = "recoveryLower" if own.recovery_lower is not None else "recoveryUpper"
        check_order(level.recovery_lower, level.recovery_upper, f"{path}.{field}", "must leave values at which the alert recovers", faults)


def check_nesting(strategy: Strategy, levels: Sequence[tuple[int, AlertLevel]], faults: Faults) -> None:
    """Notes a `Critical` limit inside the `Warning` limit.

    Args:
        levels: As sent, with their positions.
    """
    resolved = [(position, resolve_level(strategy, level)) for position, level in levels]
    warning = next((level for _, level in resolved if level.severity is Severity.WARNING), None)
    if warning is None:
        return
    for position, critical in resolved:
        if critical.severity is not Severity.CRITICAL:
            continue
        path = f"alertLevels[{position}]"
        for field in ("tolerance_percent", "stddev_multiplier", "static_upper"):
            inner, outer = getattr(warning, field), getattr(critical, field)
            check_order(inner, outer, f"{path}.{LIMITS[field]}", "must not be below the Warning limit", faults)
        message = "must not be above the Warning limit"
        check_order(critical.static_lower, warning.static_lower, f"{path}.staticLower", message, faults)
