from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from lumetry.access.v1 import audit_service_pb2 as pb
from lumetry.access.v1.audit_service_pb2_grpc import AuditServiceStub, add_AuditServiceServicer_to_server
from lumetry_core.access.rpc.audit import AuditServicer
from lumetry_core.access.service.audit import record_audit
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission, system_caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses

SERVICE = "lumetry.access.v1.AuditService"
NOW = datetime(2026, 6, 1, 8, 0, 0, 60_000, tzinfo=UTC)
ANN = Caller(
    organization_id=7,
    kind=CredentialKind.INTERACTIVE,
    user_id=42,
    user_name="ann",
    request_id="r-1",
    address="192.0.2.1",
    user_agent="curl",
)


async def authenticate(origin: Origin) -> Caller:
    """Knows one person, who may view the audit log unless the secret says `viewer`."""
    permission = Permission.VIEW_ALERTS if origin.secret == "viewer" else Permission.VIEW_AUDIT_LOGS
    return Caller(organization_id=7, kind=CredentialKind.API_TOKEN, user_id=43, permissions=frozenset({permission}))


@pytest.fixture
async def stub(database: Database) -> AsyncIterator[AuditServiceStub]:
    """A client of a running server on which a rule was created, replaced and touched by the system."""
    async with database.write() as tx:
        await record_audit(tx, ANN, "Rule.Created", "Rule", 5, NOW, after={"name": "a"})
        await record_audit(tx, ANN, "Rule.Updated", "Rule", 5, NOW + timedelta(seconds=1), before={"name": "a"}, after={"name": "b"})
        await record_audit(tx, system_caller(7), "Rule.Paused", "Rule", 6, NOW + timedelta(seconds=2))
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_AuditServiceServicer_to_server, AuditServicer(database))},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield AuditServiceStub(channel)
    await built.server.stop(None)


def at(seconds: int) -> Timestamp:
    return Timestamp(seconds=1780300800 + seconds, nanos=60_000_000)


async def test_list_audit_logs_shows_every_field(stub: AuditServiceStub) -> None:
    """Fields without value are absent; filters and pages are passed on."""
    found = await stub.ListAuditLogs(pb.ListAuditLogsRequest(search="5", action="rule.updated", entity_type="rule", actor_user_id=42))
    updated = pb.AuditLog(
        id=2,
        action="Rule.Updated",
        entity_type="Rule",
        entity_id="5",
        old_values_json='{"name":"a"}',
        new_values_json='{"name":"b"}',
        actor_user_id=42,
        actor_display_name="ann",
        ip_address="192.0.2.1",
        user_agent="curl",
        create_time=at(1),
        correlation_id="r-1",
    )
    assert found == pb.ListAuditLogsResponse(audit_logs=[updated], total_count=1)
    paused = pb.AuditLog(id=3, action="Rule.Paused", entity_type="Rule", entity_id="6", actor_display_name="system", create_time=at(2))
    assert await stub.ListAuditLogs(pb.ListAuditLogsRequest(start_time=at(1), end_time=at(2), page_size=1)) == pb.ListAuditLogsResponse(
        audit_logs=[paused], total_count=2
    )


async def test_list_revisions_shows_every_field(stub: AuditServiceStub) -> None:
    """What a creation was made of has nothing before it."""
    found = await stub.ListRevisions(pb.ListRevisionsRequest(entity_type="Rule", entity_id="5", page=2, page_size=1))
    created = pb.Revision(
        operation="Created",
        after_json='{"name":"a"}',
        actor_user_id=42,
        actor_display_name="ann",
        create_time=at(0),
        correlation_id="r-1",
    )
    assert found == pb.ListRevisionsResponse(revisions=[created], total_count=2)


async def test_lists_need_their_permission(stub: AuditServiceStub) -> None:
    """Viewing alerts is not enough."""
    viewer = (("authorization", "Bearer viewer"),)
    for call in (
        stub.ListAuditLogs(pb.ListAuditLogsRequest(), metadata=viewer),
        stub.ListRevisions(pb.ListRevisionsRequest(entity_type="Rule"), metadata=viewer),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call
        assert failure.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_list_audit_logs_of_impossible_times(stub: AuditServiceStub) -> None:
    """Times outside the calendar are named."""
    never = Timestamp(seconds=10**15)
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await stub.ListAuditLogs(pb.ListAuditLogsRequest(start_time=never, end_time=never))
    status = rpc_status.from_call(failure.value)
    bad_request = error_details_pb2.BadRequest()
    assert [detail.Unpack(bad_request) for detail in status.details] == [False, True]
    assert [violation.field for violation in bad_request.field_violations] == ["from", "to"]
