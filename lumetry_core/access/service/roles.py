"""Roles: named sets of permissions."""

from collections.abc import Collection
from datetime import datetime

from lumetry_core.access.model import (
    CREDENTIALS_CHANNEL,
    MAX_DESCRIPTION_LENGTH,
    MAX_ROLE_NAME_LENGTH,
    Role,
    in_order,
    invalid,
    name_key,
)
from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.grants import check_grant, check_somebody_manages_users, choose_permissions
from lumetry_core.access.store import roles as store
from lumetry_core.access.store import users as user_store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found

AUDIT_TYPE = "Role"


async def list_roles(tx: Transaction, caller: Caller) -> list[Role]:
    """The organization's roles, ascending by name."""
    return await store.list_roles(tx, caller.organization_id)


async def create_role(
    tx: Transaction, caller: Caller, *, name: str, description: str | None, permissions: Collection[str], now: datetime
) -> Role:
    """Creates a role.

    Fails with VALIDATION_FAILED (`name`, `description`, `permissions[i]`), and with PERMISSION_DENIED when it grants what the caller does
    not have.
    """
    name, description = name.strip(), optional_text(description)
    faults = Faults()
    check_texts(faults, name, description)
    chosen = choose_permissions(faults, permissions)
    faults.raise_if_any()
    check_grant(caller, chosen)
    role_id = await store.insert_role(
        tx,
        caller.organization_id,
        name=name,
        description=description,
        permissions=[permission.value for permission in in_order(chosen)],
        now=now,
    )
    if role_id is None:
        raise invalid("name", "is taken")
    role = await read_role(tx, caller.organization_id, role_id)
    await record_audit(tx, caller, "Role.Created", AUDIT_TYPE, role_id, now, after=audited(role))
    return role


async def update_role(
    tx: Transaction, caller: Caller, role_id: int, *, name: str, description: str | None, permissions: Collection[str], now: datetime
) -> Role:
    """Replaces a role; whoever has it may do what it says from now on.

    Fails with NOT_FOUND, VALIDATION_FAILED as `create_role`, with CONFLICT for a built-in role and when no active user would be left who
    may manage users, and with PERMISSION_DENIED when it newly grants what the caller does not have.
    """
    await user_store.lock_users(tx)
    await store.lock_roles(tx)
    before = await read_role(tx, caller.organization_id, role_id)
    if before.is_built_in:
        raise LumetryError(Reason.CONFLICT, "Built-in roles cannot be changed.", type=AUDIT_TYPE, id=str(role_id), state="built-in")
    name, description = name.strip(), optional_text(description)
    faults = Faults()
    check_texts(faults, name, description)
    chosen = choose_permissions(faults, permissions)
    others = await store.list_roles(tx, caller.organization_id)
    faults.check(all(role.id == role_id or name_key(role.name) != name_key(name) for role in others), "name", "is taken")
    faults.raise_if_any()
    check_grant(caller, chosen - before.permissions)
    await store.update_role(
        tx,
        caller.organization_id,
        role_id,
        name=name,
        description=description,
        permissions=[permission.value for permission in in_order(chosen)],
        now=now,
    )
    if before.permissions - chosen:
        await check_somebody_manages_users(tx, caller.organization_id, role_id)
    tx.wake(CREDENTIALS_CHANNEL)
    after = await read_role(tx, caller.organization_id, role_id)
    await record_audit(tx, caller, "Role.Updated", AUDIT_TYPE, role_id, now, before=audited(before), after=audited(after))
    return after


async def read_role(tx: Transaction, organization_id: int, role_id: int) -> Role:
    """The role of a number. Fails with NOT_FOUND."""
    role = await store.find_role(tx, organization_id, role_id)
    if role is None:
        raise not_found("Role", role_id)
    return role


def check_texts(faults: Faults, name: str, description: str | None) -> None:
    """Notes what is wrong with the texts of a role."""
    faults.check(
        1 <= len(name) <= MAX_ROLE_NAME_LENGTH and name.isprintable(), "name", f"must have 1 to {MAX_ROLE_NAME_LENGTH} printable characters"
    )
    faults.check(
        description is None or (len(description) <= MAX_DESCRIPTION_LENGTH and "\0" not in description),
        "description",
        f"must have at most {MAX_DESCRIPTION_LENGTH} characters",
    )


def optional_text(text: str | None) -> str | None:
    """A trimmed text; blanks are no text."""
    return (text.strip() or None) if text is not None else None


def audited(role: Role) -> dict[str, object]:
    """What the audit log keeps of a role."""
    return {"name": role.name, "description": role.description, "permissions": in_order(role.permissions)}
