"""Log keys: credentials of projects, under which programs push logs. What a project is, the projects area knows."""

from datetime import datetime

from lumetry_core.access.keys import ENVIRONMENTS, MAX_LOG_KEY_NAME_LENGTH, LogKey, LogKeyAccess
from lumetry_core.access.model import CREDENTIALS_CHANNEL, PREFIX_OF
from lumetry_core.access.service.audit import actor_name, record_audit
from lumetry_core.access.store import log_keys as store
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found
from lumetry_core.runtime.identifiers import digest_secret, new_secret, new_uuid, visible_prefix

AUDIT_TYPE = "LogKey"


async def create_log_key(
    tx: Transaction,
    caller: Caller,
    *,
    name: str,
    project_id: str,
    environment: str,
    access: str,
    expire_time: datetime | None,
    now: datetime,
) -> tuple[LogKey, str]:
    """Makes a key of a project.

    Args:
        project_id: UUID of one of the organization's projects; the caller of this verb has looked it up.
        environment: One of `ENVIRONMENTS`; empty: `production`.
        access: `full` or `ingest`; empty: `full`.
        expire_time: None: it does not expire.

    Returns:
        The key and its secret, which cannot be read again.

    Fails with VALIDATION_FAILED (`name`, `environment`, `access`), OUT_OF_RANGE (`expires_at`) and, when a living key of the organization
    has the name, with DUPLICATE_NAME.
    """
    name, environment, access = name.strip(), environment or ENVIRONMENTS[0], access or LogKeyAccess.FULL
    faults = Faults()
    faults.check(
        1 <= len(name) <= MAX_LOG_KEY_NAME_LENGTH and name.isprintable(),
        "name",
        f"must have 1 to {MAX_LOG_KEY_NAME_LENGTH} printable characters",
    )
    faults.check(environment in ENVIRONMENTS, "environment", f"must be one of {', '.join(ENVIRONMENTS)}")
    faults.check(access in tuple(LogKeyAccess), "access", f"must be one of {', '.join(LogKeyAccess)}")
    faults.check_range(expire_time is None or expire_time > now, "expires_at", "must be in the future")
    faults.raise_if_any()
    secret = new_secret(PREFIX_OF[CredentialKind.LOG_KEY])
    key = await store.insert_key(
        tx,
        caller.organization_id,
        key_id=new_uuid(),
        project_id=project_id,
        name=name,
        digest=digest_secret(secret),
        prefix=visible_prefix(secret),
        environment=environment,
        access=LogKeyAccess(access),
        created_by=actor_name(caller),
        expire_time=expire_time,
        now=now,
    )
    if key is None:
        raise LumetryError(Reason.DUPLICATE_NAME, f"Another log key has the name {name}.", type="LogKey", name=name)
    await record_audit(tx, caller, "LogKey.Created", AUDIT_TYPE, key.id, now, after=audited(key))
    return key, secret


async def list_log_keys(tx: Transaction, caller: Caller, project_id: str | None) -> list[LogKey]:
    """The keys that are not revoked, of one project or of all, newest first."""
    return await store.list_keys(tx, caller.organization_id, project_id)


async def revoke_log_key(tx: Transaction, caller: Caller, key_id: str, now: datetime) -> LogKey:
    """Ends a key at once. Fails with NOT_FOUND, and with CONFLICT when it was revoked before."""
    before = await store.find_key(tx, caller.organization_id, key_id)
    if before is None:
        raise not_found("Log key", key_id)
    if not await store.revoke_key(tx, caller.organization_id, before.number, now):
        raise LumetryError(Reason.CONFLICT, "The log key is revoked already.", type="LogKey", id=key_id, state="revoked")
    tx.wake(CREDENTIALS_CHANNEL)
    after = await store.find_key(tx, caller.organization_id, key_id) or before
    await record_audit(tx, caller, "LogKey.Revoked", AUDIT_TYPE, key_id, now, before=audited(before), after=audited(after))
    return after


async def count_active_log_keys(tx: Transaction, organization_id: int, project_id: str) -> int:
    """How many keys of a project are not revoked."""
    return await store.count_keys(tx, organization_id, project_id)


def audited(key: LogKey) -> dict[str, object]:
    """What the audit log keeps of a key."""
    return {
        "name": key.name,
        "prefix": key.prefix,
        "projectId": key.project_id,
        "environment": key.environment,
        "access": key.access,
        "expiresAt": key.expire_time,
        "revokedAt": key.revoke_time,
    }
