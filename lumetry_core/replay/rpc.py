"""ReplayService on the wire."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import numpy as np

from lumetry.replay.v1 import replay_service_pb2 as pb
from lumetry.replay.v1.replay_service_pb2_grpc import ReplayServiceServicer
from lumetry.rules.v1 import rule_pb2
from lumetry_core.alerts.decisions import Record, Transition
from lumetry_core.alerts.model import Eligibility
from lumetry_core.notifications.model import FALLBACK_ID
from lumetry_core.replay.correlating import ReplayedIncident
from lumetry_core.replay.course import follow_alerts
from lumetry_core.replay.outcome import ReplayedAlert, ReplayedPoints, ReplayedViolation
from lumetry_core.replay.preview import Preview, replay_scene
from lumetry_core.replay.service.scene import read_scene
from lumetry_core.replay.service.surroundings import read_surroundings
from lumetry_core.replay.settings import Settings
from lumetry_core.replay.telling import Notification
from lumetry_core.rules.draft import RuleDraft
from lumetry_core.runtime.clock import Clock, from_ms
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time, encode_time

Context = grpc.aio.ServicerContext[Any, Any]
AT_ONCE = 2
"""Replays of one process at a time; others wait, so that they hold neither its memory nor its processors."""


class ReplayServicer(ReplayServiceServicer):
    """Answers what a rule would have done."""

    def __init__(
        self, database: Database, clock: Clock, settings: Settings, decode_draft: Callable[[rule_pb2.RuleDefinition], RuleDraft]
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._decode_draft = decode_draft
        self._places = asyncio.Semaphore(AT_ONCE)

    async def PreviewRule(self, request: pb.PreviewRuleRequest, context: Context) -> pb.PreviewRuleResponse:
        """See the proto."""
        faults = Faults()
        start = decode_time(request.start_time, "from", faults) if request.HasField("start_time") else None
        end = decode_time(request.end_time, "to", faults) if request.HasField("end_time") else None
        faults.raise_if_any()
        draft = self._decode_draft(request.definition)
        async with self._places:
            async with self._database.read() as tx:
                scene = await read_scene(tx, current_caller(), draft, start, end, self._settings, self._clock.now())
            findings = await asyncio.to_thread(replay_scene, scene)
            to = from_ms(findings.end_ms)
            async with self._database.read() as tx:
                surroundings = await read_surroundings(tx, scene.rule, findings.alerts, to, self._settings)
            return await asyncio.to_thread(
                lambda: encode_preview(Preview(findings, follow_alerts(scene.rule, findings.alerts, surroundings, to)))
            )


def encode_preview(preview: Preview) -> pb.PreviewRuleResponse:
    """A preview."""
    findings, course = preview.findings, preview.course
    incident_refs = {place: incident_ref(one.incident.id) for one in course.incidents for place in one.alerts}
    return pb.PreviewRuleResponse(
        start_time=encode_time(from_ms(findings.start_ms)),
        end_time=encode_time(from_ms(findings.end_ms)),
        points=encode_points(findings.points, findings.dimension_keys),
        violations=[encode_violation(violation) for violation in findings.violations],
        alerts=[
            encode_alert(alert, place, incident_refs.get(place, ""), is_suppressed=place in course.suppressed)
            for place, alert in enumerate(findings.alerts)
        ],
        incidents=[encode_incident(incident) for incident in course.incidents],
        notifications=[encode_notification(notification) for notification in course.notifications],
    )


def alert_ref(place: int) -> str:
    """What the answer calls an alert."""
    return f"A{place + 1}"


def incident_ref(incident_id: int) -> str:
    """What the answer calls an incident; within a replay their numbers count from 1."""
    return f"I{incident_id}"


def encode_points(points: ReplayedPoints, dimension_keys: Sequence[str | None]) -> pb.PreviewPoints:
    """Points as columns."""
    return pb.PreviewPoints(
        times=points.times.astype("<i8").tobytes(),
        values=points.values.astype("<f8").tobytes(),
        expected=points.expected.astype("<f8").tobytes(),
        lowers=points.lowers.astype("<f8").tobytes(),
        uppers=points.uppers.astype("<f8").tobytes(),
        severities=points.ranks.astype(np.int8).tobytes(),
        member_indexes=points.slots.astype("<u4").tobytes(),
        dimension_keys=[key or "" for key in dimension_keys],
    )


def encode_violation(violation: ReplayedViolation) -> pb.PreviewViolation:
    """A violation."""
    new = violation.new
    return pb.PreviewViolation(
        metric_key=new.metric_key,
        time=encode_time(new.time),
        actual_value=new.actual_value,
        expected_value=new.expected_value,
        lower_threshold=new.lower_threshold,
        upper_threshold=new.upper_threshold,
        direction=new.direction,
        severity=new.severity,
        rule_name=new.rule_name or None,
        metric_display_name=new.metric_display_name,
        deviation_percent=new.deviation_percent,
        baseline_confidence=new.baseline_confidence,
        dimension_key=new.dimension_key,
        is_late=new.is_late,
    )


def encode_alert(alert: ReplayedAlert, place: int, incident: str, *, is_suppressed: bool) -> pb.PreviewAlert:
    """An alert, and what its incident is called."""
    escalate_time = alert.escalate_time
    return pb.PreviewAlert(
        ref=alert_ref(place),
        dimension_key=alert.dimension_key,
        severity=alert.severity,
        start_time=encode_time(from_ms(alert.start)),
        end_time=None if alert.end is None else encode_time(from_ms(alert.end)),
        escalate_time=None if escalate_time is None else encode_time(from_ms(escalate_time)),
        trigger_reason=alert.trigger.reason,
        violation_count=alert.violation_count,
        incident_ref=incident,
        incident_eligibility=Eligibility.MAINTENANCE_SUPPRESSED if is_suppressed else "",
    )


def encode_incident(replayed: ReplayedIncident) -> pb.PreviewIncident:
    """An incident."""
    incident = replayed.incident
    return pb.PreviewIncident(
        ref=incident_ref(incident.id),
        correlation_key=incident.correlation_key,
        primary_service_node_id=incident.primary_service_node_id,
        primary_ci_node_id=incident.primary_ci_node_id,
        primary_metric_key=incident.primary_metric_key,
        severity=incident.severity,
        start_time=encode_time(incident.start_time),
        alert_refs=[alert_ref(place) for place in replayed.alerts],
    )


def encode_notification(notification: Notification) -> pb.PreviewNotification:
    """A notification."""
    record = name_record(notification)
    return pb.PreviewNotification(
        alert_ref=alert_ref(notification.place),
        transition=notification.transition,
        time=encode_time(notification.time),
        profile_id=notification.profile_id,
        integration_id=None if notification.integration_id == FALLBACK_ID else notification.integration_id,
        outcome=notification.outcome,
        reason=notification.reason or "",
        record_type=record.type if record else "",
        record_id=record.id if record else "",
        record_name=record.name if record else "",
    )


def name_record(notification: Notification) -> Record | None:
    """The deciding record; what is of the replay itself is called as in the answer, as its number means nothing outside."""
    record = notification.record
    if record is not None and record.type == "Incident":
        return Record(record.type, incident_ref(int(record.id)), "")
    if record is not None and record.type == "Delivery":
        return Record(record.type, f"{alert_ref(notification.place)}:{Transition.OPEN}", "")
    return record
