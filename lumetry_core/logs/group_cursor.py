"""Where a page of error groups ended. A cursor belongs to the filters and the order that it was made for."""

import base64
import binascii
import hashlib
from collections.abc import Sequence

import msgspec

VERSION = 1
LARGEST = 2**63 - 1
Place = tuple[int, int]
"""Value of what is sorted by, as it is stored, and id of the page's last group."""


def digest(filters: Sequence[str]) -> bytes:
    """What tells one list from another."""
    return hashlib.sha256(msgspec.msgpack.encode(filters)).digest()[:12]


def write_cursor(filters: Sequence[str], place: Place) -> str:
    """A place as text."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode((VERSION, *place, digest(filters)))).rstrip(b"=").decode()


def read_cursor(cursor: str, filters: Sequence[str]) -> Place | None:
    """The place; None when the cursor is none of this list."""
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        version, value, group_id, made_for = msgspec.msgpack.decode(packed, type=tuple[int, int, int, bytes])
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None
    if version != VERSION or made_for != digest(filters) or max(abs(value), abs(group_id)) > LARGEST:
        return None
    return value, group_id
