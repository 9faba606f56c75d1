from collections.abc import AsyncIterator
from dataclasses import replace

import grpc
import pytest

from lumetry.notices.v1 import notice_pb2
from lumetry.notices.v1 import notice_service_pb2 as pb
from lumetry.notices.v1.notice_service_pb2_grpc import NoticeServiceStub, add_NoticeServiceServicer_to_server
from lumetry_core.notices.rpc import NoticeServicer
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.conftest import FakeClock
from tests.core.notices.test_service import OPENED, SYSTEM, write

SERVICE = "lumetry.notices.v1.NoticeService"
MEMBER = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=3)
PRIVATE = "00000000-0000-4000-8000-000000000001"
CALLERS = {
    "member": MEMBER,
    "other": replace(MEMBER, user_id=4),
    "key": replace(MEMBER, kind=CredentialKind.WORKSPACE_KEY, scopes=frozenset({"notifications:read"})),
    "other-key": replace(MEMBER, kind=CredentialKind.WORKSPACE_KEY, scopes=frozenset({"files:read"})),
    "log-key": Caller(organization_id=7, kind=CredentialKind.LOG_KEY),
}


async def authenticate(origin: Origin) -> Caller:
    """Knows callers by their names."""
    if origin.secret not in CALLERS:
        raise LumetryError(Reason.UNAUTHENTICATED, "No.")
    return CALLERS[origin.secret]


async def find_hidden(_tx: Transaction, organization_id: int, user_id: int) -> frozenset[str]:
    """Hides a project from user 4."""
    return frozenset({PRIVATE}) if (organization_id, user_id) == (7, 4) else frozenset()


@pytest.fixture
async def stub(database: Database, clock: FakeClock) -> AsyncIterator[NoticeServiceStub]:
    """A client of a running server."""
    servicer = NoticeServicer(database, clock, find_hidden)
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_NoticeServiceServicer_to_server, servicer)},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield NoticeServiceStub(channel)
    await built.server.stop(None)


def bearer(name: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {name}"),)


async def test_notice_from_arrival_to_deletion(stub: NoticeServiceStub, database: Database, clock: FakeClock) -> None:
    """List, read, mark one, mark all, delete: the inbox of the caller's user, of which a key reads the same."""
    await write(database, clock, SYSTEM, OPENED)
    listed = await stub.ListNotices(pb.ListNoticesRequest(limit=1), metadata=bearer("key"))
    expected = notice_pb2.Notice(
        id=listed.notices[0].id,
        kind="incident_opened",
        severity="critical",
        title="Incident INC-000012 opened",
        body="by alert 7",
        resource_type="incident",
        resource_id="12",
        link="/incidents/12",
        create_time=encode_time(clock.now()),
    )
    assert listed == pb.ListNoticesResponse(notices=[expected], next_cursor=listed.next_cursor, unread_count=2)
    assert listed.next_cursor
    marked = await stub.UpdateNotice(pb.UpdateNoticeRequest(id=expected.id, read=True), metadata=bearer("member"))
    expected.read_time.CopyFrom(encode_time(clock.now()))
    assert marked.notice == expected
    assert (await stub.GetNotice(pb.GetNoticeRequest(id=expected.id), metadata=bearer("key"))).notice == expected
    later = encode_time(clock.advance(seconds=1))
    assert await stub.MarkNoticesRead(pb.MarkNoticesReadRequest(before=later), metadata=bearer("member")) == pb.MarkNoticesReadResponse(
        updated=1
    )
    deleted = await stub.DeleteNotice(pb.DeleteNoticeRequest(id=expected.id), metadata=bearer("member"))
    assert deleted == pb.DeleteNoticeResponse(id=expected.id)


async def test_notices_of_private_projects_are_hidden(stub: NoticeServiceStub, database: Database, clock: FakeClock) -> None:
    """Who does not see a project gets no notices about it."""
    await write(database, clock, replace(SYSTEM, project_id=PRIVATE), users=(3, 4))
    counts = [(await stub.ListNotices(pb.ListNoticesRequest(), metadata=bearer(name))).unread_count for name in ("member", "other")]
    assert counts == [1, 0]


@pytest.mark.parametrize(
    ("caller", "rpc", "status"),
    [
        ("key", "DeleteNotice", grpc.StatusCode.PERMISSION_DENIED),
        ("other-key", "GetNotice", grpc.StatusCode.PERMISSION_DENIED),
        ("log-key", "GetNotice", grpc.StatusCode.PERMISSION_DENIED),
        ("nobody", "GetNotice", grpc.StatusCode.UNAUTHENTICATED),
        ("member", "GetNotice", grpc.StatusCode.NOT_FOUND),
    ],
)
async def test_notices_refuse(stub: NoticeServiceStub, caller: str, rpc: str, status: grpc.StatusCode) -> None:
    """Members alone, keys within their scopes."""
    request = {"GetNotice": pb.GetNoticeRequest, "DeleteNotice": pb.DeleteNoticeRequest}[rpc](id=PRIVATE)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await getattr(stub, rpc)(request, metadata=bearer(caller))
    assert refused.value.code() is status
