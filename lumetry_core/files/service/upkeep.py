"""What the product drops by itself: what has been in the trash for long, and bytes that belong to no file."""

from collections.abc import Collection
from datetime import datetime

from lumetry_core.access.service.audit import Change, record_audits
from lumetry_core.files.model import TRASH_KEPT, File, Kind, audited
from lumetry_core.files.service.writing import AUDIT_TYPE, drop
from lumetry_core.files.store import files as store
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.database import Transaction

DROPPED_AT_ONCE = 200


async def has_expired(tx: Transaction, organization_id: int, now: datetime) -> bool:
    """Whether anything has been in the trash for too long."""
    return await store.has_expired(tx, organization_id, now - TRASH_KEPT)


async def drop_expired(tx: Transaction, organization_id: int, now: datetime) -> tuple[list[File], bool]:
    """Drops some of what has been in the trash for too long; files, whose bytes are left to the caller, and whether there may be more."""
    expired = await store.list_expired(tx, organization_id, now - TRASH_KEPT, DROPPED_AT_ONCE)
    if expired:
        await drop(tx, organization_id, expired, now)
        changes = [Change("File.Purged", AUDIT_TYPE, file.id, audited(file), None) for file in expired]
        await record_audits(tx, system_caller(organization_id), changes, now)
    return [file for file in expired if file.kind is Kind.FILE], len(expired) == DROPPED_AT_ONCE


async def find_unknown(tx: Transaction, organization_id: int, ids: Collection[str]) -> set[str]:
    """Those of the ids that belong to no file, not even to one in the trash."""
    return set(ids) - await store.list_known(tx, organization_id, ids)
