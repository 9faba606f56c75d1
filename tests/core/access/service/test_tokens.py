from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from lumetry_core.access.model import ApiToken, NewUser, User, UserChange
from lumetry_core.access.service.tokens import ListedToken, create_api_token, list_api_tokens, revoke_api_token
from lumetry_core.access.service.users import create_user, deactivate_user, update_user
from lumetry_core.access.store.audit import audit_logs, revisions
from lumetry_core.access.store.tokens import api_tokens
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission, system_caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.runtime.identifiers import digest_secret


def interactive(user: User, *permissions: Permission) -> Caller:
    return Caller(
        organization_id=user.organization_id,
        kind=CredentialKind.INTERACTIVE,
        user_id=user.id,
        user_name=user.username,
        permissions=frozenset(permissions),
    )


async def make_viewer(database: Database, admin: User, clock: Clock) -> User:
    async with database.write() as tx:
        return await create_user(tx, system_caller(admin.organization_id), NewUser("viewer", roles=("Viewer",)), clock.now())


async def test_create_api_token_stores_no_secret(database: Database, admin: User, clock: Clock, rows: Callable) -> None:
    """The secret is shown once; its digest and prefix are kept, and the log tells of the token without it."""
    expire_time = clock.now() + timedelta(days=1)
    async with database.write() as tx:
        token, secret = await create_api_token(
            tx,
            interactive(admin),
            admin.id,
            name=" ci ",
            permissions=["CanViewLogs", "CanViewAlerts", "CanViewLogs"],
            expire_time=expire_time,
            now=clock.now(),
        )
    assert token == ApiToken(
        id=token.id,
        organization_id=admin.organization_id,
        user_id=admin.id,
        name="ci",
        prefix=secret[:12],
        permissions=frozenset({Permission.VIEW_ALERTS, Permission.VIEW_LOGS}),
        create_time=clock.now(),
        expire_time=expire_time,
        last_used_time=None,
        revoke_time=None,
    )
    assert secret.startswith("lmt_")
    assert len(secret) == 52
    assert await rows(api_tokens, "digest", "prefix") == [{"digest": digest_secret(secret), "prefix": secret[:12]}]
    entry = (await rows(audit_logs, "action", "entity_id", "actor_name", "new_values_json"))[-1]
    values = (
        f'{{"name":"ci","prefix":"{secret[:12]}","userId":{admin.id},"permissions":["CanViewAlerts","CanViewLogs"],'
        '"expiresAt":"2026-06-02T08:00:00Z","revokedAt":null}'
    )
    assert entry == {"action": "ApiToken.Created", "entity_id": str(token.id), "actor_name": "admin", "new_values_json": values}
    assert await rows(revisions, "operation", "after_json") == [{"operation": "Created", "after_json": values}]


async def test_create_api_token_with_every_fault(database: Database, admin: User, clock: Clock) -> None:
    """All faults are named at once: the owner's state, the name, the subset and the end."""
    viewer = await make_viewer(database, admin, clock)
    async with database.write() as tx:
        await deactivate_user(tx, system_caller(admin.organization_id), viewer.id, clock.now())
        with pytest.raises(LumetryError) as failure:
            await create_api_token(
                tx,
                system_caller(admin.organization_id),
                viewer.id,
                name=" ",
                permissions=["CanViewAlerts", "CanFly", "CanViewLogs"],
                expire_time=clock.now(),
                now=clock.now(),
            )
    assert failure.value.faults == (
        Fault("userId", "must be an active user"),
        Fault("name", "must have 1 to 100 printable characters"),
        Fault("expiresAt", "must be in the future"),
        Fault("permissions[1]", "is not a permission: CanFly"),
        Fault("permissions[2]", "is not held by the owner: CanViewLogs"),
    )


async def test_create_api_token_with_an_empty_subset(database: Database, admin: User, clock: Clock) -> None:
    """A token that may do nothing is a mistake."""
    with pytest.raises(LumetryError) as failure:
        async with database.write() as tx:
            await create_api_token(tx, interactive(admin), admin.id, name="ci", permissions=[], expire_time=None, now=clock.now())
    assert failure.value.faults == (Fault("permissions", "must name at least one permission"),)


async def test_create_api_token_by_the_wrong_caller(database: Database, admin: User, clock: Clock) -> None:
    """Only people with an interactive login make tokens, only their own, and only in their organization."""
    viewer = await make_viewer(database, admin, clock)
    for caller, reason in (
        (replace(interactive(admin), kind=CredentialKind.API_TOKEN), Reason.INTERACTIVE_ONLY),
        (interactive(viewer), Reason.PERMISSION_DENIED),
        (system_caller(admin.organization_id + 1), Reason.NOT_FOUND),
    ):
        with pytest.raises(LumetryError) as failure:
            async with database.write() as tx:
                await create_api_token(tx, caller, admin.id, name="ci", permissions=None, expire_time=None, now=clock.now())
        assert failure.value.reason is reason


async def test_revoke_api_token_once(database: Database, admin: User, clock: Clock, rows: Callable) -> None:
    """The owner ends a token; a repetition changes nothing and is not audited again."""
    async with database.write() as tx:
        token, _ = await create_api_token(tx, interactive(admin), admin.id, name="ci", permissions=None, expire_time=None, now=clock.now())
    async with database.write() as tx:
        revoked = replace(token, revoke_time=clock.now())
        assert await revoke_api_token(tx, interactive(admin), token.id, clock.now()) == revoked
        assert tx.wakes == {"credentials"}
        assert await revoke_api_token(tx, interactive(admin), token.id, clock.now() + timedelta(days=1)) == revoked
    assert [row["action"] for row in await rows(audit_logs, "action")][-2:] == ["ApiToken.Created", "ApiToken.Revoked"]
    assert [row["operation"] for row in await rows(revisions, "operation")] == ["Created", "Updated"]


async def test_revoke_api_token_of_another(database: Database, admin: User, clock: Clock) -> None:
    """Others' tokens need CanManageUsers, else they do not exist for the caller; API tokens revoke nothing."""
    viewer = await make_viewer(database, admin, clock)
    async with database.write() as tx:
        token, _ = await create_api_token(tx, interactive(admin), admin.id, name="ci", permissions=None, expire_time=None, now=clock.now())
    for caller, reason in (
        (interactive(viewer), Reason.NOT_FOUND),
        (system_caller(admin.organization_id + 1), Reason.NOT_FOUND),
        (replace(interactive(admin), kind=CredentialKind.API_TOKEN), Reason.INTERACTIVE_ONLY),
    ):
        with pytest.raises(LumetryError) as failure:
            async with database.write() as tx:
                await revoke_api_token(tx, caller, token.id, clock.now())
        assert failure.value.reason is reason
    async with database.write() as tx:
        revoked = await revoke_api_token(tx, interactive(viewer, Permission.MANAGE_USERS), token.id, clock.now())
    assert revoked.revoke_time == clock.now()


async def test_list_api_tokens_with_what_they_may_do(database: Database, admin: User, clock: Clock) -> None:
    """Everyone sees their own tokens, dead ones included, newest first; those who manage users see all of the organization."""
    viewer = await make_viewer(database, admin, clock)
    system = system_caller(admin.organization_id)

    async def create(names: list[str] | None) -> ApiToken:
        async with database.write() as tx:
            token, _ = await create_api_token(tx, system, viewer.id, name="ci", permissions=names, expire_time=None, now=clock.now())
        return token

    whole, narrowed = await create(None), await create(["CanViewAlerts"])
    async with database.write() as tx:
        revoked = await revoke_api_token(tx, system, whole.id, clock.now())
        change = UserChange(roles=("Ingest",), is_active=True)
        await update_user(tx, system, viewer.id, change, clock.now())
        expected = [
            ListedToken(narrowed, frozenset()),
            ListedToken(revoked, frozenset({Permission.INGEST_METRICS, Permission.INGEST_LOGS})),
        ]
        assert await list_api_tokens(tx, interactive(viewer), None) == expected
        assert await list_api_tokens(tx, interactive(viewer), viewer.id) == expected
        assert await list_api_tokens(tx, interactive(admin, Permission.MANAGE_USERS), viewer.id) == expected
        for caller, user_id, reason in (
            (interactive(viewer), admin.id, Reason.PERMISSION_DENIED),
            (interactive(admin, Permission.MANAGE_USERS), 2**40, Reason.NOT_FOUND),
            (replace(interactive(admin, Permission.MANAGE_USERS), organization_id=admin.organization_id + 1), viewer.id, Reason.NOT_FOUND),
        ):
            with pytest.raises(LumetryError) as failure:
                await list_api_tokens(tx, caller, user_id)
            assert failure.value.reason is reason
