from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest

from lumetry.access.v1 import access_service_pb2, oidc_service_pb2_grpc
from lumetry.access.v1 import oidc_service_pb2 as pb
from lumetry_core.access.model import RateSettings, Settings, User
from lumetry_core.access.oidc import OidcSettings
from lumetry_core.access.oidc_provider import OpenidProvider
from lumetry_core.access.rpc.oidc import OidcServicer
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.oidc import OidcDesk
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.server import build_server, read_accesses
from tests.core.access.oidc_server import CLIENT_ID, CLIENT_SECRET, OidcServer, running_provider

SERVICE = "lumetry.access.v1.OidcService"


@pytest.fixture
async def provider(clock: Clock) -> AsyncIterator[OidcServer]:
    async with running_provider(clock) as running:
        yield running


@pytest.fixture
async def stub(database: Database, clock: Clock, admin: User, provider: OidcServer) -> AsyncIterator[Any]:
    settings = OidcSettings(
        issuer=provider.issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, name="Our accounts", default_roles="Viewer"
    )
    openid = OpenidProvider(settings, clock)
    desk = OidcDesk(database, clock, Settings(), RateSettings(), settings, openid, "http://127.0.0.1:8080")
    services = {SERVICE: (oidc_service_pb2_grpc.add_OidcServiceServicer_to_server, OidcServicer(desk))}
    server = build_server("127.0.0.1:0", services, read_accesses(services), Authenticator(database, clock), reflect=False)
    await server.server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield oidc_service_pb2_grpc.OidcServiceStub(channel)
    finally:
        await server.server.stop(None)
        await openid.close()


async def test_list_login_providers(stub: Any) -> None:
    """Strangers see the ways to log in."""
    assert await stub.ListLoginProviders(pb.ListLoginProvidersRequest()) == pb.ListLoginProvidersResponse(
        providers=[pb.LoginProvider(type="Local", name="Local"), pb.LoginProvider(type="Oidc", name="Our accounts")]
    )


async def test_log_in(stub: Any, clock: Clock, provider: OidcServer) -> None:
    """A stranger begins a login, comes back from the provider and has tokens; the same answer works once."""
    begun = await stub.BeginLogin(pb.BeginLoginRequest())
    assert begun.expire_time.ToDatetime(clock.now().tzinfo) == clock.now() + timedelta(minutes=10)
    url, parameters = await provider.visit(begun.authorization_url)
    assert url == begun.redirect_url == "http://127.0.0.1:8080/api/auth/oidc/callback"
    request = pb.CompleteLoginRequest(state=begun.state, code=parameters["code"])
    reply = await stub.CompleteLogin(request)
    expected = access_service_pb2.TokenPair(access_token=reply.tokens.access_token, refresh_token=reply.tokens.refresh_token)
    expected.expire_time.FromDatetime(clock.now() + timedelta(minutes=15))
    assert reply == pb.CompleteLoginResponse(tokens=expected)
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await stub.CompleteLogin(request)
    assert failure.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_log_in_refused_by_the_provider(stub: Any, provider: OidcServer) -> None:
    """Error and issuer of the answer reach the decision."""
    begun = await stub.BeginLogin(pb.BeginLoginRequest())
    for answer in ({"error": "access_denied"}, {"code": "c", "issuer": "https://evil.example.com"}):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await stub.CompleteLogin(pb.CompleteLoginRequest(state=begun.state, **answer))
        assert failure.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert provider.asked.count("/token") == 0
