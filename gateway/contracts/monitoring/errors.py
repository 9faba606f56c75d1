"""Every failure in the shape and with the codes of contract monitoring 1.4."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from gateway.transcode.failures import Failure, Fault, Reason
from gateway.transcode.families import Rendered
from gateway.transcode.handling import JSON_TYPE, encoder


class ErrorDetail(msgspec.Struct):
    """What failed; `code` is stable, `message` is for people."""

    code: str
    message: str


class ErrorBody(msgspec.Struct):
    """The body of every error."""

    error: ErrorDetail


@dataclass(frozen=True, slots=True)
class Shape:
    """Status and code of a reason; a message of its own wherever the cause must not show."""

    status: HTTPStatus
    code: str
    message: str = ""


UNAVAILABLE = Shape(HTTPStatus.SERVICE_UNAVAILABLE, "service_unavailable")
FORBIDDEN = Shape(HTTPStatus.FORBIDDEN, "forbidden")
INVALID_JSON = Shape(HTTPStatus.BAD_REQUEST, "invalid_json")
INVALID_PARAMETER = Shape(HTTPStatus.BAD_REQUEST, "invalid_parameter")
VALIDATION_ERROR = Shape(HTTPStatus.BAD_REQUEST, "validation_error")
RATE_LIMITED = Shape(HTTPStatus.TOO_MANY_REQUESTS, "rate_limited")
NOT_FOUND = Shape(HTTPStatus.NOT_FOUND, "not_found")

SHAPES: Mapping[Reason, Shape] = {
    Reason.INTERNAL: Shape(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "Internal server error"),
    Reason.UNAUTHENTICATED: Shape(HTTPStatus.UNAUTHORIZED, "unauthorized", "A valid credential is required"),
    Reason.PERMISSION_DENIED: FORBIDDEN,
    Reason.INTERACTIVE_ONLY: FORBIDDEN,
    Reason.STEP_UP_REQUIRED: FORBIDDEN,
    Reason.HTTPS_REQUIRED: FORBIDDEN,
    Reason.AGENT_DISABLED: FORBIDDEN,
    Reason.RELAY_REQUIRED: FORBIDDEN,
    Reason.NOT_FOUND: NOT_FOUND,
    Reason.ROUTE_NOT_FOUND: NOT_FOUND,
    Reason.METHOD_NOT_ALLOWED: Shape(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed"),
    Reason.VALIDATION_FAILED: VALIDATION_ERROR,
    Reason.OUT_OF_RANGE: VALIDATION_ERROR,
    Reason.INVALID_ID: Shape(HTTPStatus.BAD_REQUEST, "invalid_id"),
    Reason.MALFORMED_BODY: INVALID_JSON,
    Reason.LENGTH_REQUIRED: INVALID_JSON,
    Reason.CONFLICT: Shape(HTTPStatus.CONFLICT, "conflict"),
    Reason.DUPLICATE_NAME: Shape(HTTPStatus.CONFLICT, "duplicate_name"),
    Reason.PAYLOAD_TOO_LARGE: Shape(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "payload_too_large"),
    Reason.UNSUPPORTED_MEDIA_TYPE: Shape(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
    Reason.RATE_LIMITED: RATE_LIMITED,
    Reason.QUOTA_EXHAUSTED: RATE_LIMITED,
    Reason.UNKNOWN_DICTIONARY: UNAVAILABLE,
    Reason.OVERLOADED: UNAVAILABLE,
    Reason.STORE_UNAVAILABLE: UNAVAILABLE,
    Reason.DEADLINE_EXCEEDED: Shape(HTTPStatus.SERVICE_UNAVAILABLE, "timeout"),
}
NAMED: Mapping[str, HTTPStatus] = {
    "invalid_range": HTTPStatus.BAD_REQUEST,
    "invalid_metric": HTTPStatus.BAD_REQUEST,
    "invalid_threshold": HTTPStatus.BAD_REQUEST,
    "invalid_exit_code": HTTPStatus.BAD_REQUEST,
    "invalid_pattern": HTTPStatus.BAD_REQUEST,
    "invalid_type": HTTPStatus.BAD_REQUEST,
    "url_not_allowed": HTTPStatus.BAD_REQUEST,
    "not_standalone": HTTPStatus.BAD_REQUEST,
    "not_paused": HTTPStatus.BAD_REQUEST,
    "cannot_delete_auto": HTTPStatus.BAD_REQUEST,
    "csrf_failed": HTTPStatus.FORBIDDEN,
    "duplicate_monitor": HTTPStatus.CONFLICT,
    "already_auto_detected": HTTPStatus.CONFLICT,
    "duplicate_exclusion": HTTPStatus.CONFLICT,
    "scan_in_progress": HTTPStatus.CONFLICT,
    "container_running": HTTPStatus.CONFLICT,
    "runtime_unavailable": HTTPStatus.BAD_GATEWAY,
    "logs_unavailable": HTTPStatus.BAD_GATEWAY,
}
"""Codes that no reason has by itself: whoever fails names one in the metadata `code`."""
UNAVAILABLE_RETRY_SECONDS = 1


def render(failure: Failure, _request_id: str) -> Rendered:
    """Renders a failure."""
    shape = shape_of(failure)
    headers = {"Content-Type": JSON_TYPE, "Cache-Control": "no-store"}
    if shape.status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    elif shape.status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = failure.metadata.get("allow", "")
    elif shape.status is HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = str(failure.retry_after_seconds)
    elif shape is UNAVAILABLE:
        headers["Retry-After"] = str(UNAVAILABLE_RETRY_SECONDS)
    detail = ErrorDetail(shape.code, shape.message or message_of(failure, shape))
    return Rendered(int(shape.status), encoder.encode(ErrorBody(detail)), headers)


def shape_of(failure: Failure) -> Shape:
    """Status and code: of a query apart from a body, and the code that the failure names where the catalogue has it."""
    code = failure.metadata.get("code", "")
    if code in NAMED:
        return Shape(NAMED[code], code)
    shape = SHAPES[failure.reason]
    if shape is not VALIDATION_ERROR:
        return shape
    if failure.metadata.get("part") == "query":
        return INVALID_PARAMETER
    # What the gateway finds wrong with a body as a whole is that it is no object.
    is_no_object = not failure.from_core and any(not fault.path for fault in failure.faults)
    return INVALID_JSON if is_no_object else VALIDATION_ERROR


def message_of(failure: Failure, shape: Shape) -> str:
    """The message; of several faults all are named, but a body that is no object has no fields that could be wrong."""
    faults = failure.faults
    if shape is INVALID_JSON:
        faults = tuple(Fault("The body", fault.message) for fault in faults if not fault.path)
    return "; ".join(f"{fault.path} {fault.message}".strip() for fault in faults) or failure.message
