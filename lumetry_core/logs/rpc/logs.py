"""LogService."""

import asyncio
from typing import Any

import grpc

from lumetry.logs.v1 import log_pb2, log_service_pb2_grpc
from lumetry.logs.v1 import log_service_pb2 as pb
from lumetry_core.logs.model import NS_PER_MS, StoredEntry, StoredError
from lumetry_core.logs.query import Request
from lumetry_core.logs.rpc.times import read_bound, write_ns
from lumetry_core.logs.service import reading
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller

Context = grpc.aio.ServicerContext[Any, Any]
SEARCHES_AT_ONCE = 2
"""Further ones wait: a search may keep a connection and a processor busy for a while."""


class LogServicer(log_service_pb2_grpc.LogServiceServicer):
    """See `lumetry.logs.v1.LogService`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns = asyncio.Semaphore(SEARCHES_AT_ONCE)

    async def SearchLogs(self, request: pb.SearchLogsRequest, context: Context) -> pb.SearchLogsResponse:
        """See the proto."""
        async with self._turns, self._database.read() as tx:
            page = await reading.search_logs(tx, current_caller().organization_id, read_request(request))
        return pb.SearchLogsResponse(
            entries=[write_entry(entry) for entry in page.entries], next_cursor=page.next_cursor, has_more=bool(page.next_cursor)
        )

    async def GetLog(self, request: pb.GetLogRequest, context: Context) -> pb.GetLogResponse:
        """See the proto."""
        async with self._database.read() as tx:
            entry = await reading.get_log(tx, current_caller().organization_id, request.id)
        return pb.GetLogResponse(entry=write_entry(entry))


def read_request(request: pb.SearchLogsRequest) -> Request:
    """A search from its message."""
    has = request.HasField
    return Request(
        q=request.q,
        levels=tuple(request.levels),
        min_level=request.min_level,
        environments=tuple(request.environments),
        project_id=request.project_id if has("project_id") else None,
        trace_id=request.trace_id if has("trace_id") else None,
        group_id=request.group_id if has("group_id") else None,
        start_ns=read_bound(request.start_time) if has("start_time") else None,
        end_ns=read_bound(request.end_time) if has("end_time") else None,
        metadata=tuple((given.path, given.value) for given in request.metadata),
        order=request.order,
        limit=request.limit if has("limit") else None,
        cursor=request.cursor,
    )


def write_entry(entry: StoredEntry) -> log_pb2.StoredLogEntry:
    """An entry as its message."""
    return log_pb2.StoredLogEntry(
        id=entry.id,
        time=write_ns(entry.time_ns),
        receive_time=write_ns(to_ms(entry.receive_time) * NS_PER_MS),
        original_timestamp=entry.original_timestamp,
        level=log_pb2.LogLevel.ValueType(entry.level),
        message=entry.message,
        environment=entry.environment,
        key_environment=entry.key_environment,
        project_id=entry.project_id,
        key_project_id=entry.key_project_id,
        metadata_json=entry.metadata,
        error=None if entry.error is None else write_error(entry.error),
        trace_id=entry.trace_id,
        span_id=entry.span_id,
        parent_span_id=entry.parent_span_id,
        group_id=entry.group_id,
        privacy_mode=entry.privacy_mode,
        redactions=entry.redactions,
        truncated=entry.truncated,
    )


def write_error(error: StoredError) -> log_pb2.LogError:
    """The error of an entry as its message."""
    return log_pb2.LogError(
        type=error.type,
        message=error.message,
        stack_trace=error.stack_trace,
        context_json=error.context,
        fingerprint=error.fingerprint,
    )
