"""An OpenID provider on loopback: a real HTTP server that signs real tokens, checks what a client sends, and can be told to misbehave."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus, urlencode

import aiohttp
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from lumetry_core.runtime.clock import Clock

CLIENT_ID = "lumetry & friends"
"""Has to be encoded wherever it is sent."""
CLIENT_SECRET = "a secret: 100%"

Answer = Callable[[], web.StreamResponse | Awaitable[web.StreamResponse]]


@lru_cache
def rsa_key(name: str) -> RSAKey:
    """A key pair; making one is slow, so tests share them."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "RS256"})


@lru_cache
def ec_key(name: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": name, "use": "sig"})


@dataclass
class Grant:
    """A code that was given out, and for what."""

    redirect_uri: str
    challenge: str
    nonce: str


@dataclass
class OidcServer:
    """The provider, one person logged in there, and what it does wrong."""

    clock: Clock
    issuer: str = ""
    secret: str = CLIENT_SECRET
    """Empty: clients are public."""
    person: dict[str, Any] = field(
        default_factory=lambda: {
            "sub": "person-1",
            "preferred_username": "ann",
            "email": "ann@example.com",
            "email_verified": True,
            "name": "Ann Example",
        }
    )
    profile: dict[str, Any] | None = None
    """What the user information endpoint tells; None: there is none."""
    key: RSAKey | ECKey = field(default_factory=lambda: rsa_key("key-1"))
    """What tokens are signed with."""
    published: list[dict[str, Any]] | None = None
    """The keys that are shown; None: the one that signs."""
    algorithm: str = "RS256"
    header: dict[str, Any] = field(default_factory=dict)
    """Added to the header of ID tokens, or put in the place of what is there; None takes out."""
    claims: dict[str, Any] = field(default_factory=dict)
    """The same for claims."""
    description: dict[str, Any] = field(default_factory=dict)
    """The same for the description."""
    token_answer: dict[str, Any] = field(default_factory=dict)
    """The same for the token endpoint's answer."""
    answers_issuer: bool = False
    refuses: str = ""
    """The error with which the person comes back."""
    broken: dict[str, Answer] = field(default_factory=dict)
    """What endpoints answer instead, by path."""
    asked: list[str] = field(default_factory=list)
    """The paths that were asked, in order."""
    grants: dict[str, Grant] = field(default_factory=dict)

    async def visit(self, authorization_url: str) -> tuple[str, dict[str, str]]:
        """Goes where a browser is sent and comes back with the callback's URL and parameters."""
        async with aiohttp.ClientSession() as browser, browser.get(authorization_url, allow_redirects=False) as response:
            assert response.status == 302, await response.text()
            back = aiohttp.client.URL(response.headers["Location"])
            return str(back.with_query(None)), dict(back.query)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if request.path in self.broken:
            answer = self.broken[request.path]()
            return await answer if isinstance(answer, Awaitable) else answer
        if request.path == "/authorize":
            return self.authorize(request)
        if request.path == "/token":
            return await self.exchange(request)
        if request.path == "/userinfo":
            assert request.headers["Authorization"] == "Bearer access-1"
            return web.json_response(self.profile)
        if request.path == "/jwks":
            published = [self.key.as_dict(private=False)] if self.published is None else self.published
            return web.json_response({"keys": published})
        assert request.path == "/.well-known/openid-configuration"
        return web.json_response(self.describe())

    def describe(self) -> dict[str, Any]:
        described = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=a%26b",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "authorization_response_iss_parameter_supported": self.answers_issuer,
            **({} if self.profile is None else {"userinfo_endpoint": f"{self.issuer}/userinfo"}),
        }
        return changed(described, self.description)

    def authorize(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        asked = {name: query.get(name) for name in ("tenant", "response_type", "client_id", "code_challenge_method")}
        expected = {"tenant": "a&b", "response_type": "code", "client_id": CLIENT_ID, "code_challenge_method": "S256"}
        if asked != expected or "openid" not in query["scope"].split():
            return web.Response(status=400, text=str(asked))
        answer = {"state": query["state"]}
        if self.answers_issuer:
            answer["iss"] = self.issuer
        if self.refuses:
            answer["error"] = self.refuses
        else:
            code = answer["code"] = secrets.token_urlsafe()
            self.grants[code] = Grant(query["redirect_uri"], query["code_challenge"], query["nonce"])
        return web.Response(status=302, headers={"Location": f"{query['redirect_uri']}?{urlencode(answer)}"})

    async def exchange(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        if self.read_client(request.headers, form) != (CLIENT_ID, self.secret):
            return web.json_response({"error": "invalid_client"}, status=401)
        grant = self.grants.pop(str(form["code"]), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest()).rstrip(b"=").decode()
        if grant is None or form["grant_type"] != "authorization_code":
            return web.json_response({"error": "invalid_grant"}, status=400)
        if (grant.redirect_uri, grant.challenge) != (form["redirect_uri"], challenge):
            return web.json_response({"error": "invalid_grant"}, status=400)
        answer = {"id_token": self.sign(grant.nonce), "access_token": "access-1", "token_type": "Bearer"}
        return web.json_response(changed(answer, self.token_answer))

    def read_client(self, headers: Mapping[str, str], form: Mapping[str, Any]) -> tuple[str, str]:
        """The client's name and secret, as RFC 6749 2.3.1 has them sent."""
        kind, _, pair = headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            name, _, secret = base64.b64decode(pair).decode().partition(":")
            return unquote_plus(name), unquote_plus(secret)
        return form.get("client_id", ""), form.get("client_secret", "")

    def sign(self, nonce: str) -> str:
        now = int(self.clock.now().timestamp())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce, **self.person}
        claims = changed(claims, self.claims)
        header = changed({"alg": self.algorithm, "kid": self.key.kid}, self.header)
        if self.algorithm in ("RS256", "ES256"):
            return jwt.encode(header, claims, self.key, algorithms=[self.algorithm], registry=lenient())
        signed = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(claims).encode())}"
        if self.algorithm == "none":
            return f"{signed}."
        # The classic forgery: the public key, which everybody has, as the secret of an HMAC.
        return f"{signed}.{encode(hmac.digest(self.key.as_pem(private=False), signed.encode(), 'sha256'))}"


def lenient() -> Any:
    """Lets tokens be signed whose headers nobody registered."""
    from joserfc.jws import JWSRegistry  # noqa: PLC0415 -- only here

    registry = JWSRegistry(algorithms=["RS256", "ES256"], strict_check_header=False)
    registry.max_header_length = 100_000
    return registry


def changed(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Values with changes; None takes out."""
    return {name: value for name, value in {**values, **changes}.items() if value is not None}


def encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@asynccontextmanager
async def running_provider(clock: Clock) -> AsyncIterator[OidcServer]:
    """A provider that answers until the end of the block."""
    server = OidcServer(clock)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()
