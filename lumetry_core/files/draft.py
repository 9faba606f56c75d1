"""What callers send of a file, and its checks (contract workspace 1.7 and 6)."""

import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from lumetry_core.projects.draft import read_object
from lumetry_core.runtime.errors import Faults

MAX_NAME = 255
MAX_URL = 2_048
MAX_METADATA_BYTES = 32_768
MAX_METADATA_DEPTH = 8
FORBIDDEN = "\0\r\n/\\"
"""Characters that no name has."""
LARGEST_NUMBER = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Draft:
    """The fields of a file as they were sent; None: null, or not sent at all."""

    name: str | None = None
    project_id: str | None = None
    """UUID or slug."""
    session_id: str | None = None
    incident_id: int | None = None
    parent_id: str | None = None
    metadata: str | None = None
    """JSON."""
    url: str | None = None


CHANGEABLE = frozenset(Draft.__dataclass_fields__) - {"url"}
"""The fields that can be changed afterwards."""
NULLABLE = frozenset({"project_id", "session_id", "incident_id", "parent_id"})
PATHS: Mapping[str, str] = {
    "project_id": "projectId",
    "session_id": "sessionId",
    "incident_id": "incidentId",
    "parent_id": "parentId",
}
"""Fields that faults name by another name."""


def read_draft(draft: Draft, names: Collection[str], faults: Faults) -> dict[str, Any]:
    """Reads the named fields as the model holds them; what is faulty is noted and left out."""
    values: dict[str, Any] = {}
    for name in sorted(names):
        sent, path = getattr(draft, name), PATHS.get(name, name)
        if sent is None:
            faults.check(name in NULLABLE, path, "must not be null")
            values[name] = None
        else:
            values[name] = READERS[name](sent, path, faults)
    return values


def given(draft: Draft) -> set[str]:
    """The fields that have values."""
    return {name for name in Draft.__dataclass_fields__ if getattr(draft, name) is not None}


def read_name(sent: str, path: str, faults: Faults) -> str:
    """Reads a name."""
    name = unicodedata.normalize("NFC", sent).strip()
    faults.check(1 <= len(name) <= MAX_NAME, path, f"must have 1 to {MAX_NAME} characters")
    faults.check(not any(character in name for character in FORBIDDEN), path, "must not contain U+0000, line ends or slashes")
    return name


def read_reference(sent: str, path: str, faults: Faults) -> str:
    """Reads the id of something; whether it is there is another matter."""
    faults.check("\0" not in sent, path, "must not contain U+0000")
    return sent.strip()


def read_number(sent: int, path: str, faults: Faults) -> int:
    """Reads the number of something."""
    faults.check_range(1 <= sent <= LARGEST_NUMBER, path, "must be a positive number")
    return sent


def read_metadata(sent: str, path: str, faults: Faults) -> dict[str, Any]:
    """Reads metadata."""
    return read_object(sent, path, faults, max_bytes=MAX_METADATA_BYTES, max_depth=MAX_METADATA_DEPTH)


def read_url(sent: str, path: str, faults: Faults) -> str:
    """Reads where a link leads."""
    url = sent.strip()
    faults.check(len(url) <= MAX_URL, path, f"must have at most {MAX_URL} characters")
    faults.check(is_web_address(url), path, "must be an http or https URL")
    return url


def is_web_address(url: str) -> bool:
    """Whether a browser could go there, and would not run anything."""
    if not url.isprintable() or " " in url or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme.lower() in ("http", "https") and bool(parts.hostname)


READERS: Mapping[str, Callable[[Any, str, Faults], Any]] = {
    "name": read_name,
    "project_id": read_reference,
    "session_id": read_reference,
    "incident_id": read_number,
    "parent_id": read_reference,
    "metadata": read_metadata,
    "url": read_url,
}
