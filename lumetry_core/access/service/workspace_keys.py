"""Workspace keys: credentials of users for programs, narrowed by scopes."""

from collections.abc import Sequence
from datetime import datetime

from lumetry_core.access.keys import (
    MAX_ACTIVE_WORKSPACE_KEYS,
    MAX_KEY_LIFE,
    MAX_WORKSPACE_KEY_NAME_LENGTH,
    MIN_KEY_LIFE,
    SCOPES,
    WorkspaceKey,
)
from lumetry_core.access.model import CREDENTIALS_CHANNEL, workspace_key_prefix
from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.users import read_user
from lumetry_core.access.store import users as user_store
from lumetry_core.access.store import workspace_keys as store
from lumetry_core.notices.model import NoticeDraft, NoticeKind, NoticeSeverity
from lumetry_core.notices.service import notify
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found
from lumetry_core.runtime.identifiers import digest_secret, new_secret, new_uuid, visible_prefix

AUDIT_TYPE = "WorkspaceKey"


async def create_workspace_key(
    tx: Transaction,
    caller: Caller,
    user_id: int,
    *,
    name: str,
    scopes: Sequence[str],
    expire_time: datetime | None,
    production: bool,
    now: datetime,
) -> tuple[WorkspaceKey, str]:
    """Creates a key of a user.

    Args:
        user_id: The caller's own user; the system creates keys for anyone.
        scopes: What it is narrowed to; empty: not narrowed.
        expire_time: 1 hour to 10 years ahead; None: it does not expire.
        production: Makes a live key, which works in production; else a test key.

    Returns:
        The key and its secret, which cannot be read again.

    Fails with NOT_FOUND, VALIDATION_FAILED (`name`, `scopes[i]`), OUT_OF_RANGE (`expiresAt`), and with CONFLICT when the user has as many
    active keys as one may have.
    """
    await user_store.lock_users(tx)  # else two creations could each take the last place
    owner = await read_user(tx, caller.organization_id, user_id)
    name = name.strip()
    faults = Faults()
    faults.check(
        1 <= len(name) <= MAX_WORKSPACE_KEY_NAME_LENGTH and name.isprintable(),
        "name",
        f"must have 1 to {MAX_WORKSPACE_KEY_NAME_LENGTH} printable characters",
    )
    for position, scope in enumerate(scopes):
        faults.check(scope in SCOPES, f"scopes[{position}]", f"is not a scope: {scope}")
    faults.check_range(
        expire_time is None or now + MIN_KEY_LIFE <= expire_time <= now + MAX_KEY_LIFE, "expiresAt", "must be 1 hour to 10 years ahead"
    )
    faults.raise_if_any()
    if not owner.is_active or await store.count_active_keys(tx, owner.organization_id, owner.id, now) >= MAX_ACTIVE_WORKSPACE_KEYS:
        message = f"A user may have {MAX_ACTIVE_WORKSPACE_KEYS} active keys." if owner.is_active else "The user is not active."
        raise LumetryError(Reason.CONFLICT, message, type="User", id=str(owner.id), state="full" if owner.is_active else "inactive")
    secret = new_secret(workspace_key_prefix(production=production))
    key = await store.insert_key(
        tx,
        owner.organization_id,
        owner.id,
        key_id=new_uuid(),
        name=name,
        digest=digest_secret(secret),
        prefix=visible_prefix(secret),
        scopes=[scope for scope in SCOPES if scope in scopes],
        expire_time=expire_time,
        now=now,
    )
    await record_audit(tx, caller, "WorkspaceKey.Created", AUDIT_TYPE, key.id, now, after=audited(key))
    await notify(tx, owner.organization_id, [owner.id], [describe(key, NoticeKind.API_KEY_CREATED, "created")], now)
    return key, secret


async def list_workspace_keys(tx: Transaction, caller: Caller) -> list[WorkspaceKey]:
    """The caller's own keys that are not revoked, newest first."""
    return await store.list_keys(tx, caller.organization_id, caller.user_id or 0)


async def revoke_workspace_key(tx: Transaction, caller: Caller, key_id: str, now: datetime) -> WorkspaceKey:
    """Ends a key of the caller's own at once. Fails with NOT_FOUND, and with CONFLICT when it was revoked before."""
    before = await store.find_key(tx, caller.organization_id, caller.user_id or 0, key_id)
    if before is None:
        raise not_found("API key", key_id)
    if not await store.revoke_key(tx, caller.organization_id, before.number, now):
        raise LumetryError(Reason.CONFLICT, "The key is revoked already.", type=AUDIT_TYPE, id=key_id, state="revoked")
    tx.wake(CREDENTIALS_CHANNEL)
    after = await store.find_key(tx, caller.organization_id, before.user_id, key_id) or before
    await record_audit(tx, caller, "WorkspaceKey.Revoked", AUDIT_TYPE, key_id, now, before=audited(before), after=audited(after))
    await notify(tx, caller.organization_id, [before.user_id], [describe(before, NoticeKind.API_KEY_REVOKED, "revoked")], now)
    return after


async def find_workspace_key(tx: Transaction, organization_id: int, number: int) -> WorkspaceKey:
    """The key that `Caller.credential_id` names. Fails with NOT_FOUND."""
    key = await store.find_key_by_number(tx, organization_id, number)
    if key is None:
        raise not_found("API key", number)
    return key


def describe(key: WorkspaceKey, kind: NoticeKind, deed: str) -> NoticeDraft:
    """What the owner is told of a key."""
    return NoticeDraft(
        kind=kind,
        severity=NoticeSeverity.INFO,
        title=f"API key {deed}: {key.name}",
        body=f"The API key {key.name}, which begins with {key.prefix}, was {deed}.",
        resource_type="api_key",
        resource_id=key.id,
        link="/settings/api-keys",
    )


def audited(key: WorkspaceKey) -> dict[str, object]:
    """What the audit log keeps of a key."""
    return {
        "name": key.name,
        "prefix": key.prefix,
        "userId": key.user_id,
        "scopes": key.scopes,
        "expiresAt": key.expire_time,
        "revokedAt": key.revoke_time,
    }
