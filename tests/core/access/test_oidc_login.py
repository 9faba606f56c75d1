import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from lumetry_core.access.model import NewUser, RateSettings, Settings, TokenPair, User
from lumetry_core.access.oidc import OidcSettings, ProviderAnswer
from lumetry_core.access.oidc_provider import OpenidProvider
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.oidc import OidcDesk
from lumetry_core.access.service.users import create_user, deactivate_user
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.access.store.oidc import oidc_identities, oidc_logins
from lumetry_core.access.store.sessions import login_sessions
from lumetry_core.access.store.users import users
from lumetry_core.runtime.caller import Permission, system_caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin
from tests.core.access.oidc_server import CLIENT_ID, CLIENT_SECRET, OidcServer, ec_key, rsa_key, running_provider

BASE_URL = "https://lumetry.example.com"
REDIRECT_URL = "https://lumetry.example.com/api/auth/oidc/callback"
UNAUTHENTICATED = (Reason.UNAUTHENTICATED, "The credentials are missing, wrong, expired or revoked.", {})
UNAVAILABLE = (Reason.STORE_UNAVAILABLE, "The identity provider cannot be used now; try to log in again.", {})

Open = Callable[..., Any]


@pytest.fixture
async def server(clock: Clock) -> AsyncIterator[OidcServer]:
    async with running_provider(clock) as running:
        yield running


@pytest.fixture
def opened(database: Database, clock: Clock, server: OidcServer, admin: User) -> Open:
    """Opens a desk with some settings."""

    @asynccontextmanager
    async def open_desk(rates: RateSettings | None = None, **values: str) -> AsyncIterator[OidcDesk]:
        given = {"issuer": server.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "default_roles": "Viewer"}
        oidc = OidcSettings(**{**given, **values})
        provider = OpenidProvider(oidc, clock)
        try:
            yield OidcDesk(database, clock, Settings(), rates or RateSettings(), oidc, provider, BASE_URL)
        finally:
            await provider.close()

    return open_desk


@pytest.fixture
async def desk(opened: Open) -> AsyncIterator[OidcDesk]:
    async with opened() as opened_desk:
        yield opened_desk


@pytest.fixture
def origin(origin_of: Callable[..., Origin]) -> Origin:
    return origin_of()


async def go(desk: OidcDesk, server: OidcServer, origin: Origin) -> ProviderAnswer:
    """Begins a login and brings back what the provider answers."""
    begun = await desk.begin(origin)
    url, parameters = await server.visit(begun.authorization_url)
    assert (url, parameters["state"]) == (begun.redirect_url, begun.state)
    return ProviderAnswer(
        parameters["state"], parameters.get("code", ""), issuer=parameters.get("iss", ""), error=parameters.get("error", "")
    )


async def log_in(desk: OidcDesk, server: OidcServer, origin: Origin) -> TokenPair:
    return await desk.complete(await go(desk, server, origin), origin)


async def failure_of(attempt: Any) -> tuple[Reason, str, dict[str, str]]:
    with pytest.raises(LumetryError) as failure:
        await attempt
    return failure.value.reason, failure.value.message, failure.value.metadata


async def last_audit(rows: Callable[..., Any]) -> dict[str, Any]:
    return (await rows(audit_logs, "action", "entity_id", "actor_user_id", "actor_name", "new_values_json"))[-1]


async def refused(rows: Callable[..., Any]) -> str:
    """Why the newest audit row says that a login failed."""
    row = await last_audit(rows)
    assert (row["action"], row["actor_user_id"], row["actor_name"]) == ("Auth.LoginFailed", None, "anonymous")
    return json.loads(row["new_values_json"])["fault"]


async def test_log_in_for_the_first_time(
    database: Database, clock: Clock, admin: User, desk: OidcDesk, server: OidcServer, origin: Origin, origin_of: Callable, rows: Callable
) -> None:
    """Who the provider knows gets a user with the default roles, the identity, and tokens like those of any login; all of it is audited."""
    pair = await log_in(desk, server, origin)
    assert pair == TokenPair(pair.access_token, clock.now() + timedelta(minutes=15), pair.refresh_token)
    caller = await Authenticator(database, clock)(origin_of(pair.access_token))
    assert (caller.user_name, caller.permissions) == ("ann", frozenset({Permission.VIEW_ALERTS}))
    columns = ("id", "username", "email", "display_name", "auth_provider_type", "password_hash", "is_active", "last_login_time")
    [_, user] = await rows(users, *columns)
    assert user == {
        "id": caller.user_id,
        "username": "ann",
        "email": "ann@example.com",
        "display_name": "Ann Example",
        "auth_provider_type": "Oidc",
        "password_hash": None,
        "is_active": True,
        "last_login_time": clock.now(),
    }
    identity = {"organization_id": admin.organization_id, "user_id": user["id"], "issuer": server.issuer, "subject": "person-1"}
    assert await rows(oidc_identities, *identity) == [identity]
    assert await rows(oidc_logins, "state_digest") == []
    audited = await rows(audit_logs, "action", "entity_id", "actor_name", "address", "correlation_id")
    assert audited[-3:] == [
        {"action": action, "entity_id": name, "actor_name": actor, "address": "192.0.2.1", "correlation_id": "request-1"}
        for action, name, actor in [
            ("User.Created", str(user["id"]), "system"),
            ("User.IdentityLinked", str(user["id"]), "system"),
            ("Auth.LoggedIn", "ann", "ann"),
        ]
    ]


async def test_log_in_again(desk: OidcDesk, server: OidcServer, origin: Origin, rows: Callable) -> None:
    """Issuer and subject alone find the user again, whatever else the provider says now."""
    await log_in(desk, server, origin)
    server.person = {"sub": "person-1", "preferred_username": "admin", "email": "other@example.com"}
    await log_in(desk, server, origin)
    assert [row["username"] for row in await rows(users, "username")] == ["admin", "ann"]
    assert [row["user_id"] for row in await rows(login_sessions, "user_id")] == [2, 2]


async def test_log_in_with_a_new_identity(
    database: Database, clock: Clock, desk: OidcDesk, server: OidcServer, origin: Origin, origin_of: Callable
) -> None:
    """Whom the provider gives another subject keeps the user by the verified address; sessions of the subject before it end."""
    before = await log_in(desk, server, origin)
    server.person["sub"] = "person-2"
    after = await log_in(desk, server, origin)
    authenticator = Authenticator(database, clock)
    assert (await authenticator(origin_of(after.access_token))).user_name == "ann"
    assert (await failure_of(authenticator(origin_of(before.access_token))))[0] is Reason.UNAUTHENTICATED


async def test_begin_keeps_secrets_apart(
    clock: Clock, admin: User, desk: OidcDesk, server: OidcServer, origin: Origin, rows: Callable
) -> None:
    """The browser gets state, nonce and challenge but no verifier, the store the digest of the state; abandoned logins are forgotten."""
    begun = await desk.begin(origin)
    assert (begun.redirect_url, begun.expire_time) == (REDIRECT_URL, clock.now() + timedelta(minutes=10))
    query = parse_qs(urlsplit(begun.authorization_url).query)
    assert (query["redirect_uri"], query["scope"], query["state"]) == ([REDIRECT_URL], ["openid profile email"], [begun.state])
    [stored] = await rows(oidc_logins, "state_digest", "nonce", "verifier", "organization_id", "expire_time")
    assert (stored["nonce"], stored["expire_time"]) == (query["nonce"][0], begun.expire_time)
    assert stored["state_digest"] != begun.state.encode()
    assert stored["verifier"] not in begun.authorization_url
    clock.advance(minutes=10)
    await desk.begin(origin)
    assert len(await rows(oidc_logins, "nonce")) == 1


@pytest.mark.parametrize(
    "given", [{}, {"client_secret": ""}, {"redirect_url": "http://127.0.0.1:9/back"}, {"scopes": "openid groups"}], ids=str
)
async def test_log_in_with_other_settings(opened: Open, server: OidcServer, origin: Origin, given: dict[str, str]) -> None:
    """Confidential and public clients, other redirect URLs and other scopes log in."""
    server.secret = given.get("client_secret", server.secret)
    async with opened(**given) as desk:
        await log_in(desk, server, origin)


async def test_log_in_with_the_secret_in_the_form(desk: OidcDesk, server: OidcServer, origin: Origin) -> None:
    """Providers that do not take the secret in the header get it in the form."""
    server.description = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    await log_in(desk, server, origin)


async def test_log_in_after_rotation(clock: Clock, desk: OidcDesk, server: OidcServer, origin: Origin) -> None:
    """New keys of the provider, of another kind too, work without a restart."""
    await log_in(desk, server, origin)
    clock.advance(minutes=1)
    server.key, server.algorithm = ec_key("key-2"), "ES256"
    await log_in(desk, server, origin)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"claims": {"nonce": "n" * 48}}, "The ID token is of another login."),
        ({"claims": {"nonce": None}}, "The ID token is of another login."),
        ({"claims": {"aud": "other"}}, "The ID token is for another client."),
        ({"claims": {"aud": [CLIENT_ID, "other"], "azp": "other"}}, "The ID token was issued to another client."),
        ({"claims": {"exp": 1_780_300_000}}, "The ID token has expired."),
        ({"claims": {"iss": "https://evil.example.com"}}, "The ID token is of another issuer."),
        ({"claims": {"sub": None}}, "The ID token names nobody."),
        ({"algorithm": "none"}, "The ID token is not signed with RS256 or ES256."),
        ({"algorithm": "HS256"}, "The ID token is not signed with RS256 or ES256."),
        pytest.param(
            {"published": [rsa_key("key-9").as_dict(private=False)]}, "The ID token is not signed by the provider.", id="other key"
        ),
        ({"token_answer": {"id_token": "no token"}}, "The ID token cannot be read."),
        ({"secret": "another secret"}, "The provider answered 401 invalid_client to the code."),
        ({"refuses": "access_denied"}, "The provider answered access_denied."),
    ],
    ids=str,
)
async def test_log_in_with_a_wrong_answer(
    desk: OidcDesk, server: OidcServer, origin: Origin, rows: Callable, wrong: dict[str, Any], why: str
) -> None:
    """Whatever is wrong with what the provider says, the answer is the same, nobody is created, and the audit row tells why."""
    for name, value in wrong.items():
        setattr(server, name, value)
    assert await failure_of(log_in(desk, server, origin)) == UNAUTHENTICATED
    assert await refused(rows) == why
    assert (len(await rows(users, "id")), await rows(login_sessions, "id"), await rows(oidc_identities, "user_id")) == (1, [], [])


async def test_complete_twice(desk: OidcDesk, server: OidcServer, origin: Origin, rows: Callable) -> None:
    """A state works once, also when the first use failed, and of two at once one succeeds."""
    answer = await go(desk, server, origin)
    results = await asyncio.gather(desk.complete(answer, origin), desk.complete(answer, origin), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["LumetryError", "TokenPair"]
    assert await failure_of(desk.complete(answer, origin)) == UNAUTHENTICATED
    assert await refused(rows) == "The state is unknown, used or expired."
    answer = await go(desk, server, origin)
    for code in ("wrong", answer.code):
        assert await failure_of(desk.complete(ProviderAnswer(answer.state, code), origin)) == UNAUTHENTICATED


async def test_complete_too_late(clock: Clock, desk: OidcDesk, server: OidcServer, origin: Origin, rows: Callable) -> None:
    """After ten minutes a login has to begin anew; the provider is not even asked."""
    answer = await go(desk, server, origin)
    clock.advance(minutes=10)
    assert await failure_of(desk.complete(answer, origin)) == UNAUTHENTICATED
    assert await refused(rows) == "The state is unknown, used or expired."
    assert "/token" not in server.asked


@pytest.mark.parametrize("state", ["", "0" * 48, "\0", "é"])
async def test_complete_with_an_unknown_state(desk: OidcDesk, origin: Origin, rows: Callable, admin: User, state: str) -> None:
    """What is no state of ours starts nothing; the organization that runs the deployment learns of it."""
    assert await failure_of(desk.complete(ProviderAnswer(state, "code"), origin)) == UNAUTHENTICATED
    assert await refused(rows) == "The state is unknown, used or expired."


async def test_complete_with_a_code_of_another_login(desk: OidcDesk, server: OidcServer, origin: Origin, rows: Callable) -> None:
    """A code that was planted into another login fails at the provider: the verifier does not match."""
    mine, theirs = await go(desk, server, origin), await go(desk, server, origin)
    assert await failure_of(desk.complete(ProviderAnswer(mine.state, theirs.code), origin)) == UNAUTHENTICATED
    assert await refused(rows) == "The provider answered 400 invalid_grant to the code."


async def test_complete_with_the_answer_of_another_provider(desk: OidcDesk, server: OidcServer, origin: Origin, rows: Callable) -> None:
    """An answer that names another provider, or none where the provider promised it, is a mix-up; the code goes nowhere."""
    server.answers_issuer = True
    for issuer, why in [("https://evil.example.com", "comes from another"), ("", "does not name its")]:
        answer = await go(desk, server, origin)
        assert answer.issuer == server.issuer
        assert await failure_of(desk.complete(ProviderAnswer(answer.state, answer.code, issuer=issuer), origin)) == UNAUTHENTICATED
        assert await refused(rows) == f"The answer {why} provider."
    assert "/token" not in server.asked
    await log_in(desk, server, origin)


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks", "/token"])
@pytest.mark.parametrize("status", [302, 429, 500])
async def test_log_in_while_the_provider_is_broken(
    clock: Clock, desk: OidcDesk, server: OidcServer, origin: Origin, path: str, status: int, rows: Callable
) -> None:
    """A provider that fails is not the person's fault: the login may be tried again, and no failed login is audited."""
    answer = await go(desk, server, origin)
    server.broken[path] = lambda: web.Response(status=status)
    clock.advance(hours=1)
    assert await failure_of(log_in(desk, server, origin)) == UNAVAILABLE
    assert (await last_audit(rows))["action"] != "Auth.LoginFailed"
    server.broken.clear()
    await log_in(desk, server, origin)
    assert await failure_of(desk.complete(answer, origin)) == UNAUTHENTICATED


async def test_log_in_without_a_provider_to_reach(opened: Open, origin: Origin) -> None:
    """A provider that is not there is a failure that may pass."""
    async with opened(issuer="http://127.0.0.1:1") as desk:
        assert await failure_of(desk.begin(origin)) == UNAVAILABLE


async def test_log_in_while_the_provider_hangs(
    desk: OidcDesk, server: OidcServer, origin: Origin, monkeypatch: pytest.MonkeyPatch, rows: Callable
) -> None:
    """The whole login has a time limit, within which callers get their answer."""
    answer = await go(desk, server, origin)
    over = asyncio.Event()

    async def hang() -> web.Response:
        await over.wait()
        return web.Response()

    server.broken["/token"] = hang
    monkeypatch.setattr("lumetry_core.access.service.oidc.PROVIDER_SECONDS", 0.05)
    assert await failure_of(desk.complete(answer, origin)) == UNAVAILABLE
    over.set()


async def test_log_in_when_switched_off(opened: Open, origin: Origin) -> None:
    """Without an issuer there is no such login."""
    missing = (Reason.NOT_FOUND, "Login provider Oidc does not exist.", {"type": "Login provider", "id": "Oidc"})
    async with opened(issuer="", client_id="") as desk:
        assert desk.provider_name is None
        assert await failure_of(desk.begin(origin)) == missing
        assert await failure_of(desk.complete(ProviderAnswer("s", "c"), origin)) == missing


async def test_log_in_too_often(opened: Open, server: OidcServer, origin_of: Callable, clock: Clock) -> None:
    """An address begins and completes ten times as many logins a minute as a user name has attempts."""
    async with opened(RateSettings(login_per_minute=1)) as desk:
        for _ in range(5):
            await log_in(desk, server, origin_of())
        limited = (Reason.RATE_LIMITED, "Too many login attempts.", {"retry_after_seconds": "6"})
        assert await failure_of(desk.begin(origin_of())) == limited
        assert await failure_of(desk.complete(ProviderAnswer("s", "c"), origin_of())) == limited
        await log_in(desk, server, origin_of(address="192.0.2.2"))
        clock.advance(seconds=6)
        await desk.begin(origin_of())


async def test_log_in_with_a_short_token(desk: OidcDesk, server: OidcServer, origin: Origin, rows: Callable) -> None:
    """Names that the ID token lacks are asked for, and believed when they are of the same person."""
    told = {"preferred_username": "ann", "email": "ann@example.com", "email_verified": True}
    server.person, server.profile = {"sub": "person-1", "name": "Ann"}, {**told, "sub": "person-1"}
    await log_in(desk, server, origin)
    server.person, server.profile = {"sub": "person-2"}, {**told, "sub": "person-1"}
    await log_in(desk, server, origin)
    [_, ann, other] = await rows(users, "username", "email", "display_name")
    assert ann == {"username": "ann", "email": "ann@example.com", "display_name": "Ann"}
    assert (other["username"][:5], len(other["username"]), other["email"]) == ("oidc-", 29, None)


async def test_log_in_while_deactivated(
    database: Database, clock: Clock, admin: User, desk: OidcDesk, server: OidcServer, origin: Origin, rows: Callable
) -> None:
    """Deactivated users get no session and no second user, whether their identity is known or not."""
    await log_in(desk, server, origin)
    system = system_caller(admin.organization_id)
    async with database.write() as tx:
        await deactivate_user(tx, system, 2, clock.now())
    for subject in ("person-1", "person-2"):
        server.person["sub"] = subject
        assert await failure_of(log_in(desk, server, origin)) == UNAUTHENTICATED
        assert await refused(rows) == "The user ann is deactivated."
    assert [row["username"] for row in await rows(users, "username")] == ["admin", "ann"]


async def test_log_in_unknown_without_default_roles(
    database: Database, clock: Clock, admin: User, opened: Open, server: OidcServer, origin: Origin, rows: Callable
) -> None:
    """Without default roles only users who were created before may log in."""
    async with opened(default_roles="") as desk:
        assert await failure_of(log_in(desk, server, origin)) == UNAUTHENTICATED
        assert await refused(rows) == "Nobody created a user for this identity."
        async with database.write() as tx:
            await create_user(tx, system_caller(admin.organization_id), NewUser("ann", roles=("Operator",)), clock.now())
        await log_in(desk, server, origin)
    assert [row["username"] for row in await rows(users, "username")] == ["admin", "ann"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"default_roles": "Viewer,Boss"}, "The default roles Boss do not exist."),
        ({"organization": "Nowhere"}, None),
    ],
)
async def test_log_in_with_settings_of_nobody(
    opened: Open, server: OidcServer, origin: Origin, rows: Callable, given: dict[str, str], why: str | None
) -> None:
    """Roles and organizations that do not exist let nobody in."""
    async with opened(**given) as desk:
        assert await failure_of(log_in(desk, server, origin)) == UNAUTHENTICATED
    if why is not None:
        assert await refused(rows) == why
    assert len(await rows(users, "id")) == 1


async def test_log_in_for_the_first_time_twice_at_once(desk: OidcDesk, server: OidcServer, origin: Origin, rows: Callable) -> None:
    """Two first logins of one person make one user."""
    answers = [await go(desk, server, origin) for _ in range(2)]
    await asyncio.gather(*(desk.complete(answer, origin) for answer in answers))
    assert [row["username"] for row in await rows(users, "username")] == ["admin", "ann"]
    assert [row["user_id"] for row in await rows(login_sessions, "user_id")] == [2, 2]
