import asyncio
from collections.abc import Callable

import pytest

from lumetry_core.access.model import BUILT_IN_ROLES, Organization, User
from lumetry_core.access.service.organizations import bootstrap, create_organization, find_organization, list_organization_ids
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.access.store.roles import roles
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason


async def test_bootstrap_creates_the_administrator(database: Database, admin: User, clock: Clock, rows: Callable) -> None:
    """The first start makes an organization, its built-in roles and an Admin; audited, without the password."""
    assert admin == User(
        id=admin.id,
        organization_id=admin.organization_id,
        username="admin",
        email=None,
        display_name=None,
        auth_provider_type="Local",
        is_active=True,
        roles=("Admin",),
        create_time=clock.now(),
        last_login_time=None,
    )
    assert [row["name"] for row in await rows(roles, "name")] == list(BUILT_IN_ROLES)
    assert await rows(audit_logs, "action", "entity_id", "new_values_json", "actor_name") == [
        {
            "action": "Organization.Created",
            "entity_id": str(admin.organization_id),
            "new_values_json": '{"name":"Default"}',
            "actor_name": "system",
        },
        {
            "action": "User.Created",
            "entity_id": str(admin.id),
            "new_values_json": '{"username":"admin","email":null,"displayName":null,"roles":["Admin"],"isActive":true}',
            "actor_name": "system",
        },
    ]


async def test_bootstrap_repeated(database: Database, admin: User, clock: Clock, password: str) -> None:
    """With users there is nothing to do."""
    async with database.write() as tx:
        assert await bootstrap(tx, clock.now(), password) is None
        assert await list_organization_ids(tx) == [admin.organization_id]


async def test_bootstrap_at_once(database: Database, clock: Clock, password: str) -> None:
    """Of processes that start together exactly one creates."""

    async def start() -> User | None:
        async with database.write() as tx:
            return await bootstrap(tx, clock.now(), password)

    users = await asyncio.gather(start(), start(), start())
    assert sorted(user is not None for user in users) == [False, False, True]


async def test_bootstrap_with_an_organization_but_no_user(database: Database, clock: Clock, password: str) -> None:
    """An organization that the operator made first becomes the administrator's."""
    async with database.write() as tx:
        organization = await create_organization(tx, "Acme", clock.now())
        user = await bootstrap(tx, clock.now(), password)
        assert user is not None
        assert user.organization_id == organization.id
        assert await list_organization_ids(tx) == [organization.id]


async def test_bootstrap_with_a_short_password(database: Database, clock: Clock) -> None:
    """A weak configured password stops the start and nothing is made."""
    with pytest.raises(LumetryError) as failure:
        async with database.write() as tx:
            await bootstrap(tx, clock.now(), "short")
    assert failure.value.faults == (Fault("password", "must have 12 to 1024 characters"),)
    async with database.read() as tx:
        assert await list_organization_ids(tx) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("  ", "must have 1 to 100 printable characters"),
        ("x" * 101, "must have 1 to 100 printable characters"),
        ("a\0b", "must have 1 to 100 printable characters"),
        (" dEFAULT", "is taken"),
    ],
)
async def test_create_organization_with_a_bad_name(database: Database, admin: User, clock: Clock, name: str, message: str) -> None:
    """Names are printable and unique in the deployment, ignoring case."""
    with pytest.raises(LumetryError) as failure:
        async with database.write() as tx:
            await create_organization(tx, name, clock.now())
    assert (failure.value.reason, failure.value.faults) == (Reason.VALIDATION_FAILED, (Fault("name", message),))


async def test_find_organization_by_name(database: Database, admin: User, clock: Clock) -> None:
    """A name finds its organization; no name finds the only one and is refused when there are several."""
    only = Organization(admin.organization_id, "Default", "default", clock.now())
    async with database.write() as tx:
        assert await find_organization(tx, "DEFAULT ") == only
        assert await find_organization(tx, None) == only
        with pytest.raises(LumetryError) as unknown:
            await find_organization(tx, "Acme")
        acme = await create_organization(tx, "Acme", clock.now())
        assert await find_organization(tx, "acme") == acme
        with pytest.raises(LumetryError) as several:
            await find_organization(tx, None)
        assert await list_organization_ids(tx) == [only.id, acme.id]
    assert (unknown.value.reason, several.value.reason) == (Reason.NOT_FOUND, Reason.CONFLICT)


async def test_find_organization_in_an_empty_deployment(database: Database) -> None:
    """There may be none yet."""
    with pytest.raises(LumetryError) as failure:
        async with database.read() as tx:
            await find_organization(tx, None)
    assert failure.value.reason is Reason.NOT_FOUND
