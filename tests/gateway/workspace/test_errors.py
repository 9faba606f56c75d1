import json

import pytest

from gateway.contracts.workspace.errors import SHAPES, render
from gateway.transcode.failures import Failure, Fault, Reason, validation_failure

EXPECTED = {
    Reason.INTERNAL: (500, "INTERNAL_ERROR"),
    Reason.UNAUTHENTICATED: (401, "UNAUTHORIZED"),
    Reason.PERMISSION_DENIED: (403, "FORBIDDEN"),
    Reason.INTERACTIVE_ONLY: (403, "FORBIDDEN"),
    Reason.STEP_UP_REQUIRED: (403, "FORBIDDEN"),
    Reason.HTTPS_REQUIRED: (403, "FORBIDDEN"),
    Reason.AGENT_DISABLED: (403, "FORBIDDEN"),
    Reason.RELAY_REQUIRED: (403, "FORBIDDEN"),
    Reason.NOT_FOUND: (404, "NOT_FOUND"),
    Reason.ROUTE_NOT_FOUND: (404, "NOT_FOUND"),
    Reason.INVALID_ID: (404, "NOT_FOUND"),
    Reason.METHOD_NOT_ALLOWED: (405, "METHOD_NOT_ALLOWED"),
    Reason.CONFLICT: (409, "CONFLICT"),
    Reason.DUPLICATE_NAME: (409, "CONFLICT"),
    Reason.LENGTH_REQUIRED: (411, "LENGTH_REQUIRED"),
    Reason.PAYLOAD_TOO_LARGE: (413, "PAYLOAD_TOO_LARGE"),
    Reason.VALIDATION_FAILED: (400, "BAD_REQUEST"),
    Reason.MALFORMED_BODY: (400, "BAD_REQUEST"),
    Reason.UNSUPPORTED_MEDIA_TYPE: (400, "BAD_REQUEST"),
    Reason.OUT_OF_RANGE: (422, "VALIDATION_ERROR"),
    Reason.RATE_LIMITED: (429, "TOO_MANY_REQUESTS"),
    Reason.QUOTA_EXHAUSTED: (402, "PAYMENT_REQUIRED"),
    Reason.UNKNOWN_DICTIONARY: (503, "SERVICE_UNAVAILABLE"),
    Reason.OVERLOADED: (503, "SERVICE_UNAVAILABLE"),
    Reason.STORE_UNAVAILABLE: (503, "SERVICE_UNAVAILABLE"),
    Reason.DEADLINE_EXCEEDED: (503, "SERVICE_UNAVAILABLE"),
}
FIXED = {
    Reason.INTERNAL: "Internal server error",
    Reason.UNAUTHENTICATED: "Missing or invalid credential",
    Reason.STEP_UP_REQUIRED: "Step-up authentication required",
    Reason.RATE_LIMITED: "Too many requests",
}
"""Messages that say the same whatever the core says."""


@pytest.mark.parametrize("reason", Reason)
def test_render_every_reason(reason: Reason) -> None:
    """Each reason has its status and code, in an envelope with exactly these keys."""
    rendered = render(Failure(reason, "Words of the core."), "r-1")
    status, code = EXPECTED[reason]
    message = FIXED.get(reason, "Words of the core.")
    assert (rendered.status, json.loads(rendered.body)) == (status, {"success": False, "error": {"code": code, "message": message}})
    assert rendered.headers["Content-Type"] == "application/json; charset=utf-8"
    assert ("Retry-After" in rendered.headers) == (status in (429, 503))


def test_shapes_know_every_reason() -> None:
    """A new reason needs its code here."""
    assert set(SHAPES) == set(Reason) == set(EXPECTED)


def test_render_names_every_fault() -> None:
    """Faults are joined; one of the whole request has no place in front."""
    failure = validation_failure((Fault("name", "is required"), Fault("", "at most 100"), Fault("tags[1]", "is long")))
    assert json.loads(render(failure, "r-1").body)["error"]["message"] == "name: is required; at most 100; tags[1]: is long"


@pytest.mark.parametrize(("limiter", "status", "code"), [("sensitive", 400, "BAD_REQUEST"), ("general", 429, "TOO_MANY_REQUESTS")])
def test_render_limiters(limiter: str, status: int, code: str) -> None:
    """The sensitive limiter answers as a bad request, any other as what it is; both say when to come back."""
    rendered = render(Failure(Reason.RATE_LIMITED, "Slow down.", metadata={"limiter": limiter, "retry_after_seconds": "42"}), "r-1")
    error = {"code": code, "message": "Too many requests"}
    assert (rendered.status, json.loads(rendered.body), rendered.headers["Retry-After"]) == (
        status,
        {"success": False, "error": error},
        "42",
    )


def test_render_other_methods() -> None:
    """405 tells which methods there are."""
    rendered = render(Failure(Reason.METHOD_NOT_ALLOWED, "No.", metadata={"allow": "GET, POST"}), "r-1")
    assert rendered.headers["Allow"] == "GET, POST"
