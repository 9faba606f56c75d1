"""API tokens: long-lived credentials that act for their owner."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lumetry_core.access.model import (
    CREDENTIALS_CHANNEL,
    MAX_NAME_LENGTH,
    PERMISSION_BY_NAME,
    PREFIX_OF,
    ApiToken,
    in_order,
)
from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.grants import choose_permissions
from lumetry_core.access.service.users import read_user
from lumetry_core.access.store import tokens as store
from lumetry_core.access.store import users as user_store
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found
from lumetry_core.runtime.identifiers import digest_secret, new_secret, visible_prefix


@dataclass(frozen=True, slots=True)
class ListedToken:
    """A token with what it may do now."""

    token: ApiToken
    effective_permissions: frozenset[Permission]


async def create_api_token(
    tx: Transaction,
    caller: Caller,
    user_id: int,
    *,
    name: str,
    permissions: Sequence[str] | None,
    expire_time: datetime | None,
    now: datetime,
) -> tuple[ApiToken, str]:
    """Creates a token of a user, for the user or, by the system, for anyone.

    Args:
        permissions: Names of what it is narrowed to, at least one and all held by the owner; None: not narrowed.
        expire_time: None: it does not expire.

    Returns:
        The token and its secret, which cannot be read again.

    Fails with NOT_FOUND, INTERACTIVE_ONLY, PERMISSION_DENIED (another's token), and VALIDATION_FAILED (`userId`, `name`,
    `permissions[i]`, `expiresAt`).
    """
    check_manager(caller)
    owner = await read_user(tx, caller.organization_id, user_id)
    if caller.kind is not None and caller.user_id != owner.id:
        raise LumetryError(Reason.PERMISSION_DENIED, "Tokens are created by their owners.", permission="")
    name = name.strip()
    faults = Faults()
    faults.check(owner.is_active, "userId", "must be an active user")
    faults.check(1 <= len(name) <= MAX_NAME_LENGTH and name.isprintable(), "name", f"must have 1 to {MAX_NAME_LENGTH} printable characters")
    faults.check(expire_time is None or expire_time > now, "expiresAt", "must be in the future")
    subset = None
    if permissions is not None:
        held = await user_store.read_user_permissions(tx, owner.organization_id, owner.id)
        subset = choose_subset(faults, permissions, held)
    faults.raise_if_any()
    secret = new_secret(PREFIX_OF[CredentialKind.API_TOKEN])
    token = await store.insert_token(
        tx,
        owner.organization_id,
        owner.id,
        name=name,
        digest=digest_secret(secret),
        prefix=visible_prefix(secret),
        permissions=None if subset is None else [permission.value for permission in in_order(subset)],
        expire_time=expire_time,
        now=now,
    )
    await record_audit(tx, caller, "ApiToken.Created", "ApiToken", token.id, now, after=audited(token))
    return token, secret


async def list_api_tokens(tx: Transaction, caller: Caller, user_id: int | None) -> list[ListedToken]:
    """All tokens of a user, dead ones included, newest first.

    Args:
        user_id: None: the caller. Another's tokens are shown to those who manage users.

    Fails with PERMISSION_DENIED, NOT_FOUND.
    """
    if user_id not in (None, caller.user_id) and not caller.may(Permission.MANAGE_USERS):
        raise LumetryError(Reason.PERMISSION_DENIED, "The permission CanManageUsers is missing.", permission=Permission.MANAGE_USERS.value)
    owner = await read_user(tx, caller.organization_id, user_id or caller.user_id or 0)
    held = await user_store.read_user_permissions(tx, owner.organization_id, owner.id)
    return [ListedToken(token, effective(token, held)) for token in await store.list_tokens(tx, owner.organization_id, owner.id)]


async def with_effective_permissions(tx: Transaction, token: ApiToken) -> ListedToken:
    """A token with what the owner's current permissions leave of it."""
    return ListedToken(token, effective(token, await user_store.read_user_permissions(tx, token.organization_id, token.user_id)))


async def revoke_api_token(tx: Transaction, caller: Caller, token_id: int, now: datetime) -> ApiToken:
    """Ends a token of the caller's own or, with CanManageUsers, of anyone in the organization. Repeating it changes nothing.

    Fails with INTERACTIVE_ONLY, and with NOT_FOUND also for tokens that the caller may not end.
    """
    check_manager(caller)
    before = await store.find_token(tx, caller.organization_id, token_id)
    allowed = before is not None and (caller.kind is None or caller.user_id == before.user_id or caller.may(Permission.MANAGE_USERS))
    if before is None or not allowed:
        raise not_found("API token", token_id)
    if not await store.revoke_token(tx, caller.organization_id, token_id, now):
        return before
    tx.wake(CREDENTIALS_CHANNEL)
    after = await store.find_token(tx, caller.organization_id, token_id) or before
    await record_audit(tx, caller, "ApiToken.Revoked", "ApiToken", token_id, now, before=audited(before), after=audited(after))
    return after


def effective(token: ApiToken, held: frozenset[Permission]) -> frozenset[Permission]:
    """What a token may do when its owner holds these permissions."""
    return held if token.permissions is None else held & token.permissions


def check_manager(caller: Caller) -> None:
    """Fails with INTERACTIVE_ONLY unless a person, or the system at the operator's command, manages tokens."""
    if caller.kind not in (None, CredentialKind.INTERACTIVE):
        raise LumetryError(Reason.INTERACTIVE_ONLY, "Only an interactive login may do this.")


def choose_subset(faults: Faults, names: Sequence[str], held: frozenset[Permission]) -> frozenset[Permission]:
    """The permissions of these names; notes faults under `permissions`, also for those that the owner lacks."""
    chosen = choose_permissions(faults, names)
    for position, name in enumerate(names):
        if PERMISSION_BY_NAME.get(name) in chosen - held:
            faults.add(f"permissions[{position}]", f"is not held by the owner: {name}")
    return chosen


def audited(token: ApiToken) -> dict[str, object]:
    """What the audit log keeps of a token."""
    return {
        "name": token.name,
        "prefix": token.prefix,
        "userId": token.user_id,
        "permissions": None if token.permissions is None else in_order(token.permissions),
        "expiresAt": token.expire_time,
        "revokedAt": token.revoke_time,
    }
