"""Failures in the envelope of contract workspace 1.2 and 1.6."""

import msgspec

from gateway.transcode.failures import Failure
from gateway.transcode.families import Rendered
from gateway.transcode.handling import encoder


class EnvelopeError(msgspec.Struct):
    """What failed; `code` is the stable part."""

    code: str
    message: str


class Envelope(msgspec.Struct):
    """The body of every error."""

    success: bool
    error: EnvelopeError


def render(failure: Failure, _request_id: str) -> Rendered:
    """Renders an unknown path, the only failure of a family without routes."""
    envelope = Envelope(success=False, error=EnvelopeError(code="NOT_FOUND", message=failure.message))
    return Rendered(404, encoder.encode(envelope), {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"})
