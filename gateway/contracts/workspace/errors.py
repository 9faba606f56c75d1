"""Every failure in the envelope of contract workspace 1.2 and 1.6."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from gateway.transcode.failures import Failure, Fault, Reason
from gateway.transcode.families import Rendered
from gateway.transcode.handling import JSON_TYPE, encoder


class EnvelopeError(msgspec.Struct):
    """What failed; `code` is the stable part."""

    code: str
    message: str


class Envelope(msgspec.Struct):
    """The body of every error."""

    success: bool
    error: EnvelopeError


@dataclass(frozen=True, slots=True)
class Shape:
    """Status and code of a reason, and the message when it is always the same."""

    status: HTTPStatus
    code: str
    message: str = ""


FORBIDDEN = Shape(HTTPStatus.FORBIDDEN, "FORBIDDEN")
NOT_FOUND = Shape(HTTPStatus.NOT_FOUND, "NOT_FOUND")
BAD_REQUEST = Shape(HTTPStatus.BAD_REQUEST, "BAD_REQUEST")
CONFLICT = Shape(HTTPStatus.CONFLICT, "CONFLICT")
UNAVAILABLE = Shape(HTTPStatus.SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE")
TOO_MANY = Shape(HTTPStatus.TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", "Too many requests")
TOO_MANY_SENSITIVE = Shape(HTTPStatus.BAD_REQUEST, "BAD_REQUEST", "Too many requests")

SHAPES: Mapping[Reason, Shape] = {
    Reason.INTERNAL: Shape(HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "Internal server error"),
    Reason.UNAUTHENTICATED: Shape(HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED", "Missing or invalid credential"),
    Reason.PERMISSION_DENIED: FORBIDDEN,
    Reason.INTERACTIVE_ONLY: FORBIDDEN,
    Reason.NOT_FOUND: NOT_FOUND,
    Reason.VALIDATION_FAILED: BAD_REQUEST,
    Reason.CONFLICT: CONFLICT,
    Reason.UNKNOWN_DICTIONARY: UNAVAILABLE,
    Reason.OVERLOADED: UNAVAILABLE,
    Reason.STORE_UNAVAILABLE: UNAVAILABLE,
    Reason.RATE_LIMITED: TOO_MANY,
    Reason.PAYLOAD_TOO_LARGE: Shape(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "PAYLOAD_TOO_LARGE"),
    Reason.MALFORMED_BODY: BAD_REQUEST,
    Reason.ROUTE_NOT_FOUND: NOT_FOUND,
    Reason.METHOD_NOT_ALLOWED: Shape(HTTPStatus.METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"),
    Reason.DEADLINE_EXCEEDED: UNAVAILABLE,
    Reason.STEP_UP_REQUIRED: Shape(HTTPStatus.FORBIDDEN, "FORBIDDEN", "Step-up authentication required"),
    Reason.OUT_OF_RANGE: Shape(HTTPStatus.UNPROCESSABLE_ENTITY, "VALIDATION_ERROR"),
    Reason.DUPLICATE_NAME: CONFLICT,
    Reason.QUOTA_EXHAUSTED: Shape(HTTPStatus.PAYMENT_REQUIRED, "PAYMENT_REQUIRED"),
    Reason.LENGTH_REQUIRED: Shape(HTTPStatus.LENGTH_REQUIRED, "LENGTH_REQUIRED"),
    Reason.UNSUPPORTED_MEDIA_TYPE: BAD_REQUEST,
    Reason.INVALID_ID: NOT_FOUND,
    Reason.HTTPS_REQUIRED: FORBIDDEN,
    Reason.AGENT_DISABLED: FORBIDDEN,
    Reason.RELAY_REQUIRED: FORBIDDEN,
}
SENSITIVE = "sensitive"
"""The limiter whose refusals the contract answers as bad requests (1.9)."""


def render(failure: Failure, _request_id: str) -> Rendered:
    """Renders a failure; the message of a faulty request names every fault."""
    is_limited = failure.reason is Reason.RATE_LIMITED
    shape = TOO_MANY_SENSITIVE if is_limited and failure.metadata.get("limiter") == SENSITIVE else SHAPES[failure.reason]
    headers = {"Content-Type": JSON_TYPE}
    if shape.status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if is_limited or shape.status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(failure.retry_after_seconds)
    if shape.status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = failure.metadata.get("allow", "")
    message = shape.message or "; ".join(map(describe, failure.faults)) or failure.message
    envelope = Envelope(success=False, error=EnvelopeError(code=shape.code, message=message))
    return Rendered(int(shape.status), encoder.encode(envelope), headers)


def describe(fault: Fault) -> str:
    """A fault with its place in front."""
    return f"{fault.path}: {fault.message}" if fault.path else fault.message
