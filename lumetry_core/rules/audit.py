"""A rule as the audit log shows it: in the contract's words."""

from lumetry_core.rules.model import AlertLevel, Rule
from lumetry_core.rules.validation import LIMITS


def audit_fields(rule: Rule) -> dict[str, object]:
    """The writable fields of a rule (contract lumetry 7.1)."""
    return {
        "name": rule.name,
        "alertName": rule.alert_name,
        "description": rule.description,
        "status": rule.status.value,
        "metricId": rule.metric_key,
        "type": rule.type.value,
        "thresholdMode": rule.threshold_mode.value if rule.threshold_mode else None,
        "windowMinutes": rule.window_minutes,
        "tolerancePercent": rule.tolerance_percent,
        "stddevMultiplier": rule.stddev_multiplier,
        "direction": rule.direction.value,
        "staticUpper": rule.static_upper,
        "staticLower": rule.static_lower,
        "scope": dict(rule.scope),
        "baselineProfileId": rule.baseline_profile_id,
        "conditionOperator": rule.condition_operator.value,
        "alertLevels": [audit_level(level) for level in rule.levels],
        "autoRecover": rule.auto_recover,
        "alertingProfileId": rule.alerting_profile_id,
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
