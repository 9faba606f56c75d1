"""Every failure has the family's body."""

import json
import re

import pytest

from gateway.contracts.logs.errors import render
from gateway.transcode.failures import Failure, Fault, Reason, validation_failure

CODES = {
    Reason.INTERNAL: (500, "internal_error"),
    Reason.UNAUTHENTICATED: (401, "unauthorized"),
    Reason.PERMISSION_DENIED: (403, "forbidden"),
    Reason.INTERACTIVE_ONLY: (403, "forbidden"),
    Reason.STEP_UP_REQUIRED: (403, "forbidden"),
    Reason.HTTPS_REQUIRED: (403, "https_required"),
    Reason.AGENT_DISABLED: (403, "forbidden"),
    Reason.RELAY_REQUIRED: (403, "forbidden"),
    Reason.NOT_FOUND: (404, "not_found"),
    Reason.ROUTE_NOT_FOUND: (404, "not_found"),
    Reason.METHOD_NOT_ALLOWED: (405, "method_not_allowed"),
    Reason.VALIDATION_FAILED: (400, "invalid_payload"),
    Reason.OUT_OF_RANGE: (400, "invalid_payload"),
    Reason.INVALID_ID: (400, "invalid_id"),
    Reason.MALFORMED_BODY: (400, "invalid_json"),
    Reason.LENGTH_REQUIRED: (400, "invalid_json"),
    Reason.DUPLICATE_NAME: (409, "duplicate_name"),
    Reason.CONFLICT: (409, "conflict"),
    Reason.PAYLOAD_TOO_LARGE: (413, "payload_too_large"),
    Reason.UNSUPPORTED_MEDIA_TYPE: (415, "unsupported_media_type"),
    Reason.RATE_LIMITED: (429, "rate_limited"),
    Reason.QUOTA_EXHAUSTED: (429, "quota_exhausted"),
    Reason.UNKNOWN_DICTIONARY: (503, "overloaded"),
    Reason.OVERLOADED: (503, "overloaded"),
    Reason.STORE_UNAVAILABLE: (503, "overloaded"),
    Reason.DEADLINE_EXCEEDED: (503, "overloaded"),
}
INTERNAL = b'{"message":"Internal server error","error":{"code":"internal_error","message":"Internal server error","details":[]}}'
OVERLOADED = (
    b'{"message":"Service temporarily unavailable","error":{"code":"overloaded","message":"Service temporarily unavailable","details":[]}}'
)


@pytest.mark.parametrize("reason", Reason)
def test_render_every_reason(reason: Reason) -> None:
    """Status, code and headers follow the reason; the three keys of `error` are always there and the message stands twice."""
    rendered = render(Failure(reason, "text 429", faults=(Fault("x", "y"),), metadata={"allow": "GET", "retry_after_seconds": "9"}), "r-1")
    body = json.loads(rendered.body)
    assert (rendered.status, body["error"]["code"]) == CODES[reason]
    assert set(body) == {"message", "error"}
    assert set(body["error"]) == {"code", "message", "details"}
    assert body["message"] == body["error"]["message"]
    assert bool(body["error"]["details"]) == (body["error"]["code"] in ("invalid_json", "invalid_payload"))
    assert rendered.headers.get("Retry-After") == {429: "9", 503: "2"}.get(rendered.status)
    assert rendered.headers.get("Allow") == {405: "GET"}.get(rendered.status)
    assert rendered.headers["Content-Type"] == "application/json; charset=utf-8"
    if rendered.status >= 500:
        assert rendered.body == {500: INTERNAL, 503: OVERLOADED}[rendered.status]
        assert not re.search(rb"[0-9]", rendered.body)


def test_render_unauthenticated_alike() -> None:
    """What was wrong with a credential shows nowhere."""
    texts = ("No usable credential.", "expired", "429")
    assert len({render(Failure(Reason.UNAUTHENTICATED, text), "r").body for text in texts}) == 1


def test_tell_what_breaks_rules_by_its_place() -> None:
    """Parameters, payload and batch limit have codes of their own."""
    fault = (Fault("limit", "is required"),)
    told = [
        json.loads(render(failure, "r").body)["error"]
        for failure in (
            validation_failure(fault, part="query"),
            validation_failure(fault * 2),
            Failure(Reason.VALIDATION_FAILED, "x", faults=fault, metadata={"batch_limit": "1000"}),
        )
    ]
    detail = {"path": "limit", "message": "required"}
    assert told == [
        {"code": "invalid_parameter", "message": "Invalid parameters: 1 error", "details": [detail]},
        {"code": "invalid_payload", "message": "Invalid payload: 2 errors", "details": [detail, detail]},
        {"code": "batch_too_large", "message": "Too many entries in one batch", "details": [detail]},
    ]
