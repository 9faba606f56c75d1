"""Every failure as the problem document of contract lumetry 1.5."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from gateway.transcode.failures import Failure, Reason
from gateway.transcode.families import Rendered
from gateway.transcode.handling import encoder

PROBLEM_TYPE = "application/problem+json"
BLANK = "about:blank"


class ProblemFault(msgspec.Struct):
    """One thing wrong with the request."""

    path: str
    message: str


class Problem(msgspec.Struct, omit_defaults=True):
    """The body of every error."""

    type: str
    status: int
    title: str
    detail: str
    instance: str
    errors: list[ProblemFault] | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """Status and problem type of a reason."""

    status: HTTPStatus
    type: str = BLANK


SHAPES: Mapping[Reason, Shape] = {
    Reason.INTERNAL: Shape(HTTPStatus.INTERNAL_SERVER_ERROR),
    Reason.UNAUTHENTICATED: Shape(HTTPStatus.UNAUTHORIZED, "/problems/unauthenticated"),
    Reason.PERMISSION_DENIED: Shape(HTTPStatus.FORBIDDEN, "/problems/forbidden"),
    Reason.INTERACTIVE_ONLY: Shape(HTTPStatus.FORBIDDEN, "/problems/interactive-only"),
    Reason.NOT_FOUND: Shape(HTTPStatus.NOT_FOUND),
    Reason.VALIDATION_FAILED: Shape(HTTPStatus.BAD_REQUEST, "/problems/validation"),
    Reason.CONFLICT: Shape(HTTPStatus.BAD_REQUEST, "/problems/conflict"),
    Reason.UNKNOWN_DICTIONARY: Shape(HTTPStatus.SERVICE_UNAVAILABLE, "/problems/unavailable"),
    Reason.OVERLOADED: Shape(HTTPStatus.SERVICE_UNAVAILABLE, "/problems/unavailable"),
    Reason.STORE_UNAVAILABLE: Shape(HTTPStatus.SERVICE_UNAVAILABLE, "/problems/unavailable"),
    Reason.RATE_LIMITED: Shape(HTTPStatus.TOO_MANY_REQUESTS, "/problems/rate-limited"),
    Reason.PAYLOAD_TOO_LARGE: Shape(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "/problems/payload-too-large"),
    Reason.MALFORMED_BODY: Shape(HTTPStatus.BAD_REQUEST, "/problems/malformed-body"),
    Reason.ROUTE_NOT_FOUND: Shape(HTTPStatus.NOT_FOUND),
    Reason.METHOD_NOT_ALLOWED: Shape(HTTPStatus.METHOD_NOT_ALLOWED),
    Reason.DEADLINE_EXCEEDED: Shape(HTTPStatus.SERVICE_UNAVAILABLE, "/problems/unavailable"),
    Reason.STEP_UP_REQUIRED: Shape(HTTPStatus.FORBIDDEN, "/problems/forbidden"),
    Reason.OUT_OF_RANGE: Shape(HTTPStatus.BAD_REQUEST, "/problems/validation"),
    Reason.DUPLICATE_NAME: Shape(HTTPStatus.BAD_REQUEST, "/problems/conflict"),
    Reason.QUOTA_EXHAUSTED: Shape(HTTPStatus.TOO_MANY_REQUESTS, "/problems/rate-limited"),
    Reason.LENGTH_REQUIRED: Shape(HTTPStatus.BAD_REQUEST, "/problems/malformed-body"),
    Reason.UNSUPPORTED_MEDIA_TYPE: Shape(HTTPStatus.BAD_REQUEST, "/problems/malformed-body"),
    Reason.INVALID_ID: Shape(HTTPStatus.NOT_FOUND),
    Reason.HTTPS_REQUIRED: Shape(HTTPStatus.FORBIDDEN, "/problems/forbidden"),
    Reason.AGENT_DISABLED: Shape(HTTPStatus.FORBIDDEN, "/problems/forbidden"),
    Reason.RELAY_REQUIRED: Shape(HTTPStatus.FORBIDDEN, "/problems/forbidden"),
}
RETRIED = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS})
RATE_NAMES = ("limit", "remaining", "reset")
TITLES: Mapping[HTTPStatus, str] = {HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Payload Too Large"}


def render(failure: Failure, request_id: str) -> Rendered:
    """Renders a failure; `instance` equals the request id."""
    shape = SHAPES[failure.reason]
    headers = {"Content-Type": PROBLEM_TYPE}
    if shape.status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if shape.status in RETRIED:
        headers["Retry-After"] = str(failure.retry_after_seconds)
    for name in RATE_NAMES:
        if name in failure.metadata:
            headers |= {f"RateLimit-{name.title()}": failure.metadata[name], f"X-RateLimit-{name.title()}": failure.metadata[name]}
    if shape.status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = failure.metadata.get("allow", "")
    problem = Problem(
        type=shape.type,
        status=int(shape.status),
        title=TITLES.get(shape.status, shape.status.phrase),
        detail=failure.message,
        instance=request_id,
        errors=faults_of(failure),
    )
    return Rendered(int(shape.status), encoder.encode(problem), headers)


def faults_of(failure: Failure) -> list[ProblemFault] | None:
    """What `errors` lists: present exactly for validation, because its presence promises that nothing was written."""
    if failure.reason not in (Reason.VALIDATION_FAILED, Reason.OUT_OF_RANGE):
        return None
    return [ProblemFault(fault.path, fault.message) for fault in failure.faults] or [ProblemFault("", failure.message)]
