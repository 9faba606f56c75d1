"""Rules as the state machine and the vectorised filter need them (contract lumetry 8.2, 19.5)."""

from collections.abc import Iterable, Mapping

from lumetry_core.evaluation.machine import MINUTE_MS, UNLIMITED, Level, Watch
from lumetry_core.rules.model import AlertLevel, Rule, RuleType, Severity

RANK_OF: Mapping[Severity, int] = {severity: rank for rank, severity in enumerate(Severity)}
SEVERITY_OF: Mapping[int, Severity] = {rank: severity for severity, rank in RANK_OF.items()}


def compile_rules(rules: Iterable[Rule], grace_ms: int) -> list[Watch]:
    """Prepares active rules for evaluation. A dynamic rule without baseline judges nothing (contract lumetry 9.2) and is left out."""
    return [compile_rule(rule, grace_ms) for rule in rules if rule.type is RuleType.STATIC]


def compile_rule(rule: Rule, grace_ms: int) -> Watch:
    """Prepares a rule whose levels carry the limits in force.

    A point is clear when it breaches no level and lies inside the recovery limits of the least severe one.
    """
    levels = tuple(sorted((compile_level(level) for level in rule.levels), key=lambda level: level.rank))
    least = min(rule.levels, key=lambda level: RANK_OF[level.severity])
    lowers = [level.lower for level in levels]
    uppers = [level.upper for level in levels]
    if least.recovery_lower is not None:
        lowers.append(least.recovery_lower)
    if least.recovery_upper is not None:
        uppers.append(least.recovery_upper)
    longest = max(level.window_minutes for level in levels)
    return Watch(rule, levels, max(lowers), min(uppers), grace_ms + longest * MINUTE_MS)


def compile_level(level: AlertLevel) -> Level:
    """A level with infinite limits where the rule's direction has none."""
    return Level(
        id=level.id,
        rank=RANK_OF[level.severity],
        lower=-UNLIMITED if level.static_lower is None else level.static_lower,
        upper=UNLIMITED if level.static_upper is None else level.static_upper,
        trigger_count=level.trigger_count,
        window_minutes=level.trigger_window_minutes,
        recovery_minutes=level.recovery_minutes,
    )


def matches(scope: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether labels carry all pairs of a scope."""
    return all(labels.get(name) == value for name, value in scope.items())
