"""Every failure has a shape in every family."""

import json

import pytest

from gateway.contracts.lumetry import errors as lumetry_errors
from gateway.contracts.workspace import errors as workspace_errors
from gateway.transcode.failures import Failure, Reason
from lumetry.error.v1 import error_reason_pb2


def test_mirror_reasons_of_the_proto() -> None:
    """The reasons are those of the proto."""
    names = {name.removeprefix("ERROR_REASON_") for name, number in error_reason_pb2.ErrorReason.items() if number}
    assert names == {reason.value for reason in Reason} == {reason.name for reason in Reason}


@pytest.mark.parametrize("reason", Reason)
def test_render_every_reason_as_problem(reason: Reason) -> None:
    """The body repeats the status and the request id; `errors` promise that nothing was written, so only validation has them."""
    rendered = lumetry_errors.render(Failure(reason, "text", metadata={"allow": "GET"}), "r-1")
    body = json.loads(rendered.body)
    assert rendered.headers["Content-Type"] == "application/problem+json"
    assert (body["status"], body["detail"], body["instance"]) == (rendered.status, "text", "r-1")
    assert ("errors" in body) == (reason in (Reason.VALIDATION_FAILED, Reason.OUT_OF_RANGE))
    assert ("Retry-After" in rendered.headers) == (rendered.status in (429, 503))
    assert ("WWW-Authenticate" in rendered.headers) == (rendered.status == 401)
    assert ("Allow" in rendered.headers) == (rendered.status == 405)
    assert rendered.status not in (409, 415, 422)


def test_render_unknown_path_in_envelope() -> None:
    """The workspace family answers unknown paths in its envelope."""
    rendered = workspace_errors.render(Failure(Reason.ROUTE_NOT_FOUND, "No such route."), "r-1")
    assert (rendered.status, json.loads(rendered.body)) == (
        404,
        {"success": False, "error": {"code": "NOT_FOUND", "message": "No such route."}},
    )


@pytest.mark.parametrize(("text", "seconds"), [("7", 7), ("0", 1), ("", 1), ("x", 1), ("-3", 1), ("²", 1)])
def test_wait_at_least_a_second(text: str, seconds: int) -> None:
    """`Retry-After` is a whole number of seconds, at least 1."""
    assert Failure(Reason.OVERLOADED, "x", metadata={"retry_after_seconds": text}).retry_after_seconds == seconds
