import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from lumetry_core.access.model import NewUser, RateSettings, Settings, TokenPair, User
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.login import LoginDesk
from lumetry_core.access.service.users import create_user, deactivate_user, find_user_by_name
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.access.store.sessions import login_sessions, login_tokens
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission, system_caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason


@pytest.fixture
def desk(database: Database, clock: Clock) -> LoginDesk:
    return LoginDesk(database, clock, Settings(), RateSettings())


async def failure_of(attempt: object) -> tuple[Reason, str, tuple[Fault, ...], dict[str, str]]:
    with pytest.raises(LumetryError) as failure:
        await attempt
    return failure.value.reason, failure.value.message, failure.value.faults, failure.value.metadata


UNAUTHENTICATED = (Reason.UNAUTHENTICATED, "The credentials are missing, wrong, expired or revoked.", (), {})


async def test_login_gives_a_session(
    database: Database, clock: Clock, admin: User, password: str, desk: LoginDesk, origin_of: Callable, rows: Callable
) -> None:
    """The right password gives two bare hexadecimal tokens; only digests are kept, and the login is audited."""
    pair = await desk.login("ADMIN", password, origin_of())
    assert pair == TokenPair(pair.access_token, clock.now() + timedelta(minutes=15), pair.refresh_token)
    assert {len(pair.access_token), len(pair.refresh_token)} == {48}
    assert await rows(login_sessions, "user_id", "address", "user_agent", "expire_time", "revoke_time") == [
        {
            "user_id": admin.id,
            "address": "192.0.2.1",
            "user_agent": "tests",
            "expire_time": clock.now() + timedelta(days=30),
            "revoke_time": None,
        }
    ]
    stored = await rows(login_tokens, "digest", "use", "expire_time")
    assert {row["use"]: row["expire_time"] - clock.now() for row in stored} == {
        "access": timedelta(minutes=15),
        "refresh": timedelta(days=30),
    }
    assert pair.access_token.encode() not in [row["digest"] for row in stored]
    caller = await Authenticator(database, clock)(origin_of(pair.access_token))
    assert (caller.user_id, caller.permissions) == (admin.id, frozenset(Permission))
    async with database.read() as tx:
        assert (await find_user_by_name(tx, "admin")).last_login_time == clock.now()
    assert (await rows(audit_logs, "action", "entity_type", "entity_id", "actor_user_id", "address", "correlation_id"))[-1] == {
        "action": "Auth.LoggedIn",
        "entity_type": "Auth",
        "entity_id": "admin",
        "actor_user_id": admin.id,
        "address": "192.0.2.1",
        "correlation_id": "request-1",
    }


async def test_login_fails_uniformly(
    database: Database, clock: Clock, admin: User, desk: LoginDesk, origin_of: Callable, rows: Callable, password: str
) -> None:
    """Unknown, impossible, deactivated and password-less users and wrong passwords look the same, and each attempt is audited."""
    system = system_caller(admin.organization_id)
    async with database.write() as tx:
        gone = await create_user(tx, system, NewUser("gone", roles=("Viewer",), password=password), clock.now())
        await deactivate_user(tx, system, gone.id, clock.now())
        await create_user(tx, system, NewUser("oidc", roles=("Viewer",)), clock.now())
    names = ["admin", "nobody", "gone", "oidc", "bad\0 name", "x" * 70]
    passwords = ["wrong", password, password, "", password, password]
    for name, attempt in zip(names, passwords, strict=True):
        assert await failure_of(desk.login(name, attempt, origin_of())) == UNAUTHENTICATED
    audited = await rows(audit_logs, "action", "entity_id", "actor_user_id", "actor_name", "organization_id", "new_values_json")
    assert audited[-6:] == [
        {
            "action": "Auth.LoginFailed",
            "entity_id": name,
            "actor_user_id": None,
            "actor_name": "anonymous",
            "organization_id": admin.organization_id,
            "new_values_json": None,
        }
        for name in ["admin", "nobody", "gone", "oidc", "bad name", "x" * 64]
    ]
    assert await rows(login_sessions, "id") == []


async def test_login_without_any_organization(desk: LoginDesk, origin_of: Callable, rows: Callable) -> None:
    """An empty deployment has nobody to log in and nowhere to audit it."""
    assert await failure_of(desk.login("admin", "password", origin_of())) == UNAUTHENTICATED
    assert await rows(audit_logs, "id") == []


async def test_login_too_often(database: Database, clock: Clock, admin: User, password: str, origin_of: Callable) -> None:
    """Attempts are limited per name and address, even with the right password, and come back with time."""
    desk = LoginDesk(database, clock, Settings(), RateSettings(login_per_minute=2))
    for _ in range(2):
        await failure_of(desk.login("admin", "wrong", origin_of()))
    limited = (Reason.RATE_LIMITED, "Too many login attempts.", (), {"retry_after_seconds": "30"})
    assert await failure_of(desk.login("Admin", password, origin_of())) == limited
    await desk.login("admin", password, origin_of(address="192.0.2.2"))
    clock.advance(seconds=30)
    await desk.login("admin", password, origin_of())


async def test_login_while_being_deactivated(
    database: Database, clock: Clock, admin: User, password: str, desk: LoginDesk, origin_of: Callable
) -> None:
    """A user who is deactivated while the password is being checked gets no session."""
    system = system_caller(admin.organization_id)
    async with database.write() as tx:
        user = await create_user(tx, system, NewUser("ann", roles=("Viewer",), password=password), clock.now())

    class Slow:
        async def check(self, password_hash: str | None, password: str) -> bool:
            async with database.write() as tx:
                await deactivate_user(tx, system, user.id, clock.now())
            return True

    desk._passwords = Slow()
    assert await failure_of(desk.login("ann", password, origin_of())) == UNAUTHENTICATED


async def test_refresh_rotates_and_slides(
    database: Database, clock: Clock, admin: User, password: str, desk: LoginDesk, origin_of: Callable, rows: Callable
) -> None:
    """Each refresh gives a new pair and thirty more days to the same session; the older access token lives out its time."""
    pair = await desk.login("admin", password, origin_of())
    clock.advance(minutes=10)
    second = await desk.refresh(pair.refresh_token, origin_of())
    assert second.expire_time == clock.now() + timedelta(minutes=15)
    assert len({pair.access_token, pair.refresh_token, second.access_token, second.refresh_token}) == 4
    assert await rows(login_sessions, "expire_time") == [{"expire_time": clock.now() + timedelta(days=30)}]
    authenticator = Authenticator(database, clock)
    first_caller, second_caller = [await authenticator(origin_of(each.access_token)) for each in (pair, second)]
    assert first_caller == second_caller
    clock.advance(days=29)
    third = await desk.refresh(second.refresh_token, origin_of())
    clock.advance(days=30)
    assert await failure_of(desk.refresh(third.refresh_token, origin_of())) == UNAUTHENTICATED


async def test_refresh_twice_ends_the_session(
    database: Database, clock: Clock, admin: User, password: str, desk: LoginDesk, origin_of: Callable, rows: Callable
) -> None:
    """A used refresh token is a copy in other hands: every token of its session dies, other sessions live on."""
    pair = await desk.login("admin", password, origin_of())
    other = await desk.login("admin", password, origin_of())
    second = await desk.refresh(pair.refresh_token, origin_of())
    assert await failure_of(desk.refresh(pair.refresh_token, origin_of())) == UNAUTHENTICATED
    assert await failure_of(desk.refresh(second.refresh_token, origin_of())) == UNAUTHENTICATED
    authenticator = Authenticator(database, clock)
    for dead in (pair.access_token, second.access_token):
        assert await failure_of(authenticator(origin_of(dead))) == UNAUTHENTICATED
    await authenticator(origin_of(other.access_token))
    await desk.refresh(other.refresh_token, origin_of())
    reuses = [row for row in await rows(audit_logs, "action", "actor_user_id") if row["action"] == "Auth.RefreshTokenReused"]
    assert reuses == [{"action": "Auth.RefreshTokenReused", "actor_user_id": admin.id}]


async def test_refresh_at_once(
    database: Database, clock: Clock, admin: User, password: str, desk: LoginDesk, origin_of: Callable, rows: Callable
) -> None:
    """Of two uses at the same moment one wins, and the session ends all the same."""
    pair = await desk.login("admin", password, origin_of())
    results = await asyncio.gather(
        desk.refresh(pair.refresh_token, origin_of()), desk.refresh(pair.refresh_token, origin_of()), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["LumetryError", "TokenPair"]
    assert await rows(login_sessions, "revoke_time") == [{"revoke_time": clock.now()}]


async def test_refresh_with_what_is_no_refresh_token(
    database: Database, clock: Clock, admin: User, password: str, desk: LoginDesk, origin_of: Callable
) -> None:
    """Access tokens, unknown and malformed secrets, and tokens of deactivated users do not refresh."""
    system = system_caller(admin.organization_id)
    async with database.write() as tx:
        user = await create_user(tx, system, NewUser("ann", roles=("Viewer",), password=password), clock.now())
    pair = await desk.login("ann", password, origin_of())
    async with database.write() as tx:
        await deactivate_user(tx, system, user.id, clock.now())
    for secret in (pair.access_token, pair.refresh_token, "0" * 48, "", "x\0", "lmt_" + "0" * 48):
        assert await failure_of(desk.refresh(secret, origin_of())) == UNAUTHENTICATED


async def test_change_password_with_faults(database: Database, admin: User, clock: Clock, origin_of: Callable, password: str) -> None:
    """A wrong current password, an unfit new one and too many attempts are told apart; nothing changes."""
    desk = LoginDesk(database, clock, Settings(), RateSettings(login_per_minute=3))
    caller = Caller(
        organization_id=admin.organization_id,
        kind=CredentialKind.INTERACTIVE,
        user_id=admin.id,
        user_name="admin",
        address="192.0.2.1",
    )

    async def attempt(current: str, new: str) -> tuple[Reason, list[str]]:
        with pytest.raises(LumetryError) as failure:
            await desk.change_password(caller, current, new)
        return failure.value.reason, [fault.path for fault in failure.value.faults]

    assert await attempt(password, "short") == (Reason.VALIDATION_FAILED, ["newPassword"])
    for _ in range(3):
        assert await attempt("wrong password", "another long password") == (Reason.VALIDATION_FAILED, ["currentPassword"])
    assert await attempt(password, "another long password") == (Reason.RATE_LIMITED, [])
    clock.advance(minutes=1)
    await desk.login("admin", password, origin_of())


async def test_change_password_without_one(database: Database, admin: User, clock: Clock) -> None:
    """Who logs in through the identity provider has no current password."""
    async with database.write() as tx:
        user = await create_user(tx, system_caller(admin.organization_id), NewUser("ann", roles=("Viewer",)), clock.now())
    caller = Caller(organization_id=user.organization_id, kind=CredentialKind.INTERACTIVE, user_id=user.id, user_name="ann")
    with pytest.raises(LumetryError) as failure:
        await LoginDesk(database, clock, Settings(), RateSettings()).change_password(caller, "", "another long password")
    assert [fault.path for fault in failure.value.faults] == ["currentPassword"]
