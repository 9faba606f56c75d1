"""LogIngestionService."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc

from lumetry.logs.v1 import log_ingestion_service_pb2 as pb
from lumetry.logs.v1 import log_ingestion_service_pb2_grpc, log_pb2
from lumetry_core.logs.model import Draft, ErrorDraft, Settings
from lumetry_core.logs.rpc.times import read_ns
from lumetry_core.logs.service.appender import Appender
from lumetry_core.logs.service.deciding import Projects
from lumetry_core.logs.service.ingestion import Push, push_logs
from lumetry_core.logs.service.keys import find_key_id
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import current_caller

Context = grpc.aio.ServicerContext[Any, Any]
MAX_PARTS_BYTES = 192 * 1024 * 1024
MAX_KNOWN_KEYS = 10_000


class LogIngestionServicer(log_ingestion_service_pb2_grpc.LogIngestionServiceServicer):
    """See `lumetry.logs.v1.LogIngestionService`."""

    def __init__(self, database: Database, clock: Clock, appender: Appender, settings: Settings) -> None:
        self._database = database
        self._clock = clock
        self._append = appender.append
        self._settings = settings
        self._projects = Projects(database)
        self._key_ids: dict[tuple[int, int | None], str] = {}

    async def PushLogs(self, request: pb.PushLogsRequest, context: Context) -> pb.PushLogsResponse:
        """See the proto."""
        return await self._push(request, read_entries(request.entries))

    async def PushLogParts(self, request_iterator: AsyncIterator[pb.PushLogPartsRequest], context: Context) -> pb.PushLogPartsResponse:
        """See the proto."""
        first: pb.PushLogsRequest | None = None
        entries: list[Draft] = []
        size = 0
        async for request in request_iterator:
            size += request.ByteSize()
            if size > MAX_PARTS_BYTES:
                raise LumetryError(Reason.PAYLOAD_TOO_LARGE, "The batch is too large.", limit_bytes=str(MAX_PARTS_BYTES))
            entries += read_entries(request.part.entries)
            if first is None:
                first = request.part
                first.ClearField("entries")
        return pb.PushLogPartsResponse(result=await self._push(first or pb.PushLogsRequest(), entries))

    async def _push(self, request: pb.PushLogsRequest, entries: list[Draft]) -> pb.PushLogsResponse:
        caller = current_caller()
        push = Push(entries, request.idempotency_key, request.body_digest, request.validate_only, request.return_faults)
        receipt, faults = await push_logs(self._append, self._projects, self._clock, self._settings, caller, push)
        return pb.PushLogsResponse(
            processed_count=receipt.processed_count,
            bytes_used=receipt.bytes_used,
            log_key_id=await self._find_key_id(caller),
            faults=[pb.LogFault(path=fault.path, message=fault.message, entry_index=fault.index) for fault in faults],
            is_repeat=receipt.is_repeat,
        )

    async def _find_key_id(self, caller: Caller) -> str:
        """The key's UUID, which never changes."""
        if caller.kind is not CredentialKind.LOG_KEY:
            return ""
        number = (caller.organization_id, caller.credential_id)
        known = self._key_ids.get(number)
        if known is None:
            async with self._database.read() as tx:
                known = await find_key_id(tx, caller)
            if len(self._key_ids) >= MAX_KNOWN_KEYS:
                self._key_ids.clear()
            self._key_ids[number] = known
        return known


def read_entries(messages: Iterable[pb.LogEntry]) -> list[Draft]:
    """Entries from their messages."""
    return [read_entry(message) for message in messages]


def read_entry(message: pb.LogEntry) -> Draft:
    """One entry. Absent and empty differ only where the contract tells them apart."""
    has = message.HasField
    trace, span, parent = message.trace_id, message.span_id, message.parent_span_id
    return Draft(
        read_ns(message.time) if has("time") else None,
        message.level,
        message.message,
        message.environment if has("environment") else None,
        message.project_id if has("project_id") else None,
        message.metadata_json,
        read_error(message.error) if has("error") else None,
        (trace or None, span or None, parent or None) if trace or span or parent else None,
        message.privacy_mode,
        max(message.size_bytes, message.ByteSize()),
        message.time_text,
    )


def read_error(message: log_pb2.LogError) -> ErrorDraft:
    """The error of an entry."""
    return ErrorDraft(
        message.type if message.HasField("type") else None,
        message.message if message.HasField("message") else None,
        list(message.stack_trace),
        message.context_json,
        message.fingerprint if message.HasField("fingerprint") else None,
    )
