"""Checks what people send for a rule, noting every fault by its path in the contract (lumetry 7.4, 19.5)."""

from collections.abc import Sequence
from dataclasses import replace

from lumetry_core.rules.choices import check_text
from lumetry_core.rules.draft import LevelDraft, RuleDraft, StrategyDraft
from lumetry_core.rules.limits import LIMITS, check_given, check_limits, check_nesting
from lumetry_core.rules.model import (
    SEVERITIES,
    STRATEGY_FIELDS,
    AlertLevel,
    ConditionOperator,
    Definition,
    Direction,
    RuleStatus,
    RuleType,
    Severity,
    Strategy,
    ThresholdMode,
)
from lumetry_core.rules.scalars import check_name, check_number, read_count, read_exact
from lumetry_core.runtime.errors import Faults

MAX_CONDITIONS = 10
WINDOW_MINUTES = (1, 1440)
TRIGGER_COUNT = (1, 1000)
RECOVERY_MINUTES = (0, 1440)
DEFAULT_WINDOW_MINUTES = 5


def check_rule(draft: RuleDraft, faults: Faults) -> Definition:
    """Reads a rule, filling in defaults. The definition is to be used only when no fault was noted.

    The name's uniqueness, the metrics and the profiles are checked by the caller, who can look them up.
    """
    name = check_name(draft.name, "name", faults)
    alert_name = name if draft.alert_name is None else check_name(draft.alert_name, "alertName", faults)
    check_text(draft.description, "description", faults)
    status = read_exact(RuleStatus, draft.status, "status", faults, default=RuleStatus.ACTIVE)
    faults.check(len(draft.conditions) <= MAX_CONDITIONS, "conditions", f"must have at most {MAX_CONDITIONS} items")
    strategies = [read_strategy(strategy, prefix, faults) for strategy, prefix in placed_strategies(draft)]
    window_minutes = read_count(draft.window_minutes, WINDOW_MINUTES, DEFAULT_WINDOW_MINUTES, "windowMinutes", faults)
    operator = read_exact(ConditionOperator, draft.condition_operator, "conditionOperator", faults, default=ConditionOperator.ALL)
    levels = read_levels(draft.levels, faults)
    check_strategies(draft, strategies, levels, faults)
    definition = Definition(
        name=name,
        alert_name=alert_name,
        description=draft.description,
        status=status,
        window_minutes=window_minutes,
        baseline_profile_id=draft.baseline_profile_id,
        condition_operator=operator,
        conditions=tuple(strategies) if len(strategies) > 1 else (),
        levels=(),
        auto_recover=draft.auto_recover is not False,
        alerting_profile_id=draft.alerting_profile_id,
        **{field: getattr(strategies[0], field) for field in STRATEGY_FIELDS},
    )
    return with_levels(definition, levels)


def with_levels(definition: Definition, levels: Sequence[AlertLevel]) -> Definition:
    """The definition with its levels, in the order of severity; without any, one `Warning` level with the defaults."""
    order = list(Severity)
    ordered = sorted(levels, key=lambda level: order.index(level.severity)) or [AlertLevel(0, Severity.WARNING)]
    return replace(definition, levels=tuple(ordered))


def placed_strategies(draft: RuleDraft) -> list[tuple[StrategyDraft, str]]:
    """The strategies that count, each with the path before its fields: the conditions, or the flat fields when there are none.

    Of too many conditions the surplus is not looked at.
    """
    if not draft.conditions:
        return [(draft.flat, "")]
    return [(condition, f"conditions[{position}].") for position, condition in enumerate(draft.conditions[:MAX_CONDITIONS])]


def read_strategy(draft: StrategyDraft, prefix: str, faults: Faults) -> Strategy:
    """Reads a strategy value by value."""
    check_text(draft.metric_key, f"{prefix}metricId", faults)
    check_number(draft.tolerance_percent, f"{prefix}tolerancePercent", faults, least=0)
    check_number(draft.stddev_multiplier, f"{prefix}stddevMultiplier", faults, above=0)
    check_number(draft.static_upper, f"{prefix}staticUpper", faults)
    check_number(draft.static_lower, f"{prefix}staticLower", faults)
    for label, value in draft.scope.items():
        faults.check(bool(label.strip()), f"{prefix}scope", "must not contain a blank label name")
        check_text(label + value, f"{prefix}scope", faults)
    kind = read_exact(RuleType, draft.type, f"{prefix}type", faults)
    return Strategy(
        metric_key=draft.metric_key,
        type=kind,
        threshold_mode=read_mode(draft, prefix, faults),
        direction=read_exact(Direction, draft.direction, f"{prefix}direction", faults),
        tolerance_percent=draft.tolerance_percent,
        stddev_multiplier=draft.stddev_multiplier,
        static_upper=draft.static_upper,
        static_lower=draft.static_lower,
        scope=dict(draft.scope),
    )


def read_mode(draft: StrategyDraft, prefix: str, faults: Faults) -> ThresholdMode | None:
    """Reads the mode, which a dynamic strategy needs and a static one does not have."""
    if draft.type == RuleType.DYNAMIC:
        return read_exact(ThresholdMode, draft.threshold_mode, f"{prefix}thresholdMode", faults)
    if draft.type == RuleType.STATIC:
        faults.check(not draft.threshold_mode, f"{prefix}thresholdMode", "must be null for a static rule")
    return None


def read_levels(drafts: Sequence[LevelDraft], faults: Faults) -> list[AlertLevel]:
    """Reads the levels in the order in which they were sent, still without numbers."""
    levels = []
    seen: set[str] = set()
    for position, draft in enumerate(drafts):
        path = f"alertLevels[{position}]"
        severity = read_exact(SEVERITIES, draft.severity, f"{path}.severity", faults)
        faults.check(draft.severity not in seen, f"{path}.severity", f"must not be {draft.severity} twice")
        if draft.severity:
            seen.add(draft.severity)
        levels.append(
            AlertLevel(
                id=0,
                severity=severity,
                trigger_count=read_count(draft.trigger_count, TRIGGER_COUNT, 1, f"{path}.triggerCount", faults),
                trigger_window_minutes=read_count(draft.trigger_window_minutes, WINDOW_MINUTES, 1, f"{path}.triggerWindowMinutes", faults),
                recovery_minutes=read_count(draft.recovery_minutes, RECOVERY_MINUTES, 5, f"{path}.recoveryMinutes", faults),
                **read_limits(draft, path, faults),
            )
        )
    return levels


def read_limits(level: LevelDraft, path: str, faults: Faults) -> dict[str, float | None]:
    """Reads the limits of a level."""
    limits: dict[str, float | None] = {field: getattr(level, field) for field in LIMITS}
    for field, value in limits.items():
        least = 0 if field.endswith("tolerance_percent") else None
        above = 0 if field.endswith("stddev_multiplier") else None
        check_number(value, f"{path}.{LIMITS[field]}", faults, least=least, above=above)
    return limits


def check_strategies(draft: RuleDraft, strategies: Sequence[Strategy], levels: Sequence[AlertLevel], faults: Faults) -> None:
    """Notes faults in how strategies and levels fit together; a strategy whose words are unknown is not looked at."""
    is_compound = len(draft.conditions) > 1
    if is_compound:
        check_compound_levels(draft, faults)
    for (sent, prefix), strategy in zip(placed_strategies(draft), strategies, strict=True):
        if not is_readable(sent):
            continue
        if is_compound:
            check_given(strategy, prefix, (), faults)
        else:
            check_limits(strategy, prefix, levels, faults)
            known = [(position, level) for position, level in enumerate(levels) if draft.levels[position].severity in SEVERITIES]
            check_nesting(strategy, known, faults)


def is_readable(draft: StrategyDraft) -> bool:
    """Whether the words of a strategy say how it compares."""
    has_mode = draft.type == RuleType.STATIC or (draft.type == RuleType.DYNAMIC and draft.threshold_mode in set(ThresholdMode))
    return has_mode and draft.direction in set(Direction)


def check_compound_levels(draft: RuleDraft, faults: Faults) -> None:
    """Notes levels of a compound rule beyond the one that it has, and limits that no level of it has."""
    faults.check(len(draft.levels) <= 1, "alertLevels", "must have exactly one item in a compound rule")
    for position, level in enumerate(draft.levels):
        for field, path in LIMITS.items():
            faults.check(getattr(level, field) is None, f"alertLevels[{position}].{path}", "must not be given in a compound rule")
