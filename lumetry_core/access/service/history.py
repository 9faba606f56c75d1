"""Reading the record of who changed what (contract lumetry 18). Reading leaves no trace in it."""

from dataclasses import replace

from lumetry_core.access.service.audit import MAX_ENTITY_ID_LENGTH, REVISED_TYPES, readable
from lumetry_core.access.store import audit as store
from lumetry_core.access.trail import AuditFilter, AuditLog, Revision
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.paging import read_page

DEFAULT_PAGE_SIZE = 25
"""Contract lumetry 1.6."""


async def list_audit_logs(tx: Transaction, caller: Caller, wanted: AuditFilter, page: int, page_size: int) -> tuple[list[AuditLog], int]:
    """A page of the audit log, newest first, and how many rows match. Fails with VALIDATION_FAILED.

    Args:
        page: From 1; 0: 1.
        page_size: 0: 25.
    """
    faults = Faults()
    for path, text in (("search", wanted.search), ("action", wanted.action), ("entityType", wanted.entity_type)):
        check_text(text, path, faults)
    if wanted.start_time and wanted.end_time:
        faults.check(wanted.start_time <= wanted.end_time, "from", "must not be after to")
    part = read_page(page, page_size, default_size=DEFAULT_PAGE_SIZE, faults=faults)
    faults.raise_if_any()
    search = wanted.search.strip()
    if len(search) > MAX_ENTITY_ID_LENGTH:  # nothing that is searched is longer, and SQLite refuses patterns without end
        return [], 0
    return await store.select_logs(tx, caller.organization_id, replace(wanted, search=search), part)


async def list_revisions(
    tx: Transaction, caller: Caller, entity_type: str, entity_id: str, page: int, page_size: int
) -> tuple[list[Revision], int]:
    """A page of an entity's history, newest first, and how long that is; empty for an entity without one.

    Fails with VALIDATION_FAILED, also when entities of the type have no histories.

    Args:
        entity_type: Spelled exactly.
        page: From 1; 0: 1.
        page_size: 0: 25.
    """
    faults = Faults()
    faults.check(entity_type in REVISED_TYPES, "entityType", f"must be one of {', '.join(sorted(REVISED_TYPES))}")
    part = read_page(page, page_size, default_size=DEFAULT_PAGE_SIZE, faults=faults)
    faults.raise_if_any()
    # Ids of collectors are UUIDs, which mean the same in either case.
    written = readable(entity_id.lower() if entity_type == "Collector" else entity_id, MAX_ENTITY_ID_LENGTH)
    return await store.select_revisions(tx, caller.organization_id, entity_type, written, part)


def check_text(text: str, path: str, faults: Faults) -> None:
    """Notes a fault for text that PostgreSQL cannot hold."""
    faults.check("\0" not in text, path, "must not contain the character NUL")
