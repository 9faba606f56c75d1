from http.cookies import SimpleCookie
from typing import Any

import aiohttp
import pytest

from lumetry.access.v1 import access_service_pb2
from lumetry.access.v1 import oidc_service_pb2 as pb
from lumetry_core.runtime.errors import LumetryError, Reason

STATE = "5" * 48
CALLBACK = "/api/auth/oidc/callback"


def begun(redirect_url: str) -> pb.BeginLoginResponse:
    return pb.BeginLoginResponse(authorization_url="https://id.example.com/auth?state=5", state=STATE, redirect_url=redirect_url)


async def go(url: str, path: str, cookie: str | None = None) -> aiohttp.ClientResponse:
    """Asks as a browser that keeps nothing and follows nothing."""
    headers = {} if cookie is None else {"Cookie": cookie}
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as browser,
        browser.get(url + path, headers=headers, allow_redirects=False) as response,
    ):
        await response.read()
        return response


def read_cookie(response: aiohttp.ClientResponse) -> dict[str, Any]:
    [morsel] = SimpleCookie(response.headers["Set-Cookie"]).values()
    return {"name": morsel.key, "value": morsel.value, **{name: value for name, value in morsel.items() if value}}


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_begin_login_sets_the_cookie(core: Any, url: str, scheme: str) -> None:
    """The browser is sent on with its state in a cookie that scripts cannot read, that other sites cannot send, and that lives as long."""
    core.answers["BeginLogin"] = begun(f"{scheme}://lumetry.example.com{CALLBACK}")
    response = await go(url, "/api/auth/oidc/login")
    assert (response.status, response.headers["Location"]) == (302, "https://id.example.com/auth?state=5")
    assert (response.headers["Cache-Control"], response.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert read_cookie(response) == {
        "name": "lumetry_oidc_state",
        "value": STATE,
        "max-age": "600",
        "path": "/api/auth/oidc",
        "httponly": True,
        "samesite": "Lax",
        **({"secure": True} if scheme == "https" else {}),
    }


async def test_complete_login_in_the_same_browser(core: Any, url: str) -> None:
    """The browser that began gets the tokens, which nobody stores, and loses the cookie."""
    tokens = access_service_pb2.TokenPair(access_token="a", refresh_token="r")
    tokens.expire_time.FromJsonString("2026-06-01T08:15:00Z")
    core.answers["CompleteLogin"] = pb.CompleteLoginResponse(tokens=tokens)
    response = await go(
        url, f"{CALLBACK}?state={STATE}&code=a%2Fb&iss=https%3A%2F%2Fid.example.com&session_state=1", f"lumetry_oidc_state={STATE}"
    )
    assert (response.status, response.headers["Cache-Control"], response.headers["Referrer-Policy"]) == (302, "no-store", "no-referrer")
    assert response.headers["Location"] == "/#accessToken=a&expiresAt=2026-06-01T08%3A15%3A00Z&refreshToken=r"
    cookie = read_cookie(response)
    assert (cookie["name"], cookie["value"], cookie["max-age"], cookie["path"]) == ("lumetry_oidc_state", "", "0", "/api/auth/oidc")
    assert core.requests("CompleteLogin") == [pb.CompleteLoginRequest(state=STATE, code="a/b", issuer="https://id.example.com")]


@pytest.mark.parametrize(
    "cookie", [None, "", "lumetry_oidc_state=", f"lumetry_oidc_state={'6' * 48}", f"other={STATE}", "lumetry_oidc_state=\udcff"]
)
@pytest.mark.parametrize("query", [f"?state={STATE}&code=c", "?state=&code=c", "?code=c", ""])
async def test_complete_login_in_another_browser(core: Any, url: str, cookie: str | None, query: str) -> None:
    """An answer without the cookie of its login is refused like any other, and the core never hears of it."""
    response = await go(url, CALLBACK + query, cookie)
    problem = await response.json()
    assert (response.status, problem["detail"]) == (401, "The credentials are missing, wrong, expired or revoked.")
    assert core.requests("CompleteLogin") == []


async def test_complete_login_refused_by_the_provider(core: Any, url: str) -> None:
    """What the provider says against it reaches the core, and the answer is the core's."""
    core.answers["CompleteLogin"] = LumetryError(Reason.UNAUTHENTICATED, "No.")
    response = await go(url, f"{CALLBACK}?state={STATE}&error=access_denied&error_description=x", f"lumetry_oidc_state={STATE}")
    assert response.status == 401
    assert core.requests("CompleteLogin") == [pb.CompleteLoginRequest(state=STATE, error="access_denied")]


@pytest.mark.parametrize(
    ("reason", "status"),
    [(Reason.NOT_FOUND, 404), (Reason.STORE_UNAVAILABLE, 503), (Reason.RATE_LIMITED, 429), (Reason.UNAUTHENTICATED, 401)],
)
async def test_begin_login_fails(core: Any, url: str, reason: Reason, status: int) -> None:
    """Failures of the core are the family's problems, and set no cookie."""
    core.answers["BeginLogin"] = LumetryError(reason, "No.", retry_after_seconds="6")
    response = await go(url, "/api/auth/oidc/login")
    assert (response.status, (await response.json())["detail"], "Set-Cookie" in response.headers) == (status, "No.", False)
