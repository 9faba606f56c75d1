"""`lumetry.access.v1.AccessService`."""

from collections.abc import Mapping
from typing import Any

import grpc

from lumetry.access.v1 import access_service_pb2 as pb
from lumetry.access.v1 import access_service_pb2_grpc, permission_pb2
from lumetry_core.access.model import TokenPair, in_order
from lumetry_core.access.rpc.encoding import encode_organization, encode_user
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.login import LoginDesk
from lumetry_core.access.service.organizations import get_organization
from lumetry_core.access.service.profile import read_profile
from lumetry_core.access.service.sessions import logout
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import not_found
from lumetry_core.runtime.interceptors import NUMBER_OF, Access, admit_current, current_caller, current_origin
from lumetry_core.runtime.timestamps import encode_time

PermissionNumber = permission_pb2.Permission.ValueType
Context = grpc.aio.ServicerContext[Any, Any]


class AccessServicer(access_service_pb2_grpc.AccessServiceServicer):
    """Serves logins and identities."""

    def __init__(
        self, database: Database, clock: Clock, desk: LoginDesk, authenticator: Authenticator, accesses: Mapping[str, Access]
    ) -> None:
        """Builds the servicer.

        Args:
            accesses: What `runtime.server.read_accesses` gives for all services of this server.
        """
        self._database = database
        self._clock = clock
        self._desk = desk
        self._authenticator = authenticator
        self._accesses = accesses

    async def Login(self, request: pb.LoginRequest, context: Context) -> pb.LoginResponse:
        """See the service's proto."""
        pair = await self._desk.login(request.username, request.password, current_origin())
        return pb.LoginResponse(tokens=to_token_pair(pair))

    async def RefreshLogin(self, request: pb.RefreshLoginRequest, context: Context) -> pb.RefreshLoginResponse:
        """See the service's proto."""
        pair = await self._desk.refresh(request.refresh_token, current_origin())
        return pb.RefreshLoginResponse(tokens=to_token_pair(pair))

    async def Logout(self, request: pb.LogoutRequest, context: Context) -> pb.LogoutResponse:
        """See the service's proto."""
        async with self._database.write() as tx:
            await logout(tx, current_caller(), request.refresh_token, self._clock.now())
        self._authenticator.forget()
        return pb.LogoutResponse()

    async def ChangePassword(self, request: pb.ChangePasswordRequest, context: Context) -> pb.ChangePasswordResponse:
        """See the service's proto."""
        await self._desk.change_password(current_caller(), request.current_password, request.new_password)
        self._authenticator.forget()
        return pb.ChangePasswordResponse()

    async def GetMe(self, request: pb.GetMeRequest, context: Context) -> pb.GetMeResponse:
        """See the service's proto."""
        caller = current_caller()
        async with self._database.read() as tx:
            profile = await read_profile(tx, caller)
        credential = pb.CallerCredential(
            kind=permission_pb2.CredentialKind.Value(f"CREDENTIAL_KIND_{caller.kind}"), id=profile.credential_id, scopes=profile.scopes
        )
        return pb.GetMeResponse(
            user=encode_user(profile.user),
            permissions=[PermissionNumber(NUMBER_OF[permission]) for permission in in_order(caller.permissions)],
            organization=encode_organization(profile.organization, profile.member_count),
            credential=credential,
        )

    async def GetOrganization(self, request: pb.GetOrganizationRequest, context: Context) -> pb.GetOrganizationResponse:
        """See the service's proto."""
        async with self._database.read() as tx:
            organization, member_count = await get_organization(tx, current_caller(), request.slug)
        return pb.GetOrganizationResponse(organization=encode_organization(organization, member_count))

    async def CheckAccess(self, request: pb.CheckAccessRequest, context: Context) -> pb.CheckAccessResponse:
        """See the service's proto."""
        access = self._accesses.get(request.method)
        if access is None:
            raise not_found("RPC", request.method)
        if not access.public:
            await admit_current(access)
        return pb.CheckAccessResponse()


def to_token_pair(pair: TokenPair) -> pb.TokenPair:
    """The tokens of a login session."""
    return pb.TokenPair(access_token=pair.access_token, expire_time=encode_time(pair.expire_time), refresh_token=pair.refresh_token)
