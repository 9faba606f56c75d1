"""The body of a push as its sender may write it, and entries as messages to the core (contract logs 2.1, 2.2).

A body in which everything has its type is read at once; `inspection` reads all others and names what is wrong. What an entry is charged
with is the length of its compact JSON as received, so absence and `null` are told apart here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from gateway.contracts.logs.times import Moment, parse_moment
from gateway.transcode.bodies import MEBIBYTE
from gateway.transcode.handling import encoder
from lumetry.logs.v1 import log_ingestion_service_pb2, log_pb2

MAX_MESSAGE_BYTES = 10_240
MAX_METADATA_BYTES = 102_400
LARGE_ENTRY_BYTES = MEBIBYTE
"""An entry of this size has fields that the core cuts, and that are not worth sending whole."""
PART_BYTES = 3 * MEBIBYTE
"""A message to the core is full then; with a last entry, however large, it stays far below the core's limit."""
SENT_LABEL, SENT_NAME, SENT_TEXT_BYTES, SENT_LINES = 1_024, 4_096, 16_384, 501
"""What is sent of fields that the core cuts: more than it keeps, so that it sees the cut."""
SENT_LINE_BYTES = 9_216
MIN_COLUMN_ENTRIES = 32
"""Of fewer entries columns save nothing."""
SURE_MESSAGE = MAX_MESSAGE_BYTES // 4
"""Characters of a message that is within its limit whatever they are."""
NANOS_PER_SECOND = 1_000_000_000
LARGEST_SECOND = 2**63 // NANOS_PER_SECOND - 1
"""Of times in nanoseconds."""
SURE_AHEAD_SECONDS = 23 * 3600
"""A time that is not further ahead is one that the core can use."""
CONTEXT_TO_DROP = b'{"":"' + b"x" * MAX_METADATA_BYTES + b'"}'
"""Stands for a context that is dropped for its size."""

Level = Literal["debug", "info", "warn", "error", "fatal", "panic"]
LEVEL_NUMBERS = {name.removeprefix("LOG_LEVEL_").lower(): number for name, number in log_pb2.LogLevel.items() if number}
OptionalText = str | UnsetType | None
OptionalObject = dict[str, Any] | UnsetType | None


class ErrorBody(msgspec.Struct, gc=False):
    """What an entry tells of an error."""

    type: OptionalText = UNSET
    message: OptionalText = UNSET
    stack_trace: list[str] | str | UnsetType | None = UNSET
    context: OptionalObject = UNSET
    fingerprint: OptionalText = UNSET


class EntryBody(msgspec.Struct, gc=False):
    """One log entry."""

    timestamp: str
    level: Level
    message: str
    environment: OptionalText = UNSET
    metadata: OptionalObject = UNSET
    error: ErrorBody | UnsetType | None = UNSET
    project_id: OptionalText = UNSET
    privacy_mode: bool | UnsetType | None = UNSET
    trace_id: OptionalText = UNSET
    span_id: OptionalText = UNSET
    parent_span_id: OptionalText = UNSET


class PushBody(msgspec.Struct, gc=False):
    """A batch of entries; `api_key` is deprecated."""

    logs: Annotated[list[EntryBody], msgspec.Meta(min_length=1)]
    api_key: str | None = None


class KnownError(ErrorBody, forbid_unknown_fields=True, gc=False):
    """An error without undocumented fields."""


class KnownEntry(EntryBody, forbid_unknown_fields=True, gc=False):
    """An entry without undocumented fields, which decoding would lose though they count."""

    error: KnownError | UnsetType | None = UNSET


class KnownPush(PushBody, gc=False):
    """A body whose entries can be read at once."""

    logs: Annotated[list[KnownEntry], msgspec.Meta(min_length=1)]  # type: ignore[assignment]


@dataclass(slots=True)
class Parts:
    """A batch as messages to the core, mostly one."""

    messages: list[log_ingestion_service_pb2.PushLogsRequest] = field(default_factory=lambda: [log_ingestion_service_pb2.PushLogsRequest()])
    _size: int = 0

    def add(self, entry: EntryBody, moment: Moment, metadata: bytes, size: int) -> None:
        """Adds an entry.

        Args:
            metadata: Compact JSON; empty: none.
            size: What the entry is charged with.
        """
        if self._size > PART_BYTES:
            self.messages.append(log_ingestion_service_pb2.PushLogsRequest())
            self._size = 0
        if size > LARGE_ENTRY_BYTES:
            shorten(entry)
        sent = self.messages[-1].entries.add(
            time_text=entry.timestamp, level=LEVEL_NUMBERS[entry.level], message=entry.message, metadata_json=metadata, size_bytes=size
        )
        time = sent.time
        time.seconds, time.nanos = moment
        write_labels(sent, entry)
        if isinstance(entry.error, ErrorBody):
            write_error(sent.error, entry.error)
        self._size += size if size <= LARGE_ENTRY_BYTES else sent.ByteSize()


def write_labels(sent: log_ingestion_service_pb2.LogEntry, entry: EntryBody) -> None:
    """Writes the fields that most entries leave out."""
    if isinstance(entry.environment, str):
        sent.environment = entry.environment
    if isinstance(entry.project_id, str):
        sent.project_id = entry.project_id
    if entry.privacy_mode is True:
        sent.privacy_mode = True
    if isinstance(entry.trace_id, str):
        sent.trace_id = entry.trace_id
    if isinstance(entry.span_id, str):
        sent.span_id = entry.span_id
    if isinstance(entry.parent_span_id, str):
        sent.parent_span_id = entry.parent_span_id


def write_error(sent: log_pb2.LogError, error: ErrorBody) -> None:
    """Writes the error of an entry; one that says nothing is there all the same."""
    sent.SetInParent()
    if isinstance(error.type, str):
        sent.type = error.type
    if isinstance(error.message, str):
        sent.message = error.message
    if isinstance(error.stack_trace, str):
        sent.stack_trace.append(error.stack_trace)
    elif isinstance(error.stack_trace, list):
        sent.stack_trace.extend(error.stack_trace)
    if isinstance(error.context, dict):
        context = encoder.encode(error.context)
        sent.context_json = context if len(context) <= MAX_METADATA_BYTES else CONTEXT_TO_DROP
    if isinstance(error.fingerprint, str):
        sent.fingerprint = error.fingerprint


def shorten(entry: EntryBody) -> None:
    """Takes off what the core would cut anyway, so that the entry fits into a message."""
    for name in ("environment", "project_id", "trace_id", "span_id", "parent_span_id"):
        cut_field(entry, name, SENT_LABEL)
    error = entry.error
    if isinstance(error, ErrorBody):
        cut_field(error, "type", SENT_NAME)
        cut_field(error, "fingerprint", SENT_NAME)
        cut_field(error, "message", SENT_TEXT_BYTES)
        if isinstance(error.stack_trace, str):
            error.stack_trace = error.stack_trace[:SENT_LINE_BYTES]
        elif isinstance(error.stack_trace, list):
            error.stack_trace = [cut_bytes(line, SENT_LINE_BYTES) for line in error.stack_trace[:SENT_LINES]]


def cut_field(struct: EntryBody | ErrorBody, name: str, length: int) -> None:
    """Cuts a text field."""
    value = getattr(struct, name)
    if isinstance(value, str):
        setattr(struct, name, value[:length])


def cut_bytes(text: str, length: int) -> str:
    """The beginning of a text, as many whole characters as fit."""
    return text if len(text) * 4 <= length else text.encode()[:length].decode(errors="ignore")


def is_message_too_long(message: str) -> bool:
    """Whether a message is over its limit, which counts UTF-8."""
    return len(message) * 4 > MAX_MESSAGE_BYTES and len(message.encode()) > MAX_MESSAGE_BYTES


def build_parts(entries: Sequence[EntryBody], size: int) -> Parts | None:
    """Messages of entries whose types are right and whose body has so many bytes; None when a time is none or a limit is exceeded."""
    if len(entries) >= MIN_COLUMN_ENTRIES and size <= PART_BYTES and (columns := build_columns(entries)) is not None:
        return Parts([log_ingestion_service_pb2.PushLogsRequest(columns=columns)])
    parts = Parts()
    encode = encoder.encode
    for entry in entries:
        moment = parse_moment(entry.timestamp)
        if moment is None:
            return None
        metadata = encode(entry.metadata) if entry.metadata else b""
        size = len(encode(entry))
        if size > MAX_MESSAGE_BYTES and (is_message_too_long(entry.message) or len(metadata) > MAX_METADATA_BYTES):
            return None
        parts.add(entry, moment, metadata, size)
    return parts


def build_columns(entries: Sequence[EntryBody]) -> log_ingestion_service_pb2.LogColumns | None:
    """Entries as columns; None when they cannot travel together, or when one may be over a limit and has to be looked at by itself."""
    moments = [parse_moment(entry.timestamp) for entry in entries]
    projects = {entry.project_id if isinstance(entry.project_id, str) else None for entry in entries}
    metadata = [encoder.encode(entry.metadata) if entry.metadata else b"" for entry in entries]
    longest = max(len(entry.message) for entry in entries)
    if None in moments or len(projects) > 1 or longest > SURE_MESSAGE or max(map(len, metadata)) > MAX_METADATA_BYTES:
        return None
    environments: dict[str, int] = {}
    columns = log_ingestion_service_pb2.LogColumns(
        levels=bytes([LEVEL_NUMBERS[entry.level] for entry in entries]),
        messages=[entry.message for entry in entries],
        metadata_json=metadata,
        environment_numbers=[number_of(environments, entry.environment) for entry in entries],
        size_bytes=len(encoder.encode(entries)) - len(entries) - 1,  # without brackets and commas
        project_id=projects.pop(),
        private_entries=[position for position, entry in enumerate(entries) if entry.privacy_mode is True],
    )
    columns.environments.extend(environments)
    write_times(columns, [moment for moment in moments if moment is not None], entries)
    for column, name in ((columns.trace_ids, "trace_id"), (columns.span_ids, "span_id"), (columns.parent_span_ids, "parent_span_id")):
        texts = [getattr(entry, name) or "" for entry in entries]
        if any(texts):
            column.extend(texts)
    for position, entry in enumerate(entries):
        if isinstance(entry.error, ErrorBody):
            write_error(columns.errors[position], entry.error)
    return columns


def number_of(environments: dict[str, int], name: OptionalText) -> int:
    """The number of an environment among those that occur; 0: none."""
    return environments.setdefault(name, len(environments) + 1) if isinstance(name, str) else 0


def write_times(columns: log_ingestion_service_pb2.LogColumns, moments: Sequence[Moment], entries: Sequence[EntryBody]) -> None:
    """Writes the times, and the texts of those that the core may not be able to use."""
    seconds = np.array([moment[0] for moment in moments], np.int64)
    nanos = np.array([moment[1] for moment in moments], np.int64)
    columns.times = (np.clip(seconds, -LARGEST_SECOND, LARGEST_SECOND) * NANOS_PER_SECOND + nanos).astype("<i8").tobytes()
    for position in np.flatnonzero((seconds < 0) | (seconds > datetime.now(UTC).timestamp() + SURE_AHEAD_SECONDS)).tolist():
        columns.time_texts[position] = entries[position].timestamp
