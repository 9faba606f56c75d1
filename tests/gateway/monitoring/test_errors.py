import json
from typing import Any

import pytest

from gateway.contracts.monitoring.errors import NAMED, SHAPES, render
from gateway.transcode.failures import Failure, Fault, Reason, internal_failure, malformed_body, validation_failure

JSON = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}
CATALOGUE = {
    400: {
        "invalid_json",
        "invalid_id",
        "invalid_parameter",
        "validation_error",
        "invalid_range",
        "invalid_metric",
        "invalid_threshold",
        "invalid_exit_code",
        "invalid_pattern",
        "invalid_type",
        "url_not_allowed",
        "not_standalone",
        "not_paused",
        "cannot_delete_auto",
    },
    401: {"unauthorized"},
    403: {"forbidden", "csrf_failed"},
    404: {"not_found"},
    405: {"method_not_allowed"},
    409: {
        "conflict",
        "duplicate_name",
        "duplicate_monitor",
        "already_auto_detected",
        "duplicate_exclusion",
        "scan_in_progress",
        "container_running",
    },
    413: {"payload_too_large"},
    415: {"unsupported_media_type"},
    429: {"rate_limited"},
    500: {"internal_error"},
    502: {"runtime_unavailable", "logs_unavailable"},
    503: {"service_unavailable", "timeout"},
}
"""Contract 1.4, which is complete."""


def answer(failure: Failure) -> tuple[int, dict[str, str], Any]:
    rendered = render(failure, "r-1")
    return rendered.status, dict(rendered.headers), json.loads(rendered.body)


def error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


@pytest.mark.parametrize(
    ("reason", "status", "code", "headers"),
    [
        (Reason.INTERNAL, 500, "internal_error", {}),
        (Reason.UNAUTHENTICATED, 401, "unauthorized", {"WWW-Authenticate": "Bearer"}),
        (Reason.PERMISSION_DENIED, 403, "forbidden", {}),
        (Reason.INTERACTIVE_ONLY, 403, "forbidden", {}),
        (Reason.STEP_UP_REQUIRED, 403, "forbidden", {}),
        (Reason.HTTPS_REQUIRED, 403, "forbidden", {}),
        (Reason.AGENT_DISABLED, 403, "forbidden", {}),
        (Reason.RELAY_REQUIRED, 403, "forbidden", {}),
        (Reason.NOT_FOUND, 404, "not_found", {}),
        (Reason.ROUTE_NOT_FOUND, 404, "not_found", {}),
        (Reason.METHOD_NOT_ALLOWED, 405, "method_not_allowed", {"Allow": "GET, HEAD"}),
        (Reason.VALIDATION_FAILED, 400, "validation_error", {}),
        (Reason.OUT_OF_RANGE, 400, "validation_error", {}),
        (Reason.INVALID_ID, 400, "invalid_id", {}),
        (Reason.MALFORMED_BODY, 400, "invalid_json", {}),
        (Reason.LENGTH_REQUIRED, 400, "invalid_json", {}),
        (Reason.CONFLICT, 409, "conflict", {}),
        (Reason.DUPLICATE_NAME, 409, "duplicate_name", {}),
        (Reason.PAYLOAD_TOO_LARGE, 413, "payload_too_large", {}),
        (Reason.UNSUPPORTED_MEDIA_TYPE, 415, "unsupported_media_type", {}),
        (Reason.RATE_LIMITED, 429, "rate_limited", {"Retry-After": "7"}),
        (Reason.QUOTA_EXHAUSTED, 429, "rate_limited", {"Retry-After": "7"}),
        (Reason.UNKNOWN_DICTIONARY, 503, "service_unavailable", {"Retry-After": "1"}),
        (Reason.OVERLOADED, 503, "service_unavailable", {"Retry-After": "1"}),
        (Reason.STORE_UNAVAILABLE, 503, "service_unavailable", {"Retry-After": "1"}),
        (Reason.DEADLINE_EXCEEDED, 503, "timeout", {}),
    ],
)
def test_render_reason(reason: Reason, status: int, code: str, headers: dict[str, str]) -> None:
    """Each reason has its status, code and headers."""
    failure = Failure(reason, "What happened.", metadata={"allow": "GET, HEAD", "retry_after_seconds": "7"})
    message = {"internal_error": "Internal server error", "unauthorized": "A valid credential is required"}.get(code, "What happened.")
    assert answer(failure) == (status, JSON | headers, error(code, message))


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("from_core", [False, True])
@pytest.mark.parametrize("named", ["", "not_paused", "no_such_code"])
def test_send_only_codes_of_catalogue(reason: Reason, from_core: bool, named: str) -> None:
    """Whatever fails, status and code stand together in the catalogue, and the body has no other keys."""
    for faults in ((), (Fault("", "must be a JSON object"),), (Fault("name", "is required"),)):
        for part in ("", "query"):
            metadata = {"code": named, "part": part, "sql": "SELECT 1"}
            status, _, body = answer(Failure(reason, "m", faults=faults, metadata=metadata, from_core=from_core))
            assert body["error"]["code"] in CATALOGUE[status]
            assert (set(body), set(body["error"])) == ({"error"}, {"code", "message"})


def test_know_whole_catalogue() -> None:
    """Every code of the catalogue can be sent, with its status and no other."""
    known = [*((int(shape.status), shape.code) for shape in SHAPES.values()), *((int(status), code) for code, status in NAMED.items())]
    assert {(status, code) for status, codes in CATALOGUE.items() for code in codes} == {*known, (400, "invalid_parameter")}
    assert set(SHAPES) == set(Reason)


@pytest.mark.parametrize("code", NAMED)
def test_name_code_in_metadata(code: str) -> None:
    """A failure that names a code of the catalogue gets it, with its status."""
    assert answer(Failure(Reason.CONFLICT, "No.", metadata={"code": code}, from_core=True)) == (int(NAMED[code]), JSON, error(code, "No."))


def test_name_every_fault() -> None:
    """All faulty fields are named; those of the query are parameters."""
    faults = (Fault("name", "is required"), Fault("edges[0]", "must be a string"))
    message = "name is required; edges[0] must be a string"
    assert answer(validation_failure(faults)) == (400, JSON, error("validation_error", message))
    assert answer(validation_failure(faults, part="query")) == (400, JSON, error("invalid_parameter", message))


def test_tell_body_that_is_no_object() -> None:
    """A body that is JSON but no object is no valid body, and nothing is said of fields that it cannot have."""
    faults = (Fault("", "must be a JSON object"), Fault("name", "is required"))
    assert answer(validation_failure(faults)) == (400, JSON, error("invalid_json", "The body must be a JSON object"))
    assert answer(malformed_body("The body is not UTF-8 at byte 3.")) == (
        400,
        JSON,
        error("invalid_json", "The body is not UTF-8 at byte 3."),
    )


def test_hide_cause_of_internal_failure() -> None:
    """What went wrong inside is not shown."""
    leak = Failure(Reason.INTERNAL, "sqlite3.OperationalError at /srv/store.py", metadata={"request_id": "r"}, from_core=True)
    for failure in (leak, internal_failure()):
        assert answer(failure) == (500, JSON, error("internal_error", "Internal server error"))


def test_hide_why_credential_is_refused() -> None:
    """Unknown, expired and revoked credentials look alike."""
    answers = {render(Failure(Reason.UNAUTHENTICATED, message), "r").body for message in ("expired", "revoked", "unknown")}
    assert answers == {b'{"error":{"code":"unauthorized","message":"A valid credential is required"}}'}
