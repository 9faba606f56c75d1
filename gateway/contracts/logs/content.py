"""From bytes to JSON: what makes the answer `invalid_json` (contract logs 1.5)."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.contracts.logs.entries import KnownPush, PushBody
from gateway.transcode.bodies import MAX_DEPTH, check_utf8, is_too_deep
from gateway.transcode.failures import malformed_body

NOT_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))
CERTAIN_ROUNDS = MAX_DEPTH // 2
"""A round of removals takes one or two levels off."""
ESCAPE = re.compile(rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL)


def read_number(text: str) -> float | str:
    """A number that a double holds; of one that is too large the digits."""
    number = float(text)
    return number if math.isfinite(number) else text


push_decoder = msgspec.json.Decoder(KnownPush)
any_decoder = msgspec.json.Decoder(float_hook=read_number)


@dataclass(frozen=True, slots=True)
class Content:
    """The body of a push: with every type right, or as it is."""

    body: bytes
    batch: PushBody | None
    data: Mapping[str, Any]
    """Empty with `batch`."""

    @property
    def api_key(self) -> object:
        """What the body presents as its key."""
        return self.batch.api_key if self.batch else self.data.get("api_key")


def read_content(body: bytes) -> Content:
    """Parses a body.

    Raises:
        Failure: MALFORMED_BODY.
    """
    check_utf8(body)
    if is_deep(body):
        raise malformed_body(f"The body is nested deeper than {MAX_DEPTH} levels.")
    try:
        return Content(body, push_decoder.decode(body), {})
    except msgspec.DecodeError:
        return Content(body, None, read_object(body))


def read_object(body: bytes) -> Mapping[str, Any]:
    """Parses any JSON object.

    Raises:
        Failure: MALFORMED_BODY.
    """
    try:
        data = any_decoder.decode(body)
    except msgspec.DecodeError as error:
        mended = ESCAPE.sub(mend_escape, body)
        if mended == body:
            raise malformed_body(f"The body is not valid JSON: {error}.") from error
        return read_object(mended)
    if not isinstance(data, dict):
        raise malformed_body("The body is not a JSON object.")
    return data


def mend_escape(match: re.Match[bytes]) -> bytes:
    """Half a surrogate pair, as texts cut by their sender end with, becomes U+FFFD; other escapes stay."""
    return b"\\ufffd" if match[1] else match[0]


def is_deep(body: bytes) -> bool:
    """Whether brackets nest deeper than allowed; quick for many small objects, exact in doubt."""
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    brackets = left = unescaped.translate(None, NOT_STRUCTURE).replace(b'""', b"")
    for _ in range(CERTAIN_ROUNDS):
        if not left:
            return False
        left = left.replace(b"{}", b"").replace(b"[]", b"")
    return is_too_deep(brackets)
