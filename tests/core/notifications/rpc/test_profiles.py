from collections.abc import AsyncIterator

import grpc
import pytest

from lumetry.notifications.v1 import profile_service_pb2 as pb
from lumetry.notifications.v1.profile_service_pb2_grpc import AlertingProfileServiceStub, add_AlertingProfileServiceServicer_to_server
from lumetry_core.notifications.rpc.profiles import AlertingProfileServicer
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.conftest import FakeClock
from tests.core.notifications.service.test_profiles import add_integrations

SERVICE = "lumetry.notifications.v1.AlertingProfileService"
VIEWER = (("authorization", "Bearer viewer"),)


async def authenticate(origin: Origin) -> Caller:
    """Knows one person, who may manage profiles unless the secret says `viewer`."""
    permissions = {Permission.VIEW_ALERTS} | ({Permission.MANAGE_ALERT_PROFILES} if origin.secret != "viewer" else set())
    return Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, permissions=frozenset(permissions))


@pytest.fixture
async def stub(database: Database, clock: FakeClock) -> AsyncIterator[AlertingProfileServiceStub]:
    """A client of a running server."""
    services = {SERVICE: (add_AlertingProfileServiceServicer_to_server, AlertingProfileServicer(database, clock))}
    built = build_server("127.0.0.1:0", services, read_accesses([SERVICE]), authenticate, reflect=False)
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield AlertingProfileServiceStub(channel)
    await built.server.stop(None)


async def test_profile_is_created_replaced_and_deleted(stub: AlertingProfileServiceStub, database: Database, clock: FakeClock) -> None:
    """What was left out has its default; false and zero are values."""
    numbers = await add_integrations(database, clock, 2)
    sent = pb.AlertingProfileDefinition(name="Night", integration_ids=numbers)
    made = (await stub.CreateAlertingProfile(pb.CreateAlertingProfileRequest(definition=sent))).profile
    full = pb.AlertingProfileDefinition(
        name="Night",
        is_default=False,
        is_enabled=True,
        cooldown_minutes=0,
        notify_on_open=True,
        notify_on_escalate=True,
        notify_on_close=True,
        min_severity="Warning",
        integration_ids=numbers,
    )
    time = encode_time(clock.now())
    assert made == pb.AlertingProfile(id=made.id, definition=full, create_time=time, update_time=time)
    full.notify_on_open = full.is_enabled = False
    full.is_default = True
    replaced = await stub.UpdateAlertingProfile(pb.UpdateAlertingProfileRequest(id=made.id, definition=full))
    assert replaced.profile.definition == full
    assert (await stub.GetAlertingProfile(pb.GetAlertingProfileRequest(id=made.id), metadata=VIEWER)).profile == replaced.profile
    assert list((await stub.ListAlertingProfiles(pb.ListAlertingProfilesRequest(), metadata=VIEWER)).profiles) == [replaced.profile]
    await stub.DeleteAlertingProfile(pb.DeleteAlertingProfileRequest(id=made.id))
    assert not (await stub.ListAlertingProfiles(pb.ListAlertingProfilesRequest())).profiles


async def test_viewers_change_nothing_and_the_unknown_is_not_found(stub: AlertingProfileServiceStub) -> None:
    """Whoever may look may not write."""
    calls = [
        (stub.CreateAlertingProfile, pb.CreateAlertingProfileRequest()),
        (stub.UpdateAlertingProfile, pb.UpdateAlertingProfileRequest(id=9)),
        (stub.DeleteAlertingProfile, pb.DeleteAlertingProfileRequest(id=9)),
    ]
    for call, request in calls:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call(request, metadata=VIEWER)
        assert failure.value.code() is grpc.StatusCode.PERMISSION_DENIED
    for call, request in [*calls[1:], (stub.GetAlertingProfile, pb.GetAlertingProfileRequest(id=9))]:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call(request)
        assert failure.value.code() is grpc.StatusCode.NOT_FOUND
