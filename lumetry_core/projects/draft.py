"""What callers send of a project, and its checks (contract workspace 1.7 and 4)."""

import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from lumetry_core.projects.model import Status, Visibility, is_slug
from lumetry_core.runtime.errors import Faults

MAX_NAME = 255
MAX_DESCRIPTION = 5_000
MAX_PROMPT = 12_000
MAX_EMOJI = 16
MAX_TAGS = 20
MAX_TAG = 64
MAX_METADATA_BYTES = 32_768
MAX_METADATA_DEPTH = 12
MAX_SETTINGS_BYTES = 8_192
MAX_SETTINGS_DEPTH = 64
MAX_RETENTION_DAYS = 400
FLAGS = ("allowPrivacyMode", "scrubEmails", "scrubNationalIds")
"""The known keys of `settings.logs` that are true or false."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The fields of a project as they were sent; None: null, or not sent at all."""

    name: str | None = None
    slug: str | None = None
    description: str | None = None
    prompt: str | None = None
    emoji: str | None = None
    visibility: str | None = None
    status: str | None = None
    tags: tuple[str, ...] | None = None
    metadata: str | None = None
    """JSON."""
    settings: str | None = None
    """JSON."""


FIELDS = frozenset(Draft.__dataclass_fields__)
"""The fields that can be written."""
NULLABLE = frozenset({"description", "prompt", "emoji"})


def read_draft(draft: Draft, names: Collection[str], faults: Faults) -> dict[str, Any]:
    """Reads the named fields of a draft as the model holds them, settings as a document; what is faulty is noted and left out."""
    values: dict[str, Any] = {}
    for name in sorted(names):
        sent = getattr(draft, name)
        if sent is None:
            faults.check(name in NULLABLE, name, "must not be null")
            values[name] = None
        else:
            values[name] = READERS[name](sent, name, faults)
    return values


def read_text(limit: int, *, least: int = 0) -> Callable[[str, str, Faults], str]:
    """A reader of texts of so many characters, which it normalises and trims."""
    wanted = f"must have at most {limit} characters" if least == 0 else f"must have {least} to {limit} characters"

    def read(sent: str, path: str, faults: Faults) -> str:
        text = normalise(sent)
        faults.check(least <= len(text) <= limit, path, wanted)
        faults.check("\0" not in text, path, "must not contain U+0000")
        return text

    return read


def normalise(text: str) -> str:
    """A text as it is kept and looked for."""
    return unicodedata.normalize("NFC", text).strip()


def normalise_tag(text: str) -> str:
    """A tag as it is kept and looked for: on one line."""
    return normalise(" ".join(text.split()))


def read_slug(sent: str, path: str, faults: Faults) -> str:
    """Reads a slug."""
    slug = sent.strip()
    wanted = "must have 1 to 64 lower-case letters, digits and hyphens, and neither begin nor end with a hyphen"
    faults.check(is_slug(slug), path, wanted)
    return slug


def read_visibility(sent: str, path: str, faults: Faults) -> Visibility:
    """Reads who may see the record."""
    faults.check(sent in tuple(Visibility), path, "must be team or private")
    return Visibility(sent) if sent in tuple(Visibility) else Visibility.TEAM


def read_status(sent: str, path: str, faults: Faults) -> Status:
    """Reads a status."""
    faults.check(sent in tuple(Status), path, "must be active or archived")
    return Status(sent) if sent in tuple(Status) else Status.ACTIVE


def read_tags(sent: tuple[str, ...], path: str, faults: Faults) -> tuple[str, ...]:
    """Reads tags; white space inside becomes one space, repeated tags become one."""
    faults.check(len(sent) <= MAX_TAGS, path, f"must have at most {MAX_TAGS} entries")
    tags = (read_tag(tag, f"{path}[{index}]", faults) for index, tag in enumerate(sent[:MAX_TAGS]))
    return tuple(dict.fromkeys(tags))


def read_tag(sent: str, path: str, faults: Faults) -> str:
    """Reads a tag."""
    return read_text(MAX_TAG, least=1)(normalise_tag(sent), path, faults)


def read_metadata(sent: str, path: str, faults: Faults) -> Mapping[str, Any]:
    """Reads metadata."""
    return read_object(sent, path, faults, max_bytes=MAX_METADATA_BYTES, max_depth=MAX_METADATA_DEPTH)


def read_settings(sent: str, path: str, faults: Faults) -> Mapping[str, Any]:
    """Reads settings with the known part of them."""
    document = read_object(sent, path, faults, max_bytes=MAX_SETTINGS_BYTES, max_depth=MAX_SETTINGS_DEPTH)
    if "logs" in document:
        check_logs(document["logs"], f"{path}.logs", faults)
    return document


def check_logs(logs: object, path: str, faults: Faults) -> None:
    """Checks how logs are to be kept; keys that are not known count for nothing."""
    if not isinstance(logs, dict):
        faults.add(path, "must be an object")
        return
    for flag in FLAGS:
        faults.check(isinstance(logs.get(flag, False), bool), f"{path}.{flag}", "must be true or false")
    if "retentionDays" in logs:
        days = logs["retentionDays"]
        if isinstance(days, bool) or not isinstance(days, int):
            faults.add(f"{path}.retentionDays", "must be an integer")
        else:
            faults.check_range(1 <= days <= MAX_RETENTION_DAYS, f"{path}.retentionDays", f"must be between 1 and {MAX_RETENTION_DAYS}")


def read_object(sent: str, path: str, faults: Faults, *, max_bytes: int, max_depth: int) -> dict[str, Any]:
    """Reads a JSON object of so many bytes, written compactly, and of such a depth; empty when it is faulty."""
    try:
        document = msgspec.json.decode(sent)
    except (msgspec.DecodeError, RecursionError):
        document = None
    if not isinstance(document, dict):
        faults.add(path, "must be a JSON object")
        return {}
    if depth_of(document, max_depth) > max_depth:
        faults.add(path, f"must be nested at most {max_depth} deep")
        return {}
    compact = msgspec.json.encode(document)
    faults.check(len(compact) <= max_bytes, path, f"must have at most {max_bytes} bytes")
    faults.check(not contains_nul(document), path, "must not contain U+0000")
    return document


def depth_of(value: object, limit: int) -> int:
    """How deep objects and lists are nested, counted up to one more than the limit."""
    if not isinstance(value, dict | list):
        return 0
    if limit == 0:
        return 1
    return 1 + max((depth_of(inner, limit - 1) for inner in (value.values() if isinstance(value, dict) else value)), default=0)


def contains_nul(value: object) -> bool:
    """Whether U+0000 stands in a text or a key."""
    if isinstance(value, dict):
        return any("\0" in key or contains_nul(inner) for key, inner in value.items())
    if isinstance(value, list):
        return any(contains_nul(inner) for inner in value)
    return isinstance(value, str) and "\0" in value


READERS: Mapping[str, Callable[[Any, str, Faults], Any]] = {
    "name": read_text(MAX_NAME, least=1),
    "slug": read_slug,
    "description": read_text(MAX_DESCRIPTION),
    "prompt": read_text(MAX_PROMPT),
    "emoji": read_text(MAX_EMOJI),
    "visibility": read_visibility,
    "status": read_status,
    "tags": read_tags,
    "metadata": read_metadata,
    "settings": read_settings,
}
