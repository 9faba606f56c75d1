import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from lumetry_core.access.model import NewUser, RateSettings, Settings, User, UserChange
from lumetry_core.access.service.login import LoginDesk
from lumetry_core.access.service.organizations import create_organization
from lumetry_core.access.service.tokens import create_api_token
from lumetry_core.access.service.users import create_user, deactivate_user, find_user_by_name, get_me, list_users, update_user
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.access.store.sessions import login_sessions
from lumetry_core.access.store.tokens import api_tokens
from lumetry_core.access.store.users import find_login_candidate
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


def manager(admin: User, *permissions: Permission) -> Caller:
    return Caller(
        organization_id=admin.organization_id,
        kind=CredentialKind.INTERACTIVE,
        user_id=admin.id,
        user_name="admin",
        permissions=frozenset({Permission.MANAGE_USERS, *permissions}),
    )


async def test_create_user_without_password_logs_in_elsewhere(database: Database, admin: User, clock: Clock) -> None:
    """Whom only the identity provider can log in is not a local user, until a password is set."""
    system = system_caller(admin.organization_id)
    async with database.write() as tx:
        user = await create_user(tx, system, replace(ANN, password=None), clock.now())
        assert user.auth_provider_type == "Oidc"
        change = UserChange(roles=("Viewer",), is_active=True, password="a long password")
        assert (await update_user(tx, system, user.id, change, clock.now())).auth_provider_type == "Local"


async def test_update_user_replaces_everything(database: Database, admin: User, clock: Clock, rows: Callable) -> None:
    """What is absent is emptied, except the password; unchanged users leave no trace in the log."""
    system = system_caller(admin.organization_id)
    change = UserChange(roles=("operator", "Viewer"), is_active=True, display_name=" Ann ")
    async with database.write() as tx:
        user = await create_user(tx, system, ANN, clock.now())
        candidate = await find_login_candidate(tx, "ann.lee")
        tx.wakes.clear()
        changed = await update_user(tx, system, user.id, change, clock.now())
        assert changed == replace(user, email=None, display_name="Ann", roles=("Operator", "Viewer"))
        assert tx.wakes == {"credentials"}
        assert await update_user(tx, system, user.id, change, clock.now()) == changed
        assert await find_login_candidate(tx, "ann.lee") == candidate
    entries = [row for row in await rows(audit_logs, "action", "old_values_json", "new_values_json") if row["action"] == "User.Updated"]
    assert entries == [
        {
            "action": "User.Updated",
            "old_values_json": '{"username":"Ann.Lee","email":"ann@example.org","displayName":null,"roles":["Ingest","Viewer"],'
            '"isActive":true}',
            "new_values_json": '{"username":"Ann.Lee","email":null,"displayName":"Ann","roles":["Operator","Viewer"],"isActive":true}',
        }
    ]


async def test_update_user_with_every_fault(database: Database, admin: User, clock: Clock) -> None:
    """All faults are named at once."""
    change = UserChange(roles=(), is_active=None, password="short", email="nobody", display_name="x" * 101)
    with pytest.raises(LumetryError) as failure:
        async with database.write() as tx:
            await update_user(tx, manager(admin), admin.id, change, clock.now())
    assert [fault.path for fault in failure.value.faults] == ["email", "displayName", "password", "roles", "isActive"]


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        (UserChange(roles=("Viewer", "Ingest"), is_active=True, email="a@b.c"), None),
        (UserChange(roles=("Viewer",), is_active=True), None),
        (UserChange(roles=("Viewer", "Ingest", "Operator"), is_active=True), "CanAcknowledgeAlerts, CanCloseAlerts, CanViewLogs"),
        (UserChange(roles=("Viewer", "Ingest"), is_active=True, password="a long password"), "CanIngestLogs, CanIngestMetrics"),
    ],
)
async def test_update_user_grants_what_the_caller_has(
    database: Database, admin: User, clock: Clock, change: UserChange, missing: str | None
) -> None:
    """Roles that were there may stay; new ones and the keys to an account must not exceed the caller."""
    async with database.write() as tx:
        user = await create_user(tx, system_caller(admin.organization_id), ANN, clock.now())
        if missing is None:
            assert (await update_user(tx, manager(admin, Permission.VIEW_ALERTS), user.id, change, clock.now())).email == change.email
            return
        with pytest.raises(LumetryError) as failure:
            await update_user(tx, manager(admin, Permission.VIEW_ALERTS), user.id, change, clock.now())
    assert (failure.value.reason, failure.value.metadata) == (Reason.PERMISSION_DENIED, {"permission": missing})


async def test_update_user_ends_credentials_for_good(database: Database, admin: User, clock: Clock, rows: Callable) -> None:
    """Becoming inactive revokes tokens, which reactivation does not bring back and which only those may do who have what it grants."""
    system = system_caller(admin.organization_id)
    async with database.write() as tx:
        user = await create_user(tx, system, ANN, clock.now())
        await create_api_token(tx, system, user.id, name="ci", permissions=None, expire_time=None, now=clock.now())
        inactive = UserChange(roles=("Viewer", "Ingest"), is_active=False)
        assert not (await update_user(tx, manager(admin), user.id, inactive, clock.now())).is_active
        with pytest.raises(LumetryError) as failure:
            await update_user(tx, manager(admin), user.id, replace(inactive, is_active=True), clock.now())
        assert failure.value.reason is Reason.PERMISSION_DENIED
        assert (await update_user(tx, system, user.id, replace(inactive, is_active=True), clock.now())).is_active
    assert await rows(api_tokens, "revoke_time") == [{"revoke_time": clock.now()}]
    actions = [row["action"] for row in await rows(audit_logs, "action")]
    assert actions[-2:] == ["User.Deactivated", "User.Updated"]


async def test_update_user_with_a_password_ends_sessions(
    database: Database, admin: User, clock: Clock, rows: Callable, origin_of: Callable
) -> None:
    """An account that gets another password has no login left, except the one that changed it itself."""
    desk = LoginDesk(database, clock, Settings(), RateSettings())
    async with database.write() as tx:
        user = await create_user(tx, system_caller(admin.organization_id), ANN, clock.now())
    for _ in range(2):
        await desk.login("ann.lee", "a long password", origin_of())
    change = UserChange(roles=("Viewer", "Ingest"), is_active=True, password="another long password")
    own = Caller(organization_id=user.organization_id, kind=CredentialKind.INTERACTIVE, credential_id=2, user_id=user.id)
    own = replace(own, permissions=frozenset(Permission))
    for caller, revoked in ((own, [True, False]), (manager(admin, *Permission), [True, True])):
        async with database.write() as tx:
            await update_user(tx, caller, user.id, change, clock.now())
        assert [row["revoke_time"] is not None for row in await rows(login_sessions, "revoke_time")] == revoked
    await desk.login("ann.lee", "another long password", origin_of())


async def test_update_user_who_must_stay(database: Database, admin: User, clock: Clock) -> None:
    """Nobody deactivates themselves, and the last one who may manage users keeps the role; others' users do not exist."""
    system = system_caller(admin.organization_id)
    for caller, change, state in (
        (manager(admin, *Permission), UserChange(roles=("Admin",), is_active=False), "own"),
        (system, UserChange(roles=("Admin",), is_active=False), "last"),
        (system, UserChange(roles=("Viewer",), is_active=True), "last"),
    ):
        with pytest.raises(LumetryError) as failure:
            async with database.write() as tx:
                await update_user(tx, caller, admin.id, change, clock.now())
        assert (failure.value.reason, failure.value.metadata["state"]) == (Reason.CONFLICT, state)
    with pytest.raises(LumetryError) as failure:
        async with database.write() as tx:
            await update_user(tx, system_caller(admin.organization_id + 1), admin.id, change, clock.now())
    assert failure.value.reason is Reason.NOT_FOUND


async def test_deactivate_users_at_once(database: Database, admin: User, clock: Clock) -> None:
    """Of two managers who are deactivated together, one stays."""
    system = system_caller(admin.organization_id)
    async with database.write() as tx:
        second = await create_user(tx, system, NewUser("second", roles=("Admin",)), clock.now())

    async def deactivate(user: User) -> None:
        async with database.write() as tx:
            await deactivate_user(tx, system, user.id, clock.now())

    results = await asyncio.gather(deactivate(admin), deactivate(second), return_exceptions=True)
    assert [result.reason for result in results if isinstance(result, LumetryError)] == [Reason.CONFLICT]


async def test_list_users_of_the_organization(database: Database, admin: User, clock: Clock) -> None:
    """Users come by login name, filtered by text and state, in pages."""
    system = system_caller(admin.organization_id)
    async with database.write() as tx:
        other = await create_organization(tx, "Acme", clock.now())
        await create_user(tx, system_caller(other.id), NewUser("ada", roles=("Viewer",)), clock.now())
        bob = await create_user(tx, system, NewUser("Bob", roles=("Viewer",), email="bob@ACME.org"), clock.now())
        ann = await create_user(tx, system, NewUser("ann", roles=("Viewer", "Ingest"), display_name="A_nn"), clock.now())
        ann = await deactivate_user(tx, system, ann.id, clock.now())

        async def names(search: str = "", page: int = 0, size: int = 0, *, is_active: bool | None = None) -> tuple[list[str], int]:
            users, total_count = await list_users(tx, system, search, page, size, is_active=is_active)
            return [user.username for user in users], total_count

        assert await list_users(tx, system, "", 0, 0, is_active=None) == ([admin, ann, bob], 3)
        assert await names(size=2) == (["admin", "ann"], 3)
        assert await names(page=2, size=2) == (["Bob"], 3)
        assert await names(page=3, size=2) == ([], 3)
        assert await names(" acme ") == (["Bob"], 1)
        assert await names("_") == (["ann"], 1)
        assert await names("AN") == (["ann"], 1)
        assert await names(is_active=True) == (["admin", "Bob"], 2)
        assert await names(is_active=False) == (["ann"], 1)
        with pytest.raises(LumetryError) as failure:
            await names(page=-1, size=201)
        assert [fault.path for fault in failure.value.faults] == ["page", "pageSize"]


async def test_find_user_by_name_unknown(database: Database, admin: User) -> None:
    """A name nobody has is not found."""
    async with database.read() as tx:
        with pytest.raises(LumetryError) as failure:
            await find_user_by_name(tx, "nobody")
    assert failure.value.reason is Reason.NOT_FOUND
