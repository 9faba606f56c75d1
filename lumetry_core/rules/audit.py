"""A rule as the audit log shows it: in the contract's words."""

from lumetry_core.rules.limits import LIMITS
from lumetry_core.rules.model import AlertLevel, Rule, Strategy


def audit_fields(rule: Rule) -> dict[str, object]:
    """The writable fields of a rule (contract lumetry 7.1)."""
    return {
        "name": rule.name,
        "alertName": rule.alert_name,
        "description": rule.description,
        "status": rule.status.value,
        **audit_condition(rule.strategies[0]),
        "windowMinutes": rule.window_minutes,
        "baselineProfileId": rule.baseline_profile_id,
        "conditionOperator": rule.condition_operator.value,
        "conditions": [audit_condition(condition) for condition in rule.strategies],
        "alertLevels": [audit_level(level) for level in rule.levels],
        "autoRecover": rule.auto_recover,
        "alertingProfileId": rule.alerting_profile_id,
    }


def audit_condition(condition: Strategy) -> dict[str, object]:
    """The fields of a condition (contract lumetry 7.2)."""
    return {
        "metricId": condition.metric_key,
        "type": condition.type.value,
        "thresholdMode": condition.threshold_mode.value if condition.threshold_mode else None,
        "direction": condition.direction.value,
        "tolerancePercent": condition.tolerance_percent,
        "stddevMultiplier": condition.stddev_multiplier,
        "staticUpper": condition.static_upper,
        "staticLower": condition.static_lower,
        "scope": dict(condition.scope),
    }


def audit_level(level: AlertLevel) -> dict[str, object]:
    """The fields of a level (contract lumetry 7.3)."""
    return {
        "id": level.id,
        "severity": level.severity.value,
        "triggerCount": level.trigger_count,
        "triggerWindowMinutes": level.trigger_window_minutes,
        "recoveryMinutes": level.recovery_minutes,
        **{path: getattr(level, field) for field, path in LIMITS.items()},
    }
