"""ReplayService on the wire."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
import numpy as np

from lumetry.replay.v1 import replay_service_pb2 as pb
from lumetry.replay.v1.replay_service_pb2_grpc import ReplayServiceServicer
from lumetry.rules.v1 import rule_pb2
from lumetry_core.replay import service
from lumetry_core.replay.correlating import ReplayedIncident
from lumetry_core.replay.outcome import ReplayedAlert, ReplayedPoints, ReplayedViolation
from lumetry_core.replay.preview import Preview, replay_scene
from lumetry_core.replay.service import Settings
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
                scene = await service.read_scene(tx, current_caller(), draft, start, end, self._settings, self._clock.now())
            return await asyncio.to_thread(lambda: encode_preview(replay_scene(scene)))


def encode_preview(preview: Preview) -> pb.PreviewRuleResponse:
    """A preview."""
    alert_refs = [f"A{number + 1}" for number in range(len(preview.alerts))]
    incident_refs = {place: f"I{number + 1}" for number, incident in enumerate(preview.incidents) for place in incident.alerts}
    return pb.PreviewRuleResponse(
        start_time=encode_time(from_ms(preview.start_ms)),
        end_time=encode_time(from_ms(preview.end_ms)),
        points=encode_points(preview.points, preview.dimension_keys),
        violations=[encode_violation(violation) for violation in preview.violations],
        alerts=[encode_alert(alert, alert_refs[place], place, incident_refs) for place, alert in enumerate(preview.alerts)],
        incidents=[encode_incident(incident, f"I{number + 1}", alert_refs) for number, incident in enumerate(preview.incidents)],
    )


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


def encode_alert(alert: ReplayedAlert, ref: str, place: int, incident_refs: Mapping[int, str]) -> pb.PreviewAlert:
    """An alert."""
    escalate_time = alert.escalate_time
    return pb.PreviewAlert(
        ref=ref,
        dimension_key=alert.dimension_key,
        severity=alert.severity,
        start_time=encode_time(from_ms(alert.start)),
        end_time=None if alert.end is None else encode_time(from_ms(alert.end)),
        escalate_time=None if escalate_time is None else encode_time(from_ms(escalate_time)),
        trigger_reason=alert.trigger.reason,
        violation_count=alert.violation_count,
        incident_ref=incident_refs.get(place, ""),
    )


def encode_incident(replayed: ReplayedIncident, ref: str, alert_refs: Sequence[str]) -> pb.PreviewIncident:
    """An incident."""
    incident = replayed.incident
    return pb.PreviewIncident(
        ref=ref,
        correlation_key=incident.correlation_key,
        primary_service_node_id=incident.primary_service_node_id,
        primary_ci_node_id=incident.primary_ci_node_id,
        primary_metric_key=incident.primary_metric_key,
        severity=incident.severity,
        start_time=encode_time(incident.start_time),
        alert_refs=[alert_refs[place] for place in replayed.alerts],
    )
