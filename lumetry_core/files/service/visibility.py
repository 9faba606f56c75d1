"""Who sees which files: those of private projects, and of their sessions, only the projects' owners."""

from collections.abc import Collection

from lumetry_core.files.model import File
from lumetry_core.files.store import files as store
from lumetry_core.files.store.files import Hidden
from lumetry_core.projects.service import list_hidden_projects
from lumetry_core.runtime.caller import Caller, Permission
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.sessions.service.reading import list_hidden_sessions, list_projects_of_sessions


async def find_hidden(tx: Transaction, caller: Caller) -> Hidden:
    """What the caller does not see."""
    project_ids = await list_hidden_projects(tx, caller.organization_id, caller.user_id)
    if not project_ids:
        return Hidden()
    return Hidden(project_ids, await list_hidden_sessions(tx, caller.organization_id, project_ids))


async def get_visible(tx: Transaction, caller: Caller, file_id: str, *, trashed: bool = False, lock: bool = False) -> File:
    """The file as far as the caller sees it. Fails with NOT_FOUND."""
    hidden = await find_hidden(tx, caller)
    found = await store.find(tx, caller.organization_id, hidden, [file_id], trashed=trashed, lock=lock)
    if file_id not in found:
        raise unknown(file_id)
    return found[file_id]


async def find_owners(tx: Transaction, file: File) -> list[str]:
    """The projects to which a file belongs itself, by its session or by a folder above it; the private ones alone where any is."""
    owners = await store.list_owners(tx, file.organization_id, file.id)
    sessions = {session_id for _, session_id in owners if session_id is not None}
    found = {project_id for project_id, _ in owners if project_id is not None}
    if sessions:
        found |= await list_projects_of_sessions(tx, file.organization_id, sessions)
    if not found:
        return []
    private = found & await list_hidden_projects(tx, file.organization_id, None)
    return sorted(private or found, key=lambda project_id: (project_id != file.project_id, project_id))


def check_owned(caller: Caller, files: Collection[File]) -> None:
    """Refuses to change files of others to whoever does not manage the workspace. Fails with PERMISSION_DENIED."""
    if caller.kind is None or caller.may(Permission.MANAGE_WORKSPACE):
        return
    if any(file.owner_id is None or file.owner_id != caller.user_id for file in files):
        name = Permission.MANAGE_WORKSPACE.value
        raise LumetryError(Reason.PERMISSION_DENIED, f"Files of other members need the permission {name}.", permission=name)


def unknown(file_id: str) -> LumetryError:
    """The failure for a file that does not exist for the caller."""
    return LumetryError(Reason.NOT_FOUND, "File not found", type="File", id=file_id)
