"""Reading bodies of batches: under the size limits of contract logs 1.6 and within what all bodies in work may hold together."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiohttp import web

from gateway.transcode.bodies import GZIP_WINDOW, MAX_GZIP_MEMBERS, MEBIBYTE, invite_body, is_json_or_unnamed, too_large
from gateway.transcode.failures import Failure, Reason, malformed_body

STRANGERS_SHARE = 4
"""One part in so many is for bodies whose sender is not authenticated yet."""
ENCODINGS = ("identity", "gzip")


@dataclass(slots=True)
class Inflight:
    """Bytes of all bodies in work."""

    limit: int
    used: int = 0
    used_by_strangers: int = 0

    def open(self, *, is_stranger: bool) -> "Lease":
        """Starts to count a body."""
        return Lease(self, is_stranger)


@dataclass(slots=True)
class Lease:
    """Bytes of one body; given back at the end of the context."""

    inflight: Inflight
    is_stranger: bool
    size: int = 0

    def grow(self, size: int) -> None:
        """Takes more bytes. Fails with OVERLOADED when there is no room."""
        inflight = self.inflight
        if inflight.used + size > inflight.limit:
            raise no_room()
        if self.is_stranger:
            if inflight.used_by_strangers + size > inflight.limit // STRANGERS_SHARE:
                raise no_room()
            inflight.used_by_strangers += size
        inflight.used += size
        self.size += size

    def authenticate(self) -> None:
        """The sender is known now and makes room for strangers."""
        if self.is_stranger:
            self.inflight.used_by_strangers -= self.size
            self.is_stranger = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.authenticate()
        self.inflight.used -= self.size


def no_room() -> Failure:
    """The failure of a body for which there is no memory now."""
    return Failure(Reason.OVERLOADED, "Too many bodies are in work; try again.")


def check_head(http: web.BaseRequest, limit: int) -> None:
    """Fails with UNSUPPORTED_MEDIA_TYPE or PAYLOAD_TOO_LARGE, as far as the head tells."""
    media = http.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not is_json_or_unnamed(media):
        raise Failure(Reason.UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json.")
    if encoding_of(http) not in ENCODINGS:
        raise Failure(Reason.UNSUPPORTED_MEDIA_TYPE, "Content-Encoding must be gzip or left out.")
    if http.content_length is not None and http.content_length > limit:
        raise too_large(limit)


def encoding_of(http: web.BaseRequest) -> str:
    """How the body is packed."""
    return http.headers.get("Content-Encoding", "").strip().lower() or "identity"


async def read_body(http: web.BaseRequest, limit: int, lease: Lease) -> bytes:
    """Reads the whole body and unpacks it on the way, so that the packed form is never held.

    Raises:
        Failure: PAYLOAD_TOO_LARGE, OVERLOADED, or MALFORMED_BODY for gzip that is broken.
    """
    await invite_body(http)
    unpacker = Unpacker() if encoding_of(http) == "gzip" else None
    parts: list[bytes] = []
    sent = size = 0
    async for chunk in http.content.iter_any():
        sent += len(chunk)
        for part in unpacker.unpack(chunk) if unpacker else (chunk,):
            size += len(part)
            if max(sent, size) > limit:
                raise too_large(limit)
            lease.grow(len(part))
            parts.append(part)
    if unpacker:
        unpacker.finish()
    return b"".join(parts)


class Unpacker:
    """Unpacks gzip members as they arrive, in pieces of bounded size."""

    def __init__(self) -> None:
        self._member: zlib._Decompress | None = None
        self._count = 0

    def unpack(self, packed: bytes) -> Iterator[bytes]:
        """Unpacks what arrived. Fails with MALFORMED_BODY."""
        while packed:
            member = self._member = self._member or self._start()
            try:
                part = member.decompress(packed, MEBIBYTE)
            except zlib.error as error:
                raise malformed_body("The body is not valid gzip.") from error
            if part:
                yield part
            packed = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof:
                self._member = None

    def _start(self) -> "zlib._Decompress":
        self._count += 1
        if self._count > MAX_GZIP_MEMBERS:
            raise malformed_body("The gzip body has too many members.")
        return zlib.decompressobj(GZIP_WINDOW)

    def finish(self) -> None:
        """Fails with MALFORMED_BODY when the end is missing."""
        if self._member is not None:
            raise malformed_body("The gzip body ends early.")
