"""Files and what is decided about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

MAX_FILE_BYTES = 104_857_600
TRASH_KEPT = timedelta(days=30)
PREVIEW_BYTES = 65_536
CHUNK_BYTES = 65_536
"""Of the pieces in which bytes travel."""


class Kind(StrEnum):
    """What a file is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file, folder or link. `id` is a UUID."""

    organization_id: int
    id: str
    name: str
    kind: Kind
    create_time: datetime
    update_time: datetime
    owner_id: int | None = None
    """The user who made it."""
    project_id: str | None = None
    session_id: str | None = None
    incident_id: int | None = None
    parent_id: str | None = None
    """The folder it is in; None: the top level."""
    media_type: str = ""
    size: int = 0
    sha256: str = ""
    url: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    trash_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes that are on the disk, complete."""

    id: str
    """What the file will be called there and everywhere."""
    size: int
    sha256: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list."""

    files: list[File]
    number: int
    limit: int
    total: int


def is_text(media_type: str) -> bool:
    """Whether people can read the bytes."""
    return media_type.startswith("text/") or media_type in TEXT_TYPES


TEXT_TYPES = frozenset({"application/json", "application/x-ndjson", "application/xml", "application/yaml"})
"""Texts that are not called so."""


def audited(file: File) -> Mapping[str, object]:
    """What the audit keeps, under the contract's names."""
    return {
        "id": file.id,
        "name": file.name,
        "kind": file.kind.value,
        "projectId": file.project_id,
        "sessionId": file.session_id,
        "incidentId": file.incident_id,
        "parentId": file.parent_id,
        "mimeType": file.media_type or None,
        "size": file.size,
        "sha256": file.sha256 or None,
        "url": file.url or None,
        "metadata": file.metadata,
    }
