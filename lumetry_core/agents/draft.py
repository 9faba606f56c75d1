"""What callers send of an agent, and its checks (contract workspace 1.7 and 3)."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from lumetry_core.access.keys import SCOPES
from lumetry_core.projects.draft import MAX_METADATA_BYTES, MAX_SETTINGS_BYTES, MAX_SETTINGS_DEPTH, read_object, read_slug, read_text
from lumetry_core.runtime.errors import Faults

MAX_NAME = 255
MAX_DESCRIPTION = 5_000
MAX_AVATAR = 64
MAX_MODEL = 128
MAX_SYSTEM_PROMPT = 12_000
MAX_ENTRIES = 100
MAX_METADATA_DEPTH = 8
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Draft:
    """The fields of an agent as they were sent; None: null, or not sent at all."""

    name: str | None = None
    slug: str | None = None
    description: str | None = None
    avatar: str | None = None
    model: str | None = None
    system_prompt: str | None = None
    allowed_tools: tuple[str, ...] | None = None
    allowed_peers: tuple[str, ...] | None = None
    allowed_connectors: tuple[str, ...] | None = None
    is_active: bool | None = None
    settings: str | None = None
    """JSON."""
    metadata: str | None = None
    """JSON."""


FIELDS = frozenset(Draft.__dataclass_fields__)
"""The fields that can be written."""
NULLABLE = frozenset({"description", "avatar", "model", "system_prompt"})
SPELLED = {
    "system_prompt": "systemPrompt",
    "allowed_tools": "allowedTools",
    "allowed_peers": "allowedPeers",
    "allowed_connectors": "allowedConnectors",
    "is_active": "isActive",
}
"""Fields whose paths in the contract differ from their names here."""


def read_draft(draft: Draft, names: Collection[str], faults: Faults) -> dict[str, Any]:
    """Reads the named fields of a draft as the model holds them; what is faulty is noted."""
    values: dict[str, Any] = {}
    for name in sorted(names):
        sent, path = getattr(draft, name), SPELLED.get(name, name)
        if sent is None:
            faults.check(name in NULLABLE, path, "must not be null")
            values[name] = None
        else:
            values[name] = READERS[name](sent, path, faults)
    return values


def read_name(sent: str, path: str, faults: Faults) -> str:
    """Reads a name; white space inside becomes one space."""
    return read_text(MAX_NAME, least=1)(" ".join(sent.split()), path, faults)


def read_entries(read: Callable[[str, str, Faults], str]) -> Callable[[tuple[str, ...], str, Faults], tuple[str, ...]]:
    """A reader of lists, of which repeated entries become one."""

    def read_all(sent: tuple[str, ...], path: str, faults: Faults) -> tuple[str, ...]:
        faults.check(len(sent) <= MAX_ENTRIES, path, f"must have at most {MAX_ENTRIES} entries")
        return tuple(dict.fromkeys(read(entry, f"{path}[{index}]", faults) for index, entry in enumerate(sent[:MAX_ENTRIES])))

    return read_all


def read_scope(sent: str, path: str, faults: Faults) -> str:
    """Reads a scope."""
    faults.check(sent in SCOPES, path, "is no scope")
    return sent


def read_uuid(sent: str, path: str, faults: Faults) -> str:
    """Reads a UUID."""
    text = sent.strip().lower()
    faults.check(UUID.fullmatch(text) is not None, path, "must be a UUID")
    return text


def read_flag(sent: bool, _path: str, _faults: Faults) -> bool:  # noqa: FBT001 -- as the other readers
    """Reads true or false."""
    return sent


def read_settings(sent: str, path: str, faults: Faults) -> Mapping[str, Any]:
    """Reads settings."""
    return read_object(sent, path, faults, max_bytes=MAX_SETTINGS_BYTES, max_depth=MAX_SETTINGS_DEPTH)


def read_metadata(sent: str, path: str, faults: Faults) -> Mapping[str, Any]:
    """Reads metadata of whatever is not a project."""
    return read_object(sent, path, faults, max_bytes=MAX_METADATA_BYTES, max_depth=MAX_METADATA_DEPTH)


READERS: Mapping[str, Callable[[Any, str, Faults], Any]] = {
    "name": read_name,
    "slug": read_slug,
    "description": read_text(MAX_DESCRIPTION),
    "avatar": read_text(MAX_AVATAR),
    "model": read_text(MAX_MODEL),
    "system_prompt": read_text(MAX_SYSTEM_PROMPT),
    "allowed_tools": read_entries(read_scope),
    "allowed_peers": read_entries(read_uuid),
    "allowed_connectors": read_entries(read_uuid),
    "is_active": read_flag,
    "settings": read_settings,
    "metadata": read_metadata,
}
