from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2

from lumetry.access.v1 import access_service_pb2 as pb
from lumetry.access.v1 import access_service_pb2_grpc
from lumetry.access.v1 import permission_pb2 as permissions
from lumetry_core.access.model import RateSettings, Settings, User
from lumetry_core.access.rpc.access import AccessServicer
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.credentials import issue_collector_credential
from lumetry_core.access.service.login import LoginDesk
from lumetry_core.access.service.tokens import create_api_token
from lumetry_core.access.service.workspace_keys import create_workspace_key
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.server import build_server, read_accesses

SERVICE = "lumetry.access.v1.AccessService"
METRICS = "lumetry.metrics.v1.MetricService"
COLLECTORS = "lumetry.collectors.v1.CollectorService"


@dataclass(frozen=True)
class Client:
    """A stub and the words in which calls fail."""

    stub: access_service_pb2_grpc.AccessServiceStub

    async def fails(self, call: Any) -> tuple[grpc.StatusCode, str, dict[str, str], list[str]]:
        """Code, reason, metadata and faulty fields of a failing call."""
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call
        status = status_pb2.Status()
        status.ParseFromString(dict(failure.value.trailing_metadata())["grpc-status-details-bin"])
        info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        for detail in status.details:
            detail.Unpack(info)
            detail.Unpack(bad_request)
        fields = [violation.field for violation in bad_request.field_violations]
        return failure.value.code(), info.reason, dict(info.metadata), fields


@pytest.fixture
async def client(database: Database, clock: Clock, admin: User) -> AsyncIterator[Client]:
    from lumetry.collectors.v1 import collector_service_pb2  # noqa: F401, PLC0415 -- registers the service's descriptor
    from lumetry.metrics.v1 import metric_service_pb2  # noqa: F401, PLC0415

    authenticator = Authenticator(database, clock)
    desk = LoginDesk(database, clock, Settings(), RateSettings(login_per_minute=3))
    accesses = read_accesses([SERVICE, METRICS, COLLECTORS])
    servicer = AccessServicer(database, clock, desk, authenticator, accesses)
    services = {SERVICE: (access_service_pb2_grpc.add_AccessServiceServicer_to_server, servicer)}
    server = build_server("127.0.0.1:0", services, read_accesses(services), authenticator, reflect=False)
    await server.server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield Client(access_service_pb2_grpc.AccessServiceStub(channel))
    finally:
        await server.server.stop(None)


def bearer(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


async def make_token(database: Database, admin: User, clock: Clock, names: list[str] | None = None) -> str:
    async with database.write() as tx:
        _, secret = await create_api_token(
            tx, system_caller(admin.organization_id), admin.id, name="ci", permissions=names, expire_time=None, now=clock.now()
        )
    return secret


UNAUTHENTICATED = (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", {}, [])


async def test_login_refresh_logout(client: Client, admin: User, clock: Clock, password: str) -> None:
    """A session from its first token to its last."""
    tokens = (await client.stub.Login(pb.LoginRequest(username="admin", password=password))).tokens
    assert tokens.expire_time.ToDatetime(clock.now().tzinfo) == clock.now() + timedelta(minutes=15)
    me = await client.stub.GetMe(pb.GetMeRequest(), metadata=bearer(tokens.access_token))
    now = Timestamp(seconds=int(clock.now().timestamp()))
    organization = pb.Organization(id=admin.organization_id, slug="default", name="Default", member_count=1, create_time=now)
    assert me == pb.GetMeResponse(
        user=pb.User(
            id=admin.id,
            username="admin",
            auth_provider_type="Local",
            roles=["Admin"],
            is_active=True,
            create_time=now,
            last_login_time=now,
        ),
        permissions=[number for number in permissions.Permission.values() if number],
        organization=organization,
        credential=pb.CallerCredential(kind=permissions.CREDENTIAL_KIND_INTERACTIVE, id=me.credential.id),
    )
    read = await client.stub.GetOrganization(pb.GetOrganizationRequest(slug="default"), metadata=bearer(tokens.access_token))
    assert read == pb.GetOrganizationResponse(organization=organization)
    assert await client.fails(
        client.stub.GetOrganization(pb.GetOrganizationRequest(slug="acme"), metadata=bearer(tokens.access_token))
    ) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND", {"type": "Organization", "id": "acme"}, [])
    newer = (await client.stub.RefreshLogin(pb.RefreshLoginRequest(refresh_token=tokens.refresh_token))).tokens
    assert await client.stub.Logout(pb.LogoutRequest(), metadata=bearer(newer.access_token)) == pb.LogoutResponse()
    for secret in (tokens.access_token, newer.access_token):
        assert await client.fails(client.stub.GetMe(pb.GetMeRequest(), metadata=bearer(secret))) == UNAUTHENTICATED
    assert await client.fails(client.stub.Logout(pb.LogoutRequest(), metadata=bearer(newer.access_token))) == UNAUTHENTICATED
    assert await client.fails(client.stub.RefreshLogin(pb.RefreshLoginRequest(refresh_token=newer.refresh_token))) == UNAUTHENTICATED


async def test_login_wrong_and_too_often(client: Client, password: str) -> None:
    """Unknown user and wrong password look alike; then attempts are limited."""
    for username in ("admin", "nobody", "admin", "admin"):
        request = pb.LoginRequest(username=username, password="wrong")
        assert await client.fails(client.stub.Login(request)) == UNAUTHENTICATED
    request = pb.LoginRequest(username="admin", password=password)
    assert await client.fails(client.stub.Login(request)) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "RATE_LIMITED",
        {"retry_after_seconds": "20"},
        [],
    )


async def test_logout_with_what_is_not_the_callers(client: Client, database: Database, admin: User, clock: Clock, password: str) -> None:
    """Only an interactive login logs out, and only its user's sessions."""
    tokens = (await client.stub.Login(pb.LoginRequest(username="admin", password=password))).tokens
    request = pb.LogoutRequest(refresh_token=tokens.access_token)
    assert await client.fails(client.stub.Logout(request, metadata=bearer(tokens.access_token))) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "VALIDATION_FAILED",
        {},
        ["refreshToken"],
    )
    secret = await make_token(database, admin, clock)
    assert await client.fails(client.stub.Logout(pb.LogoutRequest(), metadata=bearer(secret))) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "INTERACTIVE_ONLY",
        {},
        [],
    )


async def test_get_me_with_an_api_token(client: Client, database: Database, admin: User, clock: Clock) -> None:
    """An API token describes its owner, and what the token itself may do."""
    secret = await make_token(database, admin, clock, ["CanViewLogs", "CanIngestMetrics"])
    me = await client.stub.GetMe(pb.GetMeRequest(), metadata=bearer(secret))
    assert (me.user.username, list(me.permissions)) == (
        "admin",
        [permissions.PERMISSION_CAN_INGEST_METRICS, permissions.PERMISSION_CAN_VIEW_LOGS],
    )


async def test_get_me_with_a_workspace_key(client: Client, database: Database, admin: User, clock: Clock) -> None:
    """A key that is narrowed tells who its owner is when it has the scope, and what it is narrowed to."""

    async def make_key(*scopes: str) -> str:
        async with database.write() as tx:
            _, secret = await create_workspace_key(
                tx,
                system_caller(admin.organization_id),
                admin.id,
                name="k",
                scopes=scopes,
                expire_time=None,
                production=True,
                now=clock.now(),
            )
        return secret

    me = await client.stub.GetMe(pb.GetMeRequest(), metadata=bearer(await make_key("user:read", "files:write")))
    assert (me.user.username, me.credential.kind, len(me.credential.id), list(me.credential.scopes)) == (
        "admin",
        permissions.CREDENTIAL_KIND_WORKSPACE_KEY,
        36,
        ["files:write", "user:read"],
    )
    refused = await client.fails(client.stub.GetMe(pb.GetMeRequest(), metadata=bearer(await make_key("files:write"))))
    assert refused == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED", {"permission": ""}, [])


async def test_change_password_ends_the_other_sessions(client: Client, admin: User, password: str) -> None:
    """The session that changes the password goes on, others end at once, and the new password logs in."""
    own = (await client.stub.Login(pb.LoginRequest(username="admin", password=password))).tokens.access_token
    other = (await client.stub.Login(pb.LoginRequest(username="admin", password=password))).tokens
    await client.stub.GetMe(pb.GetMeRequest(), metadata=bearer(other.access_token))
    request = pb.ChangePasswordRequest(current_password=password, new_password="another long password")
    assert await client.stub.ChangePassword(request, metadata=bearer(own)) == pb.ChangePasswordResponse()
    await client.stub.GetMe(pb.GetMeRequest(), metadata=bearer(own))
    assert await client.fails(client.stub.GetMe(pb.GetMeRequest(), metadata=bearer(other.access_token))) == UNAUTHENTICATED
    assert await client.fails(client.stub.RefreshLogin(pb.RefreshLoginRequest(refresh_token=other.refresh_token))) == UNAUTHENTICATED


async def test_check_access_as_the_rpc_would(client: Client, database: Database, admin: User, clock: Clock) -> None:
    """Asking fails as calling would, for every kind of caller."""
    viewer = await make_token(database, admin, clock, ["CanViewAlerts"])
    async with database.write() as tx:
        collector = await issue_collector_credential(tx, admin.organization_id, "c", clock.now())
    denied = grpc.StatusCode.PERMISSION_DENIED

    async def check(method: str, secret: str | None) -> object:
        metadata = () if secret is None else bearer(secret)
        call = client.stub.CheckAccess(pb.CheckAccessRequest(method=method), metadata=metadata)
        try:
            return await call
        except grpc.aio.AioRpcError:
            return await client.fails(call)

    fine = pb.CheckAccessResponse()
    create = f"/{COLLECTORS}/CreateCollector"
    missing = {"permission": "CanManageInfrastructure or CanManageIntegrations"}
    assert [
        await check(f"/{SERVICE}/Login", None),
        await check(f"/{SERVICE}/GetMe", None),
        await check(f"/{SERVICE}/GetMe", "lmt_" + "0" * 48),
        await check(f"/{SERVICE}/GetMe", viewer),
        await check(f"/{SERVICE}/GetMe", collector),
        await check(f"/{SERVICE}/Logout", viewer),
        await check(create, viewer),
        await check(f"/{COLLECTORS}/SendHeartbeat", collector),
        await check(f"/{COLLECTORS}/SendHeartbeat", viewer),
    ] == [
        fine,
        UNAUTHENTICATED,
        UNAUTHENTICATED,
        fine,
        (denied, "PERMISSION_DENIED", {"permission": ""}, []),
        (denied, "INTERACTIVE_ONLY", {}, []),
        (denied, "PERMISSION_DENIED", missing, []),
        fine,
        (denied, "PERMISSION_DENIED", {"permission": ""}, []),
    ]
    assert await check("/no.Such/Rpc", viewer) == (
        grpc.StatusCode.NOT_FOUND,
        "NOT_FOUND",
        {"type": "RPC", "id": "/no.Such/Rpc"},
        [],
    )
