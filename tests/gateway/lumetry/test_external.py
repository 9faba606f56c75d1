import gzip
import io
import json
from typing import Any

import pytest

from lumetry.external.v1 import external_alert_service_pb2 as pb
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.gateway.fake_core import FakeCore

PATH = "/v1/alert-sources/source-1/events"
HEADERS = {"Authorization": "Bearer lmts_1", "Content-Type": "application/json"}
LARGE = b" " * (1024 * 1024 + 1)
MESSAGE = "The body is larger than 1048576 bytes."


def answer(core: FakeCore) -> None:
    """Lets the core take what can be read, and refuse what cannot, as the real one does."""

    def report(request: Any, _context: Any) -> Any:
        if not request.HasField("unreadable"):
            return pb.ReportExternalEventsResponse(accepted_count=1)
        return LumetryError(Reason.PAYLOAD_TOO_LARGE if request.unreadable.too_large else Reason.MALFORMED_BODY, request.unreadable.message)

    core.answers["ReportExternalEvents"] = report


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}], ids=["plain", "gzip"])
async def test_too_large_delivery_is_reported_to_the_core(client: Any, core: FakeCore, headers: dict[str, str]) -> None:
    """The core finds the caller first, and counts it; gzip counts unpacked."""
    answer(core)
    body = gzip.compress(LARGE) if headers else LARGE
    async with client.post(PATH, data=io.BytesIO(body), headers=HEADERS | headers) as response:
        problem = await response.json()
    assert (response.status, problem["type"], problem["detail"]) == (413, "/problems/payload-too-large", MESSAGE)
    unreadable = pb.UnreadableBody(too_large=True, message=MESSAGE)
    assert core.requests("ReportExternalEvents") == [pb.ReportExternalEventsRequest(source_key="source-1", unreadable=unreadable)]


async def test_too_large_delivery_of_a_stranger_is_unauthenticated(client: Any, core: FakeCore) -> None:
    """401 outranks 413."""
    core.answers["ReportExternalEvents"] = LumetryError(Reason.UNAUTHENTICATED, "No.")
    async with client.post(PATH, data=io.BytesIO(LARGE), headers=HEADERS) as response:
        assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_packed_delivery_is_unpacked(client: Any, core: FakeCore) -> None:
    """The core gets plain JSON, byte for byte."""
    answer(core)
    body = json.dumps({"events": []}).encode()
    async with client.post(PATH, data=gzip.compress(body), headers=HEADERS | {"Content-Encoding": "gzip"}) as response:
        assert (response.status, await response.json()) == (202, {"accepted": 1, "duplicate": 0})
    assert core.requests("ReportExternalEvents") == [pb.ReportExternalEventsRequest(source_key="source-1", body=body)]


async def test_overload_is_told(client: Any, core: FakeCore) -> None:
    """Sources try again later."""
    core.answers["ReportExternalEvents"] = LumetryError(Reason.OVERLOADED, "Full.", retry_after_seconds="2")
    async with client.post(PATH, data=b"{}", headers=HEADERS) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "2")
