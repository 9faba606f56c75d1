"""`lumetry.alerts.v1.SilenceService`."""

from datetime import datetime
from typing import Any

import grpc

from lumetry.alerts.v1 import silence_pb2
from lumetry.alerts.v1 import silence_service_pb2 as pb
from lumetry.alerts.v1.silence_service_pb2_grpc import SilenceServiceServicer
from lumetry_core.alerts.service import muting, silences
from lumetry_core.alerts.service.silences import MatchersDraft, SilenceDraft
from lumetry_core.alerts.silences import Matchers, Silence
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time, encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class SilenceServicer(SilenceServiceServicer):
    """Serves the muting of notifications."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ListSilences(self, request: pb.ListSilencesRequest, context: Context) -> pb.ListSilencesResponse:
        """See the proto."""
        active, now = request.active if request.HasField("active") else None, self._clock.now()
        async with self._database.read() as tx:
            found = await silences.list_silences(tx, current_caller(), active, request.limit, now)
        return pb.ListSilencesResponse(silences=[encode_silence(silence, now) for silence in found])

    async def CreateSilence(self, request: pb.CreateSilenceRequest, context: Context) -> pb.CreateSilenceResponse:
        """See the proto."""
        faults, now = Faults(), self._clock.now()
        draft = SilenceDraft(
            matchers=decode_matchers(request.matchers),
            start_time=decode_time(request.start_time, "startTime", faults) if request.HasField("start_time") else None,
            end_time=decode_time(request.end_time, "endTime", faults) if request.HasField("end_time") else None,
            reason=request.reason,
        )
        faults.raise_if_any()
        async with self._database.write() as tx:
            silence = await silences.create_silence(tx, current_caller(), draft, now)
        return pb.CreateSilenceResponse(silence=encode_silence(silence, now))

    async def DeleteSilence(self, request: pb.DeleteSilenceRequest, context: Context) -> pb.DeleteSilenceResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await muting.delete_silence(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteSilenceResponse()


def decode_matchers(matchers: silence_pb2.Matchers) -> MatchersDraft:
    """Matchers, unchecked."""
    return MatchersDraft(
        metric_key=matchers.metric_key if matchers.HasField("metric_key") else None,
        rule_id=matchers.rule_id if matchers.HasField("rule_id") else None,
        severity=matchers.severity,
        source_kind=matchers.source_kind,
        service_node_id=matchers.service_node_id if matchers.HasField("service_node_id") else None,
        ci_node_id=matchers.ci_node_id if matchers.HasField("ci_node_id") else None,
        labels=dict(matchers.labels),
    )


def encode_silence(silence: Silence, now: datetime) -> silence_pb2.Silence:
    """A silence as it is at a time."""
    return silence_pb2.Silence(
        id=silence.id,
        matchers=encode_matchers(silence.matchers),
        start_time=encode_time(silence.start_time),
        end_time=encode_time(silence.end_time),
        reason=silence.reason,
        is_active=silence.is_active(now),
        created_by=silence.created_by,
        create_time=encode_time(silence.create_time),
    )


def encode_matchers(matchers: Matchers) -> silence_pb2.Matchers:
    """Matchers."""
    return silence_pb2.Matchers(
        metric_key=matchers.metric_key,
        rule_id=matchers.rule_id,
        severity=matchers.severity or "",
        source_kind=matchers.source_kind or "",
        service_node_id=matchers.service_node_id,
        ci_node_id=matchers.ci_node_id,
        labels=matchers.labels,
    )
