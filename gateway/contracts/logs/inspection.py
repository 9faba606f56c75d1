"""Reading bodies of pushes in which something is unusual: every fault of every entry, and undocumented fields (contract logs 2.2)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from gateway.contracts.logs.entries import (
    LEVEL_NUMBERS,
    MAX_MESSAGE_BYTES,
    MAX_METADATA_BYTES,
    EntryBody,
    ErrorBody,
    Level,
    Parts,
    is_message_too_long,
)
from gateway.contracts.logs.errors import REQUIRED
from gateway.contracts.logs.times import parse_moment
from gateway.transcode.failures import Failure, Fault, Reason
from gateway.transcode.handling import encoder

TEXT, OBJECT = "must be a string", "must be an object"
MAX_EXTRA_NAME = 128
UNSAFE_NAMES = frozenset({"__proto__", "prototype", "constructor"})
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
FIELDS = frozenset(EntryBody.__struct_fields__)


def read_entries(data: Mapping[str, Any], max_batch: int, faults: list[Fault]) -> Parts | None:
    """Reads a body and notes all faults; None when there are any.

    Raises:
        Failure: VALIDATION_FAILED with `batch_limit` when there are too many entries, whatever else is wrong.
    """
    entries = data.get("logs")
    if isinstance(entries, list) and len(entries) > max_batch:
        raise too_many(max_batch)
    if not isinstance(data.get("api_key"), str | None):
        faults.append(Fault("api_key", TEXT))
    if entries is None:
        faults.append(Fault("logs", REQUIRED))
    elif not isinstance(entries, list):
        faults.append(Fault("logs", "must be an array"))
    elif not entries:
        faults.append(Fault("logs", "must hold at least one entry"))
    else:
        parts = Parts()
        for index, raw in enumerate(entries):
            entry = inspect_entry(raw, f"logs[{index}]", faults)
            moment = parse_moment(entry.timestamp) if entry and not faults else None
            if entry and moment:
                metadata = add_extras(entry.metadata or {}, raw)
                parts.add(entry, moment, encoder.encode(metadata) if metadata else b"", len(encoder.encode(raw)))
        if not faults:
            return parts
    return None


def too_many(max_batch: int) -> Failure:
    """The failure of a batch over its limit."""
    fault = Fault("logs", f"must hold at most {max_batch} entries")
    return Failure(Reason.VALIDATION_FAILED, "Too many entries.", faults=(fault,), metadata={"batch_limit": str(max_batch)})


def inspect_entry(raw: object, place: str, faults: list[Fault]) -> EntryBody | None:
    """Reads an entry and notes its faults in the order of the schema; None when there are any."""
    if not isinstance(raw, dict):
        faults.append(Fault(place, OBJECT))
        return None
    noted = len(faults)
    fields = Fields(raw, place, faults)
    timestamp = fields.required_text("timestamp")
    if timestamp is not None and parse_moment(timestamp) is None:
        fields.note("timestamp", "must be an ISO 8601 date and time such as 2026-01-26T14:30:00.000Z")
    level = fields.required_text("level")
    if level is not None and level not in LEVEL_NUMBERS:
        fields.note("level", f"must be one of {', '.join(LEVEL_NUMBERS)}")
    message = fields.required_text("message")
    if message is not None and is_message_too_long(message):
        fields.note("message", f"must have at most {MAX_MESSAGE_BYTES} bytes of UTF-8")
    environment = fields.text("environment")
    metadata = fields.object("metadata")
    if metadata is not None and len(encoder.encode(metadata)) > MAX_METADATA_BYTES:
        fields.note("metadata", f"must have at most {MAX_METADATA_BYTES} bytes of compact JSON")
    entry = EntryBody(
        timestamp=timestamp or "",
        level=cast("Level", level),
        message=message or "",
        environment=environment,
        metadata=metadata,
        error=inspect_error(fields),
        project_id=fields.text("project_id"),
        privacy_mode=fields.boolean("privacy_mode"),
        trace_id=fields.text("trace_id"),
        span_id=fields.text("span_id"),
        parent_span_id=fields.text("parent_span_id"),
    )
    return entry if len(faults) == noted else None


def inspect_error(entry: "Fields") -> ErrorBody | None:
    """Reads the error of an entry; unknown fields in it are ignored."""
    raw = entry.object("error")
    if raw is None:
        return None
    fields = Fields(raw, f"{entry.place}.error", entry.faults)
    return ErrorBody(
        type=fields.text("type"),
        message=fields.text("message"),
        stack_trace=fields.texts("stack_trace"),
        context=fields.object("context"),
        fingerprint=fields.text("fingerprint"),
    )


def add_extras(metadata: Mapping[str, Any], raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """The metadata of an entry with its unknown fields, as far as names are harmless and free and the whole stays within its limit."""
    extras = [(name, value) for name, value in raw.items() if name not in FIELDS and name not in metadata and is_harmless(name)]
    if not extras:
        return metadata
    taken = dict(metadata)
    size = len(encoder.encode(taken))
    for name, value in extras:
        growth = len(encoder.encode({name: value})) - (1 if taken else 2)  # a comma instead of braces
        if size + growth <= MAX_METADATA_BYTES:
            taken[name] = value
            size += growth
    return taken


def is_harmless(name: str) -> bool:
    """Whether an unknown field may keep its name."""
    return 1 <= len(name) <= MAX_EXTRA_NAME and name not in UNSAFE_NAMES and not name.startswith("$") and not CONTROL.search(name)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of an object; reading one notes what is wrong with it."""

    data: Mapping[str, Any]
    place: str
    faults: list[Fault]

    def note(self, name: str, message: str) -> None:
        """Notes a fault."""
        self.faults.append(Fault(f"{self.place}.{name}", message))

    def required_text(self, name: str) -> str | None:
        """A string that must be there; None: it is wrong."""
        if self.data.get(name) is None:
            self.note(name, REQUIRED)
        return self.text(name)

    def text(self, name: str) -> str | None:
        """A string; None: absent, null or wrong."""
        value = self.data.get(name)
        if value is None or isinstance(value, str):
            return value
        self.note(name, TEXT)
        return None

    def object(self, name: str) -> dict[str, Any] | None:
        """An object; None: absent, null or wrong."""
        value = self.data.get(name)
        if value is None or isinstance(value, dict):
            return value
        self.note(name, OBJECT)
        return None

    def boolean(self, name: str) -> bool | None:
        """True or false; None: absent, null or wrong."""
        value = self.data.get(name)
        if value is None or isinstance(value, bool):
            return value
        self.note(name, "must be true or false")
        return None

    def texts(self, name: str) -> list[str] | None:
        """An array of strings, or a string in its place; None: absent, null or wrong."""
        value = self.data.get(name)
        if isinstance(value, str):
            return [value]
        if value is None:
            return None
        if not isinstance(value, list):
            self.note(name, "must be an array of strings")
            return None
        for position, line in enumerate(value):
            if not isinstance(line, str):
                self.note(f"{name}[{position}]", TEXT)
        return value
