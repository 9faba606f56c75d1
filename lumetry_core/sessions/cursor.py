"""Where a list of messages goes on: opaque to callers, bound to the list it was made for."""

import base64
import binascii
from collections.abc import Sequence

import msgspec

from lumetry_core.projects.cursor import digest

LARGEST = 2**63 - 1


class Content(msgspec.Struct, array_like=True):
    """What a cursor says."""

    filters: str
    """Digest of the filters."""
    number: int
    """Row of the last message."""


def write_message_cursor(filters: Sequence[str], number: int) -> str:
    """The cursor behind a message of a list that was filtered so."""
    return base64.urlsafe_b64encode(msgspec.json.encode(Content(digest(filters), number))).decode().rstrip("=")


def read_message_cursor(cursor: str, filters: Sequence[str]) -> int | None:
    """The row behind which a cursor stands; None when it is malformed or belongs to another list."""
    try:
        content = msgspec.json.decode(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True), type=Content)
    except (binascii.Error, ValueError):
        return None
    return content.number if content.filters == digest(filters) and 0 < content.number <= LARGEST else None
