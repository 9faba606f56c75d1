"""`lumetry.access.v1.OidcService`."""

from typing import Any

import grpc

from lumetry.access.v1 import oidc_service_pb2 as pb
from lumetry.access.v1 import oidc_service_pb2_grpc
from lumetry_core.access.model import LOCAL_PROVIDER, OIDC_PROVIDER
from lumetry_core.access.oidc import ProviderAnswer
from lumetry_core.access.rpc.access import to_token_pair
from lumetry_core.access.service.oidc import OidcDesk
from lumetry_core.runtime.interceptors import current_origin
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class OidcServicer(oidc_service_pb2_grpc.OidcServiceServicer):
    """Serves logins at the OpenID provider."""

    def __init__(self, desk: OidcDesk) -> None:
        self._desk = desk

    async def ListLoginProviders(self, request: pb.ListLoginProvidersRequest, context: Context) -> pb.ListLoginProvidersResponse:
        """See the service's proto."""
        providers = [pb.LoginProvider(type=LOCAL_PROVIDER, name=LOCAL_PROVIDER)]
        if self._desk.provider_name is not None:
            providers.append(pb.LoginProvider(type=OIDC_PROVIDER, name=self._desk.provider_name))
        return pb.ListLoginProvidersResponse(providers=providers)

    async def BeginLogin(self, request: pb.BeginLoginRequest, context: Context) -> pb.BeginLoginResponse:
        """See the service's proto."""
        begun = await self._desk.begin(current_origin())
        return pb.BeginLoginResponse(
            authorization_url=begun.authorization_url,
            state=begun.state,
            redirect_url=begun.redirect_url,
            expire_time=encode_time(begun.expire_time),
        )

    async def CompleteLogin(self, request: pb.CompleteLoginRequest, context: Context) -> pb.CompleteLoginResponse:
        """See the service's proto."""
        answer = ProviderAnswer(state=request.state, code=request.code, issuer=request.issuer, error=request.error)
        return pb.CompleteLoginResponse(tokens=to_token_pair(await self._desk.complete(answer, current_origin())))
