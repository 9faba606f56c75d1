"""`lumetry.logrules.v1.LogAlertRuleService`."""

from typing import Any

import grpc

from lumetry.logrules.v1 import log_alert_rule_pb2
from lumetry.logrules.v1 import log_alert_rule_service_pb2 as pb
from lumetry.logrules.v1.log_alert_rule_service_pb2_grpc import LogAlertRuleServiceServicer
from lumetry_core.logrules.drafts import FIELDS, LogRuleDraft
from lumetry_core.logrules.model import Channel, LogRule
from lumetry_core.logrules.service import definitions
from lumetry_core.logrules.service.definitions import FindUnknownChannels
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class LogAlertRuleServicer(LogAlertRuleServiceServicer):
    """Serves the managing of log alert rules."""

    def __init__(self, database: Database, clock: Clock, find_unknown: FindUnknownChannels) -> None:
        self._database = database
        self._clock = clock
        self._find_unknown = find_unknown

    async def ListLogAlertRules(self, request: pb.ListLogAlertRulesRequest, context: Context) -> pb.ListLogAlertRulesResponse:
        """See the proto."""
        async with self._database.read() as tx:
            rules = await definitions.list_rules(tx, current_caller().organization_id)
        return pb.ListLogAlertRulesResponse(rules=[encode_rule(rule) for rule in rules])

    async def GetLogAlertRule(self, request: pb.GetLogAlertRuleRequest, context: Context) -> pb.GetLogAlertRuleResponse:
        """See the proto."""
        async with self._database.read() as tx:
            view = await definitions.get_rule(tx, current_caller().organization_id, request.id)
        return pb.GetLogAlertRuleResponse(
            rule=encode_rule(view.rule), open_alert_id=view.open_alert_id, last_fire_time=encode_time(view.last_fire_time)
        )

    async def CreateLogAlertRule(self, request: pb.CreateLogAlertRuleRequest, context: Context) -> pb.CreateLogAlertRuleResponse:
        """See the proto."""
        draft = decode_draft(request.fields)
        async with self._database.write() as tx:
            rule = await definitions.create_rule(
                tx, current_caller(), draft, self._clock.now(), self._find_unknown, validate_only=request.validate_only
            )
        return pb.CreateLogAlertRuleResponse(rule=None if rule is None else encode_rule(rule))

    async def UpdateLogAlertRule(self, request: pb.UpdateLogAlertRuleRequest, context: Context) -> pb.UpdateLogAlertRuleResponse:
        """See the proto."""
        draft, named = decode_draft(request.fields), set(request.update_mask.paths)
        async with self._database.write() as tx:
            rule = await definitions.update_rule(
                tx,
                current_caller(),
                request.id,
                draft,
                named,
                self._clock.now(),
                self._find_unknown,
                validate_only=request.validate_only,
            )
        return pb.UpdateLogAlertRuleResponse(rule=None if rule is None else encode_rule(rule))

    async def DeleteLogAlertRule(self, request: pb.DeleteLogAlertRuleRequest, context: Context) -> pb.DeleteLogAlertRuleResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await definitions.delete_rule(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteLogAlertRuleResponse()


def decode_draft(fields: log_alert_rule_pb2.LogAlertRuleFields) -> LogRuleDraft:
    """A rule as it was sent."""
    given = {name: getattr(fields, name) for name in FIELDS if name != "channels" and fields.HasField(name)}  # type: ignore[arg-type]
    return LogRuleDraft(channels=tuple(map(decode_channel, fields.channels)), **given)


def decode_channel(channel: log_alert_rule_pb2.LogAlertRuleChannel) -> Channel:
    """What names a channel."""
    return channel.id if channel.WhichOneof("choice") == "id" else channel.name


def encode_rule(rule: LogRule) -> log_alert_rule_pb2.LogAlertRule:
    """A rule."""
    return log_alert_rule_pb2.LogAlertRule(
        id=rule.id,
        rule_name=rule.name,
        error_type=rule.error_type,
        severity=rule.severity,
        count_threshold=rule.count_threshold,
        time_window_minutes=rule.time_window_minutes,
        channels=[encode_channel(channel) for channel in rule.channels],
        trigger=rule.trigger,
        min_level=rule.min_level,
        environment=rule.environment,
        project_id=rule.project_id,
        q=rule.q,
        quiet_minutes=rule.effective_quiet_minutes,
        topology_node_id=rule.topology_node_id,
        enabled=rule.enabled,
        create_time=encode_time(rule.create_time),
        update_time=encode_time(rule.update_time),
        created_by=rule.created_by,
    )


def encode_channel(channel: Channel) -> log_alert_rule_pb2.LogAlertRuleChannel:
    """What names a channel."""
    if isinstance(channel, int):
        return log_alert_rule_pb2.LogAlertRuleChannel(id=channel)
    return log_alert_rule_pb2.LogAlertRuleChannel(name=channel)
