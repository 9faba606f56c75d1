"""`lumetry.access.v1.ApiTokenService`."""

from typing import Any

import grpc

from lumetry.access.v1 import api_token_service_pb2 as pb
from lumetry.access.v1.api_token_service_pb2_grpc import ApiTokenServiceServicer
from lumetry_core.access.rpc.encoding import decode_time, encode_token
from lumetry_core.access.service import tokens
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller

Context = grpc.aio.ServicerContext[Any, Any]


class ApiTokenServicer(ApiTokenServiceServicer):
    """Serves the managing of API tokens."""

    def __init__(self, database: Database, clock: Clock, authenticator: Authenticator) -> None:
        self._database = database
        self._clock = clock
        self._authenticator = authenticator

    async def ListApiTokens(self, request: pb.ListApiTokensRequest, context: Context) -> pb.ListApiTokensResponse:
        """See the service's proto."""
        async with self._database.read() as tx:
            found = await tokens.list_api_tokens(tx, current_caller(), request.user_id or None)
        return pb.ListApiTokensResponse(tokens=[encode_token(listed) for listed in found])

    async def CreateApiToken(self, request: pb.CreateApiTokenRequest, context: Context) -> pb.CreateApiTokenResponse:
        """See the service's proto."""
        caller = current_caller()
        async with self._database.write() as tx:
            token, secret = await tokens.create_api_token(
                tx,
                caller,
                caller.user_id or 0,
                name=request.name,
                permissions=request.permissions if request.is_narrowed else None,
                expire_time=decode_time(request.expire_time, "expiresAt") if request.HasField("expire_time") else None,
                now=self._clock.now(),
            )
            listed = await tokens.with_effective_permissions(tx, token)
        return pb.CreateApiTokenResponse(token=encode_token(listed), secret=secret)

    async def RevokeApiToken(self, request: pb.RevokeApiTokenRequest, context: Context) -> pb.RevokeApiTokenResponse:
        """See the service's proto."""
        async with self._database.write() as tx:
            token = await tokens.revoke_api_token(tx, current_caller(), request.id, self._clock.now())
            listed = await tokens.with_effective_permissions(tx, token)
        self._authenticator.forget()
        return pb.RevokeApiTokenResponse(token=encode_token(listed))
