"""Log keys, as the logs of a project know them; what a key is, access knows (contract logs 9)."""

from datetime import datetime

from lumetry_core.access.keys import LogKey
from lumetry_core.access.service import log_keys
from lumetry_core.projects.model import DEFAULT_SLUG
from lumetry_core.projects.service import default_project, find_project
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Fault, LumetryError, Reason


async def list_keys(tx: Transaction, caller: Caller, project: str) -> list[LogKey]:
    """The keys that are not revoked, of a project by UUID or slug, or of all, newest first."""
    if not project:
        return await log_keys.list_log_keys(tx, caller, None)
    found = await find_project(tx, caller.organization_id, project)
    return [] if found is None else await log_keys.list_log_keys(tx, caller, found.id)


async def create_key(
    tx: Transaction, caller: Caller, *, name: str, project: str, environment: str, access: str, expire_time: datetime | None, now: datetime
) -> tuple[LogKey, str]:
    """Makes a key of a project by UUID or slug; the key and its secret.

    Fails as access does, and with VALIDATION_FAILED (`project_id`).
    """
    found = await find_project(tx, caller.organization_id, project) if project else None
    if found is None and project == DEFAULT_SLUG:
        found = await default_project(tx, caller.organization_id, now)
    faults = () if found else (Fault("project_id", "must be a project" if project else "required"),)
    try:
        created = await log_keys.create_log_key(
            tx,
            caller,
            name=name,
            project_id="" if found is None else found.id,
            environment=environment,
            access=access,
            expire_time=expire_time,
            now=now,
        )
    except LumetryError as error:
        if faults and error.faults:
            raise LumetryError(Reason.VALIDATION_FAILED, error.message, faults=(*error.faults, *faults)) from error
        raise
    if faults:
        raise LumetryError(Reason.VALIDATION_FAILED, "The request is not valid.", faults=faults)
    return created


async def find_key_id(tx: Transaction, caller: Caller) -> str:
    """The UUID of the log key that calls; empty for other credentials."""
    if caller.kind is not CredentialKind.LOG_KEY:
        return ""
    keys = await log_keys.list_log_keys(tx, caller, caller.project_id)
    return next((key.id for key in keys if key.number == caller.credential_id), "")
