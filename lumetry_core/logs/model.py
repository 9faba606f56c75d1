"""Nouns of logs: entries on their way in, as they are stored, and their limits (contract logs 1.6, 2.2, 4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

LEVELS = ("debug", "info", "warn", "error", "fatal", "panic")
"""By ascending rank, from 1."""
RANK_OF: Mapping[str, int] = {name: rank for rank, name in enumerate(LEVELS, 1)}

GROUPED = 1 << 7
"""Bit of a block's level mask beside those of levels: some of its entries are of error groups."""

MAX_MESSAGE_BYTES = 10_240
MAX_METADATA_BYTES = 102_400
MAX_LABEL = 128
MAX_ERROR_TYPE = 512
MAX_FINGERPRINT = 256
MAX_STACK_LINES = 500
MAX_STACK_LINE_BYTES = 8_192
MAX_IDEMPOTENCY_KEY = 128
NS_PER_MS = 1_000_000
DAY_NS = 86_400_000 * NS_PER_MS


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator can set of logs."""

    max_batch: int = 1000
    """Entries of one push; 1 or more."""
    retention_days: int = 30
    """For projects that set none; 1 to 400."""
    dedupe_seconds: int = 0
    """For so long an identical batch of two or more entries is taken as a repetition; 0: never."""

    def __post_init__(self) -> None:
        if self.max_batch < 1:
            raise ValueError("max_batch must be at least 1")
        if not 1 <= self.retention_days <= 400:
            raise ValueError("retention_days must be between 1 and 400")
        if self.dedupe_seconds < 0:
            raise ValueError("dedupe_seconds must be at least 0")


@dataclass(slots=True)
class ErrorDraft:
    """The error of an entry on its way in; changed in place as it is cut and scrubbed. `context` is JSON, empty: none."""

    type: str | None = None
    message: str | None = None
    stack_trace: list[str] = field(default_factory=list)
    context: bytes = b""
    fingerprint: str | None = None


@dataclass(slots=True)
class Draft:
    """An entry on its way in. It is changed in place while it is checked, cut and scrubbed: at this rate copies count."""

    time_ns: int | None
    """None: not given."""
    level: int
    """Rank; 0: not given."""
    message: str
    environment: str | None = None
    project_id: str | None = None
    """The label."""
    metadata: bytes = b""
    """JSON of an object; empty: none."""
    error: ErrorDraft | None = None
    traces: tuple[str | None, str | None, str | None] | None = None
    """Trace, span and parent span; None: none of them."""
    privacy_mode: bool = False
    size_bytes: int = 0
    time_text: str = ""
    """The time as the sender wrote it, where it was worth sending."""
    original_timestamp: str | None = None
    truncated: list[str] | None = None
    redactions: dict[str, int] | None = None

    def note_cut(self, path: str) -> None:
        """Notes that a field was cut or dropped."""
        self.truncated = [*(self.truncated or ()), path]


@dataclass(frozen=True, slots=True)
class StoredError:
    """The error of a stored entry."""

    type: str | None = None
    message: str | None = None
    stack_trace: Sequence[str] = ()
    context: bytes = b"{}"
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as it is read (contract 4). `metadata` is compact JSON."""

    id: str
    time_ns: int
    receive_time: datetime
    level: int
    message: str
    environment: str | None
    key_environment: str | None
    project_id: str
    key_project_id: str
    metadata: bytes = b"{}"
    error: StoredError | None = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    privacy_mode: bool = False
    original_timestamp: str | None = None
    redactions: Mapping[str, int] = field(default_factory=dict)
    truncated: Sequence[str] = ()
    fingerprint: bytes | None = None
    """Of its error group."""
    group_id: int | None = None
    """None also where it was not looked up."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a push."""

    processed_count: int
    bytes_used: int
    is_repeat: bool = False


@dataclass(frozen=True, slots=True)
class EntryFault:
    """What is wrong with an entry of a batch, `index` counting from 0; None: with the batch itself."""

    path: str
    message: str
    index: int | None


@dataclass(frozen=True, slots=True)
class BlockGroup:
    """Stored blocks of one project, level and day: how many, with how many entries, and since when."""

    organization_id: int
    project_id: str
    level: int
    day: int
    block_count: int
    entry_count: int
    oldest: datetime


class BlocksChanged(Exception):  # noqa: N818 -- an event, not a fault
    """Another process has read or replaced a block meanwhile: nothing of the transaction may stay."""
