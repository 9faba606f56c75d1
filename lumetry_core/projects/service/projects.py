"""The verbs of projects."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from typing import Any

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.log_keys import count_active_log_keys
from lumetry_core.projects.cursor import Position, read_cursor, write_cursor
from lumetry_core.projects.draft import FIELDS, Draft, check_logs, normalise, normalise_tag, read_draft
from lumetry_core.projects.model import (
    DEFAULT_NAME,
    DEFAULT_SLUG,
    NAME_FROM_DESCRIPTION,
    LogSettings,
    Project,
    Status,
    Visibility,
    audited,
    free_slug,
    sees,
    settings_of,
    slug_of,
)
from lumetry_core.projects.store import links as link_store
from lumetry_core.projects.store import projects as store
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason
from lumetry_core.runtime.identifiers import new_uuid

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
ALL = "all"
"""The status filter that filters nothing."""
AUDIT_TYPE = "Project"


async def find_project(tx: Transaction, organization_id: int, id_or_slug: str) -> Project | None:
    """The organization's project of an id, else of a slug; whether it is private does not matter."""
    return await store.find(tx, organization_id, id_or_slug)


async def default_project(tx: Transaction, organization_id: int, now: datetime) -> Project:
    """The organization's default project, made on first use, for which the transaction must write."""
    found = await store.find(tx, organization_id, DEFAULT_SLUG)
    if found is not None:
        return found
    made = Project(
        organization_id=organization_id,
        id=new_uuid(),
        slug=DEFAULT_SLUG,
        name=DEFAULT_NAME,
        create_time=now,
        update_time=now,
        is_default=True,
    )
    await store.insert(tx, made)  # nothing is added when another has just been quicker
    return await store.find(tx, organization_id, DEFAULT_SLUG) or made


async def is_settled(tx: Transaction, caller: Caller) -> bool:
    """Whether the organization has its default project, and that an owner if the caller could be it."""
    found = await store.find(tx, caller.organization_id, DEFAULT_SLUG)
    return found is not None and (found.owner_id is not None or caller.user_id is None)


async def settle(tx: Transaction, caller: Caller, now: datetime) -> None:
    """Sees to it that the default project is there and, once a user deals with projects, has an owner.

    Nobody else can give or take a slug of the organization until the transaction ends.
    """
    default = await default_project(tx, caller.organization_id, now)
    if default.owner_id is None and caller.user_id is not None:
        await store.save(tx, replace(default, owner_id=caller.user_id))
    await store.lock_slugs(tx, caller.organization_id)


async def find_visible(tx: Transaction, caller: Caller, id_or_slug: str) -> Project | None:
    """The project as far as the caller sees it."""
    found = await store.find(tx, caller.organization_id, id_or_slug)
    return found if found is not None and sees(found, caller.user_id) else None


async def get_project(tx: Transaction, caller: Caller, id_or_slug: str) -> Project:
    """The project as far as the caller sees it. Fails with NOT_FOUND."""
    found = await find_visible(tx, caller, id_or_slug)
    if found is None:
        raise unknown(id_or_slug)
    return found


async def list_projects(
    tx: Transaction, caller: Caller, *, status: str, search: str, tag: str, limit: int | None, cursor: str
) -> tuple[list[Project], str]:
    """A page of the projects that the caller sees, last changed first, with the cursor of the next page, empty at the end.

    Args:
        status: Empty: active ones; `all`: whatever their status.
        search: Part of a name, slug or description, ignoring case.
        limit: None: 50.

    Fails with VALIDATION_FAILED (`status`, `cursor`), OUT_OF_RANGE (`limit`).
    """
    status = status or Status.ACTIVE
    filters = (status, search, tag)
    faults = Faults()
    faults.check(status in (*Status, ALL), "status", "must be active, archived or all")
    after = read_cursor(cursor, filters) if cursor else None
    faults.check(not cursor or after is not None, "cursor", "is not one of this list")
    for name, text in (("search", search), ("tag", tag)):
        faults.check("\0" not in text, name, "must not contain U+0000")
    faults.check_range(limit is None or 1 <= limit <= MAX_LIMIT, "limit", f"must be between 1 and {MAX_LIMIT}")
    faults.raise_if_any()
    size = limit or DEFAULT_LIMIT
    chosen = store.Filter(caller.user_id, None if status == ALL else Status(status), normalise(search), normalise_tag(tag))
    found = await store.list_page(tx, caller.organization_id, chosen, after, size + 1)
    page = [project for project, _ in found[:size]]
    if len(found) <= size:
        return page, ""
    as_of = found[0][1] if after is None else after.as_of
    return page, write_cursor(filters, Position(as_of, found[size - 1][1], page[-1].id))


def check_new(caller: Caller, draft: Draft) -> dict[str, Any]:
    """The values of a project to be made. Fails with INTERACTIVE_ONLY, STEP_UP_REQUIRED, VALIDATION_FAILED, OUT_OF_RANGE."""
    faults = Faults()
    values = read_draft(draft, {name for name in FIELDS if getattr(draft, name) is not None}, faults)
    check_log_settings(caller, LogSettings(), values)
    faults.check(draft.name is not None or bool(values.get("description")), "name", "or a description is required")
    faults.raise_if_any()
    return values


async def create(tx: Transaction, caller: Caller, draft: Draft, now: datetime) -> Project:
    """Makes a project, which the caller owns. Fails as `check_new` and, when the slug is taken, with CONFLICT."""
    values = check_new(caller, draft)
    name = values.pop("name", None) or values["description"][:NAME_FROM_DESCRIPTION].rstrip()
    await settle(tx, caller, now)
    slug = values.pop("slug", None) or await choose_slug(tx, caller.organization_id, name)
    settings = settings_of(values.pop("settings", {}))
    project = Project(
        organization_id=caller.organization_id,
        id=new_uuid(),
        slug=slug,
        name=name,
        create_time=now,
        update_time=now,
        owner_id=caller.user_id,
        settings=settings,
        **values,
    )
    if not await store.insert(tx, project):
        raise slug_taken(slug)
    await record_audit(tx, caller, "Project.Created", AUDIT_TYPE, project.id, now, after=audited(project))
    return project


def check_change(caller: Caller, before: Project | None, draft: Draft, names: AbstractSet[str]) -> dict[str, Any]:
    """The new values of the named fields. Fails with INTERACTIVE_ONLY, STEP_UP_REQUIRED, VALIDATION_FAILED, OUT_OF_RANGE.

    Args:
        before: None: the caller sees no such project, which is a lesser fault than those found here.
    """
    if "visibility" in names:
        check_interactive(caller, "Project sharing requires a browser session")
    faults = Faults()
    faults.check(bool(names & FIELDS), "", "No field to change was given")
    values = read_draft(draft, names & FIELDS, faults)
    check_log_settings(caller, LogSettings() if before is None else before.settings.logs, values)
    faults.raise_if_any()
    return values


async def update(tx: Transaction, caller: Caller, id_or_slug: str, draft: Draft, names: AbstractSet[str], now: datetime) -> Project:
    """Changes the named fields of a project and no others.

    Fails as `check_change`, with NOT_FOUND, with CONFLICT when the slug is taken, and with PERMISSION_DENIED when the default project would
    lose its slug or be hidden.
    """
    await settle(tx, caller, now)
    before = await find_visible(tx, caller, id_or_slug)
    values = check_change(caller, before, draft, names)
    if before is None:
        raise unknown(id_or_slug)
    if "settings" in values:
        values["settings"] = settings_of(values["settings"])
    after = replace(before, **values)
    if after == before:
        return before
    if before.is_default and (after.slug, after.visibility) != (DEFAULT_SLUG, Visibility.TEAM):
        raise protected("The default project keeps its slug and is seen by the whole team")
    if after.slug != before.slug and await store.list_slugs(tx, caller.organization_id, after.slug) >= {after.slug}:
        raise slug_taken(after.slug)
    after = replace(after, update_time=now)
    await store.save(tx, after)
    await record_audit(tx, caller, "Project.Updated", AUDIT_TYPE, after.id, now, before=audited(before), after=audited(after))
    return after


async def delete(tx: Transaction, caller: Caller, id_or_slug: str, now: datetime) -> Project:
    """Hides a project for good. Fails with NOT_FOUND, PERMISSION_DENIED for the default one, CONFLICT while it has active log keys."""
    project = await get_project(tx, caller, id_or_slug)
    if project.is_default:
        raise protected("The default project cannot be deleted")
    if await count_active_log_keys(tx, caller.organization_id, project.id):
        raise LumetryError(Reason.CONFLICT, "Revoke the project's log keys first", type="Project", id=project.id, state="has_log_keys")
    await store.delete(tx, caller.organization_id, project.id, now)
    await link_store.delete_links_of(tx, caller.organization_id, project.id)
    await record_audit(tx, caller, "Project.Deleted", AUDIT_TYPE, project.id, now, before=audited(project))
    return project


async def choose_slug(tx: Transaction, organization_id: int, name: str) -> str:
    """The slug that a name suggests, numbered when it is taken."""
    wanted = slug_of(name)
    # A number may shorten a long slug, so the beginning that all candidates share is looked up.
    return free_slug(wanted, await store.list_slugs(tx, organization_id, wanted[:50]))


def check_log_settings(caller: Caller, before: LogSettings, values: Mapping[str, Any]) -> None:
    """Refuses a change of how logs are kept unless somebody has just logged in; what cannot be read counts as a change."""
    document = values.get("settings")
    if document is None:
        return
    faults = Faults()
    if "logs" in document:
        check_logs(document["logs"], "settings.logs", faults)
    if faults or settings_of(document).logs != before:
        check_interactive(caller, "Log privacy settings require a browser session")
        if caller.kind is CredentialKind.INTERACTIVE and not caller.stepped_up:
            raise LumetryError(Reason.STEP_UP_REQUIRED, "Step-up authentication required")


def check_interactive(caller: Caller, message: str) -> None:
    """Refuses programs, whatever their owners may do. Fails with INTERACTIVE_ONLY."""
    if caller.kind not in (CredentialKind.INTERACTIVE, None):
        raise LumetryError(Reason.INTERACTIVE_ONLY, message)


def unknown(id_or_slug: str) -> LumetryError:
    """The failure for a project that does not exist for the caller."""
    return LumetryError(Reason.NOT_FOUND, "Project not found", type="Project", id=id_or_slug)


def slug_taken(slug: str) -> LumetryError:
    """The failure for a slug of another project."""
    return LumetryError(Reason.CONFLICT, f"Another project has the slug {slug}", type="Project", id=slug, state="taken")


def protected(message: str) -> LumetryError:
    """The failure for what the default project does not allow."""
    return LumetryError(Reason.PERMISSION_DENIED, message, permission="")
