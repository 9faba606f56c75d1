"""Where the ledger goes on: opaque to callers, bound to the filters it was made for."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec

from lumetry_core.runtime.clock import from_ms, to_ms

DIGEST_LENGTH = 12
LATEST_MS = 253_402_300_799_999
"""The last millisecond of the calendar."""
LARGEST_NUMBER = 2**63 - 1


class Content(msgspec.Struct, array_like=True):
    """What a cursor says."""

    filters: str
    hour_ms: int
    number: int


def write_cursor(filters: Sequence[str], hour: datetime, number: int) -> str:
    """The cursor behind an entry of a list that was filtered so."""
    return base64.urlsafe_b64encode(msgspec.json.encode(Content(digest(filters), to_ms(hour), number))).decode().rstrip("=")


def read_cursor(cursor: str, filters: Sequence[str]) -> tuple[datetime, int] | None:
    """Hour and number of the entry before; None when the cursor is malformed or belongs to other filters."""
    try:
        content = msgspec.json.decode(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True), type=Content)
    except (binascii.Error, ValueError):
        return None
    if content.filters != digest(filters) or not 0 <= content.hour_ms <= LATEST_MS or not 0 <= content.number <= LARGEST_NUMBER:
        return None
    return from_ms(content.hour_ms), content.number


def digest(filters: Sequence[str]) -> str:
    """A short fingerprint of filters."""
    return hashlib.sha256(msgspec.json.encode(filters)).hexdigest()[:DIGEST_LENGTH]
