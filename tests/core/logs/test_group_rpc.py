from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.logs.v1 import log_group_service_pb2 as pb
from lumetry.logs.v1 import log_group_service_pb2_grpc, log_pb2
from lumetry_core.access.keys import LOG_KEY_PERMISSIONS, LogKeyAccess
from lumetry_core.logs.rpc.groups import LogGroupServicer
from lumetry_core.logs.service.groups import IncidentScope, link_alerts
from lumetry_core.projects.model import Project
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.conftest import FakeClock
from tests.core.logs.building import Send, make_entry, make_error, read_all
from tests.core.logs.test_rpc import by, read_failure

SERVICE = "lumetry.logs.v1.LogGroupService"


async def find_incident_ids(tx: Transaction, organization_id: int, alert_ids: Collection[int]) -> dict[int, int | None]:
    """Alerts from 50 on have an incident."""
    return {alert_id: 12 if alert_id >= 50 else None for alert_id in alert_ids}


async def find_incident_scope(tx: Transaction, organization_id: int, incident_id: int, now: datetime) -> IncidentScope | None:
    """Incident 12 of the last minute, with alert 50."""
    return IncidentScope(now - timedelta(minutes=1), now, [50]) if incident_id == 12 else None


@pytest.fixture
async def stub(database: Database, clock: FakeClock, project: Project) -> AsyncIterator[Any]:
    """The service; the secret names the credential: `full`, `ingest`, `viewer`, anything else a login that may do everything."""

    async def authenticate(origin: Origin) -> Caller:
        of = project.organization_id
        if origin.secret in ("full", "ingest"):
            permissions = LOG_KEY_PERMISSIONS[LogKeyAccess(origin.secret)]
            return Caller(of, CredentialKind.LOG_KEY, 1, permissions=permissions, project_id=project.id)
        held = {Permission.VIEW_LOGS} if origin.secret == "viewer" else set(Permission)
        return Caller(of, CredentialKind.INTERACTIVE, 4, user_id=1, user_name="ann", permissions=frozenset(held))

    servicer = LogGroupServicer(database, clock, find_incident_ids, find_incident_scope)
    services = {SERVICE: (log_group_service_pb2_grpc.add_LogGroupServiceServicer_to_server, servicer)}
    server = build_server("127.0.0.1:0", services, read_accesses(services), authenticate, reflect=False)
    await server.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield log_group_service_pb2_grpc.LogGroupServiceStub(opened)
    await server.server.stop(None)


@pytest.fixture
async def group_id(database: Database, send: Send, project: Project) -> int:
    """A group of two entries that two alerts name."""
    error = make_error(type="E", message="no", stack_trace=["    at f (/a/b/c.js:1:2)"])
    await send(make_entry("no", -1, 4, error=error, traces=("t-1", None, None)), make_entry("no", 0, 5, error=error))
    (created,) = (await read_all(database, project.organization_id)).created
    async with database.write() as tx:
        await link_alerts(tx, project.organization_id, [(created, 50), (created, 40)])
    return created


async def test_group_with_everything(stub: Any, group_id: int, project: Project, clock: FakeClock) -> None:
    """Lists and single reads tell the same group; a single one comes with samples and hours."""
    (listed,) = (await stub.ListLogGroups(pb.ListLogGroupsRequest(), metadata=by("full"))).groups
    reply = await stub.GetLogGroup(pb.GetLogGroupRequest(id=group_id), metadata=by("full"))
    assert reply.group == listed == pb.LogGroup(
        id=group_id,
        fingerprint=listed.fingerprint,
        project_id=project.id,
        title="E: no",
        error_type="E",
        error_message="no",
        culprit="b/c.js:f",
        level=log_pb2.LOG_LEVEL_FATAL,
        levels=[pb.LogGroupLevel(level=log_pb2.LOG_LEVEL_ERROR, count=1), pb.LogGroupLevel(level=log_pb2.LOG_LEVEL_FATAL, count=1)],
        status=pb.LOG_GROUP_STATUS_OPEN,
        count=2,
        day_count=2,
        first_time=encode_time(clock.now() - timedelta(seconds=1)),
        last_time=encode_time(clock.now()),
        trace_ids=["t-1"],
        alert_ids=[40, 50],
        incident_ids=[12],
    )  # fmt: skip
    assert [(entry.level, entry.group_id) for entry in reply.samples] == [(5, group_id), (4, group_id)]
    assert (len(reply.hours), [hour.count for hour in reply.hours[-2:]]) == (24, [1, 1])


async def test_groups_of_an_incident(stub: Any, group_id: int) -> None:
    """An incident that does not exist has none."""
    for incident_id, ids in ((12, [group_id]), (13, [])):
        reply = await stub.ListLogGroups(pb.ListLogGroupsRequest(incident_id=incident_id), metadata=by("ann"))
        assert [group.id for group in reply.groups] == ids


async def test_resolve_ignore_and_open(stub: Any, group_id: int, clock: FakeClock) -> None:
    """Each answers the group as it is then."""
    resolved = (await stub.ResolveLogGroup(pb.ResolveLogGroupRequest(id=group_id, note="fixed"), metadata=by("ann"))).group
    assert (resolved.status, resolved.resolve_time, resolved.resolved_by, resolved.note) == (
        pb.LOG_GROUP_STATUS_RESOLVED,
        encode_time(clock.now()),
        "ann",
        "fixed",
    )
    until = encode_time(clock.now() + timedelta(days=1))
    ignored = (await stub.IgnoreLogGroup(pb.IgnoreLogGroupRequest(id=group_id, until=until, until_count=7), metadata=by("ann"))).group
    assert (ignored.status, ignored.ignore_until, ignored.ignore_until_count) == (pb.LOG_GROUP_STATUS_IGNORED, until, ignored.count + 7)
    opened = (await stub.ReopenLogGroup(pb.ReopenLogGroupRequest(id=group_id), metadata=by("ann"))).group
    assert (opened.status, opened.HasField("ignore_until"), opened.note) == (pb.LOG_GROUP_STATUS_OPEN, False, "fixed")


async def test_faults_of_messages(stub: Any, group_id: int) -> None:
    """Times outside the calendar are faults as well, told with all others."""
    far = Timestamp(seconds=10**12)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.IgnoreLogGroup(pb.IgnoreLogGroupRequest(id=group_id, until=far, until_count=0), metadata=by("ann"))
    assert read_failure(raised.value) == ("VALIDATION_FAILED", ["until", "until_count"])
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.ListLogGroups(pb.ListLogGroupsRequest(start_time=far, end_time=far, sort="x"), metadata=by("ann"))
    assert read_failure(raised.value) == ("VALIDATION_FAILED", ["from", "to", "sort"])


@pytest.mark.parametrize(("secret", "reads", "changes"), [("full", True, False), ("ingest", False, False), ("viewer", True, False)])
async def test_rights(stub: Any, group_id: int, secret: str, reads: bool, changes: bool) -> None:
    """Reading is for CanViewLogs, log keys of access `full` included; changing for people with CanAcknowledgeAlerts."""
    calls = (
        (stub.ListLogGroups, pb.ListLogGroupsRequest(), reads),
        (stub.GetLogGroup, pb.GetLogGroupRequest(id=group_id), reads),
        (stub.ResolveLogGroup, pb.ResolveLogGroupRequest(id=group_id), changes),
    )
    for call, request, is_allowed in calls:
        if is_allowed:
            await call(request, metadata=by(secret))
        else:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call(request, metadata=by(secret))
            assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED
