import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from lumetry_core.access.service.log_keys import create_log_key
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.projects import service
from lumetry_core.projects.draft import Draft
from lumetry_core.projects.model import LogSettings, Project, Settings, Status, Visibility
from lumetry_core.projects.store.projects import projects
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock, to_ms
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason

OWNER = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=3, user_name="ann", stepped_up=True)
OTHER = replace(OWNER, user_id=4, user_name="bob")
STALE = replace(OWNER, stepped_up=False)
KEY = replace(OWNER, kind=CredentialKind.WORKSPACE_KEY, stepped_up=False)
TOKEN = replace(KEY, kind=CredentialKind.API_TOKEN)
STRANGER = replace(OWNER, organization_id=8)
SCRUB = '{"logs": {"scrubEmails": true}}'


async def create(database: Database, clock: Clock, caller: Caller = OWNER, **fields: Any) -> Project:
    async with database.write() as tx:
        return await service.create(tx, caller, Draft(**fields), clock.now())


async def update(database: Database, clock: Clock, id_or_slug: str, caller: Caller = OWNER, **fields: Any) -> Project:
    async with database.write() as tx:
        return await service.update(tx, caller, id_or_slug, Draft(**fields), set(fields), clock.now())


async def delete(database: Database, clock: Clock, id_or_slug: str, caller: Caller = OWNER) -> Project:
    async with database.write() as tx:
        return await service.delete(tx, caller, id_or_slug, clock.now())


async def get(database: Database, id_or_slug: str, caller: Caller = OWNER) -> Project:
    async with database.read() as tx:
        return await service.get_project(tx, caller, id_or_slug)


async def listed(database: Database, caller: Caller = OWNER, **wanted: Any) -> tuple[list[str], str]:
    asked = {"status": "", "search": "", "tag": "", "limit": None, "cursor": ""} | wanted
    async with database.read() as tx:
        projects, cursor = await service.list_projects(tx, caller, **asked)
    return [project.slug for project in projects], cursor


async def audit(database: Database) -> list[tuple[str, str]]:
    async with database.read() as tx:
        rows = await tx.execute(select(audit_logs.c.action, audit_logs.c.entity_id).order_by(audit_logs.c.id))
        return [(row.action, row.entity_id) for row in rows]


def refused(reason: Reason, message: str) -> Any:
    def matches(error: LumetryError) -> bool:
        return (error.reason, error.message) == (reason, message)

    return pytest.raises(LumetryError, check=matches)


async def test_create_stores_a_project(database: Database, clock: Clock) -> None:
    """The caller owns it, the slug comes from the name, and the creation is audited."""
    project = await create(
        database, clock, name=" Web Shop ", tags=("a",), metadata='{"k": 1}', settings='{"theme": 2}', visibility="private"
    )
    assert UUID(project.id).version == 4
    assert project == Project(
        organization_id=7,
        id=project.id,
        slug="web-shop",
        name="Web Shop",
        create_time=clock.now(),
        update_time=clock.now(),
        owner_id=3,
        visibility=Visibility.PRIVATE,
        tags=("a",),
        metadata={"k": 1},
        settings=Settings(free={"theme": 2}),
    )
    assert await get(database, project.id) == await get(database, "web-shop") == project
    assert await audit(database) == [("Project.Created", project.id)]


async def test_create_without_name_takes_it_from_the_description(database: Database, clock: Clock) -> None:
    """The first 80 characters become the name; with neither it fails."""
    description = "d" * 79 + " and so on"
    project = await create(database, clock, description=description)
    assert (project.name, project.description) == ("d" * 79, description)
    with pytest.raises(LumetryError) as caught:
        await create(database, clock, description=" ")
    assert (caught.value.reason, caught.value.faults) == (Reason.VALIDATION_FAILED, (Fault("name", "or a description is required"),))


async def test_create_numbers_slugs_that_are_taken(database: Database, clock: Clock) -> None:
    """Names may repeat; a slug that was asked for may not, except that of a deleted project or of another organization."""
    slugs = [(await create(database, clock, name="Web")).slug for _ in range(3)]
    assert slugs == ["web", "web-2", "web-3"]
    with refused(Reason.CONFLICT, "Another project has the slug web-2"):
        await create(database, clock, name="Other", slug="web-2")
    assert (await create(database, clock, name="Default")).slug == "default-2"
    await delete(database, clock, "web-2")
    assert (await create(database, clock, name="Other", slug="web-2")).slug == "web-2"
    assert (await create(database, clock, STRANGER, name="Web")).slug == "web"


async def test_create_at_once_gives_each_its_own_slug(database: Database, clock: Clock) -> None:
    """Creations that run at the same time, the first in their organization, do not get in each other's way."""
    projects = await asyncio.gather(*(create(database, clock, name="Web") for _ in range(5)))
    assert sorted(project.slug for project in projects) == ["web", "web-2", "web-3", "web-4", "web-5"]
    assert sorted((await listed(database))[0]) == ["default", "web", "web-2", "web-3", "web-4", "web-5"]


@pytest.mark.parametrize("caller", [KEY, TOKEN])
async def test_programs_change_neither_visibility_nor_log_settings(database: Database, clock: Clock, caller: Caller) -> None:
    """Both need a browser session, whatever the rest of the request is worth; nothing is changed."""
    project = await create(database, clock, name="Web", settings=SCRUB)
    with refused(Reason.INTERACTIVE_ONLY, "Project sharing requires a browser session"):
        await update(database, clock, project.id, caller, visibility="nonsense", name="")
    message = "Log privacy settings require a browser session"
    for settings in ("{}", '{"logs": {"scrubEmails": true, "retentionDays": 1}}', '{"logs": 5}'):
        with refused(Reason.INTERACTIVE_ONLY, message):
            await update(database, clock, project.id, caller, settings=settings)
    with refused(Reason.INTERACTIVE_ONLY, message):
        await create(database, clock, caller, name="Web", settings=SCRUB)
    with refused(Reason.INTERACTIVE_ONLY, message):
        await update(database, clock, "unknown", caller, settings=SCRUB)
    assert await get(database, project.id) == project
    assert sorted((await listed(database))[0]) == ["default", "web"]


async def test_programs_change_other_settings(database: Database, clock: Clock) -> None:
    """Settings beside those of the logs are free as long as these stay what they are."""
    project = await create(database, clock, name="Web", settings=SCRUB)
    changed = await update(database, clock, project.id, KEY, settings='{"theme": 1, "logs": {"scrubEmails": true}}')
    assert changed.settings == Settings(LogSettings(scrub_emails=True), {"theme": 1})
    assert (await create(database, clock, KEY, name="Api", settings='{"logs": {}}')).settings == Settings()


async def test_log_settings_need_a_fresh_login(database: Database, clock: Clock) -> None:
    """An interactive session that is not stepped up is refused; sharing needs no step-up."""
    with refused(Reason.STEP_UP_REQUIRED, "Step-up authentication required"):
        await create(database, clock, STALE, name="Web", settings=SCRUB)
    project = await create(database, clock, STALE, name="Web")
    with refused(Reason.STEP_UP_REQUIRED, "Step-up authentication required"):
        await update(database, clock, project.id, STALE, settings=SCRUB)
    assert (await update(database, clock, project.id, STALE, visibility="private")).visibility is Visibility.PRIVATE
    assert (await update(database, clock, project.id, settings=SCRUB)).settings == Settings(LogSettings(scrub_emails=True))


async def test_update_changes_only_what_is_named(database: Database, clock: Clock) -> None:
    """Named fields are replaced or cleared, the others stay; the audit has both sides."""
    before = await create(database, clock, name="Web", description="d", prompt="p", tags=("a",), metadata='{"k": 1}')
    clock.advance(seconds=1)
    after = await update(database, clock, "web", slug="shop", description=None, tags=("b", "c"), status="archived")
    assert after == replace(before, slug="shop", description=None, tags=("b", "c"), status=Status.ARCHIVED, update_time=clock.now())
    assert await get(database, "shop") == after
    assert await audit(database) == [("Project.Created", before.id), ("Project.Updated", before.id)]


async def test_update_to_what_it_is_already_changes_nothing(database: Database, clock: Clock) -> None:
    """The time of the last change stays, and the audit has nothing to tell."""
    before = await create(database, clock, name="Web", tags=("a",))
    clock.advance(seconds=1)
    assert await update(database, clock, "web", name="Web", slug="web", tags=("a", "a")) == before
    assert await audit(database) == [("Project.Created", before.id)]


async def test_update_fails_without_a_field(database: Database, clock: Clock) -> None:
    """A change of nothing is a mistake; so is one of fields that do not exist."""
    await create(database, clock, name="Web")
    for names in (set(), {"id"}):
        with pytest.raises(LumetryError) as caught:
            async with database.write() as tx:
                await service.update(tx, OWNER, "web", Draft(), names, clock.now())
        assert (caught.value.reason, caught.value.faults) == (Reason.VALIDATION_FAILED, (Fault("", "No field to change was given"),))


async def test_update_to_a_taken_slug_conflicts(database: Database, clock: Clock) -> None:
    """A slug that only begins like another is free."""
    await create(database, clock, name="Web")
    await create(database, clock, name="Api")
    with refused(Reason.CONFLICT, "Another project has the slug web"):
        await update(database, clock, "api", slug="web")
    assert (await update(database, clock, "api", slug="we")).slug == "we"


async def test_private_projects_do_not_exist_for_others(database: Database, clock: Clock) -> None:
    """Reading, changing, deleting and listing treat them as unknown, and so do other organizations any project."""
    await create(database, clock, name="Mine", visibility="private")
    await create(database, clock, name="Web")
    for caller, slug in ((OTHER, "mine"), (STRANGER, "web"), (OWNER, "unknown"), (OWNER, "a\0"), (OWNER, "")):
        for attempt in (
            get(database, slug, caller),
            update(database, clock, slug, caller, name="x"),
            delete(database, clock, slug, caller),
        ):
            with refused(Reason.NOT_FOUND, "Project not found"):
                await attempt
    assert sorted((await listed(database))[0]) == ["default", "mine", "web"]
    assert sorted((await listed(database, OTHER))[0]) == ["default", "web"]
    async with database.read() as tx:
        found = await service.find_project(tx, 7, "mine")
    assert found is not None


async def test_find_project_prefers_the_id(database: Database, clock: Clock) -> None:
    """A slug that looks like another project's id does not hide it."""
    first = await create(database, clock, name="First")
    await create(database, clock, name="Second", slug=first.id)
    assert (await get(database, first.id)).name == "First"


async def test_delete_hides_a_project(database: Database, clock: Clock) -> None:
    """It is in no list and unknown to every verb, a second deletion included."""
    project = await create(database, clock, name="Web")
    assert await delete(database, clock, "web") == project
    with refused(Reason.NOT_FOUND, "Project not found"):
        await delete(database, clock, project.id)
    assert await listed(database, status="all") == (["default"], "")
    assert await audit(database) == [("Project.Created", project.id), ("Project.Deleted", project.id)]


async def test_delete_waits_for_log_keys_to_be_revoked(database: Database, clock: Clock) -> None:
    """A project that a key still pushes to stays."""
    project = await create(database, clock, name="Web")
    async with database.write() as tx:
        await create_log_key(tx, OWNER, name="app", project_id=project.id, environment="", access="", expire_time=None, now=clock.now())
    with refused(Reason.CONFLICT, "Revoke the project's log keys first"):
        await delete(database, clock, "web")
    assert await get(database, "web") == project


async def test_default_project_is_made_once_and_protected(database: Database, clock: Clock) -> None:
    """Every organization has its own; it can be renamed but keeps its slug, stays visible and is never deleted."""
    async with database.write() as tx:
        first = await service.default_project(tx, 7, clock.now())
        assert await service.default_project(tx, 7, clock.now()) == first
        assert (await service.default_project(tx, 8, clock.now())).id != first.id
    assert first == Project(7, first.id, "default", "Default", clock.now(), clock.now(), is_default=True)
    with refused(Reason.PERMISSION_DENIED, "The default project cannot be deleted"):
        await delete(database, clock, "default")
    for fields in ({"slug": "other"}, {"visibility": "private"}):
        with refused(Reason.PERMISSION_DENIED, "The default project keeps its slug and is seen by the whole team"):
            await update(database, clock, "default", **fields)
    assert (await update(database, clock, "default", name="Everything else")).is_default


async def test_list_projects_filters(database: Database, clock: Clock) -> None:
    """Last changed first; status, part of a text and tag narrow the list, alone and together."""
    await create(database, clock, name="Web shop", tags=("eu", 'x","y'))
    clock.advance(seconds=1)
    await create(database, clock, name="Api", description="Serves the WEB", tags=("eu-west",))
    clock.advance(seconds=1)
    await create(database, clock, name="Old", tags=("eu",))
    await update(database, clock, "old", status="archived")
    assert (await listed(database))[0][0] == "api"
    for wanted, slugs in (
        ({"status": "archived"}, ["old"]),
        ({"search": "web"}, ["api", "web-shop"]),
        ({"search": "WEB-s"}, ["web-shop"]),
        ({"search": "%"}, []),
        ({"tag": "eu"}, ["web-shop"]),
        ({"tag": "EU"}, []),
        ({"tag": " eu\n"}, ["web-shop"]),
        ({"tag": ","}, []),
        ({"tag": "eu", "status": "all"}, ["old", "web-shop"]),
        ({"tag": "eu", "search": "old", "status": "all"}, ["old"]),
    ):
        assert await listed(database, **wanted) == (slugs, ""), wanted


async def test_list_projects_pages_without_repeating_or_skipping(database: Database, clock: Clock) -> None:
    """Equal times do not confuse the order. What is added does not show; what is changed, seen or not, stands where it stood."""
    for number in range(7):
        await create(database, clock, name=f"p{number}")
    clock.advance(seconds=1)
    await update(database, clock, "p3", description="first")
    expected, _ = await listed(database)
    seen, cursor = await listed(database, limit=2)
    while cursor:
        for slug in (expected[0], expected[-1], expected[3]):
            clock.advance(seconds=1)
            await update(database, clock, slug, description=str(clock.now()))
        await create(database, clock, name="new")
        page, cursor = await listed(database, limit=2, cursor=cursor)
        seen += page
    assert seen == expected


async def test_list_projects_forgets_places_nobody_can_need(database: Database, clock: Clock) -> None:
    """Of former update times those of the last hour are kept, and the one before."""
    await create(database, clock, name="Web")
    for minutes in (1, 50, 20):
        clock.advance(minutes=minutes)
        await update(database, clock, "web", description=str(minutes))
    async with database.read() as tx:
        [earlier] = (await tx.execute(select(projects.c.earlier_updates).where(projects.c.slug == "web"))).scalars()
    start = to_ms(clock.now()) - 71 * 60_000
    assert earlier == f"[{start + 51 * 60_000},{start + 60_000}]"


@pytest.mark.parametrize(
    ("wanted", "reason", "fault"),
    [
        ({"limit": 0}, Reason.OUT_OF_RANGE, Fault("limit", "must be between 1 and 200")),
        ({"limit": 201}, Reason.OUT_OF_RANGE, Fault("limit", "must be between 1 and 200")),
        ({"cursor": "x"}, Reason.VALIDATION_FAILED, Fault("cursor", "is not one of this list")),
        ({"search": "a\0"}, Reason.VALIDATION_FAILED, Fault("search", "must not contain U+0000")),
        ({"tag": "a\0"}, Reason.VALIDATION_FAILED, Fault("tag", "must not contain U+0000")),
        ({"status": "gone"}, Reason.VALIDATION_FAILED, Fault("status", "must be active, archived or all")),
    ],
)
async def test_list_projects_refuses(database: Database, wanted: dict[str, Any], reason: Reason, fault: Fault) -> None:
    """Limits outside the range, foreign cursors and unknown words fail."""
    with pytest.raises(LumetryError) as caught:
        await listed(database, **wanted)
    assert (caught.value.reason, caught.value.faults) == (reason, (fault,))
