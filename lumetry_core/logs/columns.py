"""Entries of a block as columns, packed with MessagePack and zstd.

A column more needs a default, and versions without it pass it by. Any other change of the format needs a new version.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from lumetry_core.logs.entry_id import Halves, expand_run, receive_ms, to_bytes, to_text
from lumetry_core.logs.fingerprints import fingerprint_entry
from lumetry_core.logs.model import GROUPED, Draft, ErrorDraft, StoredEntry, StoredError
from lumetry_core.runtime.clock import from_ms

VERSION = 1
COMPRESSION = 1
"""How hard zstd tries; more costs time and saves next to nothing."""

Labels = tuple[str | None, str | None, str | None]
"""Environment label, project label, environment of the key."""
Traces = tuple[str | None, str | None, str | None]
Times = NDArray[np.int64]


class Rest(msgspec.Struct, array_like=True, frozen=True):
    """What few entries have."""

    original_timestamp: str | None
    privacy_mode: bool
    redactions: dict[str, int]
    truncated: list[str]


class PackedError(msgspec.Struct, frozen=True, omit_defaults=True):
    """The error of an entry, as JSON."""

    type: str | None = None
    message: str | None = None
    stack_trace: list[str] = []
    context: msgspec.Raw = msgspec.Raw(b"{}")
    fingerprint: str | None = None


class Columns(msgspec.Struct, array_like=True):
    """One element per entry in each, but for `label_sets`, which `labels` points into, and `rest`, which is by position."""

    version: int
    times: bytes
    levels: bytes
    messages: list[str]
    metadata: list[bytes]
    errors: list[bytes]
    labels: list[int]
    label_sets: list[Labels]
    traces: list[Traces | None]
    rest: dict[int, Rest]
    highs: bytes = b""
    """Upper halves of the identities; empty where they follow from the block's first."""
    lows: bytes = b""
    grouped: dict[int, int] = {}
    """What few entries have, by position: the number of their fingerprint. Versions before grouping neither write nor need it."""
    fingerprints: list[bytes] = []
    """Of error groups, each once."""


@dataclass(frozen=True, slots=True)
class Part:
    """Entries that one push brings to one project, packed."""

    frame: bytes
    count: int
    first_ns: int
    last_ns: int
    level_mask: int


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Unpacked entries of one project, with their identities."""

    project_id: str
    columns: Columns
    times: Times
    levels: NDArray[np.uint8]
    highs: Halves
    lows: Halves


class Codec(threading.local):
    """The codecs of one thread: they are costly to make and not thread-safe."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(COMPRESSION).compress
        self.decompress = zstandard.ZstdDecompressor().decompress
        self.decode = msgspec.msgpack.Decoder(Columns).decode
        self.encode = msgspec.msgpack.Encoder().encode


codec = Codec()
json_encode = msgspec.json.Encoder().encode
frames_decode = msgspec.msgpack.Decoder(list[bytes]).decode
error_decode = msgspec.json.Decoder(PackedError).decode


def pack_entries(entries: Sequence[Draft], key_environment: str | None, project_id: str) -> Part:
    """Packs admitted, scrubbed entries of a deciding project in order of arrival."""
    times = np.array([entry.time_ns for entry in entries], "<i8")
    levels = bytes([entry.level for entry in entries])
    numbers: dict[Labels, int] = {}
    columns = Columns(
        VERSION,
        times.tobytes(),
        levels,
        [entry.message for entry in entries],
        [entry.metadata for entry in entries],
        [pack_error(entry.error) for entry in entries],
        [numbers.setdefault((entry.environment, entry.project_id, key_environment), len(numbers)) for entry in entries],
        [],
        [entry.traces for entry in entries],
        {
            index: Rest(entry.original_timestamp, entry.privacy_mode, entry.redactions or {}, entry.truncated or [])
            for index, entry in enumerate(entries)
            if entry.redactions or entry.truncated or entry.privacy_mode or entry.original_timestamp is not None
        },
    )
    columns.label_sets = list(numbers)
    fingerprints: dict[bytes, int] = {}
    for index, entry in enumerate(entries):
        if (fingerprint := fingerprint_entry(project_id, entry)) is not None:
            columns.grouped[index] = fingerprints.setdefault(fingerprint, len(fingerprints))
    columns.fingerprints = list(fingerprints)
    return pack_columns(columns, times)


def pack_columns(columns: Columns, times: Times) -> Part:
    """Packs columns that are complete."""
    return Part(codec.compress(codec.encode(columns)), len(times), int(times.min()), int(times.max()), mask_of(columns))


def mask_of(columns: Columns) -> int:
    """A bit for each level that occurs, and one where entries are grouped."""
    return sum(1 << level for level in set(columns.levels)) | (GROUPED if columns.grouped else 0)


def pack_error(error: ErrorDraft | None) -> bytes:
    """The error of an entry; empty: none."""
    if error is None:
        return b""
    return json_encode(PackedError(error.type, error.message, error.stack_trace, msgspec.Raw(error.context or b"{}"), error.fingerprint))


def join_frames(frames: Sequence[bytes]) -> bytes:
    """What a block stores of its parts."""
    return codec.encode(list(frames))


def unpack(project_id: str, first_id: bytes, payload: bytes) -> list[Batch]:
    """The entries of a block; one batch per frame."""
    batches = []
    position = 0
    for frame in split_frames(payload):
        batch = unpack_frame(project_id, frame, first_id, position)
        position += 0 if batch.columns.highs else len(batch.times)
        batches.append(batch)
    return batches


def split_frames(payload: bytes) -> list[bytes]:
    """What a block is made of, still packed."""
    return frames_decode(payload)


def unpack_frame(project_id: str, frame: bytes, first_id: bytes, position: int = 0) -> Batch:
    """The entries of a frame.

    Args:
        first_id: The block's first identity …
        position: … and how many entries of the block come before, where identities follow from the order.
    """
    columns = codec.decode(codec.decompress(frame))
    if columns.version != VERSION:
        raise ValueError(f"stored entries have format {columns.version}, this version reads {VERSION}")
    times = np.frombuffer(columns.times, "<i8")
    if columns.highs:
        highs, lows = unshuffle(columns.highs), unshuffle(columns.lows)
    else:
        all_highs, all_lows = expand_run(first_id, position + len(times))
        highs, lows = all_highs[position:], all_lows[position:]
    return Batch(project_id, columns, times, np.frombuffer(columns.levels, np.uint8), highs, lows)


def shuffle(column: Halves) -> bytes:
    """Byte planes of a column: all lowest bytes first."""
    return np.ascontiguousarray(column, "<u8").view(np.uint8).reshape(-1, 8).T.tobytes()


def unshuffle(planes: bytes) -> Halves:
    """The column of which `shuffle` made byte planes."""
    return np.ascontiguousarray(np.frombuffer(planes, np.uint8).reshape(8, -1).T).view("<u8").reshape(-1)


def id_at(batch: Batch, index: int) -> bytes:
    """The identity of an entry."""
    return to_bytes(int(batch.highs[index]), int(batch.lows[index]))


def read_entry(batch: Batch, index: int) -> StoredEntry:
    """One entry as it is shown."""
    columns = batch.columns
    environment, project_id, key_environment = columns.label_sets[columns.labels[index]]
    rest = columns.rest.get(index)
    metadata = columns.metadata[index] or b"{}"
    trace_id, span_id, parent_span_id = traces_of(columns.traces[index], metadata)
    group = columns.grouped.get(index)
    return StoredEntry(
        id=to_text(id_at(batch, index)),
        time_ns=int(batch.times[index]),
        receive_time=from_ms(receive_ms(int(batch.highs[index]))),
        level=int(batch.levels[index]),
        message=columns.messages[index],
        environment=key_environment if environment is None else environment,
        key_environment=key_environment,
        project_id=batch.project_id if project_id is None else project_id,
        key_project_id=batch.project_id,
        metadata=metadata,
        error=read_error(columns.errors[index]),
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent_span_id,
        privacy_mode=rest is not None and rest.privacy_mode,
        original_timestamp=None if rest is None else rest.original_timestamp,
        redactions={} if rest is None else rest.redactions,
        truncated=() if rest is None else tuple(rest.truncated),
        fingerprint=None if group is None else columns.fingerprints[group],
    )


def traces_of(traces: Traces | None, metadata: bytes) -> Traces:
    """Trace, span and parent span of an entry: the fields, else texts of the same names in metadata."""
    given = traces or (None, None, None)
    if all(given) or b"_id" not in metadata:
        return given
    members: dict[str, Any] = msgspec.json.decode(metadata)
    found = [members.get(name) if field is None else field for name, field in zip(TRACE_FIELDS, given, strict=True)]
    trace, span, parent = (value if isinstance(value, str) else None for value in found)
    return trace, span, parent


TRACE_FIELDS = ("trace_id", "span_id", "parent_span_id")


def read_error(packed: bytes) -> StoredError | None:
    """The error of an entry."""
    if not packed:
        return None
    error = error_decode(packed)
    return StoredError(error.type, error.message, tuple(error.stack_trace), bytes(error.context), error.fingerprint)
