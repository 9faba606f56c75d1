"""Where a list goes on: opaque to callers, bound to the filters it was made for."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from lumetry_core.runtime.clock import from_ms, to_ms

DIGEST_LENGTH = 12
LATEST_MS = 253_402_300_799_999
"""The last millisecond of the calendar."""


class Content(msgspec.Struct, array_like=True):
    """What a cursor says."""

    filters: str
    """Digest of the filters."""
    as_of_ms: int
    update_ms: int
    id: str


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ends."""

    as_of: datetime
    """The newest change that the first page showed: all pages show the order of that time."""
    update_time: datetime
    """When the page's last object had last been changed then."""
    id: str


def write_cursor(filters: Sequence[str], position: Position) -> str:
    """The cursor behind an object of a list that was filtered so."""
    content = Content(digest(filters), to_ms(position.as_of), to_ms(position.update_time), position.id)
    return base64.urlsafe_b64encode(msgspec.json.encode(content)).decode().rstrip("=")


def read_cursor(cursor: str, filters: Sequence[str]) -> Position | None:
    """Where a cursor stands; None when it is malformed or belongs to other filters."""
    try:
        content = msgspec.json.decode(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True), type=Content)
    except (binascii.Error, ValueError):
        return None
    if content.filters != digest(filters) or "\0" in content.id or not 0 <= content.update_ms <= content.as_of_ms <= LATEST_MS:
        return None
    return Position(from_ms(content.as_of_ms), from_ms(content.update_ms), content.id)


def digest(filters: Sequence[str]) -> str:
    """A short fingerprint of filters."""
    return hashlib.sha256(msgspec.json.encode(filters)).hexdigest()[:DIGEST_LENGTH]
