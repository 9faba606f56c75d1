"""Judging the entries of a batch: what breaks a documented limit is a fault, what is merely too long is cut (contract logs 2.2)."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import msgspec

from lumetry_core.logs.model import (
    DAY_NS,
    LEVELS,
    MAX_ERROR_TYPE,
    MAX_FINGERPRINT,
    MAX_LABEL,
    MAX_MESSAGE_BYTES,
    MAX_METADATA_BYTES,
    MAX_STACK_LINE_BYTES,
    MAX_STACK_LINES,
    NS_PER_MS,
    Draft,
    EntryFault,
    ErrorDraft,
)
from lumetry_core.runtime.clock import EPOCH

EMPTY_OBJECT = b"{}"
MAX_BYTES_PER_CHARACTER = 4
NUL, REPLACEMENT = "\0", "�"

decode = msgspec.json.Decoder(dict[str, object]).decode
encode = msgspec.json.Encoder().encode


def admit_entries(entries: Sequence[Draft], now_ms: int, positions: Sequence[int] | None = None) -> list[EntryFault]:
    """Judges, cuts and normalises entries in place; the faults of all, in order.

    Args:
        positions: Of the entries in their batch; None: they are all of it.
    """
    now_ns = now_ms * NS_PER_MS
    faults: list[EntryFault] = []
    for index, entry in zip(range(len(entries)) if positions is None else positions, entries, strict=True):
        # Most entries pass these, and a call for each would cost more than the checks.
        time_ns, message = entry.time_ns, entry.message
        if time_ns is None or not 0 <= time_ns <= now_ns + DAY_NS:
            faults += admit_time(index, entry, now_ns)
        if not 1 <= entry.level <= len(LEVELS):
            faults.append(fault(index, "level", "required" if entry.level == 0 else f"must be one of {', '.join(LEVELS)}"))
        if len(message) * MAX_BYTES_PER_CHARACTER > MAX_MESSAGE_BYTES or NUL in message:
            faults += admit_message(index, entry)
        if entry.metadata:
            faults += admit_metadata(index, entry)
        if entry.error is not None:
            faults += admit_error(index, entry, entry.error)
        if entry.environment is not None or entry.project_id is not None or entry.traces is not None:
            cut_labels(entry)
    return faults


def admit_time(index: int, entry: Draft, now_ns: int) -> list[EntryFault]:
    """Puts the arrival in the place of a time that cannot be right."""
    if entry.time_ns is None:
        return [fault(index, "timestamp", "required")]
    entry.original_timestamp = entry.time_text[:MAX_LABEL] or format_time(entry.time_ns)
    entry.time_ns = now_ns
    return []


def admit_message(index: int, entry: Draft) -> list[EntryFault]:
    """Judges a long message, or one with U+0000."""
    if len(entry.message.encode()) > MAX_MESSAGE_BYTES:
        return [fault(index, "message", f"must be at most {MAX_MESSAGE_BYTES} bytes of UTF-8")]
    entry.message = entry.message.replace(NUL, REPLACEMENT)
    return []


def fault(index: int, field: str, message: str) -> EntryFault:
    """A fault of one entry."""
    return EntryFault(f"logs[{index}].{field}", message, index)


def admit_metadata(index: int, entry: Draft) -> list[EntryFault]:
    """Judges and normalises metadata."""
    compact = compact_object(entry.metadata)
    if isinstance(compact, str):
        return [fault(index, "metadata", compact)]
    if len(compact) > MAX_METADATA_BYTES:
        return [fault(index, "metadata", f"must be at most {MAX_METADATA_BYTES} bytes of compact JSON")]
    entry.metadata = b"" if compact == EMPTY_OBJECT else compact
    return []


def compact_object(document: bytes) -> bytes | str:
    """A JSON object as it is stored: compact, nothing escaped that need not be; or what is wrong with it."""
    try:
        if b"\\u0000" in document:
            return encode(without_nul(decode(document)))
        return encode(decode(document))
    except RecursionError:
        return "is nested too deeply"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "must be a JSON object"


def without_nul(value: object) -> object:
    """A JSON value whose texts have no U+0000."""
    if isinstance(value, str):
        return value.replace(NUL, REPLACEMENT)
    if isinstance(value, dict):
        return {key.replace(NUL, REPLACEMENT): without_nul(member) for key, member in value.items()}
    if isinstance(value, list):
        return [without_nul(element) for element in value]
    return value


def admit_error(index: int, entry: Draft, error: ErrorDraft) -> list[EntryFault]:
    """Judges the error of an entry and cuts what is not scrubbed; the rest is for `cut_errors`."""
    error.type = cut_label(entry, "error.type", error.type, MAX_ERROR_TYPE)
    if error.message is not None:
        error.message = error.message.replace(NUL, REPLACEMENT)
    error.stack_trace = [line.replace(NUL, REPLACEMENT) for line in error.stack_trace]
    error.fingerprint = cut_label(entry, "error.fingerprint", error.fingerprint, MAX_FINGERPRINT)
    if error.context:
        compact = compact_object(error.context)
        if isinstance(compact, str):
            return [fault(index, "error.context", compact)]
        error.context = compact
        if len(compact) > MAX_METADATA_BYTES:
            error.context = b""
            entry.note_cut("error.context")
    return []


def cut_errors(entries: Iterable[Draft]) -> None:
    """Cuts the texts of errors in place, once they are scrubbed: half a secret would not be recognised."""
    for entry in entries:
        if entry.error is None:
            continue
        if entry.error.message is not None:
            entry.error.message = cut_bytes(entry, "error.message", entry.error.message, MAX_MESSAGE_BYTES)
        if entry.error.stack_trace:
            cut_stack(entry, entry.error)


def cut_stack(entry: Draft, error: ErrorDraft) -> None:
    """Cuts a stack trace, in number and length of its lines."""
    given = error.stack_trace
    kept = [cut_text(line, MAX_STACK_LINE_BYTES) for line in given[:MAX_STACK_LINES]]
    if sum(map(len, kept)) < sum(map(len, given)) or len(kept) < len(given):
        entry.note_cut("error.stack_trace")
    error.stack_trace = kept


def cut_labels(entry: Draft) -> None:
    """Cuts the labels and trace identities of an entry."""
    entry.environment = cut_label(entry, "environment", entry.environment, MAX_LABEL)
    entry.project_id = cut_label(entry, "project_id", entry.project_id, MAX_LABEL)
    if entry.traces is not None:
        trace, span, parent = entry.traces
        entry.traces = (
            cut_label(entry, "trace_id", trace, MAX_LABEL),
            cut_label(entry, "span_id", span, MAX_LABEL),
            cut_label(entry, "parent_span_id", parent, MAX_LABEL),
        )


def cut_label(entry: Draft, path: str, text: str | None, most: int) -> str | None:
    """A text of at most so many characters."""
    if text is None:
        return None
    if len(text) > most:
        entry.note_cut(path)
        text = text[:most]
    return text.replace(NUL, REPLACEMENT) if NUL in text else text


def cut_bytes(entry: Draft, path: str, text: str, most: int) -> str:
    """A text of at most so many bytes."""
    cut = cut_text(text, most)
    if len(cut) < len(text):
        entry.note_cut(path)
    return cut


def cut_text(text: str, most: int) -> str:
    """The beginning of a text that fits in so many bytes of UTF-8."""
    if len(text) * MAX_BYTES_PER_CHARACTER <= most:
        return text
    encoded = text.encode()
    return text if len(encoded) <= most else encoded[:most].decode(errors="ignore")


def format_time(time_ns: int) -> str:
    """A time in RFC 3339 to the nanosecond; as a number of seconds where the calendar does not reach."""
    seconds, nanos = divmod(time_ns, 1_000_000_000)
    try:
        text = (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").zfill(19)
    except OverflowError:
        return f"{seconds}.{nanos:09}"
    fraction = f"{nanos:09}".rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"
