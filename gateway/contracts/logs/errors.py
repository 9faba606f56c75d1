"""Every failure in the body of contract logs 1.5.

A client library looks for `429` and `HTTP 4` in the text of an error and then gives a batch up, so bodies of 5xx are constants without
digits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from gateway.transcode.failures import Failure, Reason
from gateway.transcode.families import Rendered
from gateway.transcode.handling import JSON_TYPE, encoder

OVERLOAD_SECONDS = 2
REQUIRED = "required"


class ErrorDetail(msgspec.Struct):
    """One thing wrong with the request: a JSON path or the name of a parameter, and what."""

    path: str
    message: str


class LogsError(msgspec.Struct):
    """What failed; `code` is the stable part."""

    code: str
    message: str
    details: list[ErrorDetail]


class LogsProblem(msgspec.Struct):
    """The body of every error."""

    message: str
    error: LogsError


@dataclass(frozen=True, slots=True)
class Shape:
    """Status and code of a reason. The message is the failure's own unless one stands here."""

    status: HTTPStatus
    code: str
    message: str | None = None


INTERNAL = Shape(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "Internal server error")
OVERLOADED = Shape(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", "Service temporarily unavailable")
FORBIDDEN = Shape(HTTPStatus.FORBIDDEN, "forbidden")
INVALID_JSON = Shape(HTTPStatus.BAD_REQUEST, "invalid_json")
INVALID_PAYLOAD = Shape(HTTPStatus.BAD_REQUEST, "invalid_payload")
INVALID_PARAMETER = Shape(HTTPStatus.BAD_REQUEST, "invalid_parameter")
BATCH_TOO_LARGE = Shape(HTTPStatus.BAD_REQUEST, "batch_too_large")

SHAPES: Mapping[Reason, Shape] = {
    Reason.INTERNAL: INTERNAL,
    Reason.UNAUTHENTICATED: Shape(HTTPStatus.UNAUTHORIZED, "unauthorized", "Invalid or missing API key"),
    Reason.PERMISSION_DENIED: FORBIDDEN,
    Reason.INTERACTIVE_ONLY: FORBIDDEN,
    Reason.STEP_UP_REQUIRED: FORBIDDEN,
    Reason.HTTPS_REQUIRED: Shape(HTTPStatus.FORBIDDEN, "https_required"),
    Reason.AGENT_DISABLED: FORBIDDEN,
    Reason.RELAY_REQUIRED: FORBIDDEN,
    Reason.NOT_FOUND: Shape(HTTPStatus.NOT_FOUND, "not_found"),
    Reason.ROUTE_NOT_FOUND: Shape(HTTPStatus.NOT_FOUND, "not_found"),
    Reason.METHOD_NOT_ALLOWED: Shape(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed"),
    Reason.VALIDATION_FAILED: INVALID_PAYLOAD,
    Reason.OUT_OF_RANGE: INVALID_PAYLOAD,
    Reason.INVALID_ID: Shape(HTTPStatus.BAD_REQUEST, "invalid_id"),
    Reason.MALFORMED_BODY: INVALID_JSON,
    Reason.LENGTH_REQUIRED: INVALID_JSON,
    Reason.DUPLICATE_NAME: Shape(HTTPStatus.CONFLICT, "duplicate_name"),
    Reason.CONFLICT: Shape(HTTPStatus.CONFLICT, "conflict"),
    Reason.PAYLOAD_TOO_LARGE: Shape(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "payload_too_large"),
    Reason.UNSUPPORTED_MEDIA_TYPE: Shape(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
    Reason.RATE_LIMITED: Shape(HTTPStatus.TOO_MANY_REQUESTS, "rate_limited"),
    Reason.QUOTA_EXHAUSTED: Shape(HTTPStatus.TOO_MANY_REQUESTS, "quota_exhausted"),
    Reason.UNKNOWN_DICTIONARY: OVERLOADED,
    Reason.OVERLOADED: OVERLOADED,
    Reason.STORE_UNAVAILABLE: OVERLOADED,
    Reason.DEADLINE_EXCEEDED: OVERLOADED,
}


def render(failure: Failure, _request_id: str) -> Rendered:
    """Renders a failure; the request id travels only in the header."""
    shape = shape_of(failure)
    details = details_of(failure, shape)
    message = shape.message or (summary_of(shape, len(details)) if details else failure.message)
    headers = {"Content-Type": JSON_TYPE}
    match shape.status:
        case HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        case HTTPStatus.SERVICE_UNAVAILABLE:
            headers["Retry-After"] = str(OVERLOAD_SECONDS)
        case HTTPStatus.TOO_MANY_REQUESTS:
            headers["Retry-After"] = str(failure.retry_after_seconds)
        case HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = failure.metadata.get("allow", "")
    problem = LogsProblem(message, LogsError(shape.code, message, details))
    return Rendered(int(shape.status), encoder.encode(problem), headers)


def shape_of(failure: Failure) -> Shape:
    """The shape of a failure; what breaks rules is told apart by its place."""
    shape = SHAPES[failure.reason]
    if shape is INVALID_PAYLOAD and failure.metadata.get("part") == "query":
        return INVALID_PARAMETER
    if shape is INVALID_PAYLOAD and "batch_limit" in failure.metadata:
        return BATCH_TOO_LARGE
    return shape


def details_of(failure: Failure, shape: Shape) -> list[ErrorDetail]:
    """Every fault, where the contract lists them."""
    if shape is INVALID_JSON:
        return [ErrorDetail("$", failure.message)]
    if shape not in (INVALID_PAYLOAD, INVALID_PARAMETER, BATCH_TOO_LARGE):
        return []
    faults = [ErrorDetail(fault.path, REQUIRED if fault.message == "is required" else fault.message) for fault in failure.faults]
    return faults or [ErrorDetail("", failure.message)]


def summary_of(shape: Shape, count: int) -> str:
    """The message above details."""
    if shape is INVALID_JSON:
        return "Invalid JSON"
    if shape is BATCH_TOO_LARGE:
        return "Too many entries in one batch"
    kind = "parameters" if shape is INVALID_PARAMETER else "payload"
    return f"Invalid {kind}: {count} error{'' if count == 1 else 's'}"
