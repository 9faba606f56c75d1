"""Making, changing and dropping files."""

from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from typing import Any

from lumetry_core.access.service.audit import record_audit
from lumetry_core.billing.model import Meter, Usage
from lumetry_core.billing.service.budgets import check_budget
from lumetry_core.billing.service.metering import count
from lumetry_core.files.draft import CHANGEABLE, Draft, given, read_draft
from lumetry_core.files.model import Content, File, Kind, audited
from lumetry_core.files.service.visibility import check_owned, find_hidden, find_owners, get_visible, unknown
from lumetry_core.files.store import files as store
from lumetry_core.incidents.service.reading import get_incident
from lumetry_core.projects.service import get_project
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason
from lumetry_core.runtime.identifiers import new_uuid
from lumetry_core.sessions.service.reading import get_session

AUDIT_TYPE = "File"


def check_new(kind: Kind, draft: Draft) -> dict[str, Any]:
    """The values of a folder or link to be made. Fails with VALIDATION_FAILED, OUT_OF_RANGE."""
    faults = Faults()
    names = given(draft) - (set() if kind is Kind.LINK else {"url"})
    values = read_draft(draft, names, faults)
    for name in ("name", "url") if kind is Kind.LINK else ("name",):
        faults.check(name in names, name, "is required")
    faults.raise_if_any()
    return values


async def create(tx: Transaction, caller: Caller, kind: Kind, draft: Draft, now: datetime) -> File:
    """Makes a folder or a link. Fails as `check_new`, and with NOT_FOUND for what it shall belong to."""
    values = await settle(tx, caller, check_new(kind, draft))
    file = File(
        organization_id=caller.organization_id,
        id=new_uuid(),
        kind=kind,
        owner_id=caller.user_id,
        create_time=now,
        update_time=now,
        **values,
    )
    await store.insert(tx, file)
    await record_audit(tx, caller, "File.Created", AUDIT_TYPE, file.id, now, after=audited(file))
    return file


def check_upload(file_name: str, draft: Draft) -> dict[str, Any]:
    """The values of a file to be taken, called as the client calls it unless a field says otherwise. Fails as `check_new`."""
    faults = Faults()
    if draft.name is None:
        draft = replace(draft, name=file_name)
    values = read_draft(draft, given(draft) - {"url"}, faults)
    faults.raise_if_any()
    return values


async def admit_upload(tx: Transaction, caller: Caller, file_name: str, draft: Draft, announced: int, now: datetime) -> None:
    """Judges an upload by what is known before its bytes are. Fails as `keep_upload` will."""
    values = await settle(tx, caller, check_upload(file_name, draft), lock=False)
    await check_budget(tx, caller.organization_id, {Meter.FILE_BYTES: announced}, now, project_id=values.get("project_id"))


async def keep_upload(tx: Transaction, caller: Caller, file_name: str, draft: Draft, content: Content, now: datetime) -> File:
    """Makes a file of bytes that are on the disk. Fails as `check_upload`, with NOT_FOUND for what it shall belong to, QUOTA_EXHAUSTED."""
    values = await settle(tx, caller, check_upload(file_name, draft))
    project_id = values.get("project_id")
    await check_budget(tx, caller.organization_id, {Meter.FILE_BYTES: content.size}, now, project_id=project_id)
    file = File(
        organization_id=caller.organization_id,
        id=content.id,
        kind=Kind.FILE,
        owner_id=caller.user_id,
        media_type=content.media_type,
        size=content.size,
        sha256=content.sha256,
        create_time=now,
        update_time=now,
        **values,
    )
    await store.insert(tx, file)
    await count(tx, caller.organization_id, [Usage(Meter.FILE_BYTES, file.size, file.project_id)], now)
    after = {**audited(file), "projectIds": await find_owners(tx, file)}
    await record_audit(tx, caller, "File.Uploaded", AUDIT_TYPE, file.id, now, after=after)
    return file


def check_change(draft: Draft, names: AbstractSet[str]) -> dict[str, Any]:
    """The new values of the named fields. Fails with VALIDATION_FAILED, OUT_OF_RANGE."""
    faults = Faults()
    faults.check(bool(names & CHANGEABLE), "", "No field to change was given")
    values = read_draft(draft, names & CHANGEABLE, faults)
    faults.raise_if_any()
    return values


async def update(tx: Transaction, caller: Caller, file_id: str, draft: Draft, names: AbstractSet[str], now: datetime) -> File:
    """Changes the named fields of a file and no others.

    Fails as `check_change`, with NOT_FOUND for the file and what it shall belong to, PERMISSION_DENIED for files of others, CONFLICT for a
    folder that would be below itself.
    """
    values = check_change(draft, names)
    if values.get("parent_id"):
        await store.lock_moves(tx, caller.organization_id)
    before = await get_visible(tx, caller, file_id, lock=True)
    check_owned(caller, [before])
    values = await settle(tx, caller, values)
    if values.get("parent_id") and await store.is_below(tx, caller.organization_id, values["parent_id"], before.id):
        raise LumetryError(Reason.CONFLICT, "A folder cannot be below itself", type=AUDIT_TYPE, id=before.id, state="cycle")
    after = replace(before, **values)
    if after == before:
        return before
    after = replace(after, update_time=now)
    await store.save(tx, after)
    if after.project_id != before.project_id and after.size:
        moved = [Usage(Meter.FILE_BYTES, -after.size, before.project_id), Usage(Meter.FILE_BYTES, after.size, after.project_id)]
        await count(tx, caller.organization_id, moved, now)
    await record_audit(tx, caller, "File.Updated", AUDIT_TYPE, after.id, now, before=audited(before), after=audited(after))
    return after


async def trash(tx: Transaction, caller: Caller, file_id: str, now: datetime) -> File:
    """Moves a file and everything below it to the trash. Fails with NOT_FOUND, PERMISSION_DENIED when something of others is among it."""
    file = await get_visible(tx, caller, file_id, lock=True)
    kept = [each for each in await store.list_tree(tx, caller.organization_id, file.id) if each.trash_time is None]
    check_owned(caller, kept)
    await store.trash(tx, caller.organization_id, [each.id for each in kept], now)
    before = {**audited(file), "projectIds": await find_owners(tx, file), "count": len(kept)}
    await record_audit(tx, caller, "File.Deleted", AUDIT_TYPE, file.id, now, before=before)
    return file


async def purge(tx: Transaction, caller: Caller, file_id: str, now: datetime) -> list[File]:
    """Drops a file that is in the trash, with everything below it, for good; what was dropped, whose bytes are left to the caller.

    Fails with INTERACTIVE_ONLY, STEP_UP_REQUIRED, NOT_FOUND, CONFLICT when it is not in the trash, PERMISSION_DENIED as `trash`.
    """
    if caller.kind not in (CredentialKind.INTERACTIVE, None):
        raise LumetryError(Reason.INTERACTIVE_ONLY, "Permanent deletion requires a browser session")
    if caller.kind is CredentialKind.INTERACTIVE and not caller.stepped_up:
        raise LumetryError(Reason.STEP_UP_REQUIRED, "Step-up authentication required")
    hidden = await find_hidden(tx, caller)
    found = await store.find(tx, caller.organization_id, hidden, [file_id], trashed=True, lock=True)
    if file_id not in found:
        if await store.find(tx, caller.organization_id, hidden, [file_id]):
            raise LumetryError(Reason.CONFLICT, "The file is not in the trash", type=AUDIT_TYPE, id=file_id, state="kept")
        raise unknown(file_id)
    dropped = await store.list_tree(tx, caller.organization_id, file_id)
    check_owned(caller, dropped)
    await drop(tx, caller.organization_id, dropped, now)
    file = found[file_id]
    await record_audit(tx, caller, "File.Purged", AUDIT_TYPE, file.id, now, before={**audited(file), "count": len(dropped)})
    return dropped


async def drop(tx: Transaction, organization_id: int, dropped: list[File], now: datetime) -> None:
    """Drops rows for good and takes their bytes off the meter."""
    await store.drop(tx, organization_id, [file.id for file in dropped])
    freed = [Usage(Meter.FILE_BYTES, -file.size, file.project_id) for file in dropped if file.size]
    await count(tx, organization_id, freed, now)


async def settle(tx: Transaction, caller: Caller, values: dict[str, Any], *, lock: bool = True) -> dict[str, Any]:
    """The values with what they refer to found. Fails with NOT_FOUND, VALIDATION_FAILED for a parent that is no folder.

    Args:
        lock: Keeps the parent out of the trash until the transaction, which must write, ends.
    """
    values = dict(values)
    if values.get("project_id"):
        values["project_id"] = (await get_project(tx, caller, values["project_id"])).id
    if values.get("session_id"):
        values["session_id"] = (await get_session(tx, caller, values["session_id"])).id
    if values.get("incident_id") is not None:
        values["incident_id"] = (await get_incident(tx, caller, values["incident_id"])).id
    if values.get("parent_id"):
        parent = await get_visible(tx, caller, values["parent_id"], lock=lock)
        faults = Faults()
        faults.check(parent.kind is Kind.FOLDER, "parentId", "must be a folder")
        faults.raise_if_any()
        values["parent_id"] = parent.id
    return values
