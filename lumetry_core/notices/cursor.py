"""Where a list of notices goes on: opaque to callers, bound to the filters it was made for."""

import base64
import binascii
import hashlib
from collections.abc import Sequence

import msgspec

DIGEST_LENGTH = 12
LARGEST_ID = 2**63 - 1


class Content(msgspec.Struct, array_like=True):
    """What a cursor says."""

    filters: str
    """Digest of the filters."""
    id: int
    """The row of the page's last notice."""


def write_cursor(filters: Sequence[str], row_id: int) -> str:
    """The cursor behind a notice of a list that was filtered so."""
    return base64.urlsafe_b64encode(msgspec.json.encode(Content(digest(filters), row_id))).decode().rstrip("=")


def read_cursor(cursor: str, filters: Sequence[str]) -> int | None:
    """The row behind which a list goes on; None when the cursor is malformed or belongs to other filters."""
    try:
        content = msgspec.json.decode(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True), type=Content)
    except (binascii.Error, ValueError):
        return None
    return content.id if content.filters == digest(filters) and 0 < content.id <= LARGEST_ID else None


def digest(filters: Sequence[str]) -> str:
    """A short fingerprint of filters."""
    return hashlib.sha256(msgspec.json.encode(filters)).hexdigest()[:DIGEST_LENGTH]
