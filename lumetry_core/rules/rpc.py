"""RuleService on the wire."""

from typing import Any

import grpc
from google.protobuf.message import Message

from lumetry.rules.v1 import rule_pb2
from lumetry.rules.v1 import rule_service_pb2 as pb
from lumetry.rules.v1.rule_service_pb2_grpc import RuleServiceServicer
from lumetry_core.rules import service
from lumetry_core.rules.draft import LevelDraft, RuleDraft, StrategyDraft
from lumetry_core.rules.model import AlertLevel, Rule, Strategy
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class RuleServicer(RuleServiceServicer):
    """Writes and reads rules."""

    def __init__(self, database: Database, clock: Clock, knows_profile: service.KnowsProfile) -> None:
        self._database = database
        self._clock = clock
        self._knows_profile = knows_profile

    async def CreateRule(self, request: pb.CreateRuleRequest, context: Context) -> pb.CreateRuleResponse:
        """See the proto."""
        draft = decode_draft(request.definition)
        async with self._database.write() as tx:
            rule = await service.create(tx, current_caller(), draft, self._clock.now(), self._knows_profile)
        return pb.CreateRuleResponse(rule=encode_rule(rule))

    async def UpdateRule(self, request: pb.UpdateRuleRequest, context: Context) -> pb.UpdateRuleResponse:
        """See the proto."""
        draft = decode_draft(request.definition)
        async with self._database.write() as tx:
            rule = await service.update(tx, current_caller(), request.id, draft, self._clock.now(), self._knows_profile)
        return pb.UpdateRuleResponse(rule=encode_rule(rule))

    async def GetRule(self, request: pb.GetRuleRequest, context: Context) -> pb.GetRuleResponse:
        """See the proto."""
        async with self._database.read() as tx:
            rule = await service.get_rule(tx, current_caller().organization_id, request.id)
        return pb.GetRuleResponse(rule=encode_rule(rule))

    async def ListRules(self, request: pb.ListRulesRequest, context: Context) -> pb.ListRulesResponse:
        """See the proto."""
        async with self._database.read() as tx:
            rules, total_count = await service.list_rules(
                tx, current_caller(), request.search, request.status, request.page, request.page_size
            )
        return pb.ListRulesResponse(rules=[encode_rule(rule) for rule in rules], total_count=total_count)

    async def SummarizeRules(self, request: pb.SummarizeRulesRequest, context: Context) -> pb.SummarizeRulesResponse:
        """See the proto."""
        async with self._database.read() as tx:
            summary = await service.summarize(tx, current_caller().organization_id)
        return pb.SummarizeRulesResponse(total_count=summary.total_count, active_count=summary.active_count)


def decode_draft(definition: rule_pb2.RuleDefinition) -> RuleDraft:
    """A rule as it was sent."""
    return RuleDraft(
        name=definition.name,
        alert_name=given(definition, "alert_name"),
        description=given(definition, "description"),
        status=given(definition, "status"),
        window_minutes=given(definition, "window_minutes"),
        flat=decode_strategy(definition),
        baseline_profile_id=given(definition, "baseline_profile_id"),
        condition_operator=given(definition, "condition_operator"),
        conditions=tuple(decode_strategy(condition) for condition in definition.conditions),
        levels=tuple(decode_level(level) for level in definition.alert_levels),
        auto_recover=given(definition, "auto_recover"),
        alerting_profile_id=given(definition, "alerting_profile_id"),
    )


def decode_strategy(source: rule_pb2.RuleDefinition | rule_pb2.RuleCondition) -> StrategyDraft:
    """A strategy, from the flat fields of a rule or from a condition, which have the same names."""
    return StrategyDraft(
        metric_key=source.metric_key,
        type=source.type,
        threshold_mode=given(source, "threshold_mode"),
        direction=source.direction,
        tolerance_percent=given(source, "tolerance_percent"),
        stddev_multiplier=given(source, "stddev_multiplier"),
        static_upper=given(source, "static_upper"),
        static_lower=given(source, "static_lower"),
        scope=dict(source.scope),
    )


OPTIONAL_OF_LEVEL = tuple(name for name in LevelDraft.__dataclass_fields__ if name != "severity")


def decode_level(level: rule_pb2.AlertLevel) -> LevelDraft:
    """A level; its number counts for nothing."""
    return LevelDraft(severity=level.severity, **{name: given(level, name) for name in OPTIONAL_OF_LEVEL})


def given(message: Message, field: str) -> Any:  # noqa: ANN401 -- the type is the field's
    """The value of an optional field; None when it is absent."""
    return getattr(message, field) if message.HasField(field) else None


def encode_rule(rule: Rule) -> rule_pb2.Rule:
    """A rule, whose flat fields repeat its first condition."""
    definition = rule_pb2.RuleDefinition(
        name=rule.name,
        alert_name=rule.alert_name,
        description=rule.description,
        status=rule.status,
        metric_key=rule.metric_key,
        type=rule.type,
        threshold_mode=rule.threshold_mode,
        window_minutes=rule.window_minutes,
        tolerance_percent=rule.tolerance_percent,
        stddev_multiplier=rule.stddev_multiplier,
        direction=rule.direction,
        static_upper=rule.static_upper,
        static_lower=rule.static_lower,
        scope=rule.scope,
        baseline_profile_id=rule.baseline_profile_id,
        condition_operator=rule.condition_operator,
        conditions=[encode_condition(condition) for condition in rule.strategies],
        alert_levels=[encode_level(level) for level in rule.levels],
        auto_recover=rule.auto_recover,
        alerting_profile_id=rule.alerting_profile_id,
    )
    return rule_pb2.Rule(
        id=rule.id,
        definition=definition,
        metric_display_name=rule.metric_display_name,
        create_time=encode_time(rule.create_time),
        update_time=encode_time(rule.update_time),
        created_by=rule.created_by,
        baseline_state=rule.baseline_state,
        pause_reason=rule.pause_reason,
    )


def encode_condition(condition: Strategy) -> rule_pb2.RuleCondition:
    """A condition."""
    return rule_pb2.RuleCondition(
        metric_key=condition.metric_key,
        type=condition.type,
        threshold_mode=condition.threshold_mode,
        direction=condition.direction,
        tolerance_percent=condition.tolerance_percent,
        stddev_multiplier=condition.stddev_multiplier,
        static_upper=condition.static_upper,
        static_lower=condition.static_lower,
        scope=condition.scope,
    )


def encode_level(level: AlertLevel) -> rule_pb2.AlertLevel:
    """A level."""
    return rule_pb2.AlertLevel(id=level.id, severity=level.severity, **{name: getattr(level, name) for name in OPTIONAL_OF_LEVEL})
