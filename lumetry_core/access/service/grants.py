"""What one may grant to others, and that somebody is always left who may."""

from collections.abc import Collection

from lumetry_core.access.model import PERMISSION_BY_NAME, Role, name_key
from lumetry_core.access.store import users as user_store
from lumetry_core.runtime.caller import Caller, Permission
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason


def choose_roles(faults: Faults, names: Collection[str], known: dict[str, Role]) -> list[Role]:
    """The roles of these names, each once; notes faults under `roles`."""
    faults.check(bool(names), "roles", "must name at least one role")
    chosen = {}
    for position, name in enumerate(names):
        role = known.get(name_key(name.strip()))
        if role is None:
            faults.add(f"roles[{position}]", f"is not a role: {name}")
        else:
            chosen[role.id] = role
    return list(chosen.values())


def choose_permissions(faults: Faults, names: Collection[str]) -> frozenset[Permission]:
    """The permissions of these names; notes faults under `permissions`."""
    faults.check(bool(names), "permissions", "must name at least one permission")
    chosen = set()
    for position, name in enumerate(names):
        permission = PERMISSION_BY_NAME.get(name)
        if permission is None:
            faults.add(f"permissions[{position}]", f"is not a permission: {name}")
        else:
            chosen.add(permission)
    return frozenset(chosen)


def permissions_of(roles: Collection[Role]) -> frozenset[Permission]:
    """What these roles grant together."""
    return frozenset[Permission]().union(*(role.permissions for role in roles))


def check_grant(caller: Caller, granted: frozenset[Permission]) -> None:
    """Fails with PERMISSION_DENIED when the caller does not have what is granted. The system may grant everything."""
    missing = granted - caller.permissions
    if missing and caller.kind is not None:
        names = ", ".join(sorted(missing))
        raise LumetryError(Reason.PERMISSION_DENIED, f"Nobody can grant what they do not have: {names}.", permission=names)


async def check_somebody_manages_users(tx: Transaction, organization_id: int, user_id: object) -> None:
    """Fails with CONFLICT when, after a change, no active user of the organization may manage users.

    The change must have been made under `lock_users`: else two changes could each rely on the other's user.

    Args:
        user_id: The user, or the role, that was changed.
    """
    if Permission.MANAGE_USERS not in await user_store.read_active_permissions(tx, organization_id):
        raise LumetryError(
            Reason.CONFLICT,
            "No active user who may manage users would be left.",
            type="User",
            id=str(user_id),
            state="last",
        )
