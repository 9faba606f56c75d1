"""What an entry is grouped by (contract logs 7.1, 7.2).

A storm repeats the same traces and messages over and over, so what was read of them is remembered by their hashes.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from lumetry_core.logs.message_shapes import shape_of
from lumetry_core.logs.model import RANK_OF, Draft, ErrorDraft, StoredError
from lumetry_core.logs.stack_traces import Style, Trace, read_trace

T = TypeVar("T")

FINGERPRINT_BYTES = 16
MAX_FRAMES = 5
LOWEST_GROUPED = RANK_OF["error"]
MAX_REMEMBERED = 16_384
"""Traces, and shapes: some 30 MB of each at most."""
MAX_REMEMBERED_TEXT = 2048
"""Characters of the frames of a trace that is remembered."""
NO_ERROR = ErrorDraft()
NO_TRACE = Trace(Style.OTHER, ())


class Memory(Generic[T]):
    """Remembers the values of the keys that were asked for last; usable from several threads."""

    def __init__(self, size: int, is_worth: Callable[[T], bool] = lambda _value: True) -> None:
        self._size = size
        self._is_worth = is_worth
        self._values: OrderedDict[bytes, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, texts: Sequence[str], make: Callable[[], T]) -> T:
        """What was made of texts before, or is made of them now; then what was not asked for the longest is forgotten."""
        lengths = " ".join([str(len(text)) for text in texts])  # keep neighbours apart
        key = hashlib.blake2b("\n".join((lengths, *texts)).encode(), digest_size=16).digest()
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        if not self._is_worth(value):
            return value
        with self._lock:
            self._values[key] = value
            if len(self._values) > self._size:
                self._values.popitem(last=False)
        return value


traces: Memory[Trace] = Memory(MAX_REMEMBERED, lambda trace: sum(map(len, trace.frames)) <= MAX_REMEMBERED_TEXT)
shapes: Memory[str] = Memory(MAX_REMEMBERED)


def fingerprint_entry(project_id: str, entry: Draft) -> bytes | None:
    """What a scrubbed entry is grouped by; None: it is not grouped."""
    error = entry.error
    if entry.level < LOWEST_GROUPED and (error is None or not (error.type or error.message or error.stack_trace)):
        return None
    return fingerprint_of(project_id, entry.message, error or NO_ERROR)


def fingerprint_of(project_id: str, message: str, error: ErrorDraft | StoredError) -> bytes:
    """The fingerprint of an entry.

    Args:
        project_id: UUID of the deciding project.
        message: The entry's; it counts where the error has none.
    """
    if error.fingerprint:
        return hash_lines(project_id, "c", error.fingerprint)
    stack = error.stack_trace
    trace = traces.get(stack, lambda: cut(read_trace(stack))) if stack else NO_TRACE
    kind = error.type or ""
    if trace.frames and trace.style is not Style.GO:
        return hash_lines(project_id, "f", kind, *trace.frames)
    text = error.message or message
    shape = shapes.get((text,), lambda: shape_of(text))
    if trace.frames:  # of Go, where the type is nearly always the same
        return hash_lines(project_id, "f", kind, shape, *trace.frames)
    return hash_lines(project_id, "m", kind, shape)


def cut(trace: Trace) -> Trace:
    """A trace with as many frames as count."""
    return Trace(trace.style, trace.frames[:MAX_FRAMES])


def hash_lines(project_id: str, *lines: str) -> bytes:
    """The hash that lines are known by."""
    return hashlib.sha256("\n".join(("v1", project_id, *lines)).encode()).digest()[:FINGERPRINT_BYTES]
