"""Users: who may log in, and as what."""

from collections.abc import Collection
from datetime import datetime

from lumetry_core.access.model import (
    CREDENTIALS_CHANNEL,
    MAX_EMAIL_LENGTH,
    MAX_NAME_LENGTH,
    MAX_PASSWORD_LENGTH,
    MIN_PASSWORD_LENGTH,
    USERNAME,
    NewUser,
    Role,
    User,
    invalid,
    name_key,
)
from lumetry_core.access.passwords import hash_password
from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.store import organizations as organization_store
from lumetry_core.access.store import sessions as session_store
from lumetry_core.access.store import tokens as token_store
from lumetry_core.access.store import users as store
from lumetry_core.runtime.caller import Caller, Permission
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found


async def create_user(tx: Transaction, caller: Caller, new: NewUser, now: datetime) -> User:
    """Creates an active local user in the caller's organization.

    Fails with VALIDATION_FAILED (`username`, `email`, `displayName`, `password`, `roles[i]`), and with PERMISSION_DENIED when a role
    grants what the caller does not have.
    """
    known = {name_key(role.name): role for role in await organization_store.list_roles(tx, caller.organization_id)}
    email, display_name = optional_name(new.email), optional_name(new.display_name)
    faults = Faults()
    check_user(faults, new, email, display_name)
    if not faults and await store.find_login_candidate(tx, new.username) is not None:
        faults.add("username", "is taken")
    chosen = choose_roles(faults, new.roles, known)
    faults.raise_if_any()
    check_grant(caller, chosen)
    user_id = await store.insert_user(
        tx,
        caller.organization_id,
        username=new.username,
        email=email,
        display_name=display_name,
        # Slow inside a transaction, but users are created rarely, and what is refused above costs nothing.
        password_hash=None if new.password is None else await hash_password(new.password),
        role_ids=[role.id for role in chosen],
        now=now,
    )
    if user_id is None:
        raise invalid("username", "is taken")
    user = await read_user(tx, caller.organization_id, user_id)
    await record_audit(tx, caller, "User.Created", "User", user.id, now, after=audited(user))
    return user


async def deactivate_user(tx: Transaction, caller: Caller, user_id: int, now: datetime) -> User:
    """Makes a user inactive, which ends the login sessions and revokes the API tokens for good. Repeating it changes nothing.

    Fails with NOT_FOUND, and with CONFLICT for the caller's own user and for the last active one who may manage users.
    """
    before = await read_user(tx, caller.organization_id, user_id)
    if user_id == caller.user_id:
        raise LumetryError(Reason.CONFLICT, "Nobody can deactivate themselves.", type="User", id=str(user_id), state="own")
    await store.lock_users(tx)
    if not before.is_active or not await store.deactivate(tx, caller.organization_id, user_id):
        return before
    if not await has_user_manager(tx, caller.organization_id):
        raise LumetryError(
            Reason.CONFLICT, "This is the last active user who may manage users.", type="User", id=str(user_id), state="last"
        )
    await session_store.revoke_sessions_of(tx, caller.organization_id, user_id, now)
    await token_store.revoke_tokens_of(tx, caller.organization_id, user_id, now)
    tx.wake(CREDENTIALS_CHANNEL)
    after = await read_user(tx, caller.organization_id, user_id)
    await record_audit(tx, caller, "User.Deactivated", "User", user_id, now, before=audited(before), after=audited(after))
    return after


async def find_user_by_name(tx: Transaction, username: str) -> User:
    """The user of a login name, ignoring case, in whichever organization. Fails with NOT_FOUND."""
    user = await store.find_user_by_name(tx, username)
    if user is None:
        raise not_found("User", username)
    return user


async def get_me(tx: Transaction, caller: Caller) -> User:
    """The user behind the caller's credential. Fails with NOT_FOUND for callers who are no users."""
    return await read_user(tx, caller.organization_id, caller.user_id or 0)


async def read_user(tx: Transaction, organization_id: int, user_id: int) -> User:
    """The user of a number. Fails with NOT_FOUND."""
    user = await store.find_user(tx, organization_id, user_id)
    if user is None:
        raise not_found("User", user_id)
    return user


async def has_user_manager(tx: Transaction, organization_id: int) -> bool:
    """Whether an active user of the organization may manage users."""
    for user_id in await store.list_active_user_ids(tx, organization_id):
        if Permission.MANAGE_USERS in await store.read_user_permissions(tx, organization_id, user_id):
            return True
    return False


def check_user(faults: Faults, new: NewUser, email: str | None, display_name: str | None) -> None:
    """Notes what is wrong with the user's own fields."""
    faults.check(USERNAME.fullmatch(new.username) is not None, "username", "must have 3 to 64 characters of [A-Za-z0-9._@-]")
    faults.check(
        email is None or (len(email) <= MAX_EMAIL_LENGTH and email.isprintable() and 0 < email.find("@") < len(email) - 1),
        "email",
        f"must be an e-mail address of at most {MAX_EMAIL_LENGTH} characters",
    )
    faults.check(
        display_name is None or (len(display_name) <= MAX_NAME_LENGTH and display_name.isprintable()),
        "displayName",
        f"must have at most {MAX_NAME_LENGTH} printable characters",
    )
    faults.check(
        new.password is None or MIN_PASSWORD_LENGTH <= len(new.password) <= MAX_PASSWORD_LENGTH,
        "password",
        f"must have {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters",
    )


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


def check_grant(caller: Caller, roles: Collection[Role]) -> None:
    """Fails with PERMISSION_DENIED when a role grants what the caller does not have. The system may grant everything."""
    if caller.kind is None:
        return
    missing = frozenset[Permission]().union(*(role.permissions for role in roles)) - caller.permissions
    if missing:
        names = ", ".join(sorted(missing))
        raise LumetryError(Reason.PERMISSION_DENIED, f"Nobody can grant what they do not have: {names}.", permission=names)


def optional_name(text: str | None) -> str | None:
    """A trimmed text; blanks are no text."""
    return (text.strip() or None) if text is not None else None


def audited(user: User) -> dict[str, object]:
    """What the audit log keeps of a user."""
    return {
        "username": user.username,
        "email": user.email,
        "displayName": user.display_name,
        "roles": user.roles,
        "isActive": user.is_active,
    }
