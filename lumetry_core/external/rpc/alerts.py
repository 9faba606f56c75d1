"""`lumetry.external.v1.ExternalAlertService`."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import grpc

from lumetry.external.v1 import external_alert_service_pb2 as pb
from lumetry.external.v1.external_alert_service_pb2_grpc import ExternalAlertServiceServicer
from lumetry_core.external.bodies import read_body, too_large
from lumetry_core.external.model import Source, Transition
from lumetry_core.external.service.accepting import Receipt, Submission, find_own_source
from lumetry_core.external.service.appender import Appender
from lumetry_core.external.service.health import note_rejection, note_unstored
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import current_caller

Context = grpc.aio.ServicerContext[Any, Any]


class ExternalAlertServicer(ExternalAlertServiceServicer):
    """Takes deliveries in."""

    def __init__(self, database: Database, clock: Clock, appender: Appender) -> None:
        self._database = database
        self._clock = clock
        self._appender = appender
        self._unstored: Counter[int] = Counter()
        """Requests of each source that could not be stored, until that can be written down."""

    async def ReportExternalEvents(self, request: pb.ReportExternalEventsRequest, context: Context) -> pb.ReportExternalEventsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            source = await find_own_source(tx, current_caller(), request.source_key)
        try:
            transitions = read_request(source, request)
        except LumetryError as failure:
            async with self._database.write() as tx:
                await note_rejection(tx, source, failure, self._clock.now())
            raise
        receipt = await self._store(source, transitions)
        return pb.ReportExternalEventsResponse(accepted_count=receipt.accepted_count, duplicate_count=receipt.duplicate_count)

    async def _store(self, source: Source, transitions: Sequence[Transition]) -> Receipt:
        """Has transitions stored; a request that cannot be counts as rejected as soon as the store can be written again."""
        try:
            receipt = await self._appender.append(Submission(source.organization_id, source.id, transitions))
        except LumetryError:
            self._unstored[source.id] += 1
            raise
        lost = self._unstored.pop(source.id, 0)
        if lost:
            async with self._database.write() as tx:
                await note_unstored(tx, source, lost)
        return receipt


def read_request(source: Source, request: pb.ReportExternalEventsRequest) -> Sequence[Transition]:
    """The transitions of a delivery. Fails with PAYLOAD_TOO_LARGE, MALFORMED_BODY, VALIDATION_FAILED."""
    if not request.HasField("unreadable"):
        return read_body(source.provider_type, request.body)
    raise too_large() if request.unreadable.too_large else LumetryError(Reason.MALFORMED_BODY, request.unreadable.message)
