"""Where a list of items goes on: opaque to callers, bound to the filters it was made for."""

import base64
import binascii
import hashlib

import msgspec

from lumetry_core.activity.model import ItemFilter

DIGEST_LENGTH = 12
MAX_ID = (1 << 63) - 1


class Content(msgspec.Struct, array_like=True):
    """What a cursor says."""

    filters: str
    """Digest of the filters."""
    before: int


def write_cursor(wanted: ItemFilter, before: int) -> str:
    """The cursor of the items with numbers below one."""
    return base64.urlsafe_b64encode(msgspec.json.encode(Content(digest(wanted), before))).decode().rstrip("=")


def read_cursor(cursor: str, wanted: ItemFilter) -> int | None:
    """The number below which a cursor goes on; None when it is malformed or belongs to other filters."""
    try:
        content = msgspec.json.decode(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True), type=Content)
    except (binascii.Error, ValueError):
        return None
    return content.before if content.filters == digest(wanted) and 0 < content.before <= MAX_ID else None


def digest(wanted: ItemFilter) -> str:
    """A short fingerprint of filters."""
    filters = [sorted(wanted.kinds), wanted.agent_id, wanted.project_id, wanted.machine, wanted.search]
    return hashlib.sha256(msgspec.json.encode(filters)).hexdigest()[:DIGEST_LENGTH]
