"""Rules as the state machine and the vectorised filter need them (contract lumetry 8.2, 9.2, 19.5)."""

from collections.abc import Iterable, Mapping

from lumetry_core.baselines.model import BaselineProfile
from lumetry_core.evaluation.limits import UNLIMITED, Learning, Limits, finite
from lumetry_core.evaluation.machine import MINUTE_MS, Level, Watch
from lumetry_core.rules.model import SEVERITIES, AlertLevel, Rule, RuleType, Severity, ThresholdMode

RANK_OF: Mapping[Severity, int] = {severity: rank for rank, severity in enumerate(SEVERITIES)}
SEVERITY_OF: Mapping[int, Severity] = {rank: severity for severity, rank in RANK_OF.items()}


def compile_rules(rules: Iterable[Rule], profiles: Mapping[int | None, BaselineProfile], grace_ms: int) -> list[Watch]:
    """Prepares plain active rules for evaluation; compound ones are judged in cycles."""
    return [compile_rule(rule, profiles.get(rule.baseline_profile_id), grace_ms) for rule in rules if not rule.is_compound]


def compile_rule(rule: Rule, profile: BaselineProfile | None, grace_ms: int) -> Watch:
    """Prepares a rule whose levels carry the limits in force.

    Args:
        profile: The profile of a dynamic rule.
    """
    ordered = sorted(rule.levels, key=lambda level: RANK_OF[level.severity])
    levels = tuple(compile_level(level) for level in ordered)
    memory_ms = grace_ms + max(level.window_minutes for level in levels) * MINUTE_MS
    if rule.type is RuleType.STATIC:
        return Watch(rule, levels, fixed_limits(ordered), None, memory_ms)
    if profile is None:
        raise ValueError(f"rule {rule.id} needs a baseline profile")
    return Watch(rule, levels, None, describe_learning(rule, ordered, profile), memory_ms)


def compile_level(level: AlertLevel) -> Level:
    """A level without its limits."""
    return Level(level.id, RANK_OF[level.severity], level.trigger_count, level.trigger_window_minutes, level.recovery_minutes)


def fixed_limits(levels: Iterable[AlertLevel]) -> Limits:
    """The limits of a static rule's levels, in rising severity.

    A point is clear when it breaches no level and lies inside the recovery limits of the least severe one.
    """
    ordered = list(levels)
    lowers = tuple(-UNLIMITED if level.static_lower is None else level.static_lower for level in ordered)
    uppers = tuple(UNLIMITED if level.static_upper is None else level.static_upper for level in ordered)
    least = ordered[0]
    return Limits(
        lowers=lowers,
        uppers=uppers,
        clear_lower=max(lowers if least.recovery_lower is None else (*lowers, least.recovery_lower)),
        clear_upper=min(uppers if least.recovery_upper is None else (*uppers, least.recovery_upper)),
        shown=tuple((finite(lower), finite(upper)) for lower, upper in zip(lowers, uppers, strict=True)),
    )


def describe_learning(rule: Rule, levels: Iterable[AlertLevel], profile: BaselineProfile) -> Learning:
    """How the limits of a dynamic rule's levels, in rising severity, are drawn."""
    mode = ThresholdMode(rule.threshold_mode or ThresholdMode.STDDEV)
    ordered = list(levels)
    parameters = tuple(parameter_of(level, mode) for level in ordered)
    recovery = ordered[0].recovery_stddev_multiplier if mode is ThresholdMode.STDDEV else ordered[0].recovery_tolerance_percent
    return Learning(
        profile_id=profile.id,
        half=rule.window_minutes // 2,
        minimum_points=profile.minimum_points,
        mode=mode,
        direction=rule.direction,
        parameters=parameters,
        recovery_parameter=min(parameters if recovery is None else (*parameters, recovery)),
    )


def parameter_of(level: AlertLevel, mode: ThresholdMode) -> float:
    """What the mode multiplies with; rules are checked to have it."""
    parameter = level.stddev_multiplier if mode is ThresholdMode.STDDEV else level.tolerance_percent
    if parameter is None:
        raise ValueError(f"level {level.id} has no parameter for {mode}")
    return parameter


def matches(scope: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether labels carry all pairs of a scope."""
    return all(labels.get(name) == value for name, value in scope.items())
