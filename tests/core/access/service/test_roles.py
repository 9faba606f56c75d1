import asyncio
from collections.abc import Callable

import pytest

from lumetry_core.access.model import BUILT_IN_ROLES, NewUser, Role, User, UserChange
from lumetry_core.access.service.organizations import create_organization
from lumetry_core.access.service.roles import create_role, list_roles, read_role, update_role
from lumetry_core.access.service.users import create_user, deactivate_user, update_user
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission, system_caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason


def manager(admin: User, *permissions: Permission) -> Caller:
    return Caller(
        organization_id=admin.organization_id,
        kind=CredentialKind.INTERACTIVE,
        user_id=admin.id,
        user_name="admin",
        permissions=frozenset({Permission.MANAGE_USERS, *permissions}),
    )


async def test_create_role_is_listed_by_name(database: Database, admin: User, clock: Clock, rows: Callable) -> None:
    """Texts are trimmed, permissions are in order, users are counted; another organization does not see the role."""
    async with database.write() as tx:
        other = await create_organization(tx, "Acme", clock.now())
        role = await create_role(
            tx,
            manager(admin, *Permission),
            name=" Night shift ",
            description="  ",
            permissions=["CanViewLogs", "CanViewAlerts", "CanViewLogs"],
            now=clock.now(),
        )
        for name in ("ann", "bob"):
            await create_user(tx, system_caller(admin.organization_id), NewUser(name, roles=("night SHIFT",)), clock.now())
        listed = await list_roles(tx, manager(admin))
        assert [role.name for role in await list_roles(tx, system_caller(other.id))] == sorted(BUILT_IN_ROLES)
    expected = Role(
        id=role.id,
        organization_id=admin.organization_id,
        name="Night shift",
        description=None,
        is_built_in=False,
        permissions=frozenset({Permission.VIEW_ALERTS, Permission.VIEW_LOGS}),
        user_count=2,
        create_time=clock.now(),
        update_time=clock.now(),
    )
    assert [(each.name, each.user_count) for each in listed] == [
        ("Admin", 1),
        ("Engineer", 0),
        ("Ingest", 0),
        ("Night shift", 2),
        ("Operator", 0),
        ("Viewer", 0),
    ]
    assert listed[3] == expected
    entry = next(row for row in await rows(audit_logs, "action", "new_values_json") if row["action"] == "Role.Created")
    assert entry["new_values_json"] == '{"name":"Night shift","description":null,"permissions":["CanViewAlerts","CanViewLogs"]}'


async def test_create_role_with_every_fault(database: Database, admin: User, clock: Clock) -> None:
    """All faults are named at once; a taken name is found when nothing else is wrong."""
    async with database.write() as tx:
        for name, permissions, faults in (
            (
                " ",
                ["CanFly"],
                (Fault("name", "must have 1 to 64 printable characters"), Fault("permissions[0]", "is not a permission: CanFly")),
            ),
            ("x", [], (Fault("permissions", "must name at least one permission"),)),
            ("ADMIN", ["CanViewAlerts"], (Fault("name", "is taken"),)),
        ):
            with pytest.raises(LumetryError) as failure:
                await create_role(
                    tx, system_caller(admin.organization_id), name=name, description=None, permissions=permissions, now=clock.now()
                )
            assert (failure.value.reason, failure.value.faults) == (Reason.VALIDATION_FAILED, faults)


async def test_create_role_with_more_than_the_caller_has(database: Database, admin: User, clock: Clock) -> None:
    """Nobody grants what they do not have."""
    async with database.write() as tx:
        with pytest.raises(LumetryError) as failure:
            await create_role(
                tx, manager(admin), name="x", description=None, permissions=["CanViewAlerts", "CanManageUsers"], now=clock.now()
            )
    assert (failure.value.reason, failure.value.metadata) == (Reason.PERMISSION_DENIED, {"permission": "CanViewAlerts"})


async def test_update_role_changes_what_its_users_may(database: Database, admin: User, clock: Clock) -> None:
    """What a role had may stay though the caller lacks it; what is new must be the caller's; remembered permissions are dropped."""
    system = system_caller(admin.organization_id)
    async with database.write() as tx:
        role = await create_role(tx, system, name="x", description="d", permissions=["CanViewLogs"], now=clock.now())
        tx.wakes.clear()
        clock.advance(seconds=1)
        caller = manager(admin, Permission.VIEW_ALERTS)
        changed = await update_role(
            tx, caller, role.id, name="X", description=None, permissions=["CanViewLogs", "CanViewAlerts"], now=clock.now()
        )
        assert (changed.name, changed.description, changed.update_time) == ("X", None, clock.now())
        assert changed.permissions == {Permission.VIEW_LOGS, Permission.VIEW_ALERTS}
        assert tx.wakes == {"credentials"}
        with pytest.raises(LumetryError) as failure:
            await update_role(tx, caller, role.id, name="X", description=None, permissions=["CanCloseAlerts"], now=clock.now())
        assert failure.value.reason is Reason.PERMISSION_DENIED


async def test_update_role_that_must_stay(database: Database, admin: User, clock: Clock) -> None:
    """Built-in roles, names of others and roles of other organizations are out of reach."""
    system = system_caller(admin.organization_id)
    async with database.write() as tx:
        viewer = next(role for role in await list_roles(tx, system) if role.name == "Viewer")
        own = await create_role(tx, system, name="x", description=None, permissions=["CanViewLogs"], now=clock.now())
        for caller, role_id, name, reason in (
            (system, viewer.id, "Viewer", Reason.CONFLICT),
            (system, own.id, "viewer", Reason.VALIDATION_FAILED),
            (system_caller(admin.organization_id + 1), own.id, "y", Reason.NOT_FOUND),
        ):
            with pytest.raises(LumetryError) as failure:
                await update_role(tx, caller, role_id, name=name, description=None, permissions=["CanViewLogs"], now=clock.now())
            assert failure.value.reason is reason
        assert await read_role(tx, admin.organization_id, own.id) == own


async def test_update_role_of_the_last_manager(database: Database, admin: User, clock: Clock) -> None:
    """Somebody active must be left who may manage users."""
    system = system_caller(admin.organization_id)
    async with database.write() as tx:
        role = await create_role(tx, system, name="x", description=None, permissions=["CanManageUsers"], now=clock.now())
        await create_user(tx, system, NewUser("ann", roles=("x",)), clock.now())
        await deactivate_user(tx, system, admin.id, clock.now())
    with pytest.raises(LumetryError) as failure:
        async with database.write() as tx:
            await update_role(tx, system, role.id, name="x", description=None, permissions=["CanViewLogs"], now=clock.now())
    assert (failure.value.reason, failure.value.metadata["state"]) == (Reason.CONFLICT, "last")


async def test_update_role_while_the_other_manager_leaves(database: Database, admin: User, clock: Clock) -> None:
    """Of changes that each rely on the other's manager, one is refused."""
    system = system_caller(admin.organization_id)
    async with database.write() as tx:
        role = await create_role(tx, system, name="x", description=None, permissions=["CanManageUsers"], now=clock.now())
        await create_user(tx, system, NewUser("ann", roles=("x",)), clock.now())

    async def narrow() -> None:
        async with database.write() as tx:
            await update_role(tx, system, role.id, name="x", description=None, permissions=["CanViewLogs"], now=clock.now())

    async def demote() -> None:
        async with database.write() as tx:
            await update_user(tx, system, admin.id, UserChange(roles=("Viewer",), is_active=True), clock.now())

    results = await asyncio.gather(narrow(), demote(), return_exceptions=True)
    assert [result.reason for result in results if isinstance(result, LumetryError)] == [Reason.CONFLICT]
