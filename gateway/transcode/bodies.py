"""Reading request bodies under limits: bytes, decompressed bytes, UTF-8, depth."""

import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from aiohttp import web

from gateway.transcode.failures import Failure, Reason, malformed_body

MEBIBYTE = 1024 * 1024
MAX_DEPTH = 64
MAX_GZIP_MEMBERS = 64
GZIP_WINDOW = 16 + zlib.MAX_WBITS

any_decoder = msgspec.json.Decoder(float_hook=float)
"""Numbers too large for a double become infinite, so that reading can name their place."""


async def read_bytes(request: web.BaseRequest, limit: int, *, gzip: bool, bad_encoding: Reason = Reason.MALFORMED_BODY) -> bytes:
    """Reads the whole body.

    Args:
        request: Whose body.
        limit: Most bytes, before and after decompression.
        gzip: Whether `Content-Encoding: gzip` is accepted.
        bad_encoding: How an encoding that is not accepted fails.

    Raises:
        Failure: PAYLOAD_TOO_LARGE, MALFORMED_BODY for gzip that is broken, or `bad_encoding`.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding != "identity" and not (gzip and encoding == "gzip"):
        raise Failure(bad_encoding, f"Content-Encoding {encoding[:32]} is not accepted here.")
    if request.content_length is not None and request.content_length > limit:
        raise too_large(limit)
    await invite_body(request)
    chunks, size = [], 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        chunks.append(chunk)
    body = b"".join(chunks)
    return decompress(body, limit) if encoding == "gzip" else body


async def invite_body(request: web.BaseRequest) -> None:
    """Tells a client that waits for permission to send its body."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def decompress(compressed: bytes, limit: int) -> bytes:
    """Unpacks gzip members without ever holding more than the limit.

    Raises:
        Failure: PAYLOAD_TOO_LARGE or MALFORMED_BODY.
    """
    plain = b""
    for _ in range(MAX_GZIP_MEMBERS):
        if not compressed:
            return plain
        unpacker = zlib.decompressobj(GZIP_WINDOW)
        try:
            plain += unpacker.decompress(compressed, limit + 1 - len(plain))
        except zlib.error as error:
            raise malformed_body("The body is not valid gzip.") from error
        if len(plain) > limit:
            raise too_large(limit)
        if not unpacker.eof:
            raise malformed_body("The gzip body ends early.")
        compressed = unpacker.unused_data
    if compressed:
        raise malformed_body("The gzip body has too many members.")
    return plain


def too_large(limit: int) -> Failure:
    """The failure of a body above its limit."""
    return Failure(Reason.PAYLOAD_TOO_LARGE, f"The body is larger than {limit} bytes.", metadata={"limit_bytes": str(limit)})


MediaRule = Callable[[str], bool]
"""Judges a media type in lower case without parameters; empty when the request names none."""


def is_json(media: str) -> bool:
    """The body must claim to be JSON."""
    return media == "application/json"


def is_json_or_unnamed(media: str) -> bool:
    """The body may claim nothing, or any dialect of JSON."""
    return not media or media == "application/json" or (media.startswith("application/") and media.endswith("+json"))


def check_content_type(request: web.BaseRequest, is_media: MediaRule = is_json, reason: Reason = Reason.MALFORMED_BODY) -> None:
    """Fails for `reason` unless the body's media type is accepted."""
    if not is_media(request.headers.get("Content-Type", "").partition(";")[0].strip().lower()):
        raise Failure(reason, "Content-Type must be application/json.")


def check_utf8(body: bytes) -> None:
    """Fails with MALFORMED_BODY unless the bytes are UTF-8."""
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise malformed_body(f"The body is not UTF-8 at byte {error.start}.") from error


def parse_json(body: bytes) -> Any:  # noqa: ANN401 -- JSON can be anything
    """Parses a whole body.

    Raises:
        Failure: MALFORMED_BODY.
    """
    check_utf8(body)
    if is_too_deep(body):
        raise malformed_body(f"The body is nested deeper than {MAX_DEPTH} levels.")
    try:
        return any_decoder.decode(body)
    except msgspec.DecodeError as error:
        raise malformed_body(f"The body is not valid JSON: {error}.") from error
    except RecursionError as error:
        raise malformed_body("The body is nested too deeply.") from error


def is_too_deep(body: bytes) -> bool:
    """Whether brackets outside strings nest deeper than the limit. Reads bytes only, so it is safe before parsing."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    symbols = np.frombuffer(unescaped, np.uint8)
    outside = np.cumsum(symbols == ord('"')) & 1 == 0
    opening = ((symbols == ord("[")) | (symbols == ord("{"))) & outside
    closing = ((symbols == ord("]")) | (symbols == ord("}"))) & outside
    depth = np.cumsum(opening.astype(np.int32) - closing.astype(np.int32))
    return bool(depth.max(initial=0) > MAX_DEPTH)
