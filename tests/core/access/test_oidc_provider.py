import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from lumetry_core.access.oidc import LoginRefusedError, OidcSettings
from lumetry_core.access.oidc_provider import OpenidProvider, ProviderUnavailableError
from lumetry_core.runtime.clock import Clock
from tests.core.access.oidc_server import CLIENT_ID, CLIENT_SECRET, OidcServer, ec_key, rsa_key, running_provider

DESCRIPTION = "/.well-known/openid-configuration"


@pytest.fixture
async def server(clock: Clock) -> AsyncIterator[OidcServer]:
    async with running_provider(clock) as running:
        yield running


@pytest.fixture
async def provider(server: OidcServer, clock: Clock) -> AsyncIterator[OpenidProvider]:
    opened = OpenidProvider(OidcSettings(issuer=server.issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET), clock)
    yield opened
    await opened.close()


async def read(server: OidcServer, provider: OpenidProvider) -> Any:
    await provider.describe()
    return (await provider.read_claims(server.sign("n-1")))["nonce"]


async def test_describe_is_remembered(server: OidcServer, provider: OpenidProvider, clock: Clock) -> None:
    """The provider is asked once by all who wait, and again after an hour."""
    first, second = await asyncio.gather(provider.describe(), provider.describe())
    assert first is second
    assert server.asked == [DESCRIPTION]
    clock.advance(minutes=60)
    await provider.describe()
    assert server.asked == [DESCRIPTION, DESCRIPTION]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"issuer": "https://evil.example.com"}, "the provider calls itself https://evil.example.com"),
        ({"token_endpoint": "http://id.example.com/token"}, "an endpoint that is not https: http://id.example.com/token"),
        ({"userinfo_endpoint": "file:///etc/passwd"}, "an endpoint that is not https: file:///etc/passwd"),
        ({"jwks_uri": None}, "missing required field"),
        ({"token_endpoint": 7}, "Expected `str`"),
    ],
)
async def test_describe_unusable(server: OidcServer, provider: OpenidProvider, changes: dict[str, Any], why: str) -> None:
    """A description of somebody else, in the clear or incomplete is not used."""
    server.description = changes
    with pytest.raises(ProviderUnavailableError, match=why):
        await provider.describe()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda: web.Response(status=500), "answered 500"),
        (lambda: web.Response(status=302, headers={"Location": "/other"}), "answered 302"),
        (lambda: web.Response(text="<html>"), "is not Description"),
        (lambda: web.Response(text="[" * 100_000), "is not Description"),
        (lambda: web.Response(text=" " * 300_000), "answered more than 262144 bytes"),
    ],
)
async def test_describe_answered_badly(server: OidcServer, provider: OpenidProvider, answer: Any, why: str) -> None:
    """Failures, redirects, floods and what is no JSON count as a provider that is away; the next login asks again."""
    server.broken[DESCRIPTION] = answer
    with pytest.raises(ProviderUnavailableError, match=why):
        await provider.describe()
    server.broken.clear()
    assert (await provider.describe()).issuer == server.issuer


async def test_describe_flood_of_zeros(server: OidcServer, provider: OpenidProvider) -> None:
    """The limit counts unpacked bytes."""

    def flood() -> web.Response:
        response = web.Response(body=b" " * 3_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    server.broken[DESCRIPTION] = flood
    with pytest.raises(ProviderUnavailableError, match="more than 262144 bytes"):
        await provider.describe()


async def test_describe_without_a_provider(clock: Clock) -> None:
    """A provider that nobody can connect to is away."""
    provider = OpenidProvider(OidcSettings(issuer="http://127.0.0.1:1", client_id=CLIENT_ID), clock)
    with pytest.raises(ProviderUnavailableError, match="cannot be reached"):
        await provider.describe()
    await provider.close()


async def test_describe_too_slowly(server: OidcServer, provider: OpenidProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that does not answer in time is away."""
    monkeypatch.setattr("lumetry_core.access.oidc_provider.ANSWER_SECONDS", 0.05)
    over = asyncio.Event()

    async def hang() -> web.Response:
        await over.wait()
        return web.Response()

    server.broken[DESCRIPTION] = hang
    with pytest.raises(ProviderUnavailableError, match="did not answer within"):
        await provider.describe()
    over.set()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_read_claims_signed(server: OidcServer, provider: OpenidProvider, algorithm: str) -> None:
    """Tokens signed with either kind of key are read, and the keys are asked for once."""
    server.algorithm = algorithm
    server.key = rsa_key("key-1") if algorithm == "RS256" else ec_key("key-1")
    assert [await read(server, provider), await read(server, provider)] == ["n-1", "n-1"]
    assert server.asked == [DESCRIPTION, "/jwks"]


async def test_read_claims_with_an_unusual_header(server: OidcServer, provider: OpenidProvider) -> None:
    """Certificates in the header, and parameters that nobody registered, are passed over."""
    server.header = {"x5c": ["A" * 4000], "pi.atm": "1"}
    assert await read(server, provider) == "n-1"


async def test_read_claims_after_rotation(server: OidcServer, provider: OpenidProvider, clock: Clock) -> None:
    """A token of a new key makes the keys be read again, at most twice a minute; a key that is gone stops working after an hour."""
    old = server.key
    await read(server, provider)
    server.key = rsa_key("key-2")
    clock.advance(seconds=30)
    assert await read(server, provider) == "n-1"
    server.key = rsa_key("key-3")
    for _ in range(3):
        with pytest.raises(LoginRefusedError, match="not signed by the provider"):
            await read(server, provider)
    assert server.asked.count("/jwks") == 2
    clock.advance(seconds=30)
    assert await read(server, provider) == "n-1"
    server.key, server.published = old, [rsa_key("key-3").as_dict(private=False)]
    clock.advance(hours=1)
    with pytest.raises(LoginRefusedError, match="not signed by the provider"):
        await read(server, provider)


async def test_read_claims_without_a_key_id(server: OidcServer, provider: OpenidProvider) -> None:
    """A token that names no key is checked against every key of its algorithm."""
    server.header = {"kid": None}
    server.published = [key.as_dict(private=False) for key in (ec_key("key-0"), rsa_key("key-2"), rsa_key("key-1"))]
    assert await read(server, provider) == "n-1"


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_read_claims_without_a_signature(server: OidcServer, provider: OpenidProvider, algorithm: str) -> None:
    """Neither an unsigned token nor one signed with the public key as a shared secret is read."""
    server.algorithm = algorithm
    with pytest.raises(LoginRefusedError, match="not signed with RS256 or ES256"):
        await read(server, provider)


async def test_read_claims_of_another_key(server: OidcServer, provider: OpenidProvider) -> None:
    """A key that only has the right name proves nothing, nor does a key of another algorithm."""
    server.published = [rsa_key("key-1").as_dict(private=False)]
    server.key = rsa_key("key-2")
    server.header = {"kid": "key-1"}
    with pytest.raises(LoginRefusedError, match="not signed by the provider"):
        await read(server, provider)
    server.algorithm, server.key = "ES256", ec_key("key-1")
    with pytest.raises(LoginRefusedError, match="not signed by the provider"):
        await read(server, provider)


async def test_read_claims_changed(server: OidcServer, provider: OpenidProvider) -> None:
    """A token of which anything was changed is not read."""
    await provider.describe()
    header, payload, signature = server.sign("n-1").split(".")
    other_header, other_payload, _ = server.sign("n-2").split(".")
    assert header == other_header
    for token in (f"{header}.{other_payload}.{signature}", f"{header}.{payload}.", f"{header}.{payload}.{signature[:-8]}"):
        with pytest.raises(LoginRefusedError):
            await provider.read_claims(token)


async def test_read_claims_when_keys_are_away(server: OidcServer, provider: OpenidProvider) -> None:
    """Keys that cannot be read are the provider's fault, not the token's."""
    server.broken["/jwks"] = lambda: web.json_response({"keys": "none"})
    with pytest.raises(ProviderUnavailableError, match="is not KeySet"):
        await read(server, provider)


async def test_read_profile(server: OidcServer, provider: OpenidProvider) -> None:
    """What the provider tells is read; a provider that has nothing to tell, or does not want to, tells nothing."""
    assert await provider.read_profile("access-1") == {}
    server.profile = {"sub": "person-1"}
    other = OpenidProvider(OidcSettings(issuer=server.issuer, client_id=CLIENT_ID), provider._clock)
    assert await other.read_profile("access-1") == {"sub": "person-1"}
    assert await other.read_profile("broken\r\nX: y") == {}
    server.broken["/userinfo"] = lambda: web.Response(status=401)
    assert await other.read_profile("access-1") == {}
    server.broken["/userinfo"] = lambda: web.Response(status=503)
    with pytest.raises(ProviderUnavailableError, match="answered 503"):
        await other.read_profile("access-1")
    await other.close()
