import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from lumetry_core.access.model import NewUser, User
from lumetry_core.access.service.organizations import create_organization
from lumetry_core.access.service.tokens import create_api_token
from lumetry_core.access.service.users import create_user, deactivate_user, find_user_by_name, get_me
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.access.store.tokens import api_tokens
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission, system_caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason

ANN = NewUser(
    username="Ann.Lee", roles=("viewer", "Ingest", "Viewer"), password="a long password", email=" ann@example.org ", display_name=" "
)


async def test_create_user_with_everything(database: Database, admin: User, clock: Clock) -> None:
    """Roles are found by name ignoring case, texts are trimmed, and names find the user whatever their case."""
    async with database.write() as tx:
        user = await create_user(tx, system_caller(admin.organization_id), ANN, clock.now())
        assert user == User(
            id=user.id,
            organization_id=admin.organization_id,
            username="Ann.Lee",
            email="ann@example.org",
            display_name=None,
            auth_provider_type="Local",
            is_active=True,
            roles=("Ingest", "Viewer"),
            create_time=clock.now(),
            last_login_time=None,
        )
        assert await find_user_by_name(tx, "ann.LEE") == user
        caller = Caller(organization_id=user.organization_id, kind=CredentialKind.INTERACTIVE, user_id=user.id)
        assert await get_me(tx, caller) == user


async def test_create_user_with_every_fault(database: Database, admin: User, clock: Clock) -> None:
    """All faults are named at once and nothing is written."""
    new = NewUser(username="a b", roles=("Nobody",), password="short", email="@example.org", display_name="x" * 101)
    with pytest.raises(LumetryError) as failure:
        async with database.write() as tx:
            await create_user(tx, system_caller(admin.organization_id), new, clock.now())
    assert failure.value.reason is Reason.VALIDATION_FAILED
    assert failure.value.faults == (
        Fault("username", "must have 3 to 64 characters of [A-Za-z0-9._@-]"),
        Fault("email", "must be an e-mail address of at most 254 characters"),
        Fault("displayName", "must have at most 100 printable characters"),
        Fault("password", "must have 12 to 1024 characters"),
        Fault("roles[0]", "is not a role: Nobody"),
    )


async def test_create_user_with_a_taken_name(database: Database, admin: User, clock: Clock) -> None:
    """Login names are unique in the deployment, ignoring case, also across organizations."""
    async with database.write() as tx:
        other = await create_organization(tx, "Acme", clock.now())
        with pytest.raises(LumetryError) as failure:
            await create_user(tx, system_caller(other.id), NewUser(username="ADMIN", roles=()), clock.now())
    assert failure.value.faults == (Fault("username", "is taken"), Fault("roles", "must name at least one role"))


async def test_create_user_twice_at_once(database: Database, admin: User, clock: Clock) -> None:
    """Of two users with one name, one is created and the other fails as when it came later."""

    async def create() -> User:
        async with database.write() as tx:
            return await create_user(tx, system_caller(admin.organization_id), ANN, clock.now())

    results = await asyncio.gather(create(), create(), return_exceptions=True)
    failures = [result for result in results if isinstance(result, LumetryError)]
    assert [failure.faults for failure in failures] == [(Fault("username", "is taken"),)]


async def test_create_user_with_more_than_the_caller_has(database: Database, admin: User, clock: Clock) -> None:
    """Nobody grants what they do not have."""
    caller = Caller(
        organization_id=admin.organization_id,
        kind=CredentialKind.INTERACTIVE,
        user_id=admin.id,
        permissions=frozenset({Permission.MANAGE_USERS, Permission.VIEW_ALERTS, Permission.INGEST_METRICS}),
    )
    async with database.write() as tx:
        with pytest.raises(LumetryError) as failure:
            await create_user(tx, caller, ANN, clock.now())
        assert (failure.value.reason, failure.value.metadata) == (Reason.PERMISSION_DENIED, {"permission": "CanIngestLogs"})
        user = await create_user(tx, caller, replace(ANN, roles=("Viewer",)), clock.now())
        assert user.roles == ("Viewer",)


async def test_deactivate_user_ends_everything(database: Database, admin: User, clock: Clock, rows: Callable) -> None:
    """API tokens are revoked for good, and the action is audited once."""
    caller = Caller(organization_id=admin.organization_id, kind=CredentialKind.INTERACTIVE, user_id=admin.id, user_name="admin")
    async with database.write() as tx:
        user = await create_user(tx, system_caller(admin.organization_id), ANN, clock.now())
        await create_api_token(
            tx, system_caller(admin.organization_id), user.id, name="ci", permissions=None, expire_time=None, now=clock.now()
        )
        assert await deactivate_user(tx, caller, user.id, clock.now()) == replace(user, is_active=False)
        assert tx.wakes == {"credentials"}
        assert await deactivate_user(tx, caller, user.id, clock.now()) == replace(user, is_active=False)
    assert await rows(api_tokens, "revoke_time") == [{"revoke_time": clock.now()}]
    audited = [row for row in await rows(audit_logs, "action", "actor_name", "actor_user_id") if "Deactivated" in row["action"]]
    assert audited == [{"action": "User.Deactivated", "actor_name": "admin", "actor_user_id": admin.id}]


async def test_deactivate_user_who_must_stay(database: Database, admin: User, clock: Clock) -> None:
    """Nobody deactivates themselves or the last one who may manage users; other organizations' users do not exist."""
    own = Caller(organization_id=admin.organization_id, kind=CredentialKind.INTERACTIVE, user_id=admin.id)
    for caller, reason in (
        (own, Reason.CONFLICT),
        (system_caller(admin.organization_id), Reason.CONFLICT),
        (system_caller(admin.organization_id + 1), Reason.NOT_FOUND),
    ):
        with pytest.raises(LumetryError) as failure:
            async with database.write() as tx:
                await deactivate_user(tx, caller, admin.id, clock.now())
        assert failure.value.reason is reason
    async with database.read() as tx:
        assert await find_user_by_name(tx, "admin") == admin


async def test_find_user_by_name_unknown(database: Database, admin: User) -> None:
    """A name nobody has is not found."""
    async with database.read() as tx:
        with pytest.raises(LumetryError) as failure:
            await find_user_by_name(tx, "nobody")
    assert failure.value.reason is Reason.NOT_FOUND
