import aiohttp
import pytest

from lumetry.inquiries.v1 import inquiry_service_pb2 as pb
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.gateway.fake_core import FakeCore

PATH = "/api/v1/enterprise-inquiry"
EMPTY = LumetryError(Reason.VALIDATION_FAILED, "The request is not valid.", faults=(Fault("name", "must have 1 to 120 characters"),))
LIMITED = LumetryError(Reason.RATE_LIMITED, "Too many requests.", retry_after_seconds="720")


@pytest.mark.parametrize(
    ("content", "answer", "status"),
    [
        (b"{", EMPTY, 400),
        (b"{", LIMITED, 429),
        (b"[]", LIMITED, 429),
        (b'{"name": 5}', LIMITED, 429),
    ],
)
async def test_inquiry_that_cannot_be_read_costs_a_call(
    client: aiohttp.ClientSession, core: FakeCore, url: str, content: bytes, answer: LumetryError, status: int
) -> None:
    """The limiter comes before the body: it is asked, by a call that stores nothing, and outranks what is wrong."""
    core.answers["SendInquiry"] = answer
    async with client.post(url + PATH, data=content, headers={"Content-Type": "application/json"}) as response:
        assert response.status == status
    [asked] = core.requests("SendInquiry")
    assert asked == pb.SendInquiryRequest(validate_only=True)


async def test_inquiry_too_large_is_not_looked_at(client: aiohttp.ClientSession, core: FakeCore, url: str) -> None:
    """A body of too many bytes is refused before anything else, whatever it is."""
    async with client.post(url + PATH, data=b"{" * 131_073, headers={"Content-Type": "application/json"}) as response:
        assert response.status == 413
    assert core.requests("SendInquiry") == []
