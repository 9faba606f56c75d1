"""`lumetry.alerts.v1.MonitoredAlertService` and `SilenceRuleService`."""

from typing import Any

import grpc
import msgspec

from lumetry.alerts.v1 import monitored_alert_service_pb2 as alert_pb
from lumetry.alerts.v1 import silence_rule_service_pb2 as rule_pb
from lumetry.alerts.v1.monitored_alert_service_pb2_grpc import MonitoredAlertServiceServicer
from lumetry.alerts.v1.silence_rule_service_pb2_grpc import SilenceRuleServiceServicer
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.service import handling, listing, reading, silence_rules
from lumetry_core.alerts.silences import Silence
from lumetry_core.alerts.spelling import spell_monitored
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time, encode_time

Context = grpc.aio.ServicerContext[Any, Any]

encode_json = msgspec.json.Encoder().encode


class MonitoredAlertServicer(MonitoredAlertServiceServicer):
    """Lists alerts of every source."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ListMonitoredAlerts(
        self, request: alert_pb.ListMonitoredAlertsRequest, context: Context
    ) -> alert_pb.ListMonitoredAlertsResponse:
        """See the proto."""
        faults = Faults()
        before = decode_time(request.before, "before", faults) if request.HasField("before") else None
        faults.raise_if_any()
        query = listing.PageQuery(
            sources=tuple(request.sources),
            severities=tuple(request.severities),
            status=request.status,
            before=before,
            before_id=request.before_id if request.HasField("before_id") else None,
            limit=request.limit,
        )
        async with self._database.read() as tx:
            page, has_more = await listing.list_page(tx, current_caller(), query)
        return alert_pb.ListMonitoredAlertsResponse(alerts=[encode_monitored(alert) for alert in page], has_more=has_more)

    async def ListActiveAlerts(self, request: alert_pb.ListActiveAlertsRequest, context: Context) -> alert_pb.ListActiveAlertsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await listing.list_active(tx, current_caller())
        return alert_pb.ListActiveAlertsResponse(alerts=[encode_monitored(alert) for alert in found])

    async def GetMonitoredAlert(self, request: alert_pb.GetMonitoredAlertRequest, context: Context) -> alert_pb.GetMonitoredAlertResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await reading.get_alert(tx, current_caller().organization_id, request.id)
        return alert_pb.GetMonitoredAlertResponse(alert=encode_monitored(found))

    async def AcknowledgeMonitoredAlert(
        self, request: alert_pb.AcknowledgeMonitoredAlertRequest, context: Context
    ) -> alert_pb.AcknowledgeMonitoredAlertResponse:
        """See the proto."""
        async with self._database.write() as tx:
            alert = await handling.acknowledge(tx, current_caller(), request.id, request.note, self._clock.now())
        return alert_pb.AcknowledgeMonitoredAlertResponse(alert=encode_monitored(alert))


class SilenceRuleServicer(SilenceRuleServiceServicer):
    """Keeps silence rules."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ListSilenceRules(self, request: rule_pb.ListSilenceRulesRequest, context: Context) -> rule_pb.ListSilenceRulesResponse:
        """See the proto."""
        now = self._clock.now()
        active = request.active if request.HasField("active") else None
        async with self._database.read() as tx:
            found = await silence_rules.list_rules(tx, current_caller(), active, now)
        return rule_pb.ListSilenceRulesResponse(rules=[self._encode(rule) for rule in found])

    async def CreateSilenceRule(self, request: rule_pb.CreateSilenceRuleRequest, context: Context) -> rule_pb.CreateSilenceRuleResponse:
        """See the proto."""
        draft = silence_rules.SilenceRuleDraft(
            duration_seconds=request.duration_seconds if request.HasField("duration_seconds") else None,
            entity_type=request.entity_type if request.HasField("entity_type") else None,
            entity_id=request.entity_id if request.HasField("entity_id") else None,
            source=request.source if request.HasField("source") else None,
            reason=request.reason if request.HasField("reason") else None,
        )
        async with self._database.write() as tx:
            rule = await silence_rules.create_rule(tx, current_caller(), draft, self._clock.now())
        return rule_pb.CreateSilenceRuleResponse(rule=self._encode(rule))

    async def CancelSilenceRule(self, request: rule_pb.CancelSilenceRuleRequest, context: Context) -> rule_pb.CancelSilenceRuleResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await silence_rules.cancel_rule(tx, current_caller(), request.id, self._clock.now())
        return rule_pb.CancelSilenceRuleResponse()

    def _encode(self, rule: Silence) -> rule_pb.SilenceRule:
        return rule_pb.SilenceRule(
            id=rule.id,
            entity_type=rule.matchers.entity_type or "",
            entity_id=rule.matchers.entity_id,
            source=rule.matchers.source or "",
            reason=rule.reason,
            start_time=encode_time(rule.start_time),
            duration_seconds=int((rule.end_time - rule.start_time).total_seconds()),
            expire_time=encode_time(rule.end_time),
            is_active=rule.is_active(self._clock.now()),
            cancel_time=encode_time(rule.delete_time),
            create_time=encode_time(rule.create_time),
            created_by=rule.created_by_name or "",
        )


def encode_monitored(alert: Alert) -> alert_pb.MonitoredAlert:
    """An alert of any source."""
    spelled = spell_monitored(alert)
    same = ("id", "source", "alert_type", "severity", "status", "message", "entity_type", "entity_id", "entity_name", "incident_id")
    return alert_pb.MonitoredAlert(
        **{name: spelled[name] for name in same},
        details=encode_json(spelled["details"]),
        fire_time=encode_time(alert.start_time),
        create_time=encode_time(alert.create_time),
        resolve_time=encode_time(alert.end_time),
        acknowledge_time=encode_time(alert.acknowledge_time),
        acknowledged_by=alert.acknowledged_by or "",
        escalate_time=encode_time(alert.escalate_time),
        source_kind=alert.source_kind,
    )
