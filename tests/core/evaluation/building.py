"""Rules and series for tests of evaluation."""

from dataclasses import replace
from datetime import UTC, datetime

from lumetry_core.rules.model import AlertLevel, ConditionOperator, Direction, Rule, RuleStatus, RuleType, Severity, resolve_level

EPOCH = datetime(2026, 6, 1, tzinfo=UTC)


def level(severity: Severity = Severity.WARNING, **fields: object) -> AlertLevel:
    return replace(AlertLevel(id=10 + list(Severity).index(severity), severity=severity), **fields)


def rule(*levels: AlertLevel, rule_id: int = 1, **fields: object) -> Rule:
    """A rule as `active_rules` gives it: above 10 unless told otherwise."""
    plain = Rule(
        id=rule_id,
        organization_id=1,
        counting_epoch=1,
        metric_display_name="Load",
        create_time=EPOCH,
        update_time=EPOCH,
        created_by=None,
        name=f"Rule {rule_id}",
        alert_name=f"Alert {rule_id}",
        description=None,
        status=RuleStatus.ACTIVE,
        metric_key="load",
        type=RuleType.STATIC,
        threshold_mode=None,
        window_minutes=5,
        tolerance_percent=None,
        stddev_multiplier=None,
        direction=Direction.ABOVE,
        static_upper=10.0,
        static_lower=None,
        scope={},
        baseline_profile_id=None,
        condition_operator=ConditionOperator.ALL,
        levels=levels or (level(),),
        auto_recover=True,
        alerting_profile_id=None,
    )
    plain = replace(plain, **fields)
    return replace(plain, levels=tuple(resolve_level(plain, one) for one in plain.levels))
