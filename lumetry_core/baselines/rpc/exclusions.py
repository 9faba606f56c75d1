"""`lumetry.baselines.v1.ExclusionService`."""

import asyncio
from collections.abc import Mapping
from typing import Any

import grpc

from lumetry.baselines.v1 import exclusion_service_pb2 as pb
from lumetry.baselines.v1.exclusion_service_pb2_grpc import ExclusionServiceServicer
from lumetry_core.baselines.calendars import find_package, read_calendar
from lumetry_core.baselines.drafts import CalendarDraft, ExclusionDraft
from lumetry_core.baselines.model import Exclusion, ExclusionKind
from lumetry_core.baselines.service import exclusions
from lumetry_core.baselines.service.holidays import import_public_holidays
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time, encode_time

Context = grpc.aio.ServicerContext[Any, Any]

KINDS: Mapping[ExclusionKind, "pb.ExclusionKind.ValueType"] = {
    ExclusionKind.INCIDENT_WINDOW: pb.EXCLUSION_KIND_INCIDENT_WINDOW,
    ExclusionKind.PUBLIC_HOLIDAY: pb.EXCLUSION_KIND_PUBLIC_HOLIDAY,
}
KIND_OF = {number: kind for kind, number in KINDS.items()}


class ExclusionServicer(ExclusionServiceServicer):
    """Serves the managing of incident windows and public holidays."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ListExclusions(self, request: pb.ListExclusionsRequest, context: Context) -> pb.ListExclusionsResponse:
        """See the proto."""
        kind = decode_kind(request.kind)
        async with self._database.read() as tx:
            found = await exclusions.list_exclusions(tx, current_caller(), kind, request.limit)
        return pb.ListExclusionsResponse(exclusions=[encode_exclusion(exclusion) for exclusion in found])

    async def CreateExclusion(self, request: pb.CreateExclusionRequest, context: Context) -> pb.CreateExclusionResponse:
        """See the proto."""
        kind, faults = decode_kind(request.kind), Faults()
        draft = ExclusionDraft(
            metric_key=request.metric_key if request.HasField("metric_key") else None,
            start_time=decode_time(request.start_time, "startTime", faults) if request.HasField("start_time") else None,
            end_time=decode_time(request.end_time, "endTime", faults) if request.HasField("end_time") else None,
            reason=request.reason,
        )
        faults.raise_if_any()
        async with self._database.write() as tx:
            exclusion = await exclusions.create_exclusion(tx, current_caller(), kind, draft, self._clock.now())
        return pb.CreateExclusionResponse(exclusion=encode_exclusion(exclusion))

    async def DeleteExclusion(self, request: pb.DeleteExclusionRequest, context: Context) -> pb.DeleteExclusionResponse:
        """See the proto."""
        kind = decode_kind(request.kind)
        async with self._database.write() as tx:
            await exclusions.delete_exclusion(tx, current_caller(), kind, request.id, self._clock.now())
        return pb.DeleteExclusionResponse()

    async def ImportPublicHolidays(self, request: pb.ImportPublicHolidaysRequest, context: Context) -> pb.ImportPublicHolidaysResponse:
        """See the proto."""
        draft = CalendarDraft(
            country=request.country, subdivision=request.subdivision, years=tuple(request.years), time_zone=request.time_zone
        )
        await asyncio.to_thread(find_package)
        calendar = read_calendar(draft)
        async with self._database.write() as tx:
            added = await import_public_holidays(tx, current_caller(), calendar, self._clock.now())
        return pb.ImportPublicHolidaysResponse(exclusions=[encode_exclusion(exclusion) for exclusion in added])


def decode_kind(number: "pb.ExclusionKind.ValueType") -> ExclusionKind:
    """A kind that must be given. Fails with VALIDATION_FAILED (`kind`)."""
    faults = Faults()
    faults.check(number in KIND_OF, "kind", "must be a known kind")
    faults.raise_if_any()
    return KIND_OF[number]


def encode_exclusion(exclusion: Exclusion) -> pb.Exclusion:
    """A period."""
    return pb.Exclusion(
        id=exclusion.id,
        kind=KINDS[exclusion.kind],
        metric_key=exclusion.metric_key,
        start_time=encode_time(exclusion.start_time),
        end_time=encode_time(exclusion.end_time),
        reason=exclusion.reason,
        created_by=exclusion.created_by,
        create_time=encode_time(exclusion.create_time),
    )
