"""The rows of the ways to log in and of the OpenID provider."""

from collections.abc import Sequence

from gateway.contracts.lumetry import access, oidc
from gateway.transcode.routes import Route

OIDC_ROUTES: Sequence[Route] = (
    Route(
        method="GET",
        path="/api/auth/providers",
        heading="Ways to log in",
        rpc=oidc.LIST_LOGIN_PROVIDERS,
        decode=oidc.decode_list_providers,
        encode=oidc.encode_list_providers,
        answer=list[oidc.LoginProvider],
    ),
    Route(
        method="GET",
        path="/api/auth/oidc/login",
        heading="Log in at the OpenID provider",
        rpc=oidc.BEGIN_LOGIN,
        handle=oidc.begin_login,
        status=302,
    ),
    Route(
        method="GET",
        path="/api/auth/oidc/callback",
        heading="Log in at the OpenID provider",
        rpc=oidc.COMPLETE_LOGIN,
        query=oidc.ProviderAnswer,
        handle=oidc.complete_login,
        answer=access.Tokens,
    ),
)
