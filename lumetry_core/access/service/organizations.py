"""Organizations, and what a new deployment starts with."""

from datetime import datetime

from lumetry_core.access.model import ADMIN_ROLE, BUILT_IN_ROLES, MAX_NAME_LENGTH, NewUser, Organization, User, invalid, slug_of
from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.users import create_user
from lumetry_core.access.store import organizations as store
from lumetry_core.access.store import roles as role_store
from lumetry_core.access.store import users as user_store
from lumetry_core.runtime.caller import Caller, system_caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found

FIRST_ORGANIZATION = "Default"
FIRST_USERNAME = "admin"
MAX_NAMESAKES = 1000
"""Organizations whose names make one slug."""


async def bootstrap(tx: Transaction, now: datetime, admin_password: str) -> User | None:
    """Gives a deployment without users an organization and a user `admin` who may do everything.

    Returns:
        The new user; None when there are users already. Of several processes that start at once, one creates.

    Fails with VALIDATION_FAILED (`password`).
    """
    if await user_store.has_users(tx):
        return None
    await user_store.lock_users(tx)
    if await user_store.has_users(tx):
        return None
    organization = await store.first_organization(tx) or await create_organization(tx, FIRST_ORGANIZATION, now)
    new = NewUser(username=FIRST_USERNAME, roles=(ADMIN_ROLE,), password=admin_password)
    return await create_user(tx, system_caller(organization.id), new, now)


async def create_organization(tx: Transaction, name: str, now: datetime) -> Organization:
    """Creates an organization with the built-in roles. Fails with VALIDATION_FAILED (`name`)."""
    name = name.strip()
    faults = Faults()
    faults.check(1 <= len(name) <= MAX_NAME_LENGTH and name.isprintable(), "name", f"must have 1 to {MAX_NAME_LENGTH} printable characters")
    faults.raise_if_any()
    organization = await insert_with_slug(tx, name, now)
    await role_store.insert_built_in_roles(tx, organization.id, tuple(BUILT_IN_ROLES), now)
    await record_audit(
        tx, system_caller(organization.id), "Organization.Created", "Organization", organization.id, now, after={"name": name}
    )
    return organization


async def insert_with_slug(tx: Transaction, name: str, now: datetime) -> Organization:
    """Adds an organization under the first free slug of its name. Fails with VALIDATION_FAILED (`name`)."""
    base = slug_of(name)
    for number in range(1, MAX_NAMESAKES):
        organization = await store.insert_organization(tx, name, base if number == 1 else f"{base}-{number}", now)
        if organization is not None:
            return organization
        if await store.find_organization(tx, name) is not None:
            break
    raise invalid("name", "is taken")


async def get_organization(tx: Transaction, caller: Caller, slug: str = "") -> tuple[Organization, int]:
    """The caller's organization and the number of its active users.

    Fails with NOT_FOUND when a slug is given and is not the organization's.
    """
    organization = await store.find_by_id(tx, caller.organization_id)
    if organization is None or slug not in ("", organization.slug):
        raise not_found("Organization", slug or caller.organization_id)
    return organization, await user_store.count_active_users(tx, caller.organization_id)


async def list_organizations(tx: Transaction) -> list[Organization]:
    """All organizations of the deployment, ascending by number; for the operator alone."""
    return await store.list_organizations(tx)


async def find_organization(tx: Transaction, name: str | None) -> Organization:
    """The organization of a name, ignoring case, or without a name the only one.

    Fails with NOT_FOUND; without a name with CONFLICT when there are several.
    """
    if name is not None:
        organization = await store.find_organization(tx, name.strip())
        if organization is None:
            raise not_found("Organization", name)
        return organization
    if await store.count_organizations(tx) > 1:
        raise LumetryError(Reason.CONFLICT, "There are several organizations; name one.", type="Organization", id="", state="several")
    first = await store.first_organization(tx)
    if first is None:
        raise not_found("Organization", FIRST_ORGANIZATION)
    return first


async def list_organization_ids(tx: Transaction) -> list[int]:
    """All organizations of the deployment, ascending."""
    return await store.list_organization_ids(tx)
