from collections.abc import Awaitable, Callable

import pytest

from lumetry_core.access.model import NewUser, Organization, User
from lumetry_core.access.oidc import Identity, LoginRefusedError, OidcSettings
from lumetry_core.access.service.oidc_users import admit_identity
from lumetry_core.access.service.organizations import create_organization
from lumetry_core.access.service.users import create_user, deactivate_user, find_user_by_name
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.access.store.oidc import oidc_identities
from lumetry_core.access.store.users import users
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin

ISSUER = "https://id.example.com"
PASSWORD = "correct horse battery staple"
ANN = Identity(ISSUER, "1", "ann", "ann@example.com", is_email_verified=True, display_name="Ann")
CLOSED = OidcSettings(issuer=ISSUER, client_id="lumetry")
OPEN = OidcSettings(issuer=ISSUER, client_id="lumetry", default_roles="viewer, Ingest")

Admit = Callable[..., Awaitable[User]]
Create = Callable[..., Awaitable[User]]


@pytest.fixture
def admit(database: Database, clock: Clock, admin: User, origin_of: Callable[..., Origin]) -> Admit:
    """Lets an identity in and tells the user."""

    async def run(identity: Identity, settings: OidcSettings = CLOSED) -> User:
        async with database.write() as tx:
            candidate = await admit_identity(tx, identity, settings, origin_of(), clock.now())
            return await find_user_by_name(tx, candidate.username)

    return run


@pytest.fixture
def create(database: Database, clock: Clock, admin: User) -> Create:
    """Creates a user without password."""

    async def run(username: str, email: str | None = None, password: str | None = None, organization: Organization | None = None) -> User:
        caller = system_caller(admin.organization_id if organization is None else organization.id)
        new = NewUser(username, roles=("Viewer",), email=email, password=password)
        async with database.write() as tx:
            return await create_user(tx, caller, new, clock.now())

    return run


@pytest.fixture
async def other(database: Database, clock: Clock, admin: User) -> Organization:
    async with database.write() as tx:
        return await create_organization(tx, "Other", clock.now())


async def why_not(attempt: Awaitable[object]) -> str:
    with pytest.raises(LoginRefusedError) as refusal:
        await attempt
    return str(refusal.value)


async def test_admit_by_verified_email(admit: Admit, create: Create) -> None:
    """A verified address finds the user who was created with it, ignoring case; the login name may differ."""
    user = await create("a.example", "ANN@example.com")
    assert (await admit(ANN)).id == user.id
    assert (await admit(Identity(ISSUER, "1"))).id == user.id


async def test_admit_by_username(admit: Admit, create: Create) -> None:
    """The login name finds the user, ignoring case; from then on the user is the provider's."""
    user = await create("Ann")
    found = await admit(Identity(ISSUER, "1", "ann"))
    assert (found.id, found.auth_provider_type) == (user.id, "Oidc")


async def test_admit_unverified_email(admit: Admit, create: Create) -> None:
    """An address that people can claim without proof finds nobody."""
    await create("somebody", "ann@example.com")
    unproven = Identity(ISSUER, "1", "ann", "ann@example.com")
    assert await why_not(admit(unproven)) == "Nobody created a user for this identity."
    assert (await admit(unproven, OPEN)).username == "ann"


async def test_admit_username_of_another_address(admit: Admit, create: Create) -> None:
    """A login name, which people may choose themselves at some providers, opens no user with another address."""
    await create("ann", "ann@other.example.com")
    assert await why_not(admit(ANN, OPEN)) == "The user ann has another e-mail address."


@pytest.mark.parametrize("identity", [ANN, Identity(ISSUER, "1", "ann")])
async def test_admit_user_with_password(admit: Admit, create: Create, identity: Identity) -> None:
    """Users who log in with a password are never taken over, nor doubled."""
    await create("ann", "ann@example.com", PASSWORD)
    assert await why_not(admit(identity, OPEN)) == "The user ann logs in with a password."


async def test_admit_admin(admit: Admit) -> None:
    """Calling oneself admin at the provider does not help."""
    assert await why_not(admit(Identity(ISSUER, "1", "Admin"), OPEN)) == "The user admin logs in with a password."


async def test_admit_deactivated(database: Database, clock: Clock, admin: User, admit: Admit, create: Create) -> None:
    """Deactivated users stay out, also those whose identity is seen for the first time."""
    user = await create("ann")
    async with database.write() as tx:
        await deactivate_user(tx, system_caller(admin.organization_id), user.id, clock.now())
    assert await why_not(admit(ANN, OPEN)) == "The user ann is deactivated."


async def test_admit_ambiguous_email(admit: Admit, create: Create) -> None:
    """An address of two users says nothing."""
    await create("ann", "ann@example.com")
    await create("ann2", "ann@example.com")
    assert await why_not(admit(ANN, OPEN)) == "Several users have the e-mail address ann@example.com."


async def test_admit_second_identity(admit: Admit, create: Create, rows: Callable) -> None:
    """A user's login name does not let a second identity in; the verified address does, instead of the first, which is out."""
    user = await create("ann", "ann@example.com")
    await admit(ANN)
    assert await why_not(admit(Identity(ISSUER, "2", "ann"), OPEN)) == "The user ann has another identity."
    anew = Identity(ISSUER, "3", "ann", "ann@example.com", is_email_verified=True)
    assert (await admit(anew)).id == user.id
    assert await rows(oidc_identities, "user_id", "subject") == [{"user_id": user.id, "subject": "3"}]
    assert (await rows(audit_logs, "action", "entity_id", "old_values_json", "new_values_json"))[-1] == {
        "action": "User.IdentityLinked",
        "entity_id": str(user.id),
        "old_values_json": '{"issuer":"https://id.example.com","subject":"1"}',
        "new_values_json": '{"issuer":"https://id.example.com","subject":"3"}',
    }
    assert await why_not(admit(Identity(ISSUER, "1"))) == "Nobody created a user for this identity."


async def test_admit_other_issuer(admit: Admit, create: Create) -> None:
    """The same subject at another issuer is somebody else."""
    await create("ann")
    await admit(ANN)
    assert await why_not(admit(Identity("https://other.example.com", "1", "bob"))) == "Nobody created a user for this identity."


async def test_admit_into_organizations(admit: Admit, create: Create, other: Organization) -> None:
    """Login names determine the organization; addresses and new users belong to the one that is set, or the first."""
    theirs = await create("bob", organization=other)
    assert (await admit(Identity(ISSUER, "2", "bob"))).organization_id == theirs.organization_id == other.id
    await create("somebody", "ann@example.com", organization=other)
    assert await why_not(admit(ANN)) == "Nobody created a user for this identity."
    there = OidcSettings(issuer=ISSUER, client_id="lumetry", default_roles="Viewer", organization=" other ")
    assert (await admit(Identity(ISSUER, "3", "carl"), there)).organization_id == other.id
    assert (await admit(ANN, there)).username == "somebody"


async def test_admit_provisions(admin: User, admit: Admit, rows: Callable) -> None:
    """New users have the default roles, the provider's names, and the first usable login name."""
    created = [
        await admit(ANN, OPEN),
        await admit(Identity(ISSUER, "2", None, "bob@example.com"), OPEN),
        await admit(Identity(ISSUER, "3", None, "carl+ops@example.com"), OPEN),
    ]
    assert [(user.username, user.email, user.display_name, user.roles, user.organization_id) for user in created] == [
        ("ann", "ann@example.com", "Ann", ("Ingest", "Viewer"), admin.organization_id),
        ("bob@example.com", "bob@example.com", None, ("Ingest", "Viewer"), admin.organization_id),
        (created[2].username, "carl+ops@example.com", None, ("Ingest", "Viewer"), admin.organization_id),
    ]
    assert created[2].username == f"oidc-{Identity(ISSUER, '3').digest.hex()[:24]}"
    assert {row["auth_provider_type"] for row in (await rows(users, "auth_provider_type"))[1:]} == {"Oidc"}
