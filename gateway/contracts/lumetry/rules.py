"""Rules (contract lumetry 7, 19.5). Defaults, ranges and required fields are the core's business; here are spellings and JSON types."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from gateway.contracts.lumetry.values import Id, Int32, Page, PageNumber, PageSize, Time, make_page, optional_value
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.rules.v1 import rule_pb2, rule_service_pb2

DEFAULT_PAGE_SIZE = 25


class RuleFilters(msgspec.Struct, rename="camel"):
    """Which rules."""

    search: str | None = None
    status: Literal["Active", "Disabled", "Draft"] | None = None
    page: PageNumber = 1
    page_size: PageSize = DEFAULT_PAGE_SIZE


class ConditionBody(msgspec.Struct, rename="camel"):
    """A condition as written."""

    metric_id: str = ""
    type: str = ""
    threshold_mode: str | None = None
    direction: str = ""
    tolerance_percent: float | None = None
    stddev_multiplier: float | None = None
    static_upper: float | None = None
    static_lower: float | None = None
    scope: dict[str, str] | None = None


class LevelBody(msgspec.Struct, rename="camel"):
    """An alert level as written."""

    severity: str = ""
    trigger_count: Int32 | None = None
    trigger_window_minutes: Int32 | None = None
    recovery_minutes: Int32 | None = None
    tolerance_percent: float | None = None
    stddev_multiplier: float | None = None
    static_upper: float | None = None
    static_lower: float | None = None
    recovery_upper: float | None = None
    recovery_lower: float | None = None
    recovery_tolerance_percent: float | None = None
    recovery_stddev_multiplier: float | None = None


class RuleBody(msgspec.Struct, rename="camel"):
    """A rule as written; with `conditions` the flat strategy fields are ignored."""

    name: str = ""
    alert_name: str | None = None
    description: str | None = None
    status: str | None = None
    metric_id: str = ""
    type: str = ""
    threshold_mode: str | None = None
    window_minutes: Int32 | None = None
    tolerance_percent: float | None = None
    stddev_multiplier: float | None = None
    direction: str = ""
    static_upper: float | None = None
    static_lower: float | None = None
    scope: dict[str, str] | None = None
    baseline_profile_id: Id | None = None
    condition_operator: str | None = None
    conditions: list[ConditionBody] | None = None
    alert_levels: list[LevelBody] | None = None
    auto_recover: bool | None = None
    alerting_profile_id: Id | None = None


class Condition(msgspec.Struct, rename="camel"):
    """A condition of a rule."""

    metric_id: str
    type: str
    threshold_mode: str | None
    direction: str
    tolerance_percent: float | None
    stddev_multiplier: float | None
    static_upper: float | None
    static_lower: float | None
    scope: dict[str, str] | None


class Level(msgspec.Struct, rename="camel"):
    """An alert level of a rule."""

    id: int
    severity: str
    trigger_count: int
    trigger_window_minutes: int
    recovery_minutes: int
    tolerance_percent: float | None
    stddev_multiplier: float | None
    static_upper: float | None
    static_lower: float | None
    recovery_upper: float | None
    recovery_lower: float | None
    recovery_tolerance_percent: float | None
    recovery_stddev_multiplier: float | None


class Rule(msgspec.Struct, rename="camel"):
    """A rule with every default filled in."""

    id: int
    name: str
    alert_name: str
    description: str | None
    status: str
    metric_id: str
    type: str
    threshold_mode: str | None
    window_minutes: int
    tolerance_percent: float | None
    stddev_multiplier: float | None
    direction: str
    static_upper: float | None
    static_lower: float | None
    scope: dict[str, str] | None
    baseline_profile_id: int | None
    condition_operator: str
    conditions: list[Condition]
    alert_levels: list[Level]
    auto_recover: bool
    alerting_profile_id: int | None
    metric_display_name: str
    created_at: Time
    updated_at: Time
    created_by: int | None
    baseline_state: Literal["Learning", "Ready"] | None
    is_paused: bool
    pause_reason: str | None


class RuleItem(msgspec.Struct, rename="camel"):
    """A rule in lists."""

    id: int
    name: str
    metric_id: str
    type: str
    threshold_mode: str | None
    status: str
    created_at: Time


class RuleSummary(msgspec.Struct, rename="camel"):
    """How many rules there are."""

    total_count: int
    active_count: int


def decode_list_rules(request: Request) -> rule_service_pb2.ListRulesRequest:
    """7 `GET /api/rules`."""
    filters = request.query(RuleFilters)
    return rule_service_pb2.ListRulesRequest(
        search=filters.search or "", status=filters.status or "", page=filters.page, page_size=filters.page_size
    )


def encode_list_rules(reply: rule_service_pb2.ListRulesResponse, asked: rule_service_pb2.ListRulesRequest) -> Page[RuleItem]:
    """7 a page of rules."""
    items = []
    for rule in reply.rules:
        strategy = strategy_of(rule.definition)
        items.append(
            RuleItem(
                id=rule.id,
                name=rule.definition.name,
                metric_id=strategy.metric_key,
                type=strategy.type,
                threshold_mode=optional_value(strategy, "threshold_mode"),
                status=rule.definition.status,
                created_at=format_time(rule.create_time),
            )
        )
    return make_page(items, page=asked.page, page_size=asked.page_size, total_count=reply.total_count)


def decode_summarize_rules(_request: Request) -> rule_service_pb2.SummarizeRulesRequest:
    """7 `GET /api/rules/summary`."""
    return rule_service_pb2.SummarizeRulesRequest()


def encode_summarize_rules(reply: rule_service_pb2.SummarizeRulesResponse, _asked: object) -> RuleSummary:
    """7 the counts."""
    return RuleSummary(total_count=reply.total_count, active_count=reply.active_count)


def decode_get_rule(request: Request) -> rule_service_pb2.GetRuleRequest:
    """7 `GET /api/rules/{id}`."""
    return rule_service_pb2.GetRuleRequest(id=request.number("id"))


def decode_create_rule(request: Request) -> rule_service_pb2.CreateRuleRequest:
    """7 `POST /api/rules`."""
    return rule_service_pb2.CreateRuleRequest(definition=decode_rule(request.body(RuleBody)))


def decode_update_rule(request: Request) -> rule_service_pb2.UpdateRuleRequest:
    """7 `PUT /api/rules/{id}`."""
    return rule_service_pb2.UpdateRuleRequest(id=request.number("id"), definition=decode_rule(request.body(RuleBody)))


def decode_rule(body: RuleBody) -> rule_pb2.RuleDefinition:
    """7.1 the writable fields."""
    return rule_pb2.RuleDefinition(
        name=body.name,
        alert_name=body.alert_name,
        description=body.description,
        status=body.status,
        metric_key=body.metric_id,
        type=body.type,
        threshold_mode=body.threshold_mode,
        window_minutes=body.window_minutes,
        tolerance_percent=body.tolerance_percent,
        stddev_multiplier=body.stddev_multiplier,
        direction=body.direction,
        static_upper=body.static_upper,
        static_lower=body.static_lower,
        scope=body.scope,
        baseline_profile_id=body.baseline_profile_id,
        condition_operator=body.condition_operator,
        conditions=[decode_condition(condition) for condition in body.conditions or ()],
        alert_levels=[decode_level(level) for level in body.alert_levels or ()],
        auto_recover=body.auto_recover,
        alerting_profile_id=body.alerting_profile_id,
    )


def decode_condition(body: ConditionBody) -> rule_pb2.RuleCondition:
    """7.2 one condition."""
    return rule_pb2.RuleCondition(
        metric_key=body.metric_id,
        type=body.type,
        threshold_mode=body.threshold_mode,
        direction=body.direction,
        tolerance_percent=body.tolerance_percent,
        stddev_multiplier=body.stddev_multiplier,
        static_upper=body.static_upper,
        static_lower=body.static_lower,
        scope=body.scope,
    )


def decode_level(body: LevelBody) -> rule_pb2.AlertLevel:
    """7.3 and 19.5 one alert level."""
    return rule_pb2.AlertLevel(
        severity=body.severity,
        trigger_count=body.trigger_count,
        trigger_window_minutes=body.trigger_window_minutes,
        recovery_minutes=body.recovery_minutes,
        tolerance_percent=body.tolerance_percent,
        stddev_multiplier=body.stddev_multiplier,
        static_upper=body.static_upper,
        static_lower=body.static_lower,
        recovery_upper=body.recovery_upper,
        recovery_lower=body.recovery_lower,
        recovery_tolerance_percent=body.recovery_tolerance_percent,
        recovery_stddev_multiplier=body.recovery_stddev_multiplier,
    )


def encode_rule_reply(
    reply: rule_service_pb2.GetRuleResponse | rule_service_pb2.CreateRuleResponse | rule_service_pb2.UpdateRuleResponse,
    _asked: object,
) -> Rule:
    """7.1 the rule of an answer."""
    return encode_rule(reply.rule)


def encode_rule(rule: rule_pb2.Rule) -> Rule:
    """7.1 one rule; flat fields and conditions mirror each other (7.2)."""
    definition = rule.definition
    first = strategy_of(definition)
    conditions = [encode_condition(condition) for condition in definition.conditions or (first,)]
    return Rule(
        id=rule.id,
        name=definition.name,
        alert_name=definition.alert_name or definition.name,
        description=optional_value(definition, "description"),
        status=definition.status,
        metric_id=first.metric_key,
        type=first.type,
        threshold_mode=optional_value(first, "threshold_mode"),
        window_minutes=definition.window_minutes,
        tolerance_percent=optional_value(first, "tolerance_percent"),
        stddev_multiplier=optional_value(first, "stddev_multiplier"),
        direction=first.direction,
        static_upper=optional_value(first, "static_upper"),
        static_lower=optional_value(first, "static_lower"),
        scope=labels_of(first.scope),
        baseline_profile_id=optional_value(definition, "baseline_profile_id"),
        condition_operator=definition.condition_operator,
        conditions=conditions,
        alert_levels=[encode_level(level) for level in definition.alert_levels],
        auto_recover=definition.auto_recover,
        alerting_profile_id=optional_value(definition, "alerting_profile_id"),
        metric_display_name=rule.metric_display_name,
        created_at=format_time(rule.create_time),
        updated_at=format_time(rule.update_time),
        created_by=optional_value(rule, "created_by"),
        baseline_state=optional_value(rule, "baseline_state"),
        is_paused=rule.HasField("pause_reason"),
        pause_reason=optional_value(rule, "pause_reason"),
    )


def strategy_of(definition: rule_pb2.RuleDefinition) -> rule_pb2.RuleCondition | rule_pb2.RuleDefinition:
    """Where the strategy of a rule stands: in its first condition, or in its flat fields."""
    return definition.conditions[0] if definition.conditions else definition


def encode_condition(condition: rule_pb2.RuleCondition | rule_pb2.RuleDefinition) -> Condition:
    """7.2 one condition, also out of the flat fields."""
    return Condition(
        metric_id=condition.metric_key,
        type=condition.type,
        threshold_mode=optional_value(condition, "threshold_mode"),
        direction=condition.direction,
        tolerance_percent=optional_value(condition, "tolerance_percent"),
        stddev_multiplier=optional_value(condition, "stddev_multiplier"),
        static_upper=optional_value(condition, "static_upper"),
        static_lower=optional_value(condition, "static_lower"),
        scope=labels_of(condition.scope),
    )


def encode_level(level: rule_pb2.AlertLevel) -> Level:
    """7.3 and 19.5 one alert level."""
    return Level(
        id=level.id,
        severity=level.severity,
        trigger_count=level.trigger_count,
        trigger_window_minutes=level.trigger_window_minutes,
        recovery_minutes=level.recovery_minutes,
        tolerance_percent=optional_value(level, "tolerance_percent"),
        stddev_multiplier=optional_value(level, "stddev_multiplier"),
        static_upper=optional_value(level, "static_upper"),
        static_lower=optional_value(level, "static_lower"),
        recovery_upper=optional_value(level, "recovery_upper"),
        recovery_lower=optional_value(level, "recovery_lower"),
        recovery_tolerance_percent=optional_value(level, "recovery_tolerance_percent"),
        recovery_stddev_multiplier=optional_value(level, "recovery_stddev_multiplier"),
    )


def labels_of(scope: Mapping[str, str]) -> dict[str, str] | None:
    """A label filter, ascending by key; None when it filters nothing."""
    return dict(sorted(scope.items())) or None
