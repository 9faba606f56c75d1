"""Where a page ended. A cursor belongs to the filters and the order that it was made for."""

import base64
import binascii
import hashlib
from dataclasses import astuple, dataclass

import msgspec

from lumetry_core.logs.query import Query

VERSION = 1
LOWEST_ID = bytes(16)
HIGHEST_ID = b"\xff" * 16


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the order of entries: nothing up to it, itself included, is on later pages."""

    time_ns: int
    id: bytes


def digest(organization_id: int, query: Query) -> bytes:
    """What tells one search from another."""
    return hashlib.sha256(msgspec.msgpack.encode((organization_id, astuple(query)))).digest()[:12]


def write_cursor(position: Position, digest_of_query: bytes) -> str:
    """A position as text."""
    packed = msgspec.msgpack.encode((VERSION, position.time_ns, position.id, digest_of_query))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def read_cursor(cursor: str, digest_of_query: bytes) -> Position | None:
    """The position; None when the cursor is none of this search."""
    try:
        packed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        version, time_ns, identity, made_for = msgspec.msgpack.decode(packed, type=tuple[int, int, bytes, bytes])
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None
    if version != VERSION or made_for != digest_of_query or len(identity) != len(LOWEST_ID) or abs(time_ns) >= 2**63:
        return None
    return Position(time_ns, identity)
