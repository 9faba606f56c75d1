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
PAGING_MS = 3_600_000
"""How long somebody may take from the first page of a list to the last."""
MAX_EARLIER = 100
"""Most former update times that are kept."""


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


def forget_old(earlier: Sequence[int], now_ms: int) -> list[int]:
    """The update times, newest first, that somebody who pages may still need: those within the span, and the one before."""
    recent = sum(now_ms - moment <= PAGING_MS for moment in earlier)
    return list(earlier[: min(recent + 1, MAX_EARLIER)])


def time_as_of(earlier: Sequence[int], create_time: datetime, as_of: datetime) -> datetime:
    """When something that has been changed since had last been changed at a time; `earlier` are its former update times, newest first."""
    limit = to_ms(as_of)
    return from_ms(next((moment for moment in earlier if moment <= limit), to_ms(create_time)))
