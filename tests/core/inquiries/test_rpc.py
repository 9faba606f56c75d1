from collections.abc import AsyncIterator

import grpc
import pytest

from lumetry.inquiries.v1 import inquiry_service_pb2 as pb
from lumetry.inquiries.v1.inquiry_service_pb2_grpc import InquiryServiceStub, add_InquiryServiceServicer_to_server
from lumetry_core.access.rates import INQUIRIES
from lumetry_core.access.service.organizations import bootstrap
from lumetry_core.access.service.rates import AddressLimiter
from lumetry_core.inquiries.rpc import InquiryServicer
from lumetry_core.inquiries.service import list_inquiries
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.conftest import FakeClock

SERVICE = "lumetry.inquiries.v1.InquiryService"
ADA = pb.SendInquiryRequest(name="Ada", email="ada@example.com", company="Engines", message="Hello")


async def authenticate(_origin: Origin) -> Caller:
    """Knows nobody."""
    raise LumetryError(Reason.UNAUTHENTICATED, "No.")


@pytest.fixture
async def stub(database: Database, clock: FakeClock) -> AsyncIterator[InquiryServiceStub]:
    """A client of a running server of a deployment with its first organization."""
    async with database.write() as tx:
        await bootstrap(tx, clock.now(), "correct horse battery staple")
    servicer = InquiryServicer(database, clock, AddressLimiter(INQUIRIES, clock))
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_InquiryServiceServicer_to_server, servicer)},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield InquiryServiceStub(channel)
    await built.server.stop(None)


async def count(database: Database) -> int:
    async with database.read() as tx:
        return len(await list_inquiries(tx))


def asked(**changes: str | bool) -> pb.SendInquiryRequest:
    request = pb.SendInquiryRequest(**changes)  # type: ignore[arg-type]
    merged = pb.SendInquiryRequest()
    merged.CopyFrom(ADA)
    merged.MergeFrom(request)
    return merged


async def test_send_inquiry_with_and_without_honeypot(stub: InquiryServiceStub, database: Database, clock: FakeClock) -> None:
    """Both get the same answer after the same validation; only what people send is stored."""
    real = await stub.SendInquiry(ADA)
    false = await stub.SendInquiry(asked(website="http://spam.invalid"))
    for answer in (real, false):
        assert answer == pb.SendInquiryResponse(id=answer.id, receive_time=encode_time(clock.now()))
        assert len(answer.id) == len(real.id) == 36
    assert real.id != false.id
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.SendInquiry(asked(website="x", email="nobody"))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert await count(database) == 1


async def test_send_inquiry_to_be_checked_only(stub: InquiryServiceStub, database: Database) -> None:
    """Nothing is stored, and there is no id."""
    assert (await stub.SendInquiry(asked(validate_only=True))).id == ""
    assert await count(database) == 0


async def test_send_inquiry_five_times_an_hour(stub: InquiryServiceStub, database: Database, clock: FakeClock) -> None:
    """Five calls, refused ones among them, then one every twelve minutes."""
    for _ in range(4):
        await stub.SendInquiry(ADA)
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.SendInquiry(pb.SendInquiryRequest())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.SendInquiry(ADA)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    clock.advance(minutes=12)
    await stub.SendInquiry(ADA)
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.SendInquiry(ADA)
    assert await count(database) == 5
