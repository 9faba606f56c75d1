"""Users: who may log in, and as what."""

from datetime import datetime

from lumetry_core.access.model import (
    CREDENTIALS_CHANNEL,
    LOCAL_PROVIDER,
    MAX_EMAIL_LENGTH,
    MAX_NAME_LENGTH,
    MAX_PASSWORD_LENGTH,
    MIN_PASSWORD_LENGTH,
    OIDC_PROVIDER,
    USERNAME,
    LoginCandidate,
    NewUser,
    User,
    UserChange,
    invalid,
    name_key,
)
from lumetry_core.access.passwords import hash_password
from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.grants import check_grant, check_somebody_manages_users, choose_roles, permissions_of
from lumetry_core.access.store import roles as role_store
from lumetry_core.access.store import sessions as session_store
from lumetry_core.access.store import tokens as token_store
from lumetry_core.access.store import users as store
from lumetry_core.access.store import workspace_keys as workspace_key_store
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found
from lumetry_core.runtime.paging import read_page

AUDIT_TYPE = "User"
DEFAULT_PAGE_SIZE = 25


async def create_user(tx: Transaction, caller: Caller, new: NewUser, now: datetime) -> User:
    """Creates an active user in the caller's organization.

    Fails with VALIDATION_FAILED (`username`, `email`, `displayName`, `password`, `roles[i]`), and with PERMISSION_DENIED when a role
    grants what the caller does not have.
    """
    known = {name_key(role.name): role for role in await role_store.list_roles(tx, caller.organization_id)}
    email, display_name = optional_name(new.email), optional_name(new.display_name)
    faults = Faults()
    faults.check(USERNAME.fullmatch(new.username) is not None, "username", "must have 3 to 64 characters of [A-Za-z0-9._@-]")
    check_profile(faults, email, display_name, new.password)
    if not faults and await store.find_login_candidate(tx, new.username) is not None:
        faults.add("username", "is taken")
    chosen = choose_roles(faults, new.roles, known)
    faults.raise_if_any()
    check_grant(caller, permissions_of(chosen))
    user_id = await store.insert_user(
        tx,
        caller.organization_id,
        username=new.username,
        email=email,
        display_name=display_name,
        auth_provider_type=OIDC_PROVIDER if new.password is None else LOCAL_PROVIDER,
        # Slow inside a transaction, but users are created rarely, and what is refused above costs nothing.
        password_hash=None if new.password is None else await hash_password(new.password),
        role_ids=[role.id for role in chosen],
        now=now,
    )
    if user_id is None:
        raise invalid("username", "is taken")
    user = await read_user(tx, caller.organization_id, user_id)
    await record_audit(tx, caller, "User.Created", AUDIT_TYPE, user.id, now, after=audited(user))
    return user


async def update_user(tx: Transaction, caller: Caller, user_id: int, change: UserChange, now: datetime) -> User:
    """Replaces what a user is. Becoming inactive ends everything as `deactivate_user` does; a new password ends the login sessions.

    Fails with NOT_FOUND, VALIDATION_FAILED (as `create_user`), with CONFLICT as `deactivate_user` and also when the roles taken away were
    those of the last active one who may manage users, and with PERMISSION_DENIED when the caller does not have what is granted. A password
    or a reactivation grants all that the user may do.
    """
    await store.lock_users(tx)
    before = await read_user(tx, caller.organization_id, user_id)
    known = {name_key(role.name): role for role in await role_store.list_roles(tx, caller.organization_id)}
    held = [role for role in known.values() if role.name in before.roles]
    email, display_name = optional_name(change.email), optional_name(change.display_name)
    faults = Faults()
    check_profile(faults, email, display_name, change.password)
    chosen = choose_roles(faults, change.roles, known)
    faults.check(change.is_active is not None, "isActive", "is required")
    faults.raise_if_any()
    is_active = change.is_active is True
    added = [role for role in chosen if role not in held]
    removed = [role for role in held if role not in chosen]
    reactivated = is_active and not before.is_active
    check_grant(caller, permissions_of(chosen if reactivated or change.password is not None else added))
    deactivated = before.is_active and not is_active
    if deactivated:
        refuse_own(caller, user_id)
    if change.password is not None:
        await replace_password(tx, caller, user_id, await hash_password(change.password), now)
    await store.update_user(tx, caller.organization_id, user_id, email=email, display_name=display_name, is_active=is_active)
    await role_store.add_roles(tx, caller.organization_id, user_id, [role.id for role in added])
    await role_store.remove_roles(tx, caller.organization_id, user_id, [role.id for role in removed])
    if deactivated or removed:
        await check_somebody_manages_users(tx, caller.organization_id, user_id)
    if deactivated:
        await end_credentials(tx, caller.organization_id, user_id, now)
    tx.wake(CREDENTIALS_CHANNEL)
    after = await read_user(tx, caller.organization_id, user_id)
    action = "User.Deactivated" if deactivated else "User.Updated"
    before_values, after_values = audited(before), audited(after)
    if change.password is not None:
        after_values["passwordChanged"] = True
    if before_values != after_values:
        await record_audit(tx, caller, action, AUDIT_TYPE, user_id, now, before=before_values, after=after_values)
    return after


async def deactivate_user(tx: Transaction, caller: Caller, user_id: int, now: datetime) -> User:
    """Makes a user inactive, which ends the login sessions and revokes API tokens and keys for good. Repeating it changes nothing.

    Fails with NOT_FOUND, and with CONFLICT for the caller's own user and for the last active one who may manage users.
    """
    before = await read_user(tx, caller.organization_id, user_id)
    refuse_own(caller, user_id)
    await store.lock_users(tx)
    if not before.is_active or not await store.deactivate(tx, caller.organization_id, user_id):
        return before
    await check_somebody_manages_users(tx, caller.organization_id, user_id)
    await end_credentials(tx, caller.organization_id, user_id, now)
    after = await read_user(tx, caller.organization_id, user_id)
    await record_audit(tx, caller, "User.Deactivated", AUDIT_TYPE, user_id, now, before=audited(before), after=audited(after))
    return after


async def change_password(tx: Transaction, caller: Caller, checked: LoginCandidate, password_hash: str, now: datetime) -> None:
    """Gives the caller's user another password and ends the user's other sessions.

    Args:
        checked: The user as it was when the current password was found right.

    Fails with VALIDATION_FAILED (`currentPassword`) when the password changed meanwhile.
    """
    if caller.user_id != checked.user_id or await store.find_login_candidate(tx, checked.username) != checked:
        raise invalid("currentPassword", "is wrong")
    await replace_password(tx, caller, checked.user_id, password_hash, now)
    await record_audit(tx, caller, "User.PasswordChanged", AUDIT_TYPE, checked.user_id, now)


async def replace_password(tx: Transaction, caller: Caller, user_id: int, password_hash: str, now: datetime) -> None:
    """Sets a password and ends the user's login sessions, except one that the caller uses now."""
    own = caller.credential_id if caller.kind is CredentialKind.INTERACTIVE and caller.user_id == user_id else None
    await store.set_password(tx, caller.organization_id, user_id, password_hash)
    await session_store.revoke_sessions_of(tx, caller.organization_id, user_id, now, except_session_id=own)
    tx.wake(CREDENTIALS_CHANNEL)


async def end_credentials(tx: Transaction, organization_id: int, user_id: int, now: datetime) -> None:
    """Ends the login sessions, API tokens and workspace keys of a user, for good."""
    await session_store.revoke_sessions_of(tx, organization_id, user_id, now)
    await token_store.revoke_tokens_of(tx, organization_id, user_id, now)
    await workspace_key_store.revoke_keys_of(tx, organization_id, user_id, now)
    tx.wake(CREDENTIALS_CHANNEL)


async def list_users(
    tx: Transaction, caller: Caller, search: str, page: int, page_size: int, *, is_active: bool | None
) -> tuple[list[User], int]:
    """A page of the users whose login name, e-mail address or display name contains a text, by login name, and how many there are.

    Fails with VALIDATION_FAILED (`page`, `pageSize`).
    """
    faults = Faults()
    asked = read_page(page, page_size, default_size=DEFAULT_PAGE_SIZE, faults=faults)
    faults.raise_if_any()
    return await store.list_users(tx, caller.organization_id, search.strip(), asked, is_active=is_active)


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


def refuse_own(caller: Caller, user_id: int) -> None:
    """Fails with CONFLICT when callers would deactivate themselves."""
    if user_id == caller.user_id:
        raise LumetryError(Reason.CONFLICT, "Nobody can deactivate themselves.", type="User", id=str(user_id), state="own")


def check_profile(faults: Faults, email: str | None, display_name: str | None, password: str | None) -> None:
    """Notes what is wrong with the user's own fields."""
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
    check_password(faults, "password", password)


def check_password(faults: Faults, path: str, password: str | None) -> None:
    """Notes when a new password is too short or too long."""
    faults.check(
        password is None or MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH,
        path,
        f"must have {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters",
    )


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
