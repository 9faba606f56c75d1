"""LogTailService."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc

from lumetry.logs.v1 import log_tail_service_pb2 as pb
from lumetry.logs.v1 import log_tail_service_pb2_grpc
from lumetry_core.logs.entry_id import from_text
from lumetry_core.logs.matching import Matcher
from lumetry_core.logs.model import StoredEntry
from lumetry_core.logs.query import Query, Request, read_query
from lumetry_core.logs.rpc.logs import write_entry
from lumetry_core.logs.service.reading import add_groups, prepare_matcher
from lumetry_core.logs.service.tail_resuming import Reset, catch_up
from lumetry_core.logs.service.tailing import Tail, Tails
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import STARTED, current_caller
from lumetry_core.runtime.queue import Wakeups

Context = grpc.aio.ServicerContext[Any, Any]
NOTICE_SECONDS = 1.0
"""Between two notices of entries that were left out, at least."""
IDLE_SECONDS = 60.0


class LogTailServicer(log_tail_service_pb2_grpc.LogTailServiceServicer):
    """See `lumetry.logs.v1.LogTailService`."""

    def __init__(self, database: Database, clock: Clock, wakeups: Wakeups) -> None:
        self._database = database
        self._clock = clock
        self._tails = Tails(database, clock, wakeups)

    async def TailLogs(self, request: pb.TailLogsRequest, context: Context) -> AsyncIterator[pb.TailLogsResponse]:
        """See the proto."""
        organization_id = current_caller().organization_id
        faults = Faults()
        query = read_query(read_filters(request), faults)
        faults.raise_if_any()
        async with self._database.read() as tx:
            matcher = await prepare_matcher(tx, organization_id, query)
        async with self._tails.following(organization_id, matcher) as tail:
            missed = await self._catch_up(organization_id, query, matcher, request.after_id)
            await context.send_initial_metadata(STARTED)
            if isinstance(missed, Reset):
                yield pb.TailLogsResponse(
                    reset=pb.LogTailReset(reason=missed.reason, oldest_id=missed.oldest_id, latest_id=missed.latest_id)
                )
            else:
                tail.skip([entry.id for entry in missed])
                for entry in await self._add_groups(organization_id, missed):
                    yield pb.TailLogsResponse(entry=write_entry(entry))
            async for response in self._follow(organization_id, tail):
                yield response

    async def _catch_up(self, organization_id: int, query: Query, matcher: Matcher, after_id: str) -> Sequence[StoredEntry] | Reset:
        after = from_text(after_id)
        if after is None:
            return ()
        async with self._database.read() as tx:
            return await catch_up(tx, organization_id, query, matcher, after, self._clock.now())

    async def _follow(self, organization_id: int, tail: Tail) -> AsyncIterator[pb.TailLogsResponse]:
        read_steady = asyncio.get_running_loop().time
        next_notice = read_steady()
        while True:
            await tail.wait(max(next_notice - read_steady(), 0.0) if tail.has_dropped else IDLE_SECONDS)
            for entry in await self._add_groups(organization_id, tail.take_entries()):
                yield pb.TailLogsResponse(entry=write_entry(entry))
            if tail.has_dropped and read_steady() >= next_notice:
                next_notice = read_steady() + NOTICE_SECONDS
                yield pb.TailLogsResponse(dropped=pb.LogsDropped(count=tail.take_dropped()))

    async def _add_groups(self, organization_id: int, entries: Sequence[StoredEntry]) -> Sequence[StoredEntry]:
        if not any(entry.fingerprint for entry in entries):
            return entries
        async with self._database.read() as tx:
            return await add_groups(tx, organization_id, entries)


def read_filters(request: pb.TailLogsRequest) -> Request:
    """The filters of a stream, as those of a search."""
    has = request.HasField
    return Request(
        q=request.q,
        levels=tuple(request.levels),
        min_level=request.min_level,
        environments=tuple(request.environments),
        project_id=request.project_id if has("project_id") else None,
        trace_id=request.trace_id if has("trace_id") else None,
        group_id=request.group_id if has("group_id") else None,
        metadata=tuple((given.path, given.value) for given in request.metadata),
    )
