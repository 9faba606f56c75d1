from collections.abc import Callable
from datetime import timedelta

import pytest

from lumetry_core.access.keys import LogKey, LogKeyAccess
from lumetry_core.access.model import User
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.log_keys import count_active_log_keys, create_log_key, list_log_keys, revoke_log_key
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.access.store.log_keys import log_keys
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission, system_caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.runtime.identifiers import digest_secret

PROJECT = "11111111-1111-4111-8111-111111111111"
OTHER_PROJECT = "22222222-2222-4222-8222-222222222222"


def caller_of(user: User) -> Caller:
    return Caller(organization_id=user.organization_id, kind=CredentialKind.INTERACTIVE, user_id=user.id, user_name=user.username)


async def create(
    tx: Transaction, admin: User, clock: Clock, name: str = "web", project_id: str = PROJECT, access: str = ""
) -> tuple[LogKey, str]:
    return await create_log_key(
        tx, caller_of(admin), name=name, project_id=project_id, environment="", access=access, expire_time=None, now=clock.now()
    )


async def test_create_log_key_stores_no_secret(database: Database, admin: User, clock: Clock, rows: Callable) -> None:
    """The secret is shown once; without further words a key is for production and opens everything."""
    async with database.write() as tx:
        key, secret = await create(tx, admin, clock, " web ")
    assert key == LogKey(
        id=key.id,
        number=key.number,
        organization_id=admin.organization_id,
        project_id=PROJECT,
        name="web",
        prefix=secret[:12],
        environment="production",
        access=LogKeyAccess.FULL,
        created_by="admin",
        create_time=clock.now(),
        expire_time=None,
        last_used_time=None,
        revoke_time=None,
    )
    assert secret.startswith("ll_")
    assert (len(secret), len(key.id)) == (51, 36)
    assert await rows(log_keys, "digest") == [{"digest": digest_secret(secret)}]
    assert (await rows(audit_logs, "action", "entity_id", "actor_name"))[-1] == {
        "action": "LogKey.Created",
        "entity_id": key.id,
        "actor_name": "admin",
    }


async def test_create_log_key_with_every_fault(database: Database, admin: User, clock: Clock) -> None:
    """All faults are named at once; an end in the past alone is one of range."""
    async with database.write() as tx:
        with pytest.raises(LumetryError) as failure:
            await create_log_key(
                tx,
                caller_of(admin),
                name="x" * 121,
                project_id=PROJECT,
                environment="moon",
                access="half",
                expire_time=clock.now(),
                now=clock.now(),
            )
        assert (failure.value.reason, failure.value.faults) == (
            Reason.VALIDATION_FAILED,
            (
                Fault("name", "must have 1 to 120 printable characters"),
                Fault("environment", "must be one of production, staging, development"),
                Fault("access", "must be one of full, ingest"),
                Fault("expires_at", "must be in the future"),
            ),
        )
        with pytest.raises(LumetryError) as failure:
            await create_log_key(
                tx,
                caller_of(admin),
                name="x",
                project_id=PROJECT,
                environment="",
                access="",
                expire_time=clock.now(),
                now=clock.now(),
            )
        assert failure.value.reason is Reason.OUT_OF_RANGE


async def test_create_log_key_with_a_taken_name(database: Database, admin: User, clock: Clock) -> None:
    """A name is the organization's once, ignoring case, and free again after a revocation."""
    async with database.write() as tx:
        key, _ = await create(tx, admin, clock)
        with pytest.raises(LumetryError) as failure:
            await create(tx, admin, clock, "WEB", OTHER_PROJECT)
        assert (failure.value.reason, failure.value.metadata) == (Reason.DUPLICATE_NAME, {"type": "LogKey", "name": "WEB"})
        await revoke_log_key(tx, caller_of(admin), key.id, clock.now())
        await create(tx, admin, clock, "WEB", OTHER_PROJECT)


async def test_list_log_keys_newest_first(database: Database, admin: User, clock: Clock) -> None:
    """Living keys are listed, of a project or all; another organization sees none of them."""
    async with database.write() as tx:
        first, _ = await create(tx, admin, clock, "a")
        second, _ = await create(tx, admin, clock, "b", OTHER_PROJECT)
        third, _ = await create(tx, admin, clock, "c")
        revoked, _ = await create(tx, admin, clock, "d")
        await revoke_log_key(tx, caller_of(admin), revoked.id, clock.now())
        assert await list_log_keys(tx, caller_of(admin), None) == [third, second, first]
        assert await list_log_keys(tx, caller_of(admin), PROJECT) == [third, first]
        assert await list_log_keys(tx, system_caller(admin.organization_id + 1), None) == []
        assert await count_active_log_keys(tx, admin.organization_id, PROJECT) == 2
        assert await count_active_log_keys(tx, admin.organization_id + 1, PROJECT) == 0


async def test_revoke_log_key_once(database: Database, admin: User, clock: Clock) -> None:
    """A second time is a conflict; unknown keys and those of others do not exist."""
    async with database.write() as tx:
        key, _ = await create(tx, admin, clock)
        for caller, key_id in ((system_caller(admin.organization_id + 1), key.id), (caller_of(admin), PROJECT)):
            with pytest.raises(LumetryError) as failure:
                await revoke_log_key(tx, caller, key_id, clock.now())
            assert failure.value.reason is Reason.NOT_FOUND
        tx.wakes.clear()
        assert (await revoke_log_key(tx, caller_of(admin), key.id, clock.now())).revoke_time == clock.now()
        assert tx.wakes == {"credentials"}
        with pytest.raises(LumetryError) as failure:
            await revoke_log_key(tx, caller_of(admin), key.id, clock.now())
        assert failure.value.reason is Reason.CONFLICT


@pytest.mark.parametrize(
    ("access", "permissions"),
    [("full", {Permission.INGEST_LOGS, Permission.VIEW_LOGS}), ("ingest", {Permission.INGEST_LOGS})],
)
async def test_authenticate_a_log_key(
    database: Database, admin: User, clock: Clock, origin_of: Callable, access: str, permissions: set[Permission]
) -> None:
    """A key acts for its project with what its access opens, until it ends."""
    async with database.write() as tx:
        key, secret = await create_log_key(
            tx,
            caller_of(admin),
            name="web",
            project_id=PROJECT,
            environment="staging",
            access=access,
            expire_time=clock.now() + timedelta(days=1),
            now=clock.now(),
        )
    authenticator = Authenticator(database, clock)
    assert await authenticator(origin_of(secret)) == Caller(
        organization_id=admin.organization_id,
        kind=CredentialKind.LOG_KEY,
        credential_id=key.number,
        permissions=frozenset(permissions),
        project_id=PROJECT,
        environment="staging",
        request_id="request-1",
        address="192.0.2.1",
        user_agent="tests",
    )
    clock.advance(days=1)
    with pytest.raises(LumetryError) as failure:
        await authenticator(origin_of(secret))
    assert failure.value.reason is Reason.UNAUTHENTICATED
