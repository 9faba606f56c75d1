from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from lumetry_core.access.keys import WorkspaceKey
from lumetry_core.access.model import NewUser, User, UserChange
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.users import create_user, deactivate_user, update_user
from lumetry_core.access.service.workspace_keys import create_workspace_key, list_workspace_keys, revoke_workspace_key
from lumetry_core.access.store.workspace_keys import workspace_keys
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission, system_caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin
from tests.core.notices.people import read_inbox


def caller_of(user: User) -> Caller:
    return Caller(organization_id=user.organization_id, kind=CredentialKind.INTERACTIVE, user_id=user.id, user_name=user.username)


async def create(
    tx: Transaction,
    user: User,
    clock: Clock,
    *,
    name: str = "ci",
    scopes: Sequence[str] = (),
    expire_time: datetime | None = None,
    production: bool = True,
) -> tuple[WorkspaceKey, str]:
    return await create_workspace_key(
        tx, caller_of(user), user.id, name=name, scopes=scopes, expire_time=expire_time, production=production, now=clock.now()
    )


async def is_refused(authenticator: Authenticator, origin: Origin) -> bool:
    try:
        await authenticator(origin)
    except LumetryError as error:
        return error.reason is Reason.UNAUTHENTICATED
    return False


async def test_create_workspace_key_with_scopes(database: Database, admin: User, clock: Clock) -> None:
    """Scopes are kept as asked for, each once and in order; the deployment decides the prefix."""
    async with database.write() as tx:
        key, secret = await create(tx, admin, clock, name=" ci ", scopes=["user:read", "files:write", "files:write"])
        _, test_secret = await create(tx, admin, clock, production=False)
    assert key == WorkspaceKey(
        id=key.id,
        number=key.number,
        organization_id=admin.organization_id,
        user_id=admin.id,
        name="ci",
        prefix=secret[:12],
        scopes=("files:write", "user:read"),
        create_time=clock.now(),
        expire_time=None,
        last_used_time=None,
        revoke_time=None,
    )
    assert secret.startswith("alm_live_")
    assert test_secret.startswith("alm_test_")
    assert len(secret) == 57


async def test_create_workspace_key_with_every_fault(database: Database, admin: User, clock: Clock) -> None:
    """Wrong fields are told from ends outside their range."""
    async with database.write() as tx:
        for scopes, expire_time, reason, faults in (
            (
                ["files:fly", "user:read", "user:write"],
                None,
                Reason.VALIDATION_FAILED,
                (Fault("scopes[0]", "is not a scope: files:fly"), Fault("scopes[2]", "is not a scope: user:write")),
            ),
            ([], clock.now() + timedelta(minutes=59), Reason.OUT_OF_RANGE, (Fault("expiresAt", "must be 1 hour to 10 years ahead"),)),
            ([], clock.now() + timedelta(days=3654), Reason.OUT_OF_RANGE, (Fault("expiresAt", "must be 1 hour to 10 years ahead"),)),
        ):
            with pytest.raises(LumetryError) as failure:
                await create(tx, admin, clock, scopes=scopes, expire_time=expire_time)
            assert (failure.value.reason, failure.value.faults) == (reason, faults)


async def test_create_workspace_key_beyond_the_limit(database: Database, admin: User, clock: Clock) -> None:
    """Fifty active keys are enough; ended ones do not count."""
    async with database.write() as tx:
        keys = [(await create(tx, admin, clock))[0] for _ in range(49)]
        await create(tx, admin, clock, expire_time=clock.now() + timedelta(hours=1))
        with pytest.raises(LumetryError) as failure:
            await create(tx, admin, clock)
        assert failure.value.reason is Reason.CONFLICT
        clock.advance(hours=1)
        await create(tx, admin, clock)
        with pytest.raises(LumetryError):
            await create(tx, admin, clock)
        await revoke_workspace_key(tx, caller_of(admin), keys[0].id, clock.now())
        await create(tx, admin, clock)


async def test_list_and_revoke_workspace_keys_of_ones_own(database: Database, admin: User, clock: Clock) -> None:
    """Everyone sees their own living keys, newest first; another's do not exist; ending one twice is a conflict."""
    async with database.write() as tx:
        ann = await create_user(tx, system_caller(admin.organization_id), NewUser("ann", roles=("Viewer",)), clock.now())
        first, _ = await create(tx, admin, clock)
        second, _ = await create(tx, admin, clock)
        assert await list_workspace_keys(tx, caller_of(admin)) == [second, first]
        assert await list_workspace_keys(tx, caller_of(ann)) == []
        with pytest.raises(LumetryError) as failure:
            await revoke_workspace_key(tx, caller_of(ann), first.id, clock.now())
        assert failure.value.reason is Reason.NOT_FOUND
        assert await revoke_workspace_key(tx, caller_of(admin), first.id, clock.now()) == replace(first, revoke_time=clock.now())
        with pytest.raises(LumetryError) as failure:
            await revoke_workspace_key(tx, caller_of(admin), first.id, clock.now())
        assert failure.value.reason is Reason.CONFLICT
        assert await list_workspace_keys(tx, caller_of(admin)) == [second]


async def test_authenticate_a_workspace_key(database: Database, admin: User, clock: Clock, origin_of: Callable[..., Origin]) -> None:
    """A key acts with what its owner may do now and the scopes it has, writing including reading; without scopes it is not narrowed."""
    system = system_caller(admin.organization_id)
    async with database.write() as tx:
        ann = await create_user(tx, system, NewUser("ann", roles=("Viewer",)), clock.now())
        key, secret = await create(tx, ann, clock, scopes=["files:write"])
        _, whole = await create(tx, ann, clock)
    authenticator = Authenticator(database, clock)
    caller = Caller(
        organization_id=ann.organization_id,
        kind=CredentialKind.WORKSPACE_KEY,
        credential_id=key.number,
        user_id=ann.id,
        user_name="ann",
        permissions=frozenset({Permission.VIEW_ALERTS}),
        scopes=frozenset({"files:read", "files:write"}),
        request_id="request-1",
        address="192.0.2.1",
        user_agent="tests",
    )
    assert await authenticator(origin_of(secret)) == caller
    assert (await authenticator(origin_of(whole))).scopes is None
    async with database.write() as tx:
        await update_user(tx, system, ann.id, UserChange(roles=("Ingest",), is_active=True), clock.now())
    authenticator.forget()
    granted = frozenset({Permission.INGEST_METRICS, Permission.INGEST_LOGS})
    assert await authenticator(origin_of(secret)) == replace(caller, permissions=granted)


async def test_authenticate_a_workspace_key_of_the_other_mode(
    database: Database, admin: User, clock: Clock, origin_of: Callable[..., Origin]
) -> None:
    """Live keys work in production alone, test keys anywhere else."""
    async with database.write() as tx:
        _, live = await create(tx, admin, clock)
        _, test = await create(tx, admin, clock, production=False)
    for production in (True, False):
        authenticator = Authenticator(database, clock, production=production)
        refused = [await is_refused(authenticator, origin_of(secret)) for secret in (live, test)]
        assert refused == [not production, production]


async def test_authenticate_a_workspace_key_after_its_end(
    database: Database, admin: User, clock: Clock, origin_of: Callable[..., Origin], rows: Callable
) -> None:
    """A key ends with its time, its revocation and for good with its owner's deactivation."""
    system = system_caller(admin.organization_id)
    async with database.write() as tx:
        ann = await create_user(tx, system, NewUser("ann", roles=("Viewer",)), clock.now())
        _, short = await create(tx, ann, clock, expire_time=clock.now() + timedelta(hours=1))
        revoked, revoked_secret = await create(tx, ann, clock)
        _, lasting = await create(tx, ann, clock)
        await revoke_workspace_key(tx, caller_of(ann), revoked.id, clock.now())
    authenticator = Authenticator(database, clock)
    assert [await is_refused(authenticator, origin_of(secret)) for secret in (short, revoked_secret, lasting)] == [False, True, False]
    clock.advance(hours=1)
    assert [await is_refused(authenticator, origin_of(secret)) for secret in (short, lasting)] == [True, False]
    async with database.write() as tx:
        await deactivate_user(tx, system, ann.id, clock.now())
        await update_user(tx, system, ann.id, UserChange(roles=("Viewer",), is_active=True), clock.now())
    authenticator.forget()
    assert await is_refused(authenticator, origin_of(lasting))
    assert {row["revoke_time"] is None for row in await rows(workspace_keys, "revoke_time")} == {False}


async def test_owner_is_told_of_keys_that_come_and_go(database: Database, clock: Clock, admin: User) -> None:
    """A notice for the creation and one for the revocation, without the secret, for the owner alone."""
    async with database.write() as tx:
        other = await create_user(tx, system_caller(admin.organization_id), NewUser(username="other", roles=("Admin",)), clock.now())
        key, secret = await create(tx, admin, clock)
    async with database.write() as tx:
        await revoke_workspace_key(tx, caller_of(admin), key.id, clock.now())
    told = await read_inbox(database, admin.organization_id, admin.id)
    assert [(notice.draft.kind.value, notice.draft.severity.value, notice.draft.title) for notice in told] == [
        ("api_key_created", "info", "API key created: ci"),
        ("api_key_revoked", "info", "API key revoked: ci"),
    ]
    assert [(notice.draft.resource_type, notice.draft.resource_id) for notice in told] == [("api_key", key.id)] * 2
    assert secret not in str(told)
    assert await read_inbox(database, admin.organization_id, other.id) == []
