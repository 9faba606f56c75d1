"""A core that serves the managing of users, roles and credentials."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from lumetry.access.v1 import (
    access_service_pb2,
    access_service_pb2_grpc,
    api_token_service_pb2_grpc,
    role_service_pb2_grpc,
    user_service_pb2_grpc,
    workspace_key_service_pb2_grpc,
)
from lumetry_core.access.model import RateSettings, Settings, User
from lumetry_core.access.rpc.access import AccessServicer
from lumetry_core.access.rpc.api_tokens import ApiTokenServicer
from lumetry_core.access.rpc.roles import RoleServicer
from lumetry_core.access.rpc.users import UserServicer
from lumetry_core.access.rpc.workspace_keys import WorkspaceKeyServicer
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.login import LoginDesk
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.server import build_server, read_accesses

PACKAGE = "lumetry.access.v1"


@dataclass(frozen=True)
class Served:
    """The services, the administrator's login, and the words in which calls fail."""

    access: access_service_pb2_grpc.AccessServiceStub
    users: user_service_pb2_grpc.UserServiceStub
    roles: role_service_pb2_grpc.RoleServiceStub
    tokens: api_token_service_pb2_grpc.ApiTokenServiceStub
    keys: workspace_key_service_pb2_grpc.WorkspaceKeyServiceStub

    async def log_in(self, username: str, password: str) -> tuple[tuple[str, str], ...]:
        """Logs in; the metadata of calls from then on."""
        reply = await self.access.Login(access_service_pb2.LoginRequest(username=username, password=password))
        return self.bearer(reply.tokens.access_token)

    @staticmethod
    def bearer(secret: str) -> tuple[tuple[str, str], ...]:
        """The metadata of calls with a secret."""
        return (("authorization", f"Bearer {secret}"),)

    @staticmethod
    async def fails(call: Any) -> tuple[str, list[str]]:
        """Reason and faulty fields of a failing call."""
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call
        status = status_pb2.Status()
        status.ParseFromString(dict(failure.value.trailing_metadata())["grpc-status-details-bin"])
        info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        for detail in status.details:
            detail.Unpack(info)
            detail.Unpack(bad_request)
        return info.reason, [violation.field for violation in bad_request.field_violations]


@pytest.fixture
async def served(database: Database, clock: Clock, admin: User) -> AsyncIterator[Served]:
    """A running core."""
    authenticator = Authenticator(database, clock)
    desk = LoginDesk(database, clock, Settings(access_token_minutes=60), RateSettings())
    users = UserServicer(database, clock, authenticator)
    roles = RoleServicer(database, clock, authenticator)
    tokens = ApiTokenServicer(database, clock, authenticator)
    keys = WorkspaceKeyServicer(database, clock, authenticator)
    accesses = read_accesses([f"{PACKAGE}.AccessService"])
    access = AccessServicer(database, clock, desk, authenticator, accesses)
    services = {
        f"{PACKAGE}.AccessService": (access_service_pb2_grpc.add_AccessServiceServicer_to_server, access),
        f"{PACKAGE}.UserService": (user_service_pb2_grpc.add_UserServiceServicer_to_server, users),
        f"{PACKAGE}.RoleService": (role_service_pb2_grpc.add_RoleServiceServicer_to_server, roles),
        f"{PACKAGE}.ApiTokenService": (api_token_service_pb2_grpc.add_ApiTokenServiceServicer_to_server, tokens),
        f"{PACKAGE}.WorkspaceKeyService": (workspace_key_service_pb2_grpc.add_WorkspaceKeyServiceServicer_to_server, keys),
    }
    server = build_server("127.0.0.1:0", services, read_accesses(services), authenticator, reflect=False)
    await server.server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield Served(
                access=access_service_pb2_grpc.AccessServiceStub(channel),
                users=user_service_pb2_grpc.UserServiceStub(channel),
                roles=role_service_pb2_grpc.RoleServiceStub(channel),
                tokens=api_token_service_pb2_grpc.ApiTokenServiceStub(channel),
                keys=workspace_key_service_pb2_grpc.WorkspaceKeyServiceStub(channel),
            )
    finally:
        await server.server.stop(None)
