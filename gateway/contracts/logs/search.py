"""Reading entries (contract logs 4, 5)."""

from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.logs.times import format_time, read_time
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure, Fault, Reason, validation_failure
from gateway.transcode.handling import json_response
from gateway.transcode.request import MAX_PARAMETERS, Request
from lumetry.logs.v1 import log_pb2, log_service_pb2

SEARCH_LOGS = find_rpc(log_service_pb2.DESCRIPTOR, "LogService", "SearchLogs")

LEVEL_NAMES = {number: name.removeprefix("LOG_LEVEL_").lower() for name, number in log_pb2.LogLevel.items() if number}
METADATA_PREFIX = "metadata."
LITERAL_PATHS = frozenset({"stream", "usage"})
"""Never ids."""
NO_OBJECT = b"{}"

Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
JsonObject = Annotated[Any, msgspec.Meta(extra_json_schema={"type": "object"})]


class SearchParameters(msgspec.Struct):
    """Which entries; besides these, `metadata.<key>` filters values."""

    q: str | None = None
    level: str | None = None
    min_level: str | None = None
    environment: str | None = None
    project_id: str | None = None
    trace_id: str | None = None
    group_id: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)] | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    order: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    cursor: str | None = None


class EntryError(msgspec.Struct):
    """The error of an entry."""

    type: str | None
    message: str | None
    stack_trace: list[str]
    context: JsonObject
    fingerprint: str | None


class Entry(msgspec.Struct):
    """An entry as it is stored."""

    id: str
    timestamp: Time
    received_at: Time
    original_timestamp: str | None
    level: str
    level_rank: int
    message: str
    environment: str | None
    key_environment: str | None
    project_id: str
    key_project_id: str
    metadata: JsonObject
    error: EntryError | None
    trace_id: str | None
    span_id: str | None
    parent_span_id: str | None
    group_id: int | None
    privacy_mode: bool
    redactions: dict[str, int]
    truncated: list[str]


class EntryPage(msgspec.Struct):
    """A page of entries."""

    logs: list[Entry]
    next_cursor: str | None
    has_more: bool


async def search(request: Request) -> web.Response:
    """5 `GET /v1/logs`."""
    try:
        reply = await request.core.call(SEARCH_LOGS, decode_search(request), request.metadata, rates=request.rates)
    except Failure as failure:
        if failure.from_core and failure.reason in (Reason.VALIDATION_FAILED, Reason.OUT_OF_RANGE):
            failure.metadata = {**failure.metadata, "part": "query"}
        raise
    page = EntryPage([encode_entry(entry) for entry in reply.entries], reply.next_cursor or None, reply.has_more)
    return json_response(page)


def decode_search(request: Request) -> log_service_pb2.SearchLogsRequest:
    """5 the parameters."""
    given = request.query(SearchParameters)
    faults: list[Fault] = []
    start, end = (read_bound(name, text, faults) for name, text in (("from", given.from_), ("to", given.to)))
    filters = metadata_filters(request.http.rel_url.raw_query_string)
    faults += [Fault(f"{METADATA_PREFIX}{path}", "must not contain NUL characters") for path, value in filters if "\0" in path + value]
    if faults:
        raise validation_failure(tuple(faults), part="query")
    return log_service_pb2.SearchLogsRequest(
        q=given.q or "",
        levels=split_list(given.level),
        min_level=given.min_level or "",
        environments=split_list(given.environment),
        project_id=given.project_id,
        trace_id=given.trace_id,
        group_id=given.group_id,
        start_time=start,
        end_time=end,
        metadata=[log_service_pb2.MetadataFilter(path=path, value=value) for path, value in filters],
        order=given.order or "",
        limit=given.limit,
        cursor=given.cursor or "",
    )


def read_bound(name: str, text: str | None, faults: list[Fault]) -> Timestamp | None:
    """One end of the time range, to the nanosecond."""
    if text is None:
        return None
    time = read_time(text)
    if time is None:
        faults.append(Fault(name, "must be an ISO 8601 date and time such as 2026-01-26T14:30:00.000Z"))
    return time


def metadata_filters(query_string: str) -> list[tuple[str, str]]:
    """Path and value of each metadata filter; an empty value is one, and a path may come twice."""
    parameters = parse_qsl(query_string, keep_blank_values=True, errors="replace", max_num_fields=MAX_PARAMETERS)
    return [(name.removeprefix(METADATA_PREFIX), value) for name, value in parameters if name.startswith(METADATA_PREFIX)]


def split_list(text: str | None) -> list[str]:
    """The parts of a comma list."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def decode_get(request: Request) -> log_service_pb2.GetLogRequest:
    """5 `GET /v1/logs/{id}`."""
    if request.values["id"] in LITERAL_PATHS:
        raise Failure(Reason.ROUTE_NOT_FOUND, "No such route.")
    return log_service_pb2.GetLogRequest(id=request.uuid("id"))


def encode_get(reply: log_service_pb2.GetLogResponse, _asked: object) -> Entry:
    """5 one bare entry."""
    return encode_entry(reply.entry)


def encode_entry(entry: log_pb2.StoredLogEntry) -> Entry:
    """4 an entry."""
    has = entry.HasField
    return Entry(
        id=entry.id,
        timestamp=format_time(entry.time),
        received_at=format_time(entry.receive_time),
        original_timestamp=entry.original_timestamp if has("original_timestamp") else None,
        level=LEVEL_NAMES[entry.level],
        level_rank=entry.level,
        message=entry.message,
        environment=entry.environment if has("environment") else None,
        key_environment=entry.key_environment if has("key_environment") else None,
        project_id=entry.project_id,
        key_project_id=entry.key_project_id,
        metadata=msgspec.Raw(entry.metadata_json or NO_OBJECT),
        error=encode_error(entry.error) if has("error") else None,
        trace_id=entry.trace_id if has("trace_id") else None,
        span_id=entry.span_id if has("span_id") else None,
        parent_span_id=entry.parent_span_id if has("parent_span_id") else None,
        group_id=entry.group_id if has("group_id") else None,
        privacy_mode=entry.privacy_mode,
        redactions=dict(entry.redactions),
        truncated=list(entry.truncated),
    )


def encode_error(error: log_pb2.LogError) -> EntryError:
    """4 the error of an entry."""
    return EntryError(
        type=error.type if error.HasField("type") else None,
        message=error.message if error.HasField("message") else None,
        stack_trace=list(error.stack_trace),
        context=msgspec.Raw(error.context_json or NO_OBJECT),
        fingerprint=error.fingerprint if error.HasField("fingerprint") else None,
    )
