"""Reading files."""

from collections.abc import Collection

from lumetry_core.files.model import File, Kind, Page
from lumetry_core.files.service.visibility import find_hidden, get_visible
from lumetry_core.files.store import files as store
from lumetry_core.files.store.files import Filter
from lumetry_core.projects.draft import normalise
from lumetry_core.projects.service import find_visible as find_visible_project
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
MAX_PAGE = 10_000_000
ROOT = "root"
"""The folder filter that stands for the top level."""


async def list_files(
    tx: Transaction,
    caller: Caller,
    *,
    page: int | None = None,
    limit: int | None = None,
    search: str = "",
    parent_id: str = "",
    project_id: str = "",
    session_id: str = "",
    incident_id: int | None = None,
    trashed: bool = False,
) -> Page:
    """A page of the files that the caller sees, newest first. What filters by something unknown finds nothing.

    Args:
        page: From 1; None: 1.
        limit: None: 50.
        parent_id: `root`: the top level; empty: any folder.

    Fails with VALIDATION_FAILED (`search`), OUT_OF_RANGE (`page`, `limit`).
    """
    faults = Faults()
    for name, text in (("search", search), ("parentId", parent_id), ("projectId", project_id), ("sessionId", session_id)):
        faults.check("\0" not in text, name, "must not contain U+0000")
    faults.check_range(page is None or 1 <= page <= MAX_PAGE, "page", f"must be between 1 and {MAX_PAGE}")
    faults.check_range(limit is None or 1 <= limit <= MAX_LIMIT, "limit", f"must be between 1 and {MAX_LIMIT}")
    faults.raise_if_any()
    number, size = page or 1, limit or DEFAULT_LIMIT
    if project_id:
        project = await find_visible_project(tx, caller, project_id)
        if project is None:
            return Page([], number, size, 0)
        project_id = project.id
    chosen = Filter(
        search=normalise(search),
        parent_id=None if not parent_id else "" if parent_id == ROOT else parent_id,
        project_id=project_id or None,
        session_id=session_id or None,
        incident_id=incident_id,
        trashed=trashed,
    )
    hidden = await find_hidden(tx, caller)
    found, total = await store.list_page(tx, caller.organization_id, hidden, chosen, (number - 1) * size, size)
    return Page(found, number, size, total)


async def get_file(tx: Transaction, caller: Caller, file_id: str) -> File:
    """A file that is not in the trash. Fails with NOT_FOUND."""
    return await get_visible(tx, caller, file_id)


async def get_content(tx: Transaction, caller: Caller, file_id: str) -> File:
    """A file that has bytes. Fails with NOT_FOUND, VALIDATION_FAILED."""
    file = await get_visible(tx, caller, file_id)
    if file.kind is not Kind.FILE:
        raise LumetryError(Reason.VALIDATION_FAILED, f"A {file.kind.value} has no content")
    return file


async def find_visible_files(tx: Transaction, caller: Caller, ids: Collection[str]) -> set[str]:
    """Those of the ids that are files which the caller sees."""
    return set(await store.find(tx, caller.organization_id, await find_hidden(tx, caller), ids)) if ids else set()
