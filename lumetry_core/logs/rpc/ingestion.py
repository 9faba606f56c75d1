"""LogIngestionService."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
import numpy as np

from lumetry.logs.v1 import log_ingestion_service_pb2 as pb
from lumetry.logs.v1 import log_ingestion_service_pb2_grpc, log_pb2
from lumetry_core.logs.columns import Traces
from lumetry_core.logs.model import Draft, ErrorDraft, Settings
from lumetry_core.logs.push_columns import PushColumns
from lumetry_core.logs.rpc.times import read_ns
from lumetry_core.logs.service.appender import Appender
from lumetry_core.logs.service.deciding import Projects
from lumetry_core.logs.service.ingestion import Push, push_logs
from lumetry_core.logs.service.keys import find_key_id
from lumetry_core.logs.service.usage import RefusedPushes
from lumetry_core.logs.usage import Outcome
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, Faults, LumetryError, Reason
from lumetry_core.runtime.interceptors import current_caller

Context = grpc.aio.ServicerContext[Any, Any]
MAX_PARTS_BYTES = 192 * 1024 * 1024
MAX_KNOWN_KEYS = 10_000
TIME_BYTES = 8
TRACE_COLUMNS = ("trace_ids", "span_ids", "parent_span_ids")


class LogIngestionServicer(log_ingestion_service_pb2_grpc.LogIngestionServiceServicer):
    """See `lumetry.logs.v1.LogIngestionService`."""

    def __init__(
        self, database: Database, clock: Clock, appender: Appender, settings: Settings, refused: RefusedPushes | None = None
    ) -> None:
        """Builds the servicer.

        Args:
            refused: Counts pushes that store nothing; None: they are counted for nobody.
        """
        self._refused = refused or RefusedPushes(database, clock)
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
        columns = read_columns(request.columns) if request.HasField("columns") else None
        if entries and columns is not None:
            raise LumetryError(Reason.VALIDATION_FAILED, "The batch comes twice.", faults=(Fault("columns", "must be alone"),))
        push = Push(entries, columns, request.idempotency_key, request.body_digest, request.validate_only, request.return_faults)
        with self._refused.watching(caller):
            receipt, faults = await push_logs(self._append, self._projects, self._clock, self._settings, caller, push)
        if faults or push.validate_only:
            self._refused.note(caller, Outcome.REJECTED)
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
        read_traces(trace, span, parent),
        message.privacy_mode,
        max(message.size_bytes, message.ByteSize()),
        message.time_text,
    )


def read_columns(message: pb.LogColumns) -> PushColumns:
    """Entries as columns. Fails with VALIDATION_FAILED when the columns do not fit together."""
    count = len(message.messages)
    trace_columns = [list(column) or [""] * count for column in (message.trace_ids, message.span_ids, message.parent_span_ids)]
    has_traces = bool(message.trace_ids or message.span_ids or message.parent_span_ids)
    numbers = list(message.environment_numbers)
    faults = Faults()
    faults.check(len(message.times) == TIME_BYTES * count, "columns.times", f"must have {TIME_BYTES} bytes for each message")
    lengths = {"levels": len(message.levels), "metadata_json": len(message.metadata_json), "environment_numbers": len(numbers)}
    lengths |= {name: len(column) for name, column in zip(TRACE_COLUMNS, trace_columns, strict=True)}
    for name, length in lengths.items():
        faults.check(length == count, f"columns.{name}", "must have one element for each message")
    faults.check(max(numbers, default=0) <= len(message.environments), "columns.environment_numbers", "must be positions in `environments`")
    by_position: dict[str, Iterable[int]] = {
        "errors": message.errors,
        "time_texts": message.time_texts,
        "private_entries": message.private_entries,
    }
    for name, positions in by_position.items():
        faults.check(all(position < count for position in positions), f"columns.{name}", "must be positions of entries")
    faults.raise_if_any()
    return PushColumns(
        np.frombuffer(message.times, "<i8"),
        message.levels,
        list(message.messages),
        list(message.metadata_json),
        [None, *message.environments],
        numbers,
        list(map(read_traces, *trace_columns)) if has_traces else [None] * count,
        message.project_id if message.HasField("project_id") else None,
        max(message.size_bytes, message.ByteSize()),
        {position: read_error(error) for position, error in message.errors.items()},
        dict(message.time_texts),
        frozenset(message.private_entries),
    )


def read_traces(trace: str, span: str, parent: str) -> Traces | None:
    """Trace, span and parent span of an entry; None: none of them."""
    return (trace or None, span or None, parent or None) if trace or span or parent else None


def read_error(message: log_pb2.LogError) -> ErrorDraft:
    """The error of an entry."""
    return ErrorDraft(
        message.type if message.HasField("type") else None,
        message.message if message.HasField("message") else None,
        list(message.stack_trace),
        message.context_json,
        message.fingerprint if message.HasField("fingerprint") else None,
    )
