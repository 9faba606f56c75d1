"""Giving out work and taking outcomes, on the wire."""

from collections.abc import Sequence

from lumetry.collectors.v1 import collector_service_pb2 as pb
from lumetry.collectors.v1 import work_pb2
from lumetry_core.collectors.rpc.work_messages import decode_outcome, encode_work
from lumetry_core.collectors.service import working
from lumetry_core.collectors.service.watching import Claims
from lumetry_core.collectors.streams import Stream
from lumetry_core.collectors.work import ClaimedWork, Handlers
from lumetry_core.collectors.work_checks import check_claim
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.identifiers import digest_secret


class WorkDesk:
    """Serves ClaimWork and CompleteWork, and the work of streams."""

    def __init__(self, database: Database, clock: Clock, handlers: Handlers) -> None:
        self._database = database
        self._clock = clock
        self._handlers = handlers

    async def claim_work(self, caller: Caller, request: pb.ClaimWorkRequest) -> pb.ClaimWorkResponse:
        """See the proto."""
        claimed = await self.claim(caller, request.capabilities, request.max_items)
        return pb.ClaimWorkResponse(items=[encode_work(each) for each in claimed])

    async def complete_work(self, caller: Caller, request: pb.CompleteWorkRequest) -> pb.CompleteWorkResponse:
        """See the proto."""
        outcome, now = decode_outcome(request.outcome) if request.HasField("outcome") else None, self._clock.now()
        async with self._database.write() as tx:
            await working.complete(tx, caller, request.claim_id, request.claim_token, outcome, self._handlers, now)
        return pb.CompleteWorkResponse()

    async def claim(self, caller: Caller, capabilities: Sequence[str], max_items: int) -> list[ClaimedWork]:
        """Gives out what waits. Asks without writing first, as mostly nothing does."""
        async with self._database.read() as tx:
            if not await working.waits(tx, caller, capabilities, max_items, self._clock.now()):
                return []
        return await self.give(caller, capabilities, max_items)

    async def give(self, caller: Caller, capabilities: Sequence[str], max_items: int) -> list[ClaimedWork]:
        """Gives out what is known to wait."""
        async with self._database.write() as tx:
            return await working.claim(tx, caller, capabilities, max_items, self._handlers, self._clock.now())


class WorkStream:
    """The work of one stream: as many items at once as it has room for. When it breaks, the leases of what it was given simply end."""

    def __init__(self, desk: WorkDesk, stream: Stream, max_outstanding: int) -> None:
        """Without capabilities no work is wanted. Fails with VALIDATION_FAILED."""
        if stream.capabilities:
            check_claim(stream.capabilities, max_outstanding, "maxOutstanding")
        self.max_outstanding = max_outstanding
        self.given: Claims = set()
        """What it holds: what was completed, or whose lease has ended, makes room."""
        self._desk = desk
        self._stream = stream

    async def take(self) -> list[work_pb2.WorkItem]:
        """Work for which there is room. Fails with UNAUTHENTICATED once the collector is revoked."""
        claimed = await self._desk.give(self._stream.caller, self._stream.capabilities, self.max_outstanding - len(self.given))
        self.given |= {(each.item.claim_id, digest_secret(each.token)) for each in claimed}
        return [encode_work(each) for each in claimed]
