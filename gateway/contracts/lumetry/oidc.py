"""Login at the deployment's OpenID provider (contract lumetry 2.2).

The state of a login stands in a cookie of the browser that began it. An answer counts only in that browser, so nobody can make somebody
else's browser finish a login that is not its own.
"""

from hmac import compare_digest
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from gateway.contracts.lumetry.access import Tokens
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure, Reason
from gateway.transcode.handling import json_response
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.access.v1 import oidc_service_pb2 as pb

LIST_LOGIN_PROVIDERS = find_rpc(pb.DESCRIPTOR, "OidcService", "ListLoginProviders")
BEGIN_LOGIN = find_rpc(pb.DESCRIPTOR, "OidcService", "BeginLogin")
COMPLETE_LOGIN = find_rpc(pb.DESCRIPTOR, "OidcService", "CompleteLogin")

LOGIN_URLS = {"Oidc": "/api/auth/oidc/login"}
STATE_COOKIE = "lumetry_oidc_state"
COOKIE_PATH = "/api/auth/oidc"
COOKIE_SECONDS = 600
"""As long as the core waits for the provider's answer."""
UNSTORED = (("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"))
"""Neither what carries secrets nor its address, which carried the code, is kept or told on."""


class LoginProvider(msgspec.Struct, rename="camel"):
    """A way to log in."""

    type: str
    name: str
    login_url: str | None


class ProviderAnswer(msgspec.Struct):
    """What the provider sends the browser back with (RFC 6749 4.1.2, RFC 9207)."""

    state: str | None = None
    code: str | None = None
    iss: str | None = None
    error: str | None = None


def decode_list_providers(_request: Request) -> pb.ListLoginProvidersRequest:
    """2.2 `GET /api/auth/providers`."""
    return pb.ListLoginProvidersRequest()


def encode_list_providers(reply: pb.ListLoginProvidersResponse, _asked: object) -> list[LoginProvider]:
    """2.2 the ways to log in."""
    return [LoginProvider(type=each.type, name=each.name, login_url=LOGIN_URLS.get(each.type)) for each in reply.providers]


async def begin_login(request: Request) -> web.Response:
    """2.2 `GET /api/auth/oidc/login`: sends the browser to the provider."""
    reply = await request.core.call(BEGIN_LOGIN, pb.BeginLoginRequest(), request.metadata, rates=request.rates)
    response = web.Response(status=web.HTTPFound.status_code, headers=[("Location", reply.authorization_url), *UNSTORED])
    response.set_cookie(
        STATE_COOKIE,
        reply.state,
        max_age=COOKIE_SECONDS,
        path=COOKIE_PATH,
        secure=reply.redirect_url.startswith("https:"),
        httponly=True,
        # The provider's redirect back is a navigation from another site, with which Strict cookies do not travel.
        samesite="Lax",
    )
    return response


async def complete_login(request: Request) -> web.Response:
    """2.2, 21 `GET /api/auth/oidc/callback`: the token triple for the provider's answer.

    A browser is sent on to the start page with the triple behind `#`, which travels to no server; who asks for JSON gets it as such.
    """
    answer = request.query(ProviderAnswer)
    state, kept = answer.state or "", request.http.cookies.get(STATE_COOKIE, "")
    # A header may hold bytes that are no text.
    if not state or not compare_digest(kept.encode(errors="replace"), state.encode()):
        raise Failure(Reason.UNAUTHENTICATED, "The credentials are missing, wrong, expired or revoked.")
    asked = pb.CompleteLoginRequest(state=state, code=answer.code or "", issuer=answer.iss or "", error=answer.error or "")
    reply = await request.core.call(COMPLETE_LOGIN, asked, request.metadata, rates=request.rates)
    tokens = Tokens(
        access_token=reply.tokens.access_token,
        expires_at=format_time(reply.tokens.expire_time),
        refresh_token=reply.tokens.refresh_token,
    )
    if "application/json" in request.http.headers.get("Accept", ""):
        response = json_response(tokens, headers=UNSTORED)
    else:
        triple = urlencode(msgspec.to_builtins(tokens))
        response = web.Response(status=web.HTTPFound.status_code, headers=[("Location", f"/#{triple}"), *UNSTORED])
    response.del_cookie(STATE_COOKIE, path=COOKIE_PATH, httponly=True, samesite="Lax")
    return response
